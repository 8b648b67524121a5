//! What each kind of node does, as data.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};

use crate::{BoundExpr, MatchRecognizeSpec, NamedExpr, RowPatternWindowSpec};

/// The kinds of node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum OperatorSpec {
    /// Reads a table; computes its computed columns and watermarks.
    Source(SourceSpec),
    /// Emits literal rows and ends.
    Values(ValuesSpec),
    /// Filters, then projects.
    Calc(CalcSpec),
    /// Merges inputs of one schema.
    Union,
    /// Adds `window_start`, `window_end` and `window_time` to each row.
    WindowTvf(WindowTvfSpec),
    /// Aggregates per key and window.
    WindowAggregate(WindowAggregateSpec),
    /// Row pattern recognition.
    MatchRecognize(Box<MatchRecognizeSpec>),
    /// Row pattern recognition in a window; in ad-hoc queries only.
    RowPatternWindow(Box<RowPatternWindowSpec>),
    /// Writes a table.
    Sink(SinkSpec),
    /// Hands rows to the client that started the job.
    Collect,
}

/// A table with a connector, as the catalog knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSpec {
    /// The table's name.
    pub name: String,
    /// Physical and metadata columns, in the order of the definition, without computed ones.
    pub columns: SchemaRef,
    /// Which of `columns` are metadata: index and metadata key.
    pub metadata: Vec<(usize, String)>,
    /// The WITH options.
    pub options: BTreeMap<String, String>,
}

/// A computed column, evaluated in the source over the columns before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComputedColumn {
    /// Its name.
    pub name: String,
    /// Over the table's physical, metadata and earlier computed columns.
    pub expr: BoundExpr,
}

/// `WATERMARK FOR column AS expr`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatermarkSpec {
    /// The time attribute's name.
    pub column: String,
    /// Over all columns of the table.
    pub expr: BoundExpr,
    /// A split that is silent for so long stops holding back the watermark ('scan.watermark.idle-timeout'), in ms.
    pub idle_timeout_ms: Option<u64>,
}

/// A source node. Columns flow as: table columns → computed columns → watermark → projection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SourceSpec {
    /// The table.
    pub table: TableSpec,
    /// In the order of evaluation.
    pub computed: Vec<ComputedColumn>,
    /// If the table has one.
    pub watermark: Option<WatermarkSpec>,
    /// The columns that the node emits, by name, from table and computed columns.
    pub output: Vec<String>,
    /// Whether the table goes on for ever.
    pub unbounded: bool,
}

/// Literal rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ValuesSpec {
    /// One list per row, constant expressions.
    pub rows: Vec<Vec<BoundExpr>>,
}

/// A filter and a projection in one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CalcSpec {
    /// Rows for which it is not true are dropped.
    pub filter: Option<BoundExpr>,
    /// The output columns; `None` passes the input columns on.
    pub projection: Option<Vec<NamedExpr>>,
}

/// The windows of a table function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WindowKind {
    /// Fixed, without overlap.
    Tumble {
        /// Length.
        size_us: i64,
        /// Shift from the epoch.
        offset_us: i64,
    },
    /// Fixed, one every `slide`.
    Hop {
        /// Distance between starts.
        slide_us: i64,
        /// Length, a multiple of the slide.
        size_us: i64,
        /// Shift from the epoch.
        offset_us: i64,
    },
}

/// `TUMBLE(TABLE t, DESCRIPTOR(ts), …)`, `HOP(…)`: the input's columns, then `window_start`, `window_end`, `window_time`, of the
/// time column's type. `window_time` is `window_end` less one millisecond, or one unit of a finer column, and is a time attribute.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WindowTvfSpec {
    /// The time column of the input.
    pub time_column: usize,
    /// The windows.
    pub kind: WindowKind,
}

/// The aggregates of [`WindowAggregateSpec`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AggregateFunction {
    /// The output column.
    pub name: String,
    /// A bound `Expr::AggregateFunction` over the input columns.
    pub expr: BoundExpr,
}

/// `GROUP BY window_start, window_end, keys`: emits one row per key and window when the watermark passes the window's end.
/// Output: the group columns in the order of `group_by`, then the aggregates.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WindowAggregateSpec {
    /// Group columns of the input, the window columns among them.
    pub group_by: Vec<usize>,
    /// The input's `window_end` column.
    pub window_end: usize,
    /// Those group columns that are not the window's, as the exchange in front hashes them; none if there is one subtask.
    pub keys: Vec<usize>,
    /// The aggregates.
    pub aggregates: Vec<AggregateFunction>,
}

/// A sink node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SinkSpec {
    /// The table.
    pub table: TableSpec,
}
