//! Sources, sinks and formats: what stands behind `CREATE TABLE … WITH ('connector' = …, 'format' = …)`.
//!
//! Use it to turn a table's definition into a [`dipper_operator_api::Source`] or [`dipper_operator_api::Sink`]. It runs
//! nothing by itself: which splits a subtask reads, watermarks, and when to commit are the runtime's; computed columns
//! and everything else about SQL are the planner's.

mod blackhole;
mod clock;
mod datagen;
mod delta;
mod filesystem;
mod format;
mod near_miss;
mod option_values;
mod options;
mod print;
mod row_text;
mod sink_rows;
mod table;

pub use delta::DeltaTable;
pub use filesystem::object_store;
pub use near_miss::nearest;
pub use option_values::parse_duration;
pub use options::TableOptions;
pub use table::{TableDefinition, sink, source, validate};
