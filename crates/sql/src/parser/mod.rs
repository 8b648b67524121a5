//! From text to [statements](crate::ast): what a script may say, with the place of every mistake.
//!
//! [`tokens`] cuts the text up, [`statement`] reads our own statements, [`query`] hands queries to `sqlparser` after
//! [`rewrite`] has put calls in place of what it cannot read: [`match_recognize`] clauses, row patterns in windows
//! ([`window_pattern`]) and window table functions. [`miscomputed`] refuses what DataFusion would compute wrongly.

mod create_table;
mod cursor;
mod match_recognize;
mod miscomputed;
mod parameter;
mod postgres;
mod query;
mod rewrite;
mod script;
mod statement;
mod tokens;
mod window_pattern;
mod window_tvf;

#[cfg(test)]
mod error_tests;
#[cfg(test)]
mod robustness_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod window_error_tests;

pub use parameter::parameter_count;
pub use script::{is_complete, parse_script, parse_script_with};
pub use statement::with_columns;
pub use tokens::tokenize;
