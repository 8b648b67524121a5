//! A bound `MATCH_RECOGNIZE` clause as data: what the binder hands to both hosts of the matcher.
//!
//! Every condition and every measure is an ordinary scalar expression over a [`Frame`]: a row whose columns are
//! values *navigated to* from the match. Navigation is pushed down to single columns, so `PREV(LAST(A.x + A.y, 2), 3)` is
//! `x@t + y@t` with one [`Target`] `t` in two frame columns.

use arrow::datatypes::{DataType, SchemaRef};
use dipper_pattern::{OnSkipError, Pattern, Skip, SymbolId, SymbolSet, Timeouts};
use serde::{Deserialize, Serialize};

use crate::BoundExpr;

/// Whether a navigation or aggregate sees the match up to the current row or the whole of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Semantics {
    /// Up to the current row.
    Running,
    /// The whole match.
    Final,
}

/// Where a navigation starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Logical {
    /// The row under test (DEFINE), the output row (ALL ROWS), the last row (ONE ROW).
    Current,
    /// The row `offset` rows after the first one mapped to one of `symbols`.
    First {
        /// All symbols of the pattern for the universal variable.
        symbols: SymbolSet,
        /// Counted in rows mapped to `symbols`.
        offset: u64,
        /// Which rows count.
        semantics: Semantics,
    },
    /// The row `offset` rows before the last one mapped to one of `symbols`.
    Last {
        /// All symbols of the pattern for the universal variable.
        symbols: SymbolSet,
        /// Counted in rows mapped to `symbols`.
        offset: u64,
        /// Which rows count.
        semantics: Semantics,
    },
}

/// A row reached by navigation: a logical step, then a physical one within the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target {
    /// Where it starts.
    pub logical: Logical,
    /// Rows forward (NEXT) or, negative, backward (PREV).
    pub shift: i64,
}

impl Target {
    /// The current row itself.
    pub const CURRENT: Self = Self { logical: Logical::Current, shift: 0 };

    /// The fixed distance from the current row, if that is all the target depends on.
    pub fn fixed_distance(&self) -> Option<i64> {
        (self.logical == Logical::Current).then_some(self.shift)
    }
}

/// An aggregate over the rows of the match that are mapped to some symbols.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AggregateCall {
    /// A bound `Expr::AggregateFunction` (with its DISTINCT, FILTER and ORDER BY) over the input's columns by name,
    /// plus `classifier` where the arguments use CLASSIFIER().
    pub call: BoundExpr,
    /// The rows.
    pub symbols: SymbolSet,
    /// Up to the current row, or the whole match.
    pub semantics: Semantics,
}

impl AggregateCall {
    /// The extra column that holds each row's CLASSIFIER().
    pub const CLASSIFIER_COLUMN: &'static str = "classifier()";
}

/// One column of a [`Frame`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FrameColumn {
    /// The value of an input column on the target row; NULL where there is no such row.
    Input {
        /// Index of the input column.
        column: usize,
        /// The row.
        target: Target,
    },
    /// Whether the target row exists.
    Exists {
        /// The row.
        target: Target,
    },
    /// CLASSIFIER of the target row.
    Classifier {
        /// The row.
        target: Target,
    },
    /// An aggregate.
    Aggregate(AggregateCall),
    /// MATCH_NUMBER().
    MatchNumber,
    /// MATCH_ROWTIME(): the event time of the match's last row, or the deadline of a time-out.
    MatchRowtime,
    /// MATCH_STATUS().
    MatchStatus,
    /// MATCH_PROCTIME(): when the match is put out, by the wall clock.
    MatchProctime,
}

impl FrameColumn {
    /// Where the column navigates to, if it does.
    pub fn target(&self) -> Option<&Target> {
        match self {
            Self::Input { target, .. } | Self::Exists { target } | Self::Classifier { target } => Some(target),
            _ => None,
        }
    }
}

