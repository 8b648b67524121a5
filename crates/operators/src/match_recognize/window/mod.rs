//! Row patterns in windows: one row out for each row in, with what is known of the match in its frame.
//!
//! A frame is a partition of its own, from the current row to the frame's end. So navigation cannot leave it, and nothing of
//! the search is special: [`frames`] looks for the first match of each frame, [`letters`] says what a row may be in a frame,
//! [`output`] puts the measures and the aggregates beside the rows.

mod frames;
mod letters;
mod operator;
mod output;

pub use operator::RowPatternWindowOperator;
