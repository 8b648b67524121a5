//! The product of an interval and a number; what Postgres 15 gives for it.
#![allow(clippy::unwrap_used, reason = "a test")]

use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int64Array};
use arrow::record_batch::RecordBatch;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{Expr, cast, col, lit};
use datafusion_proto::bytes::Serializeable;
use dipper_types::ErrorKind;

use super::*;
use crate::{BoundExpr, FromDataFusion, function_registry};

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3600 * SECOND;

fn interval(months: i32, days: i32, nanoseconds: i64) -> IntervalMonthDayNano {
    IntervalMonthDayNano::new(months, days, nanoseconds)
}

#[test]
fn fractions_spill_over_as_in_postgres() {
    for (given, factor, product) in [
        (interval(0, 0, 5 * SECOND), 3.0, interval(0, 0, 15 * SECOND)),
        (interval(0, 0, 5 * SECOND), -0.5, interval(0, 0, -2_500_000_000)),
        (interval(1, 0, 0), 0.5, interval(0, 15, 0)),
        (interval(1, 0, 0), -1.5, interval(-1, -15, 0)),
        (interval(12, 0, 0), 0.7, interval(8, 12, 0)),
        (interval(0, 10, 0), 0.7, interval(0, 7, 0)),
        (interval(0, 1, 0), 0.25, interval(0, 0, 6 * HOUR)),
        (interval(1, 1, 0), 0.75, interval(0, 23, 6 * HOUR)),
        (interval(-1, 1, HOUR), 0.1, interval(0, -3, 2 * HOUR + HOUR / 2)),
        (interval(7, -7, 7), 0.0, interval(0, 0, 0)),
        // More than a float tells apart.
        (interval(0, 0, 9_007_199_254_740_993), 1.0, interval(0, 0, 9_007_199_254_740_993)),
        (interval(0, 0, 1), 0.5, interval(0, 0, 1)),
        (interval(0, 0, i64::MAX), 5e-324, interval(0, 0, 0)),
    ] {
        assert_eq!(times(given, factor), Some(product), "{given:?} * {factor}");
    }
}

#[test]
fn what_is_out_of_range_is_nothing() {
    for factor in [f64::INFINITY, f64::NAN, f64::MAX, 3e9] {
        assert_eq!(times(interval(1, 0, 0), factor), None, "{factor}");
        assert_eq!(times(interval(0, 1, 0), factor), None, "{factor}");
    }
    assert_eq!(times(interval(0, 0, SECOND), 1e10), None);
    assert_eq!(times(interval(0, 0, 0), f64::INFINITY), None);
    assert_eq!(times(interval(0, 0, i64::MIN), -1.0), None);
    assert_eq!(times_whole(interval(i32::MAX, 0, 0), 2), None);
    assert_eq!(times_whole(interval(0, i32::MIN, 0), -1), None);
    assert_eq!(times_whole(interval(0, 0, i64::MAX), 2), None);
    assert_eq!(times_whole(interval(1, -2, 3), -7), Some(interval(-7, 14, -21)));
}

/// The call as a worker gets it: coerced, and read back from its bytes.
fn evaluated(interval: Option<IntervalMonthDayNano>, factors: ArrayRef) -> dipper_types::Result<ArrayRef> {
    let number = if factors.data_type().is_integer() { DataType::Int64 } else { DataType::Float64 };
    let rows = RecordBatch::try_from_iter_with_nullable([("n", factors, true)]).unwrap();
    let factor = cast(col("n"), number);
    let call = function_registry().udf("interval_mul").unwrap();
    let call = call.call(vec![lit(ScalarValue::IntervalMonthDayNano(interval)), factor]);
    let call = Expr::from_bytes_with_ctx(&call.to_bytes().unwrap(), function_registry()).unwrap();
    let values = BoundExpr(call).physical(&rows.schema())?.evaluate(&rows).or_plan_error()?;
    values.into_array(rows.num_rows()).or_plan_error()
}

#[test]
fn columns_of_numbers_of_every_kind_are_factors() {
    let minute = interval(0, 0, 60 * SECOND);
    let whole: ArrayRef = Arc::new(Int64Array::from(vec![Some(2), None, Some(-1)]));
    let float: ArrayRef = Arc::new(Float64Array::from(vec![Some(2.0), None, Some(-1.0)]));
    let decimal = Decimal128Array::from(vec![Some(200), None, Some(-100)]).with_precision_and_scale(5, 2).unwrap();
    let expected = [Some(interval(0, 0, 120 * SECOND)), None, Some(interval(0, 0, -60 * SECOND))];
    for factors in [whole, float, Arc::new(decimal)] {
        let products = evaluated(Some(minute), Arc::clone(&factors)).unwrap();
        let products: Vec<_> = products.as_primitive::<IntervalMonthDayNanoType>().iter().collect();
        assert_eq!(products, expected);
        assert_eq!(evaluated(None, factors).unwrap().null_count(), 3);
    }
}

#[test]
fn a_product_out_of_range_is_an_error_and_not_another_interval() {
    let factors: ArrayRef = Arc::new(Int64Array::from(vec![1, i64::MAX]));
    let error = evaluated(Some(interval(1, 0, 0)), factors).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.to_string(), "arithmetic overflow: the interval is out of range");
}

#[test]
fn only_a_number_is_a_factor() {
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    let takes = |factor: DataType| IntervalMul::default().coerce_types(&[interval.clone(), factor]);
    assert_eq!(takes(DataType::UInt8).unwrap()[1], DataType::Int64);
    assert_eq!(takes(DataType::Decimal128(10, 2)).unwrap()[1], DataType::Float64);
    assert!(takes(DataType::Utf8).unwrap_err().to_string().contains("not by STRING"));
    assert!(takes(interval.clone()).is_err());
}
