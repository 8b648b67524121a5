//! What the tests of several operators share.

pub(crate) mod dice;
mod test_job;

pub(crate) use dice::Dice;
pub(crate) use test_job::{Event, TestJob};
