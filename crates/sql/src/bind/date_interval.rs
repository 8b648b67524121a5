//! A DATE plus or minus an interval: it stays a DATE, and what the interval has of hours, minutes and seconds would be lost.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};
use dipper_types::{Error, Result};

const DAY_MS: i32 = 24 * 60 * 60 * 1000;
const DAY_NS: i64 = 24 * 60 * 60 * 1_000_000_000;

/// How the message begins, by which its place is found in the text.
pub(super) const DATE_AND_TIME: &str = "a DATE plus or minus an interval";

/// Refuses it in a plan with coerced types.
pub(super) fn check_dates(plan: &LogicalPlan) -> Result<()> {
    let mut checked = Ok(());
    // The closures do not fail.
    let _ = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            if has_time(expr) {
                checked = check_date(expr, &merge_schema(&node.inputs()));
            }
            Ok(if checked.is_ok() { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
        })
    });
    checked
}

/// Refuses it in an expression with coerced types.
pub(super) fn check_date(expr: &Expr, schema: &DFSchema) -> Result<()> {
    let loses_time = |date: &Expr, interval: &Expr| {
        has_time(interval)
            && matches!(interval.get_type(schema), Ok(DataType::Interval(_)))
            && matches!(date.get_type(schema), Ok(DataType::Date32 | DataType::Date64))
    };
    let found = expr.exists(|part| {
        Ok(match part {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Plus | Operator::Minus, right }) => {
                loses_time(left, right) || loses_time(right, left)
            }
            _ => false,
        })
    });
    // The closure does not fail.
    if !found.unwrap_or(false) {
        return Ok(());
    }
    let message = format!("{DATE_AND_TIME} of hours, minutes or seconds is not supported");
    Err(Error::unsupported(message).with_hint("write CAST(d AS TIMESTAMP(3)) for the date"))
}

/// Whether there is an interval literal in it whose hours, minutes and seconds are not whole days.
fn has_time(expr: &Expr) -> bool {
    let found = expr.exists(|part| {
        Ok(match part {
            Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) => interval.nanoseconds % DAY_NS != 0,
            Expr::Literal(ScalarValue::IntervalDayTime(Some(interval)), _) => interval.milliseconds % DAY_MS != 0,
            _ => false,
        })
    });
    // The closure does not fail.
    found.unwrap_or(false)
}
