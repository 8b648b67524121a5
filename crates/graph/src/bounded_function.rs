//! Functions whose results may be far larger than their arguments: `repeat('x', 2000000000)`. What they make is in no budget, so they are refused before
//! they make too much of it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, new_null_array};
use arrow::compute::kernels::length::length;
use arrow::compute::{cast, unary};
use arrow::datatypes::{DataType, FieldRef, Float64Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use dipper_types::Error;

use crate::into_datafusion;

/// Of one result.
const VALUE_MIB_MAX: u32 = 64;

/// Of the results for one batch of rows.
const BATCH_MIB_MAX: u32 = 512;

const MIB: f64 = 1_048_576.0;

/// The bytes of a number or a time.
const ELEMENT_BYTES: f64 = 8.0;

/// Puts bounded functions in the place of those that are not.
pub(crate) fn bound(functions: &mut [Arc<ScalarUDF>]) {
    for function in functions {
        if let Some(growth) = Growth::of(function.name()) {
            *function = Arc::new(ScalarUDF::from(Bounded { function: Arc::clone(function), growth }));
        }
    }
}

/// What the size of a result follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Growth {
    /// A text and how often it comes.
    Repeat,
    /// A text and how long it becomes.
    Pad,
    /// A text, what is replaced in it and by what.
    Replace,
    /// Where elements begin and end, and how far they are apart.
    Series,
    /// An element and how often it comes.
    Elements,
    /// An array and how many elements it gets.
    Resize,
}

impl Growth {
    fn of(function: &str) -> Option<Self> {
        Some(match function {
            "repeat" => Self::Repeat,
            "lpad" | "rpad" => Self::Pad,
            "replace" => Self::Replace,
            "range" | "generate_series" => Self::Series,
            "array_repeat" => Self::Elements,
            "array_resize" => Self::Resize,
            _ => return None,
        })
    }

    /// The bytes of the result in each of so many rows, roughly.
    fn bytes(self, arguments: &[ColumnarValue], rows: usize) -> Result<Vec<f64>> {
        let of = |row_bytes: &dyn Fn(usize) -> f64| (0..rows).map(row_bytes).collect();
        Ok(match (self, arguments) {
            (Self::Repeat, [text, times]) => {
                let (length, times) = (Numbers::lengths(text)?, Numbers::of(times)?);
                of(&|row| length.at(row) * times.at(row))
            }
            (Self::Pad, [text, wanted, ..]) => {
                let (length, wanted) = (Numbers::lengths(text)?, Numbers::of(wanted)?);
                of(&|row| length.at(row) + wanted.at(row))
            }
            (Self::Replace, [text, from, to]) => {
                let (length, gone, new) = (Numbers::lengths(text)?, Numbers::lengths(from)?, Numbers::lengths(to)?);
                let most = |row| length.at(row) / gone.at(row).max(1.0) * new.at(row);
                if (0..rows).map(most).sum::<f64>() <= f64::from(VALUE_MIB_MAX) * MIB {
                    return Ok(Vec::new());
                }
                let found = (0..rows).map(|row| occurrences(text, from, row)).collect::<Result<Vec<_>>>()?;
                of(&|row| length.at(row) + found[row] * new.at(row))
            }
            (Self::Series, [end]) => {
                let end = Numbers::of(end)?;
                of(&|row| end.at(row) * ELEMENT_BYTES)
            }
            (Self::Series, [begin, end, rest @ ..]) => {
                let (begin, end) = (Numbers::of(begin)?, Numbers::of(end)?);
                let step = rest.first().map(Numbers::of).transpose()?.unwrap_or(Numbers::Same(1.0));
                let steps = |row| (end.at(row) - begin.at(row)) / step.at(row);
                of(&|row| if step.at(row) == 0.0 { 0.0 } else { steps(row) * ELEMENT_BYTES })
            }
            (Self::Elements, [element, times]) => {
                let bytes = match element {
                    ColumnarValue::Scalar(element) => element.size() as f64,
                    ColumnarValue::Array(elements) => {
                        elements.get_array_memory_size() as f64 / elements.len().max(1) as f64
                    }
                };
                let times = Numbers::of(times)?;
                of(&|row| bytes * times.at(row))
            }
            (Self::Resize, [_, wanted, ..]) => {
                let wanted = Numbers::of(wanted)?;
                of(&|row| wanted.at(row) * ELEMENT_BYTES)
            }
            _ => Vec::new(),
        })
    }
}

fn occurrences(text: &ColumnarValue, part: &ColumnarValue, row: usize) -> Result<f64> {
    let value = |argument: &ColumnarValue| match argument {
        ColumnarValue::Scalar(value) => Ok(value.clone()),
        ColumnarValue::Array(values) => ScalarValue::try_from_array(values, row),
    };
    let (text, part) = (value(text)?, value(part)?);
    Ok(match (text.try_as_str().flatten(), part.try_as_str().flatten()) {
        (Some(text), Some(part)) => text.matches(part).count() as f64,
        _ => 0.0,
    })
}

/// A number for each row, or one for all.
enum Numbers {
    Same(f64),
    Each(Float64Array),
}

