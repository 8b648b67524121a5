//! The stream operators, one per file: what a task runs between its inputs and its outputs.
//!
//! Use [`operator`] to make the operator of a graph node, [`SourcePipeline`] and [`SplitWatermarks`] to turn what a connector
//! reads into a stream with event time. It knows no threads, channels or clocks (those are `runtime`'s) and no SQL text.

mod calc;
mod expression;
mod factory;
mod groups;
mod match_recognize;
mod source_pipeline;
#[cfg(test)]
mod testing;
mod union;
mod values;
mod watermark_generator;
mod window_aggregate;
mod window_tvf;

pub use factory::operator;
pub use match_recognize::{MatchRecognizeOperator, RowPatternWindowOperator};
pub use source_pipeline::SourcePipeline;
pub use values::values;
pub use watermark_generator::SplitWatermarks;
