//! What expressions mean where DataFusion 55 means something else: literals ([`number`](super::number)), texts of arrays, comparisons of intervals,
//! fields of the difference of two times, times in a zone. The rewriting comes before types are coerced.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, not_impl_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, ExprSchemable, cast, lit};
use dipper_graph::compared_by_length;

use super::array_text::as_array;
use super::number::exact;
use super::time_zone;
use crate::ast::AT_TIME_ZONE;

/// The expression as it is meant.
pub(super) fn as_meant(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let expr = exact(expr, schema)?.transform_data(|expr| compared_by_length(expr, schema))?;
    expr.transform_data(|expr| {
        expr.transform_up(|part| match part {
            Expr::Cast(cast) => as_array(cast, schema),
            Expr::ScalarFunction(call) if call.name() == AT_TIME_ZONE => time_zone::meant(&call, schema),
            Expr::ScalarFunction(call) if call.name() == "date_part" => field(call, schema),
            other => Ok(Transformed::no(other)),
        })
    })
}

/// A field of the difference of two times, which has days, and hours of a day, as in Postgres. DataFusion gives the whole difference in hours, and
/// wraps around where that is more than 32 bits.
fn field(call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let [Expr::Literal(ScalarValue::Utf8(Some(name)), _), of] = call.args.as_slice() else {
        return Ok(Transformed::no(Expr::ScalarFunction(call)));
    };
    let Ok(DataType::Duration(unit)) = of.get_type(schema) else {
        return Ok(Transformed::no(Expr::ScalarFunction(call)));
    };
    let second: i64 = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    let total = cast(of.clone(), DataType::Int64);
    let (minute, hour, day) = (60 * second, 3_600 * second, 86_400 * second);
    let number = match name.to_lowercase().as_str() {
        "epoch" => return Ok(Transformed::yes(cast(total, DataType::Float64) / lit(second as f64))),
        "day" => total / lit(day),
        "hour" => total % lit(day) / lit(hour),
        "minute" => total % lit(hour) / lit(minute),
        "second" => total % lit(minute) / lit(second),
        "millisecond" | "milliseconds" => total % lit(minute) * lit(1_000_i64) / lit(second),
        "microsecond" | "microseconds" => total % lit(minute) * lit(1_000_000_i64) / lit(second),
        other => {
            return not_impl_err!(
                "{} of the difference of two times is not supported: it has days",
                other.to_uppercase()
            );
        }
    };
    Ok(Transformed::yes(cast(number, DataType::Int32)))
}
