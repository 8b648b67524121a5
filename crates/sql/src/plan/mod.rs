//! From statements to plans that run: the [`Planner`] binds, tells bounded from unbounded, and makes dataflow graphs.

mod calc;
mod dataflow;
mod insert;
mod operator_id;
mod optimize;
mod planner;
mod window_aggregate;

pub use insert::own_name;
pub(crate) use optimize::{for_batch, for_dataflow};
pub use planner::Planner;

#[cfg(test)]
mod tests;
