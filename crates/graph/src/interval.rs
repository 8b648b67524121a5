//! An interval times a number, `INTERVAL '5' MINUTE * 3`, which DataFusion does not know: a function stands for it.
//!
//! The difference of two times is an interval here, too. As in Postgres (`interval_mul`), a fraction of a month is that of thirty days,
//! and a fraction of a day is time.

use std::sync::Arc;

use arrow::array::{AsArray, IntervalMonthDayNanoArray};
use arrow::compute::try_binary;
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
};
use arrow::error::ArrowError;
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use dipper_types::sql_type_name;

const DAYS_PER_MONTH: f64 = 30.0;
const SECONDS_PER_DAY: f64 = 86_400.0;

/// Whether values of a type are a length of time.
fn is_interval(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(_) | DataType::Duration(_))
}

/// Plans `interval * number` and `number * interval`.
#[derive(Debug)]
pub(crate) struct IntervalPlanner;

impl ExprPlanner for IntervalPlanner {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if expr.op != BinaryOperator::Multiply {
            return Ok(PlannerResult::Original(expr));
        }
        // What has no type yet is no interval.
        let (left, right) = (expr.left.get_type(schema).ok(), expr.right.get_type(schema).ok());
        let sides = (left.as_ref().is_some_and(is_interval), right.as_ref().is_some_and(is_interval));
        let (interval, number, number_type) = match sides {
            (true, false) => (expr.left, expr.right, right),
            (false, true) => (expr.right, expr.left, left),
            _ => return Ok(PlannerResult::Original(expr)),
        };
        number_type.as_ref().map(factor_type).transpose()?;
        Ok(PlannerResult::Planned(ScalarUDF::from(IntervalMul::default()).call(vec![interval, number])))
    }
}

/// The function: an interval and a number.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct IntervalMul {
    signature: Signature,
}

impl Default for IntervalMul {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for IntervalMul {
    fn name(&self) -> &'static str {
        "interval_mul"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [interval, factor] = types else { return plan_err!("interval_mul takes an interval and a number") };
        if !is_interval(interval) && *interval != DataType::Null {
            return plan_err!("interval_mul takes an interval and a number, not {}", sql_type_name(interval));
        }
        Ok(vec![DataType::Interval(IntervalUnit::MonthDayNano), factor_type(factor)?])
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Interval(IntervalUnit::MonthDayNano))
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [intervals, factors] = args.args.as_slice() else {
            return plan_err!("interval_mul takes an interval and a number");
        };
        // Of two constants one value is enough.
        let is_constant = [intervals, factors].iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let (intervals, factors) = (intervals.to_array(rows)?, factors.to_array(rows)?);
        let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
        let beyond = || ArrowError::ArithmeticOverflow("the interval is out of range".to_owned());
        let product: IntervalMonthDayNanoArray = if *factors.data_type() == DataType::Int64 {
            let product = |interval, factor| times_whole(interval, factor).ok_or_else(beyond);
            try_binary(intervals, factors.as_primitive::<Int64Type>(), product)?
        } else {
            let product = |interval, factor| times(interval, factor).ok_or_else(beyond);
            try_binary(intervals, factors.as_primitive::<Float64Type>(), product)?
        };
        Ok(if is_constant {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&product, 0)?)
        } else {
            ColumnarValue::Array(Arc::new(product))
        })
    }
}

/// What a factor of this type is computed as.
fn factor_type(factor: &DataType) -> Result<DataType> {
    match factor {
        whole if whole.is_integer() => Ok(DataType::Int64),
        DataType::Null => Ok(DataType::Float64),
        number if number.is_numeric() => Ok(DataType::Float64),
        other => plan_err!("an interval is multiplied by a number, not by {}", sql_type_name(other)),
    }
}

/// The product with a whole number; nothing if it is out of range.
fn times_whole(interval: IntervalMonthDayNano, factor: i64) -> Option<IntervalMonthDayNano> {
    let part = |part: i32| i64::from(part).checked_mul(factor).and_then(|part| i32::try_from(part).ok());
    let nanoseconds = interval.nanoseconds.checked_mul(factor)?;
    Some(IntervalMonthDayNano::new(part(interval.months)?, part(interval.days)?, nanoseconds))
}

/// The product with any number; nothing if it is out of range.
fn times(interval: IntervalMonthDayNano, factor: f64) -> Option<IntervalMonthDayNano> {
    let (months, days) = (f64::from(interval.months) * factor, f64::from(interval.days) * factor);
    let (whole_months, whole_days) = (whole(months)?, whole(days)?);
    let rest_days = rounded((months - f64::from(whole_months)) * DAYS_PER_MONTH);
    let rest_seconds = rounded((days - f64::from(whole_days) + rest_days - rest_days.trunc()) * SECONDS_PER_DAY);
    // Two fractions may be a day together.
    let full_days = (rest_seconds / SECONDS_PER_DAY).trunc();
    let seconds = rest_seconds - full_days * SECONDS_PER_DAY;
    let days = whole_days.checked_add(rest_days.trunc() as i32)?.checked_add(full_days as i32)?;
    let nanoseconds = times_exactly(interval.nanoseconds, factor)?.checked_add((seconds * 1e9).round() as i64)?;
    Some(IntervalMonthDayNano::new(whole_months, days, nanoseconds))
}

/// The whole part; nothing of what is no number or too large.
fn whole(value: f64) -> Option<i32> {
    let whole = value.trunc();
    (whole >= f64::from(i32::MIN) && whole <= f64::from(i32::MAX)).then_some(whole as i32)
}

/// To a millionth, as Postgres does: `0.7` is a little less than seven tenths, and of ten days it shall be seven.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round_ties_even() / 1e6
}

/// The product to the nearest whole number, also where the nanoseconds are more than a `f64` tells apart.
fn times_exactly(nanoseconds: i64, factor: f64) -> Option<i64> {
    if !factor.is_finite() {
        return None;
    }
    // The factor is `mantissa * 2^exponent`, the mantissa below 2^53.
    let bits = factor.abs().to_bits();
    let (biased, fraction) = ((bits >> 52) as i32, bits & ((1 << 52) - 1));
    let mantissa = if biased == 0 { fraction } else { fraction | (1 << 52) };
    let exponent = biased.max(1) - 1075;
    let product = u128::from(nanoseconds.unsigned_abs()) * u128::from(mantissa);
    let magnitude = if product == 0 || exponent < -120 {
        0
    } else if exponent < 0 {
        (product + (1 << (-exponent - 1))) >> -exponent
    } else if exponent <= 11 {
        product.checked_mul(1 << exponent)?
    } else {
        // The mantissa alone is 2^52 then.
        return None;
    };
    let is_negative = (nanoseconds < 0) != factor.is_sign_negative();
    let signed = i128::try_from(magnitude).ok()?;
    i64::try_from(if is_negative { -signed } else { signed }).ok()
}

#[cfg(test)]
mod tests;
