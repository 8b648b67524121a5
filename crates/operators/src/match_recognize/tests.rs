//! The operator as a whole, fed by the harness with clauses made by hand.

#![allow(clippy::unwrap_used, reason = "tests")]

mod clause;
mod conditions;
mod measures;
mod random;
mod rows;
mod snapshots;
mod specialised;
mod time;
mod window;

pub(in crate::match_recognize) use crate::testing::dice;
