//! A DATE plus or minus an interval: it stays a DATE, and what the interval has of hours, minutes and seconds would be lost.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, Operator};
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
        let columns = merge_schema(&node.inputs());
        node.apply_expressions(|expr| {
            checked = check_date(expr, &columns);
            Ok(if checked.is_ok() { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
        })
    });
    checked
}

/// Refuses it in an expression with coerced types.
pub(super) fn check_date(expr: &Expr, schema: &DFSchema) -> Result<()> {
    let loses_time = |date: &Expr, interval: &Expr| {
        matches!(date.get_type(schema), Ok(DataType::Date32 | DataType::Date64))
            && matches!(interval.get_type(schema), Ok(DataType::Interval(_) | DataType::Duration(_)))
            && !is_of_days(interval, schema)
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
    let message = format!("{DATE_AND_TIME} that may have hours, minutes or seconds is not supported");
    Err(Error::unsupported(message).with_hint("write CAST(d AS TIMESTAMP(3)) for the date"))
}

/// Whether an interval can be seen to have whole days and months.
fn is_of_days(interval: &Expr, schema: &DFSchema) -> bool {
    match interval {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(value), _) => {
            value.is_none_or(|value| value.nanoseconds % DAY_NS == 0)
        }
        Expr::Literal(ScalarValue::IntervalDayTime(value), _) => {
            value.is_none_or(|value| value.milliseconds % DAY_MS == 0)
        }
        Expr::Literal(value, _) => value.is_null() || matches!(value, ScalarValue::IntervalYearMonth(_)),
        Expr::Negative(interval) => is_of_days(interval, schema),
        Expr::Cast(Cast { expr, .. }) => {
            matches!(expr.get_type(schema), Ok(DataType::Interval(_))) && is_of_days(expr, schema)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Plus | Operator::Minus, right }) => {
            is_of_days(left, schema) && is_of_days(right, schema)
        }
        Expr::ScalarFunction(call) if call.name() == "interval_mul" => match call.args.as_slice() {
            [interval, number] => {
                is_of_days(interval, schema) && number.get_type(schema).is_ok_and(|number| number.is_integer())
            }
            _ => false,
        },
        _ => false,
    }
}
