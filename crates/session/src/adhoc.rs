//! Queries over bounded inputs as DataFusion plans: everything that DataFusion can do to rows, with our tables and our
//! operators as nodes of its plan. What reads files and generators has one thread, for their order; tables that Dipper keeps are read by all of them.

mod careful_pushdown;
mod careful_scans;
mod compared_casts;
mod cooperative;
mod grouping_sets;
mod host;
mod node_properties;
mod operator_exec;
mod planner;
mod query;
mod skipped_rows;
mod source_exec;
mod subquery;
mod table_scan;
mod text_conditions;
mod text_views;
mod unknown_rows;
mod watch;
mod write;

pub(crate) use host::{Host, Shared, compute};
pub(crate) use query::{Plan, plan};
pub(crate) use subquery::answered;
pub(crate) use watch::Watch;
pub(crate) use write::insert;
