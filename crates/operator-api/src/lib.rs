//! The contracts between the runtime and what runs in it: [`Operator`], [`Source`], [`Sink`] and the [`StreamElement`]s that
//! flow between them.
//!
//! Use it to write an operator or a connector. It runs nothing itself: threads, channels and barrier alignment are the
//! runtime's, what a job consists of is the graph's.

pub mod harness;
mod key_groups;
mod latency;
mod metrics;
mod operator;
mod row_kind;
mod sink;
mod source;
mod stream_element;
mod timestamps;

pub use key_groups::{KEY_HASH_VERSION, key_groups, key_hashes};
pub use latency::{Latency, LatencyCounts};
pub use metrics::OperatorMetrics;
pub use operator::{Operator, OperatorCtx, Port};
pub use row_kind::{ROW_KIND_COLUMN, RowKind};
pub use sink::{Committable, Prepared, Sink, SinkWriter};
pub use source::{Boundedness, ReadOptions, Source, Split, SplitPosition, SplitReader};
pub use stream_element::{Barrier, StreamElement};
pub use timestamps::{floor_us, refuse_times_beyond_calendar, timestamp_values, timestamps_us, watermark_us};