/// The row over which a condition or measure is evaluated: `schema.field(i)` is `columns[i]`, by a name that reads like the SQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// What each column holds.
    pub columns: Vec<FrameColumn>,
    /// Names and types.
    pub schema: SchemaRef,
}

/// A scalar expression over a frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameExpr {
    /// The row.
    pub frame: Frame,
    /// Over the frame's columns.
    pub expr: BoundExpr,
    /// The type of the value.
    pub data_type: DataType,
}

/// What a DEFINE condition depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConditionClass {
    /// The current row and rows at a fixed distance: evaluated for whole batches ahead of the search.
    R,
    /// Also the match's first row or its number.
    S,
    /// The history of the match: other variables, FIRST/LAST of them, aggregates.
    H,
}

/// `symbol AS condition`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Define {
    /// The variable.
    pub symbol: SymbolId,
    /// Boolean; NULL is false.
    pub condition: FrameExpr,
}

impl Define {
    /// What the condition depends on.
    pub fn class(&self) -> ConditionClass {
        let class = |column: &FrameColumn| match column {
            FrameColumn::Input { target, .. } | FrameColumn::Exists { target } if target.fixed_distance().is_some() => {
                ConditionClass::R
            }
            FrameColumn::MatchNumber => ConditionClass::S,
            _ => ConditionClass::H,
        };
        let rank = |class: &ConditionClass| *class as u8;
        self.condition.frame.columns.iter().map(class).max_by_key(rank).unwrap_or(ConditionClass::R)
    }
}

/// `expr AS name`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// The output column.
    pub name: String,
    /// Its value.
    pub value: FrameExpr,
}

/// What a match puts out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RowsPerMatch {
    /// One row: partition columns, then measures.
    One,
    /// A row per row of the match; an empty match shows its starting row.
    AllShowEmpty,
    /// A row per row of the match; nothing for an empty one.
    AllOmitEmpty,
    /// As `AllShowEmpty`, and a row for each row of no match.
    AllWithUnmatched,
}

/// What follows a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AfterMatch {
    /// Where the search goes on.
    pub skip: Skip,
    /// What happens when it cannot go on there.
    pub on_error: OnSkipError,
}

/// `WITHIN [INCLUSIVE] interval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WithinSpec {
    /// The interval.
    pub span_us: i64,
    /// Whether a row at exactly this distance belongs.
    pub inclusive: bool,
}

/// One ORDER BY key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OrderKey {
    /// Index of the input column.
    pub column: usize,
    /// DESC.
    pub descending: bool,
    /// NULLS FIRST.
    pub nulls_first: bool,
}

/// A bound clause. Expressions in PARTITION BY and ORDER BY have become input columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchRecognizeSpec {
    /// The rows that come in.
    pub input_schema: SchemaRef,
    /// The rows that go out: for ONE ROW the partition columns, then the measures; for ALL ROWS the partition columns, the order
    /// columns, the measures, the remaining input columns, each once.
    pub output_schema: SchemaRef,
    /// Input columns.
    pub partition_by: Vec<usize>,
    /// Input columns.
    pub order_by: Vec<OrderKey>,
    /// The leading ORDER BY column, if it is a time attribute and rows are to be released by the watermark; `None` sorts at the end of
    /// the input.
    pub event_time: Option<usize>,
    /// The input columns (beside partition and order columns) that ALL ROWS puts out, in output order.
    pub remaining: Vec<usize>,
    /// The pattern.
    pub pattern: Pattern,
    /// The variables' names; a symbol is an index into it.
    pub variables: Vec<String>,
    /// The conditions; a variable without one is always true.
    pub defines: Vec<Define>,
    /// The measures.
    pub measures: Vec<Measure>,
    /// The output.
    pub rows_per_match: RowsPerMatch,
    /// The skip.
    pub after_match: AfterMatch,
    /// The bound in time; needs a leading ascending ORDER BY column of a timestamp type.
    pub within: Option<WithinSpec>,
    /// Whether partial matches that time out are put out.
    pub timeouts: Timeouts,
}
