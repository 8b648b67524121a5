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
    if row_kinds(batch)?.is_some_and(|kinds| kinds.iter().any(|kind| *kind != RowKind::Insert as i8)) {
        return Err(Error::unsupported("the connector appends rows and cannot take updates or deletions"));
    }
    table_rows(batch, schema)
}

/// The rows of a changelog in their order, in stretches: those that a table with a primary key has now, and those that are gone. What an
/// update replaces is left out, as its key says.
pub(crate) fn changed_rows(batch: &RecordBatch, schema: &SchemaRef) -> Result<Vec<(RecordBatch, bool)>> {
    let rows = table_rows(batch, schema)?;
    let Some(kinds) = row_kinds(batch)? else { return Ok(vec![(rows, false)]) };
    let (mut stretches, mut from) = (Vec::new(), 0);
    for stretch in kinds.chunk_by(|a, b| a == b) {
        let kind = stretch[0];
        if kind != RowKind::UpdateBefore as i8 {
            stretches.push((rows.slice(from, stretch.len()), kind == RowKind::Delete as i8));
        }
        from += stretch.len();
    }
    Ok(stretches)
}

/// The kind of each row of a changelog.
fn row_kinds(batch: &RecordBatch) -> Result<Option<&[i8]>> {
    let Some(column) = batch.column_by_name(ROW_KIND_COLUMN) else { return Ok(None) };
    let kinds = column.as_primitive_opt::<Int8Type>();
    let kinds = kinds.ok_or_else(|| Error::internal(format!("'{ROW_KIND_COLUMN}' holds no kinds of row")))?;
    Ok(Some(kinds.values().as_ref()))
}

fn table_rows(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let named = batch.schema_ref().fields().iter().zip(batch.columns());
    let mut columns: Vec<_> =
        named.filter(|(field, _)| field.name() != ROW_KIND_COLUMN).map(|(_, column)| Arc::clone(column)).collect();
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
