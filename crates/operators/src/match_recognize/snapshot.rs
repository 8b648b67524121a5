//! What the operator hands over at a barrier, as tables of columns, and what it knows of what it has handed over.
//!
//! The tables hold rows and counters, nothing of an automaton: the searches follow from the rows since the first open start, through
//! conditions that give the same answers again. So stored state does not depend on how a clause is compiled.

mod changes;
mod progress;
mod tables;
mod waiting;

pub(super) use changes::{Changes, PartitionKey};
pub(super) use progress::Progress;
pub(super) use tables::{StoredPartitions, Tables, does_not_fit, gather};
