//! Intervals are compared by their length, a month taken for thirty days and a day for 24 hours, as in Postgres. DataFusion 55 compares their fields one
//! after the other, so that nine days between two times are less than `INTERVAL '1' DAY`.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, Decimal128Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::utils::take_function_args;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{
    Between, BinaryExpr, ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

const DAY_NS: i128 = 86_400_000_000_000;

/// The type of a length, in nanoseconds.
const LENGTH: DataType = DataType::Decimal128(38, 0);

/// The expression in which comparisons of intervals are those of their lengths. Types must not have been coerced.
pub fn compared_by_length(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|mut part| {
        let operands: Vec<&mut Expr> = match &mut part {
            // It is a comparison.
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if op.supports_propagation() => {
                vec![left.as_mut(), right.as_mut()]
            }
            Expr::Between(Between { expr, low, high, .. }) => vec![expr.as_mut(), low.as_mut(), high.as_mut()],
            Expr::InList(InList { expr, list, .. }) => std::iter::once(expr.as_mut()).chain(list).collect(),
            _ => return Ok(Transformed::no(part)),
        };
        let has_transformed = by_length(operands, schema);
        Ok(Transformed::new_transformed(part, has_transformed))
    })
}

/// Makes lengths of operands that are compared with one another; whether it has.
fn by_length(operands: Vec<&mut Expr>, schema: &DFSchema) -> bool {
    let types: Vec<Option<DataType>> = operands.iter().map(|operand| operand.get_type(schema).ok()).collect();
    let is = |of: fn(&DataType) -> bool| types.iter().flatten().any(of);
    // The differences of times are lengths already.
    if !is(|of| matches!(of, DataType::Interval(_)))
        || !types
            .iter()
            .flatten()
            .all(|of| matches!(of, DataType::Interval(_) | DataType::Duration(_) | DataType::Null))
    {
        return false;
    }
    let constants: Option<Vec<Option<ScalarValue>>> = operands
        .iter()
        .zip(&types)
        .map(|(operand, of)| match of {
            Some(DataType::Interval(_)) => constant(operand).map(Some),
            _ => Some(None),
        })
        .collect();
    match constants {
        // Beside differences of times constants can be intervals of nanoseconds alone.
        Some(constants) if is(|of| matches!(of, DataType::Duration(_))) => {
            for (operand, constant) in operands.into_iter().zip(constants) {
                if let Some(constant) = constant {
                    *operand = Expr::Literal(constant, None);
                }
            }
        }
        _ => {
            for operand in operands {
                *operand = LENGTH_OF.call(vec![std::mem::take(operand)]);
            }
        }
    }
    true
}

/// A constant interval of the same length without months and days.
fn constant(expr: &Expr) -> Option<ScalarValue> {
    let Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) = expr else { return None };
    let nanoseconds = i64::try_from(nanoseconds(*interval)).ok()?;
    Some(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(0, 0, nanoseconds))))
}

fn nanoseconds(interval: IntervalMonthDayNano) -> i128 {
    (i128::from(interval.months) * 30 + i128::from(interval.days)) * DAY_NS + i128::from(interval.nanoseconds)
}

static LENGTH_OF: LazyLock<ScalarUDF> = LazyLock::new(|| ScalarUDF::from(IntervalLength::default()));

/// The function: an interval, or a difference of times.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct IntervalLength {
    signature: Signature,
}

impl Default for IntervalLength {
    fn default() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for IntervalLength {
    fn name(&self) -> &'static str {
        "interval_length"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(LENGTH)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [intervals] = take_function_args(self.name(), &call.args)?;
        match intervals {
            ColumnarValue::Array(intervals) => lengths(intervals).map(ColumnarValue::Array),
            ColumnarValue::Scalar(interval) => {
                let length = lengths(&interval.to_array()?)?;
                ScalarValue::try_from_array(&length, 0).map(ColumnarValue::Scalar)
            }
        }
    }
}

fn lengths(intervals: &ArrayRef) -> Result<ArrayRef> {
    let lengths: Decimal128Array = match intervals.data_type() {
        DataType::Duration(unit) => {
            let nanoseconds = match unit {
                TimeUnit::Second => 1_000_000_000,
                TimeUnit::Millisecond => 1_000_000,
                TimeUnit::Microsecond => 1_000,
                TimeUnit::Nanosecond => 1,
            };
            let lengths = cast(intervals, &DataType::Int64)?;
            lengths.as_primitive::<Int64Type>().unary(|length| i128::from(length) * nanoseconds)
        }
        _ => {
            let intervals = cast(intervals, &DataType::Interval(IntervalUnit::MonthDayNano))?;
            intervals.as_primitive::<IntervalMonthDayNanoType>().unary(nanoseconds)
        }
    };
    Ok(Arc::new(lengths.with_data_type(LENGTH)))
}
