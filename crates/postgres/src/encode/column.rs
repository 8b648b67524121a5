//! Which writer a column takes, by its type.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayAccessor, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, RecordBatch,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Field, Float16Type,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use bytes::{BufMut, BytesMut};
use dipper_types::Error;

use super::number::Decimal;
use super::shown::is_vector;
use super::{Format, Style, Write, binary, float, json, list, time};
use crate::backend::with_length;
use crate::failure::{Failure, Result};
use crate::frontend::invalid_text;

/// A column of a batch, ready to be written.
pub(crate) struct Column {
    nulls: Option<NullBuffer>,
    write: Write,
}

impl Column {
    /// Whether the row has no value.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Writes the value of the row, which is not null.
    pub(crate) fn write(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        (self.write)(row, out)
    }

    /// Writes the value of the row behind its length, or the length that says that there is none.
    pub(crate) fn write_field(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        if self.is_null(row) {
            out.put_i32(-1);
            return Ok(());
        }
        let mut written = Ok(());
        with_length(out, false, |out| written = self.write(row, out));
        written
    }
}

/// All columns of a batch.
pub(crate) fn columns(batch: &RecordBatch, format: impl Fn(usize) -> Format, style: &Style) -> Result<Vec<Column>> {
    let fields = batch.schema_ref().fields().iter();
    let columns = fields.zip(batch.columns()).enumerate();
    columns.map(|(index, (field, array))| column(array, field, format(index), style)).collect()
}

/// A column with this name and metadata.
pub(crate) fn column(array: &ArrayRef, field: &Field, format: Format, style: &Style) -> Result<Column> {
    let write = match array.data_type() {
        DataType::Null => Box::new(|_, _: &mut BytesMut| Ok(())),
        DataType::Boolean => booleans(array.as_boolean().clone(), format),
        DataType::Int8 => integers::<Int8Type>(array, format, |value, out| out.put_i16(value.into())),
        DataType::UInt8 => integers::<UInt8Type>(array, format, |value, out| out.put_i16(value.into())),
        DataType::Int16 => integers::<Int16Type>(array, format, |value, out| out.put_i16(value)),
        DataType::UInt16 => integers::<UInt16Type>(array, format, |value, out| out.put_i32(value.into())),
        DataType::Int32 => integers::<Int32Type>(array, format, |value, out| out.put_i32(value)),
        DataType::UInt32 => integers::<UInt32Type>(array, format, |value, out| out.put_i64(value.into())),
        DataType::Int64 => integers::<Int64Type>(array, format, |value, out| out.put_i64(value)),
        DataType::UInt64 => decimals::<UInt64Type>(array, 0, format, Decimal::new),
        DataType::Float16 => float::singles(array.as_primitive::<Float16Type>().unary(f32::from), format, style),
        DataType::Float32 => float::singles(array.as_primitive::<Float32Type>().clone(), format, style),
        DataType::Float64 => float::doubles(array.as_primitive::<Float64Type>().clone(), format, style),
        DataType::Decimal32(_, scale) => decimals::<Decimal32Type>(array, *scale, format, Decimal::new),
        DataType::Decimal64(_, scale) => decimals::<Decimal64Type>(array, *scale, format, Decimal::new),
        DataType::Decimal128(_, scale) => decimals::<Decimal128Type>(array, *scale, format, Decimal::new),
        DataType::Decimal256(_, scale) => decimals::<Decimal256Type>(array, *scale, format, Decimal::new),
        DataType::Utf8 if format == Format::Binary && is_vector(field) => {
            list::vectors(array.as_string::<i32>(), field, style)?
        }
        DataType::Utf8 => texts(array.as_string::<i32>().clone()),
        DataType::LargeUtf8 => texts(array.as_string::<i64>().clone()),
        DataType::Utf8View => texts(array.as_string_view().clone()),
        DataType::Binary => binary::bytes(array.as_binary::<i32>().clone(), format, style),
        DataType::LargeBinary => binary::bytes(array.as_binary::<i64>().clone(), format, style),
        DataType::BinaryView => binary::bytes(array.as_binary_view().clone(), format, style),
        DataType::FixedSizeBinary(_) => binary::bytes(array.as_fixed_size_binary().clone(), format, style),
        DataType::Date32 => time::dates(array.as_primitive::<Date32Type>().clone(), i64::from, format),
        DataType::Date64 => time::dates(array.as_primitive::<Date64Type>().clone(), time::days_of_millis, format),
        DataType::Time32(unit) | DataType::Time64(unit) => time::times(array, *unit, format)?,
        DataType::Timestamp(unit, zone) => time::timestamps(array, *unit, zone.is_some(), format, style)?,
        DataType::Duration(unit) => time::durations(array, *unit, format)?,
        DataType::Interval(unit) => time::intervals(array, *unit, format),
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_) => list::lists(array, field, format, style)?,
        DataType::Struct(_) | DataType::Map(..) => texts(json::documents(array)?),
        DataType::Dictionary(..) => return dictionary(array, field, format, style),
        DataType::RunEndEncoded(_, values) => {
            let plain = cast(array, values.data_type()).map_err(Error::from)?;
            return column(&plain, field, format, style);
        }
        other @ DataType::Union(..) => {
            return Err(Failure::unsupported(format!(
                "column '{}' is of type {other}, which no client can read",
                field.name()
            )));
        }
    };
    Ok(Column { nulls: array.logical_nulls(), write })
}

