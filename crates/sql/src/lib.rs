//! The SQL front end: text → statements ([`parse_script`], [`ast`]) → bound plans → dataflow graphs.
//!
//! Use it to turn a script into something that runs. It reads no data and runs nothing: that is the session's business.

pub mod ast;
mod bind;
pub mod catalog;
mod dialect;
mod explain;
mod interval;
pub mod logical;
mod parser;
mod plan;
mod source_text;
#[cfg(test)]
mod test_catalog;

pub use bind::DipperTableSource;
pub use explain::unbounded_state;
pub use parser::{is_complete, parameter_count, parse_script, parse_script_with, tokenize, with_columns};
pub use plan::{Planner, own_name};
