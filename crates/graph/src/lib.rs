//! The dataflow graph as data: what the planner makes of a statement and what the runtime executes.
//!
//! Use it to build, serialise, chain or print a job. It plans nothing (that is `sql`) and runs nothing (that is `runtime`).

mod bounded_function;
mod careful_casts;
mod careful_lists;
mod careful_simplification;
mod chain;
mod checked_arithmetic;
mod checked_sum;
mod datafusion_error;
mod expr;
mod frame_builder;
mod interval;
mod interval_length;
mod job_graph;
mod match_recognize;
mod membership;
mod nullable_subqueries;
mod operator_spec;
mod optimizer;
mod render;
mod row_pattern_window;
mod specialise;
mod sql_words;

pub use careful_casts::{changes_under_cast, loses_digits};
pub use careful_simplification::CarefulSimplification;
pub use chain::{Task, TaskEdge, TaskGraph};
pub use checked_arithmetic::{
    CheckedArithmetic, rewrite_expressions, simplify_checked, with_checked_arithmetic, with_plain_arithmetic,
};
pub use datafusion_error::{FromDataFusion, into_datafusion};
pub use expr::{BoundExpr, NamedExpr, PhysicalAggregate, function_registry, with_functions};
pub use frame_builder::{FrameBuilder, shifted_text};
pub use interval_length::compared_by_length;
pub use job_graph::{Edge, JobGraph, Node, NodeId, Partitioning};
pub use match_recognize::{
    AfterMatch, AggregateCall, ConditionClass, Define, Frame, FrameColumn, FrameExpr, Logical, MatchRecognizeSpec,
    Measure, OrderKey, RowsPerMatch, Semantics, Target, WithinSpec,
};
pub use membership::{ExactMembership, is_membership, with_exact_membership};
pub use nullable_subqueries::{NullableSubqueries, with_nullable_subqueries};
pub use operator_spec::{
    AggregateFunction, CalcSpec, ComputedColumn, OperatorSpec, SinkSpec, SourceSpec, TableSpec, ValuesSpec,
    WatermarkSpec, WindowAggregateSpec, WindowKind, WindowTvfSpec,
};
pub use optimizer::{is_over_nothing, optimizer_rules};
pub use row_pattern_window::{FrameSearch, RowPatternWindowSpec};
pub use specialise::Specialised;
pub use sql_words::in_sql_words;
