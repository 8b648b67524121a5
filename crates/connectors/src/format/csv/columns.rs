//! Parses one column of a batch of CSV records.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BooleanBuilder, GenericStringBuilder, NullBufferBuilder, OffsetSizeTrait,
    PrimitiveArray, StringViewBuilder,
};
use arrow::compute::kernels::cast_utils::{Parser, parse_decimal};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field as ColumnField, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, SchemaRef, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use dipper_types::{Error, Result};

use super::float_text::parse_f64;
use super::record::Field;
use super::timestamp_text::{parse_timestamp, parse_zoned_timestamp};

/// Refuses columns that CSV cannot hold.
pub(crate) fn check_columns(columns: &SchemaRef) -> Result<(), String> {
    match columns.fields().iter().find(|field| !is_supported(field.data_type())) {
        Some(field) => Err(format!(
            "column '{}': the csv format cannot hold type {}; use 'json' or 'parquet', or read it as STRING",
            field.name(),
            field.data_type()
        )),
        None => Ok(()),
    }
}

fn is_supported(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(
            data_type,
            DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Boolean
                | DataType::Float32
                | DataType::Float64
                | DataType::Decimal128(..)
                | DataType::Date32
                | DataType::Time32(_)
                | DataType::Time64(_)
                | DataType::Timestamp(..)
        )
}

/// The rows gathered from a text: `width` fields each.
pub(crate) struct Rows<'a> {
    pub(crate) text: &'a str,
    pub(crate) aside: &'a str,
    pub(crate) fields: &'a [Field],
    pub(crate) width: usize,
    pub(crate) rows: usize,
}

/// One field as text.
pub(crate) struct Cell<'a> {
    text: &'a str,
    quoted: bool,
}

impl<'a> Rows<'a> {
    pub(crate) fn cell(&self, row: usize, column: usize) -> Cell<'a> {
        self.cell_of(self.fields[row * self.width + column])
    }

    fn column(&self, column: usize) -> impl Iterator<Item = Cell<'a>> + '_ {
        self.fields.iter().skip(column).step_by(self.width.max(1)).map(|field| self.cell_of(*field))
    }

    fn cell_of(&self, field: Field) -> Cell<'a> {
        Cell { text: field.text(self.text, self.aside), quoted: field.is_quoted() }
    }
}

/// A field that could not be parsed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure {
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// The fields of a batch that could not be parsed.
pub(crate) struct Failures {
    found: Vec<Failure>,
    first_only: bool,
}

impl Failures {
    /// With `first_only`, a column may stop at its first failure.
    pub(crate) fn new(first_only: bool) -> Self {
        Self { found: Vec::new(), first_only }
    }

    /// The failures in the order of rows, the leftmost of each row.
    pub(crate) fn into_first_of_each_row(mut self) -> Vec<Failure> {
        self.found.sort_by_key(|failure| (failure.row, failure.column));
        self.found.dedup_by_key(|failure| failure.row);
        self.found
    }

    fn add(&mut self, row: usize, column: usize) {
        // A second failure of the column lies further down and would not be reported.
        if !self.first_only || self.found.last().is_none_or(|last| last.column != column) {
            self.found.push(Failure { row, column });
        }
    }
}

/// Parses the fields of one column.
pub(crate) struct ColumnParser {
    name: String,
    data_type: DataType,
    nullable: bool,
    null_literal: Option<String>,
    zone: Option<Tz>,
}

impl ColumnParser {
    pub(crate) fn new(field: &ColumnField, null_literal: Option<&str>) -> Result<Self> {
        let zone = match field.data_type() {
            DataType::Timestamp(_, Some(zone)) => Some(zone.parse()?),
            _ => None,
        };
        Ok(Self {
            name: field.name().clone(),
            data_type: field.data_type().clone(),
            nullable: field.is_nullable(),
            null_literal: null_literal.map(str::to_owned),
            zone,
        })
    }

    /// What is wrong with a field that failed.
    pub(crate) fn describe(&self, cell: &Cell<'_>) -> String {
        let name = &self.name;
        if self.is_null(cell) {
            return format!("column '{name}': the value is NULL, but the column is NOT NULL");
        }
        let text: String = cell.text.chars().take(60).collect();
        let ellipsis = if text.len() < cell.text.len() { "…" } else { "" };
        format!("column '{name}': cannot parse '{text}{ellipsis}' as {}", self.data_type)
    }

