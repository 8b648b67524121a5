//! Values of one row, and their way from and to columns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal128Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use dipper_types::{Error, Result};

/// A value; its type is known where it is used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) enum Value<'a> {
    /// NULL of any type.
    Null,
    /// BOOLEAN.
    Bool(bool),
    /// An integer, or what is one underneath: a decimal without its point, a date, a timestamp, a duration.
    Int(i64),
    /// DOUBLE, or FLOAT without loss.
    Float(f64),
    /// A string.
    Text(&'a str),
}

/// Only DataFusion can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Undecided;

/// The integers that a type has room for, at most those of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    min: i64,
    max: i64,
}

/// Evaluates `$body` with `$T` as the Arrow type of a data type that is an integer underneath.
macro_rules! with_integer_type {
    ($data_type:expr, $T:ident => $body:expr, _ => $otherwise:expr) => {
        with_integer_type!(@ $data_type, $T => $body, _ => $otherwise;
            DataType::Int8 => Int8Type,
            DataType::Int16 => Int16Type,
            DataType::Int32 => Int32Type,
            DataType::Int64 => Int64Type,
            DataType::UInt8 => UInt8Type,
            DataType::UInt16 => UInt16Type,
            DataType::UInt32 => UInt32Type,
            DataType::UInt64 => UInt64Type,
            DataType::Date32 => Date32Type,
            DataType::Date64 => Date64Type,
            DataType::Timestamp(TimeUnit::Second, _) => TimestampSecondType,
            DataType::Timestamp(TimeUnit::Millisecond, _) => TimestampMillisecondType,
            DataType::Timestamp(TimeUnit::Microsecond, _) => TimestampMicrosecondType,
            DataType::Timestamp(TimeUnit::Nanosecond, _) => TimestampNanosecondType,
            DataType::Duration(TimeUnit::Second) => DurationSecondType,
            DataType::Duration(TimeUnit::Millisecond) => DurationMillisecondType,
            DataType::Duration(TimeUnit::Microsecond) => DurationMicrosecondType,
            DataType::Duration(TimeUnit::Nanosecond) => DurationNanosecondType,
            DataType::Decimal128(..) => Decimal128Type)
    };
    (@ $data_type:expr, $T:ident => $body:expr, _ => $otherwise:expr; $($pattern:pat => $arrow:ident),*) => {
        match $data_type {
            $($pattern => {
                type $T = $arrow;
                $body
            })*
            _ => $otherwise,
        }
    };
}

impl Value<'_> {
    /// The value without what it borrows; `None` for a string.
    pub(in super::super) fn detached(self) -> Option<Value<'static>> {
        Some(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Float(value) => Value::Float(value),
            Self::Text(_) => return None,
        })
    }
}

/// Whether values of a type can be read.
pub(in super::super) fn is_readable(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Boolean
            | DataType::Float32
            | DataType::Float64
            | DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
    ) || Range::of(data_type).is_some()
}

/// Whether values of a type can be copied: all but strings.
pub(in super::super) fn is_copied(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Boolean | DataType::Float32 | DataType::Float64) || Range::of(data_type).is_some()
}

/// Copies of values, one a row.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Copies<Ints, Floats, Any> {
    /// Of [`Value::Int`] only.
    Ints(Ints),
    /// Of [`Value::Float`] only.
    Floats(Floats),
    /// Of all kinds; `None` of one that cannot be read.
    Any(Any),
}

/// A value of which there is a copy.
pub(in super::super) type Copied = Option<Value<'static>>;

/// The values of a column.
pub(in super::super) type CopiedColumn = Copies<Vec<i64>, Vec<f64>, Vec<Copied>>;

