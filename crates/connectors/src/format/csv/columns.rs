//! The types of columns: which ones arrow-csv reads, and how the others come from text.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, SchemaRef};
use dipper_types::{Result, sql_type_name};

use crate::format::number_text::{decimal_fits, is_out_of_range, names_infinity, shortened};

/// Refuses columns that CSV cannot hold.
pub(crate) fn check_columns(columns: &SchemaRef) -> Result<(), String> {
    match columns.fields().iter().find(|field| !is_supported(field.data_type())) {
        Some(field) => Err(format!(
            "column '{}': the csv format cannot hold type {}; use 'json' or 'parquet', or read it as STRING",
            field.name(),
            sql_type_name(field.data_type())
        )),
        None => Ok(()),
    }
}

fn is_supported(data_type: &DataType) -> bool {
    data_type.is_integer()
        || data_type.is_string()
        || matches!(
            data_type,
            DataType::Boolean
                | DataType::Float32
                | DataType::Float64
                | DataType::Decimal128(..)
                | DataType::Date32
                | DataType::Time32(_)
                | DataType::Time64(_)
                | DataType::Timestamp(..)
        )
}

/// One wanted column.
#[derive(Debug)]
pub(super) struct Column {
    name: String,
    data_type: DataType,
    nullable: bool,
    null_literal: Option<String>,
    from_text: bool,
}

/// A column cast from text, and the rows where that failed or NULL is not allowed; they stand as NULL.
pub(super) struct Cast {
    pub(super) array: ArrayRef,
    pub(super) failed: Vec<usize>,
}

impl Column {
    pub(super) fn new(field: &Field, null_literal: Option<&str>) -> Self {
        let data_type = field.data_type().clone();
        // arrow-csv has no large strings, and its decimals overflow on long numbers. With a null literal it would take
        // an empty number for a bad one.
        let from_text = matches!(data_type, DataType::LargeUtf8 | DataType::Decimal128(..))
            || (null_literal.is_some() && !data_type.is_string());
        Self {
            name: field.name().clone(),
            data_type,
            nullable: field.is_nullable(),
            null_literal: null_literal.map(str::to_owned),
            from_text,
        }
    }

    /// The type that arrow-csv is to read.
    pub(super) fn read_type(&self) -> DataType {
        if self.from_text { DataType::Utf8 } else { self.data_type.clone() }
    }

    /// Makes the column of what arrow-csv has read. `None` if some row is bad.
    pub(super) fn finish(&self, read: &ArrayRef) -> Result<Option<ArrayRef>> {
        if !self.from_text {
            let is_good = (self.nullable || read.null_count() == 0) && !has_infinity(read);
            return Ok(is_good.then(|| Arc::clone(read)));
        }
        let cast = self.cast(read)?;
        Ok(cast.failed.is_empty().then_some(cast.array))
    }

    /// Reads a field as text: NULL as arrow-csv has it.
    pub(super) fn text<'a>(&self, field: &'a str) -> Option<&'a str> {
        match &self.null_literal {
            None => (!field.is_empty()).then_some(field),
            Some(literal) => (field != literal).then_some(field),
        }
    }

    /// Casts text. Agrees with arrow-csv on all that arrow-csv can read, and reads blanks around values besides.
    pub(super) fn cast(&self, text: &ArrayRef) -> Result<Cast> {
        let text = match text.as_any().downcast_ref::<StringArray>() {
            Some(text) if !self.data_type.is_string() => {
                let trimmed = text.iter().map(|text| text.filter(|text| !text.is_empty()).map(str::trim));
                Arc::new(trimmed.collect::<StringArray>())
            }
            _ => Arc::clone(text),
        };
        let array = cast(&text, &self.data_type)?;
        let nulls = if self.nullable { text.null_count() } else { 0 };
        let mut failed: Vec<usize> = if array.null_count() == nulls {
            Vec::new()
        } else {
            (0..array.len()).filter(|row| array.is_null(*row) && !(self.nullable && text.is_null(*row))).collect()
        };
        if let Some(text) = text.as_any().downcast_ref::<StringArray>() {
            // The cast gives infinity for numbers out of range, and cuts digits off.
            let looks_changed = |row: &usize| match (&self.data_type, text.is_valid(*row)) {
                (DataType::Decimal128(precision, scale), true) => {
                    decimal_fits(text.value(*row), *precision, *scale) == Some(false)
                }
                (DataType::Float32 | DataType::Float64, true) => !names_infinity(text.value(*row)),
                _ => false,
            };
            if matches!(self.data_type, DataType::Decimal128(..)) || has_infinity(&array) {
                let changed = (0..array.len()).filter(|row| is_suspect(&array, *row)).filter(looks_changed);
                failed.extend(changed);
                failed.sort_unstable();
                failed.dedup();
            }
        }
        Ok(Cast { array, failed })
    }

    /// What is wrong with a field that failed.
    pub(super) fn describe(&self, text: Option<&str>) -> String {
        let name = &self.name;
        match text.filter(|text| !text.is_empty()) {
            None => format!("column '{name}': the value is NULL, but the column is NOT NULL"),
            Some(text) => {
                let kind = sql_type_name(&self.data_type);
                let shown = shortened(text);
                if is_out_of_range(text.trim(), &self.data_type) {
                    format!("column '{name}': '{shown}' does not fit {kind}")
                } else {
                    format!("column '{name}': cannot parse '{shown}' as {kind}")
                }
            }
        }
    }
}

fn has_infinity(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Float32 => array.as_primitive::<Float32Type>().values().iter().any(|value| value.is_infinite()),
        DataType::Float64 => array.as_primitive::<Float64Type>().values().iter().any(|value| value.is_infinite()),
        _ => false,
    }
}

/// Whether the value may be another one than the text said.
fn is_suspect(array: &ArrayRef, row: usize) -> bool {
    match array.data_type() {
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).is_infinite(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).is_infinite(),
        _ => true,
    }
}