    /// Parses the column. Failed fields are noted and stand as NULL.
    pub(crate) fn parse(&self, rows: &Rows<'_>, column: usize, failures: &mut Failures) -> Result<ArrayRef> {
        let array = match &self.data_type {
            DataType::Utf8 => self.strings::<i32>(rows, column, failures),
            DataType::LargeUtf8 => self.strings::<i64>(rows, column, failures),
            DataType::Utf8View => self.string_views(rows, column, failures),
            DataType::Boolean => self.booleans(rows, column, failures),
            DataType::Float64 => self.primitive::<Float64Type>(rows, column, failures, parse_f64),
            DataType::Float32 => self.parsed::<Float32Type>(rows, column, failures),
            DataType::Int8 => self.parsed::<Int8Type>(rows, column, failures),
            DataType::Int16 => self.parsed::<Int16Type>(rows, column, failures),
            DataType::Int32 => self.parsed::<Int32Type>(rows, column, failures),
            DataType::Int64 => self.parsed::<Int64Type>(rows, column, failures),
            DataType::UInt8 => self.parsed::<UInt8Type>(rows, column, failures),
            DataType::UInt16 => self.parsed::<UInt16Type>(rows, column, failures),
            DataType::UInt32 => self.parsed::<UInt32Type>(rows, column, failures),
            DataType::UInt64 => self.parsed::<UInt64Type>(rows, column, failures),
            DataType::Date32 => self.parsed::<Date32Type>(rows, column, failures),
            DataType::Time32(TimeUnit::Second) => self.parsed::<Time32SecondType>(rows, column, failures),
            DataType::Time32(_) => self.parsed::<Time32MillisecondType>(rows, column, failures),
            DataType::Time64(TimeUnit::Microsecond) => self.parsed::<Time64MicrosecondType>(rows, column, failures),
            DataType::Time64(_) => self.parsed::<Time64NanosecondType>(rows, column, failures),
            DataType::Decimal128(precision, scale) => {
                self.primitive::<Decimal128Type>(rows, column, failures, |text| {
                    let parse = || parse_decimal::<Decimal128Type>(text, *precision, *scale).ok();
                    text.is_ascii().then(parse).flatten()
                })
            }
            DataType::Timestamp(unit, _) => match unit {
                TimeUnit::Second => self.timestamps::<TimestampSecondType>(rows, column, failures, *unit),
                TimeUnit::Millisecond => self.timestamps::<TimestampMillisecondType>(rows, column, failures, *unit),
                TimeUnit::Microsecond => self.timestamps::<TimestampMicrosecondType>(rows, column, failures, *unit),
                TimeUnit::Nanosecond => self.timestamps::<TimestampNanosecondType>(rows, column, failures, *unit),
            },
            other => return Err(Error::internal(format!("a csv column of type {other}"))),
        };
        Ok(array)
    }

    /// NULL is an unquoted empty field, or the table's literal where it has one: then an empty string stays a string.
    fn is_null(&self, cell: &Cell<'_>) -> bool {
        if cell.quoted {
            return false;
        }
        match &self.null_literal {
            None => cell.text.is_empty(),
            Some(literal) => cell.text == literal || (cell.text.is_empty() && !self.data_type.is_string()),
        }
    }

    fn strings<O: OffsetSizeTrait>(&self, rows: &Rows<'_>, column: usize, failures: &mut Failures) -> ArrayRef {
        let mut builder = GenericStringBuilder::<O>::with_capacity(rows.rows, rows.rows * 8);
        for (row, cell) in rows.column(column).enumerate() {
            if self.is_null(&cell) {
                self.fail_unless_nullable(row, column, failures);
                builder.append_null();
            } else {
                builder.append_value(cell.text);
            }
        }
        Arc::new(builder.finish())
    }

    fn string_views(&self, rows: &Rows<'_>, column: usize, failures: &mut Failures) -> ArrayRef {
        let mut builder = StringViewBuilder::with_capacity(rows.rows);
        for (row, cell) in rows.column(column).enumerate() {
            if self.is_null(&cell) {
                self.fail_unless_nullable(row, column, failures);
                builder.append_null();
            } else {
                builder.append_value(cell.text);
            }
        }
        Arc::new(builder.finish())
    }

    fn booleans(&self, rows: &Rows<'_>, column: usize, failures: &mut Failures) -> ArrayRef {
        let mut builder = BooleanBuilder::with_capacity(rows.rows);
        for (row, cell) in rows.column(column).enumerate() {
            let value = match cell.text.trim() {
                text if text.eq_ignore_ascii_case("true") => Some(true),
                text if text.eq_ignore_ascii_case("false") => Some(false),
                _ => None,
            };
            if value.is_none() && !(self.nullable && self.is_null(&cell)) {
                failures.add(row, column);
            }
            builder.append_option(value);
        }
        Arc::new(builder.finish())
    }

    fn timestamps<T>(&self, rows: &Rows<'_>, column: usize, failures: &mut Failures, unit: TimeUnit) -> ArrayRef
    where
        T: ArrowPrimitiveType<Native = i64>,
    {
        match &self.zone {
            None => self.primitive::<T>(rows, column, failures, |text| parse_timestamp(text, unit)),
            Some(zone) => self.primitive::<T>(rows, column, failures, |text| parse_zoned_timestamp(text, unit, zone)),
        }
    }

    fn parsed<T: ArrowPrimitiveType + Parser>(
        &self,
        rows: &Rows<'_>,
        column: usize,
        failures: &mut Failures,
    ) -> ArrayRef {
        // Arrow's parsers index bytes, so they get nothing in which a character has several.
        self.primitive::<T>(rows, column, failures, |text| text.is_ascii().then(|| T::parse(text)).flatten())
    }

    fn primitive<T: ArrowPrimitiveType>(
        &self,
        rows: &Rows<'_>,
        column: usize,
        failures: &mut Failures,
        parse: impl Fn(&str) -> Option<T::Native>,
    ) -> ArrayRef {
        let mut values: Vec<T::Native> = Vec::with_capacity(rows.rows);
        let mut nulls = NullBufferBuilder::new(rows.rows);
        for (row, cell) in rows.column(column).enumerate() {
            let value = match cell.text {
                "" => None,
                // Blanks around a number are harmless.
                text => parse(text).or_else(|| parse(text.trim())),
            };
            if let Some(value) = value {
                values.push(value);
                nulls.append_non_null();
            } else {
                if !(self.nullable && self.is_null(&cell)) {
                    failures.add(row, column);
                }
                values.push(T::Native::default());
                nulls.append_null();
            }
        }
        Arc::new(PrimitiveArray::<T>::new(values.into(), nulls.finish()).with_data_type(self.data_type.clone()))
    }

    fn fail_unless_nullable(&self, row: usize, column: usize, failures: &mut Failures) {
        if !self.nullable {
            failures.add(row, column);
        }
    }
}
