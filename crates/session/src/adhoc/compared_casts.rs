//! Casts in comparisons that a Parquet scan gets wrong. When it opens a file, or asks whether it must, DataFusion 55 takes a cast from one side of a
//! comparison and casts the constant on the other side instead. `dipper_graph` says when that says something else, and keeps its logical plans from it.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNode;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, InListExpr, Literal, TryCastExpr};
use dipper_graph::{changes_under_cast, loses_digits};

/// Whether an expression over columns of `schema` has a cast that loses digits: what it is compared with may be known only as the query runs.
pub(super) fn has_lossy_cast(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    has(expr, |part| Cast::of(part, schema).is_some_and(|cast| loses_digits(&cast.from, cast.to)))
}

/// Whether an expression over columns of `schema` compares a cast with a constant in a way that does not outlive the cast.
pub(super) fn has_mistaken_comparison(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    has(expr, |part| {
        let operands = compared(part);
        let mut constants = operands.iter().filter_map(|operand| operand.downcast_ref::<Literal>()).map(Literal::value);
        constants.any(|constant| operands.iter().any(|operand| changes(constant, operand, schema)))
    })
}

fn has(expr: &Arc<dyn PhysicalExpr>, is_it: impl Fn(&Arc<dyn PhysicalExpr>) -> bool) -> bool {
    // The closure does not fail.
    expr.exists(|part| Ok(is_it(part))).unwrap_or(true)
}

/// Whether it is something else to compare a constant with what is below the casts of an operand.
fn changes(constant: &ScalarValue, operand: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    Cast::of(operand, schema).is_some_and(|cast| {
        loses_digits(&cast.from, cast.to)
            || changes_under_cast(constant, &cast.from)
            || constant.cast_to(&cast.from).is_ok_and(|constant| changes(&constant, cast.operand, schema))
    })
}

struct Cast<'a> {
    operand: &'a Arc<dyn PhysicalExpr>,
    from: DataType,
    to: &'a DataType,
}

impl<'a> Cast<'a> {
    /// The cast that an expression is; none if its operand has no type in `schema`.
    fn of(expr: &'a Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<Self> {
        let cast = expr.downcast_ref::<CastExpr>().map(|cast| (cast.expr(), cast.cast_type()));
        let try_cast = || expr.downcast_ref::<TryCastExpr>().map(|cast| (cast.expr(), cast.cast_type()));
        let (operand, to) = cast.or_else(try_cast)?;
        let from = operand.data_type(schema).ok()?;
        Some(Self { operand, from, to })
    }
}

/// The operands of a comparison; none of anything else.
fn compared(expr: &Arc<dyn PhysicalExpr>) -> Vec<&Arc<dyn PhysicalExpr>> {
    if let Some(list) = expr.downcast_ref::<InListExpr>() {
        return std::iter::once(list.expr()).chain(list.list()).collect();
    }
    match expr.downcast_ref::<BinaryExpr>() {
        Some(comparison) if comparison.op().supports_propagation() => vec![comparison.left(), comparison.right()],
        _ => vec![],
    }
}
