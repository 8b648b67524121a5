//! Brings what arrives at a sink into the shape of its table.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::kernels::cast::{CastOptions, cast_with_options};
use arrow::datatypes::{Int8Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use dipper_operator_api::{ROW_KIND_COLUMN, RowKind};
use dipper_types::{Error, Result};

/// The rows with the table's column names and types, columns taken by position. Only additions can be appended: a
/// changelog with anything else is refused.
pub(crate) fn appended_rows(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if field.name() != ROW_KIND_COLUMN {
            columns.push(Arc::clone(column));
        } else if !column.as_primitive::<Int8Type>().values().iter().all(|kind| *kind == RowKind::Insert as i8) {
            return Err(Error::unsupported("the connector appends rows and cannot take updates or deletions"));
        }
    }
    if columns.len() != schema.fields().len() {
        return Err(Error::internal(format!("got {} columns, not {}", columns.len(), schema.fields().len())));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    for (field, column) in schema.fields().iter().zip(&mut columns) {
        if column.data_type() != field.data_type() {
            *column = cast_with_options(column, field.data_type(), &options)
                .map_err(|error| Error::from(error).context(format!("column '{}'", field.name())))?;
        }
        if !field.is_nullable() && column.null_count() > 0 {
            return Err(Error::invalid(format!(
                "column '{}': a NULL was to be written, but the column is NOT NULL",
                field.name()
            )));
        }
    }
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
