//! Metadata columns: what a row knows about the file that it came from.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::kernels::cast::{CastOptions, cast_with_options};
use arrow::compute::{can_cast_types, take};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use dipper_operator_api::{SplitPosition, SplitReader};
use dipper_types::{Error, Result};

use super::listing::FileEntry;
use crate::options::choice;
use crate::table::TableDefinition;

/// A metadata column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MetadataColumn {
    /// Its place among the table's columns.
    pub(crate) place: usize,
    key: Key,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Path,
    Name,
    Size,
    ModificationTime,
}

const KEYS: [(&str, Key); 4] = [
    ("file.path", Key::Path),
    ("file.name", Key::Name),
    ("file.size", Key::Size),
    ("file.modification-time", Key::ModificationTime),
];

/// The metadata columns that the table declares, their keys and types checked.
pub(crate) fn metadata_columns(table: &TableDefinition) -> Result<Vec<MetadataColumn>> {
    let mut columns = Vec::with_capacity(table.metadata.len());
    for (place, key) in &table.metadata {
        let field = table.columns.fields().get(*place).ok_or_else(|| {
            Error::internal(format!("table '{}': metadata key '{key}' belongs to no column", table.name))
        })?;
        let known = choice(key, &KEYS)
            .map_err(|error| error.context(format!("table '{}', metadata column '{}'", table.name, field.name())))?;
        let natural = known.natural_type();
        let fits = match field.data_type() {
            DataType::Timestamp(..) | DataType::Date32 => known == Key::ModificationTime,
            declared => known != Key::ModificationTime && can_cast_types(&natural, declared),
        };
        if !fits && !field.data_type().is_string() {
            return Err(Error::invalid(format!(
                "table '{}', metadata column '{}': '{key}' is {natural} and cannot be read as {}",
                table.name,
                field.name(),
                field.data_type()
            )));
        }
        columns.push(MetadataColumn { place: *place, key: known });
    }
    Ok(columns)
}

impl Key {
    fn natural_type(self) -> DataType {
        match self {
            Self::Path | Self::Name => DataType::Utf8,
            Self::Size => DataType::Int64,
            Self::ModificationTime => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        }
    }
}

impl MetadataColumn {
    /// The column's value for a file, as one row of the declared type. `id` is the file's path as shown to people.
    fn value(self, id: &str, file: &FileEntry, declared: &DataType) -> Result<ArrayRef> {
        let value: ArrayRef = match self.key {
            Key::Path => Arc::new(StringArray::from(vec![id])),
            Key::Name => Arc::new(StringArray::from(vec![file.name()])),
            Key::Size => Arc::new(Int64Array::from(vec![file.size as i64])),
            Key::ModificationTime => {
                Arc::new(TimestampMicrosecondArray::from(vec![file.modified_us]).with_timezone("+00:00"))
            }
        };
        let options = CastOptions { safe: false, ..CastOptions::default() };
        Ok(cast_with_options(&value, declared, &options)?)
    }
}

/// Puts metadata columns between the columns that a reader of the file reads.
pub(crate) struct MetadataReader {
    inner: Box<dyn SplitReader>,
    schema: SchemaRef,
    /// For each wanted column, its value if it is metadata; the others come from the file in order.
    values: Vec<Option<ArrayRef>>,
}

impl MetadataReader {
    /// Wraps `inner`, which reads those columns of `projection` that are not metadata.
    pub(crate) fn new(
        inner: Box<dyn SplitReader>,
        columns: &SchemaRef,
        projection: &[usize],
        metadata: &[MetadataColumn],
        id: &str,
        file: &FileEntry,
    ) -> Result<Self> {
        let values = projection
            .iter()
            .map(|place| {
                let column = metadata.iter().find(|column| column.place == *place);
                column.map(|column| column.value(id, file, columns.field(*place).data_type())).transpose()
            })
            .collect::<Result<_>>()?;
        Ok(Self { inner, schema: Arc::new(columns.project(projection)?), values })
    }
}

#[async_trait]
impl SplitReader for MetadataReader {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let Some(batch) = self.inner.next().await? else { return Ok(None) };
        let rows = batch.num_rows();
        let every_row_the_first = UInt32Array::from(vec![0; rows]);
        let mut stored = batch.columns().iter();
        let mut columns = Vec::with_capacity(self.values.len());
        for value in &self.values {
            columns.push(match value {
                Some(value) => take(value, &every_row_the_first, None)?,
                None => stored.next().map(Arc::clone).ok_or_else(|| Error::internal("a column is missing"))?,
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(Some(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?))
    }

    fn position(&self) -> SplitPosition {
        self.inner.position()
    }
}
