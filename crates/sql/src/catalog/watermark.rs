//! A watermark that runs ahead of the rows: each row would be late already when it comes, and whether it is dropped would
//! depend on how the rows fall into batches.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

const DAY_NS: i128 = 86_400_000_000_000;

/// Whether `watermark` is the column `column` plus a constant that is ahead of it, if only in some months. Any other
/// expression cannot be judged.
pub(super) fn is_ahead(watermark: &Expr, column: &str) -> bool {
    lead(watermark, column).is_some_and(|(months, nanoseconds)| {
        // A month at its longest if it leads, and at its shortest if it holds back.
        let days = if months > 0 { 31 } else { 28 };
        months * days * DAY_NS + nanoseconds > 0
    })
}

/// The months and nanoseconds that are added to the column.
fn lead(expr: &Expr, column: &str) -> Option<(i128, i128)> {
    match expr {
        Expr::Column(found) => (found.name == column).then_some((0, 0)),
        Expr::Alias(alias) => lead(&alias.expr, column),
        Expr::Cast(cast) => lead(&cast.expr, column),
        Expr::TryCast(cast) => lead(&cast.expr, column),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (sign, base, added) = match (op, interval(left), interval(right)) {
                (Operator::Plus, _, Some(added)) => (1, left, added),
                (Operator::Plus, Some(added), _) => (1, right, added),
                (Operator::Minus, _, Some(added)) => (-1, left, added),
                _ => return None,
            };
            let (months, nanoseconds) = lead(base, column)?;
            Some((months + sign * added.0, nanoseconds + sign * added.1))
        }
        _ => None,
    }
}

/// A constant interval as months and nanoseconds.
fn interval(expr: &Expr) -> Option<(i128, i128)> {
    match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(value)), _) => {
            Some((value.months.into(), i128::from(value.days) * DAY_NS + i128::from(value.nanoseconds)))
        }
        Expr::Literal(ScalarValue::IntervalDayTime(Some(value)), _) => {
            Some((0, i128::from(value.days) * DAY_NS + i128::from(value.milliseconds) * 1_000_000))
        }
        Expr::Literal(ScalarValue::IntervalYearMonth(Some(months)), _) => Some(((*months).into(), 0)),
        Expr::Cast(cast) => interval(&cast.expr),
        _ => None,
    }
}