/// Writes with the value's own form as text.
pub(super) fn display(out: &mut BytesMut, value: impl std::fmt::Display) -> Result<()> {
    write!(out, "{value}").map_err(|_| Failure::from(Error::internal("a buffer does not grow")))
}

fn booleans(array: BooleanArray, format: Format) -> Write {
    let [no, yes] = match format {
        Format::Text => *b"ft",
        Format::Binary => [0, 1],
    };
    Box::new(move |row, out| {
        out.put_u8(if array.value(row) { yes } else { no });
        Ok(())
    })
}

fn integers<T: ArrowPrimitiveType>(array: &dyn Array, format: Format, put: fn(T::Native, &mut BytesMut)) -> Write
where
    T::Native: std::fmt::Display,
{
    let array = array.as_primitive::<T>().clone();
    match format {
        Format::Text => Box::new(move |row, out| display(out, array.value(row))),
        Format::Binary => Box::new(move |row, out| {
            put(array.value(row), out);
            Ok(())
        }),
    }
}

fn decimals<T: ArrowPrimitiveType>(
    array: &dyn Array,
    scale: i8,
    format: Format,
    decimal: fn(T::Native, i8) -> Decimal,
) -> Write {
    let array: PrimitiveArray<T> = array.as_primitive::<T>().clone();
    match format {
        Format::Text => Box::new(move |row, out| {
            decimal(array.value(row), scale).write_text(out);
            Ok(())
        }),
        Format::Binary => Box::new(move |row, out| {
            decimal(array.value(row), scale).write_binary(out);
            Ok(())
        }),
    }
}

/// Texts are the same in both formats. A zero byte, which ends a text for many clients, is refused as in PostgreSQL.
fn texts<A>(array: A) -> Write
where
    A: Send + Sync + 'static,
    for<'a> &'a A: ArrayAccessor<Item = &'a str>,
{
    Box::new(move |row, out| {
        let text = (&array).value(row).as_bytes();
        if text.contains(&0) {
            return Err(invalid_text());
        }
        out.put_slice(text);
        Ok(())
    })
}

fn dictionary(array: &ArrayRef, field: &Field, format: Format, style: &Style) -> Result<Column> {
    let dictionary = array.as_any_dictionary();
    let values = column(dictionary.values(), field, format, style)?;
    let keys: Arc<[usize]> = dictionary.normalized_keys().into();
    Ok(Column { nulls: array.logical_nulls(), write: Box::new(move |row, out| values.write(keys[row], out)) })
}
