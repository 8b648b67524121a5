//! Row pattern recognition: `MATCH_RECOGNIZE` as one operator for both hosts, the dataflow and the ad-hoc query.
//!
//! Rows pass these stages, each a file: [`event_time_buffer`] holds them until the watermark and puts them in order
//! ([`row_order`]); [`partitions`] brings those of a partition together; [`row_store`] keeps them in columns as long as a match may
//! refer to them; [`letters`] evaluates ahead what conditions say of a row and its neighbours; [`search`] finds matches,
//! asking [`history`] about conditions on the match so far, which [`scalar`] programs evaluate; [`deadlines`] wakes what WITHIN ends; [`measures`] and [`output`] make
//! rows of the matches; [`snapshot`] says what a checkpoint holds of all this. The automata are `dipper-pattern`'s, the expressions DataFusion's. [`window`]
//! does the same for each frame of a window with a row pattern.

mod aggregates;
mod appended_rows;
mod classifiers;
mod conditions;
mod deadlines;
mod event_time_buffer;
mod found;
mod frame_expr;
mod gather;
mod history;
mod kept_columns;
mod letters;
mod measures;
mod native_time;
mod operator;
mod output;
mod partition_rows;
mod partition_states;
mod partitions;
mod row_order;
mod row_store;
mod scalar;
mod search;
mod snapshot;
mod stretches;
#[cfg(test)]
mod tests;
mod window;

pub use operator::MatchRecognizeOperator;
pub use window::RowPatternWindowOperator;
