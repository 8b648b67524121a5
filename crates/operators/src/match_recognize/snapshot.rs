//! What the operator hands over at a barrier, as tables of columns, and what it knows of what it has handed over.
//!
//! The tables hold rows and counters, nothing of an automaton: the searches follow from the rows since the first open start, through
//! conditions that give the same answers again. So stored state does not depend on how a clause is compiled.
//!
//! At a barrier the task gives away a [`Delta`], which costs little more than copying the counters of the partitions that have changed. What
//! they are called in stored state, and which rows are gone, is looked up in the [`Ledger`] while the task goes on.

mod changes;
mod delta;
mod ledger;
mod progress;
mod tables;
mod waiting;

pub(super) use changes::Changes;
pub(super) use delta::{Counters, Delta, KeptRows, OfPartitions};
pub(super) use ledger::{Ledger, PartitionKey};
pub(super) use progress::Progress;
pub(super) use tables::{StoredPartitions, Tables, does_not_fit, gather};