impl Numbers {
    /// The numbers themselves; times in microseconds.
    fn of(value: &ColumnarValue) -> Result<Self> {
        Self::measured(value, |values| {
            let values = match values.data_type() {
                DataType::Interval(IntervalUnit::MonthDayNano) => {
                    let microseconds: Float64Array =
                        unary(values.as_primitive::<IntervalMonthDayNanoType>(), |interval| {
                            let days = f64::from(interval.months) * 28.0 + f64::from(interval.days);
                            days * 86_400e6 + interval.nanoseconds as f64 / 1e3
                        });
                    return Ok(Arc::new(microseconds));
                }
                DataType::Date32 | DataType::Timestamp(..) => {
                    let times = cast(values, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
                    cast(&times, &DataType::Int64)?
                }
                _ => Arc::clone(values),
            };
            Ok(cast(&values, &DataType::Float64)?)
        })
    }

    /// The bytes of texts.
    fn lengths(value: &ColumnarValue) -> Result<Self> {
        Self::measured(value, |values| {
            // What has no length is NULL.
            let lengths = length(values.as_ref()).unwrap_or_else(|_| new_null_array(&DataType::Int32, values.len()));
            Ok(cast(&lengths, &DataType::Float64)?)
        })
    }

    fn measured(value: &ColumnarValue, measure: impl Fn(&ArrayRef) -> Result<ArrayRef>) -> Result<Self> {
        let numbers = |values: &ArrayRef| measure(values).map(|numbers| numbers.as_primitive::<Float64Type>().clone());
        Ok(match value {
            ColumnarValue::Scalar(value) => {
                Self::Same(numbers(&value.to_array()?)?.iter().flatten().next().unwrap_or_default())
            }
            ColumnarValue::Array(values) => Self::Each(numbers(values)?),
        })
    }

    /// Of a row; of NULL, which makes NULL, nothing.
    fn at(&self, row: usize) -> f64 {
        match self {
            Self::Same(number) => *number,
            Self::Each(numbers) if numbers.is_null(row) => 0.0,
            Self::Each(numbers) => numbers.value(row),
        }
    }
}

/// The same lengths, none of them negative: DataFusion 55 panics at one.
fn at_least_zero(lengths: &ColumnarValue) -> ColumnarValue {
    match lengths {
        ColumnarValue::Scalar(ScalarValue::Int64(Some(length))) => ColumnarValue::Scalar((*length).max(0).into()),
        ColumnarValue::Array(lengths) if *lengths.data_type() == DataType::Int64 => {
            let lengths = lengths.as_primitive::<Int64Type>();
            ColumnarValue::Array(Arc::new(unary::<_, _, Int64Type>(lengths, |length| length.max(0))))
        }
        other => other.clone(),
    }
}

/// A function of DataFusion that looks at how much it is to make.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    function: Arc<ScalarUDF>,
    growth: Growth,
}

impl Bounded {
    fn check(&self, call: &ScalarFunctionArgs) -> Result<()> {
        let is_constant = call.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let bytes = self.growth.bytes(&call.args, if is_constant { 1 } else { call.number_rows })?;
        let refused = |most: u32, of: &str, hint: &str| {
            let name = self.name().to_uppercase();
            let error = Error::invalid(format!("{name} would make more than {most} MiB {of}"));
            Err(into_datafusion(error.with_hint(hint.to_owned())))
        };
        if bytes.iter().any(|bytes| *bytes > f64::from(VALUE_MIB_MAX) * MIB) {
            return refused(VALUE_MIB_MAX, "of one value", "make several shorter ones");
        }
        let all: f64 = bytes.iter().map(|bytes| bytes.max(0.0)).sum();
        if all > f64::from(BATCH_MIB_MAX) * MIB {
            return refused(BATCH_MIB_MAX, "for one batch of rows", "SET 'execution.batch-size' to less rows");
        }
        Ok(())
    }
}

impl ScalarUDFImpl for Bounded {
    fn invoke_with_args(&self, mut call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.check(&call)?;
        if let (Growth::Pad, [_, wanted, ..]) = (self.growth, call.args.as_mut_slice()) {
            *wanted = at_least_zero(wanted);
        }
        self.function.inner().invoke_with_args(call)
    }

    // The rest is the function's own.

    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        self.function.inner().schema_name(arguments)
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.inner().coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.function.inner().return_type(types)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.function.inner().return_field_from_args(arguments)
    }

    fn is_strict(&self) -> bool {
        self.function.inner().is_strict()
    }

    fn simplify(&self, arguments: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.function.inner().simplify(arguments, context)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::IntervalMonthDayNano;

    use super::*;

    fn text(text: &str) -> ColumnarValue {
        ColumnarValue::Scalar(ScalarValue::from(text))
    }

    fn number(number: i64) -> ColumnarValue {
        ColumnarValue::Scalar(ScalarValue::from(number))
    }

    #[test]
    fn the_size_of_a_result_is_told_from_the_arguments() {
        let texts = ColumnarValue::Array(Arc::new(StringArray::from(vec![Some("ab"), None, Some("")])));
        let times = ColumnarValue::Array(Arc::new(Int64Array::from(vec![Some(3), Some(9), None])));
        let time = |microseconds| ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(Some(microseconds), None));
        let day = ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(0, 1, 0))));
        for (growth, arguments, bytes) in [
            (Growth::Repeat, vec![texts.clone(), times.clone()], vec![6.0, 0.0, 0.0]),
            (Growth::Repeat, vec![text("abc"), number(2)], vec![6.0; 3]),
            (Growth::Pad, vec![text("a"), times], vec![4.0, 10.0, 1.0]),
            (Growth::Series, vec![number(10), number(-10), number(-2)], vec![80.0; 3]),
            (Growth::Series, vec![time(0), time(3 * 86_400_000_000), day], vec![24.0; 3]),
            (Growth::Replace, vec![text("aaa"), text("a"), text("bb")], vec![]),
        ] {
            assert_eq!(growth.bytes(&arguments, 3).unwrap(), bytes, "{growth:?}");
        }
        let found = occurrences(&texts, &text("b"), 0).unwrap();
        assert!((found - 1.0).abs() < f64::EPSILON, "{found}");
    }
}
