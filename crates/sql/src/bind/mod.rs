//! From parsed queries to bound logical plans: names become columns, clauses become nodes, and everything that is wrong or
//! not supported is said here, with its place.
//!
//! DataFusion plans what is plain SQL. What stands in its place for `MATCH_RECOGNIZE` and the window table functions
//! ([`crate::ast`]) is taken up by [`relation`]; a clause goes through [`match_recognize`]. [`window_select`] makes a table
//! function of a window with a row pattern, and [`row_pattern_window`] binds it.

mod aggregate;
mod array_text;
mod as_of;
mod construct;
mod context;
mod correlated;
mod date_interval;
mod depth;
mod expression;
mod input;
mod match_recognize;
mod meaning;
mod navigation;
mod number;
mod ordering;
mod output;
mod own_expressions;
mod place;
mod plan_error;
mod query;
mod reference;
mod relation;
mod rewrite;
mod row_pattern_window;
mod subquery;
mod table_source;
mod time_zone;
mod variables;
mod views;
mod window_select;
mod window_tvf;

pub(crate) use construct::Construct;
pub(crate) use context::{function_names, optimized_by_datafusion, optimizer_context};
pub(crate) use depth::check_depth;
pub(crate) use expression::bind_column_expression;
pub(crate) use place::{duplicate_columns, placed};
pub(crate) use plan_error::plan_error;
pub(crate) use query::{analyse, bind_definition, bind_query, bind_view};
pub(crate) use reference::function_name;
pub use table_source::DipperTableSource;

#[cfg(test)]
mod error_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod window_tests;
