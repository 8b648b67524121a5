//! Queries over bounded inputs as DataFusion plans: everything that DataFusion can do to rows, with our tables and our
//! operators as nodes of its plan. Single-threaded by design: parallelism is the dataflow's matter.

mod node_properties;
mod operator_exec;
mod overflow;
mod planner;
mod query;
mod source_exec;
mod subquery;
mod watch;
mod write;

pub(crate) use query::plan;
pub(crate) use subquery::answered;
pub(crate) use watch::Watch;
pub(crate) use write::insert;
