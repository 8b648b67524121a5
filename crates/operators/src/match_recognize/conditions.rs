//! DEFINE, divided: what can be evaluated ahead of the search becomes letters, the rest is left to the search.

use std::collections::HashSet;

use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use dipper_graph::{BoundExpr, Define, Frame, FrameColumn, Specialised};
use dipper_pattern::SymbolSet;
use dipper_types::Result;

use super::frame_expr::FrameExpression;
use super::history::History;
use super::kept_columns::KeptColumns;
use super::letters::Letters;

/// The conditions of a clause.
pub(super) struct DividedConditions {
    /// Evaluated ahead.
    pub(super) letters: Letters,
    /// Evaluated by the search.
    pub(super) history: History,
    /// How many rows behind a row must have come before the row can be searched.
    pub(super) ahead: u64,
    /// How many rows before a match they read at most.
    pub(super) back: u64,
}

impl DividedConditions {
    /// Divides the conditions of a clause over `input`; keeps the columns they read.
    pub(super) fn new(
        clause: &Specialised,
        variables: &[String],
        input: &SchemaRef,
        kept: &mut KeptColumns,
    ) -> Result<Self> {
        let mut letters = Letters::new(SymbolSet::all(clause.originals.len()));
        let mut history = History::new(variables);
        for Define { symbol, condition } in &clause.defines {
            let name = variables.get(clause.original(*symbol).index()).map_or("?", String::as_str);
            let what = format!("DEFINE {name}");
            let frame = &condition.frame;
            let compile = |expr: Expr| FrameExpression::new(frame, &BoundExpr(expr), what.clone());
            let (ahead, rest): (Vec<Expr>, Vec<Expr>) =
                split_conjunction(&condition.expr.0).into_iter().cloned().partition(|part| is_fixed(part, frame));
            if let Some(ahead) = conjunction(ahead) {
                letters.add(*symbol, compile(ahead)?, kept)?;
            }
            if let Some(rest) = conjunction(rest) {
                let whole = compile(condition.expr.0.clone())?;
                history.add(*symbol, whole, compile(rest)?, input, kept)?;
            }
        }
        let targets =
            clause.defines.iter().flat_map(|define| &define.condition.frame.columns).filter_map(FrameColumn::target);
        let shifts: Vec<i64> = targets.map(|target| target.shift).collect();
        let ahead = shifts.iter().copied().max().unwrap_or(0).max(0).unsigned_abs();
        let back = shifts.iter().copied().min().unwrap_or(0).min(0).unsigned_abs();
        Ok(Self { letters, history, ahead, back })
    }
}

/// Whether an expression reads only the row under test and rows at a fixed distance from it.
fn is_fixed(expr: &Expr, frame: &Frame) -> bool {
    let names: HashSet<&str> = expr.column_refs().into_iter().map(|column| column.name.as_str()).collect();
    let read =
        frame.columns.iter().zip(frame.schema.fields()).filter(|(_, field)| names.contains(field.name().as_str()));
    let fixed = |column: &FrameColumn| match column {
        FrameColumn::Input { target, .. } | FrameColumn::Exists { target } => target.fixed_distance().is_some(),
        _ => false,
    };
    read.map(|(column, _)| column).all(fixed)
}
