//! What the operator hands over at a barrier, as tables of columns, and what it knows of what it has handed over.
//!
//! The tables hold rows and counters, nothing of an automaton: the searches follow from the rows since the first open start, through
//! conditions that give the same answers again. So stored state does not depend on how a clause is compiled.
//!
//! The task notes where a partition's search stands when it has changed, in passing, and gives the notes away at a barrier: a [`Delta`].
//! Which note of a partition is the latest, what it is called in stored state, and which rows are gone is found in the [`Ledger`] while
//! the task goes on.

mod changes;
mod delta;
mod ledger;
mod progress;
mod tables;
mod waiting;

pub(super) use changes::Changes;
pub(super) use delta::{Counters, Delta, KeptRows, OfPartitions, Standing};
pub(super) use ledger::{Ledger, PartitionKey};
pub(super) use progress::Progress;
pub(super) use tables::{StoredPartitions, Tables, does_not_fit, gather};