/// Copies the values of a column.
pub(in super::super) fn read_all(column: &dyn Array) -> CopiedColumn {
    if column.null_count() == 0 {
        match column.data_type() {
            DataType::Float64 => return Copies::Floats(column.as_primitive::<Float64Type>().values().to_vec()),
            DataType::Int64 => return Copies::Ints(column.as_primitive::<Int64Type>().values().to_vec()),
            other => with_integer_type!(
                other,
                T => {
                    let values = column.as_primitive::<T>().values().iter();
                    if let Some(values) = values.map(|value| to_i64(*value)).collect::<Option<_>>() {
                        return Copies::Ints(values);
                    }
                },
                _ => {}
            ),
        }
    }
    Copies::Any((0..column.len()).map(|row| read(column, row).ok()?.detached()).collect())
}

fn to_i64(value: impl TryInto<i64>) -> Option<i64> {
    value.try_into().ok()
}

/// The value of a row of a column.
#[expect(
    clippy::useless_conversion,
    clippy::unnecessary_fallible_conversions,
    reason = "the macro writes it for every integer type"
)]
pub(in super::super) fn read(column: &dyn Array, row: usize) -> Result<Value<'_>, Undecided> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match column.data_type() {
        DataType::Float64 => Value::Float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Float32 => Value::Float(column.as_primitive::<Float32Type>().value(row).into()),
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Utf8 => Value::Text(column.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Value::Text(column.as_string::<i64>().value(row)),
        DataType::Utf8View => Value::Text(column.as_string_view().value(row)),
        other => with_integer_type!(
            other,
            T => Value::Int(i64::try_from(column.as_primitive::<T>().value(row)).map_err(|_| Undecided)?),
            _ => return Err(Undecided)
        ),
    })
}

/// A column of one row.
#[expect(
    clippy::useless_conversion,
    clippy::unnecessary_fallible_conversions,
    reason = "the macro writes it for every integer type"
)]
pub(in super::super) fn to_array(value: Value<'_>, data_type: &DataType) -> Result<ArrayRef> {
    let array: ArrayRef = match value {
        Value::Null => arrow::array::new_null_array(data_type, 1),
        Value::Bool(value) => Arc::new(BooleanArray::from(vec![value])),
        Value::Float(value) => Arc::new(PrimitiveArray::<Float64Type>::from(vec![value])),
        Value::Text(value) => Arc::new(StringArray::from(vec![value])),
        Value::Int(value) => with_integer_type!(data_type, T => {
            let value = value.try_into().map_err(|_| Error::internal(format!("{value} is not a {data_type}")))?;
            Arc::new(PrimitiveArray::<T>::from_value(value, 1).with_data_type(data_type.clone()))
        }, _ => return Err(Error::internal(format!("an integer is not a {data_type}")))),
    };
    if array.data_type() == data_type { Ok(array) } else { Ok(cast(&array, data_type)?) }
}

impl Range {
    /// The range of a type that is an integer underneath.
    pub(super) fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Int8 => Self { min: i8::MIN.into(), max: i8::MAX.into() },
            DataType::Int16 => Self { min: i16::MIN.into(), max: i16::MAX.into() },
            DataType::Int32 | DataType::Date32 => Self { min: i32::MIN.into(), max: i32::MAX.into() },
            DataType::UInt8 => Self { min: 0, max: u8::MAX.into() },
            DataType::UInt16 => Self { min: 0, max: u16::MAX.into() },
            DataType::UInt32 => Self { min: 0, max: u32::MAX.into() },
            DataType::UInt64 => Self { min: 0, max: i64::MAX },
            DataType::Decimal128(precision, _) => {
                Self::within(10_i64.checked_pow((*precision).into()).map_or(i64::MAX, |limit| limit - 1))
            }
            DataType::Int64 | DataType::Date64 | DataType::Timestamp(..) | DataType::Duration(_) => {
                Self { min: i64::MIN, max: i64::MAX }
            }
            _ => return None,
        })
    }

    /// The integers whose absolute value is at most `limit`.
    pub(super) const fn within(limit: i64) -> Self {
        Self { min: -limit, max: limit }
    }

    /// `value` if it is in the range.
    pub(super) fn fit(self, value: Option<i64>) -> Result<i64, Undecided> {
        value.filter(|value| (self.min..=self.max).contains(value)).ok_or(Undecided)
    }
}
