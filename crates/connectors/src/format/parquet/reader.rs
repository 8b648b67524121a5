//! Reads a Parquet file: the wanted columns by name, batch by batch, cast to the table's types.

use std::sync::Arc;

use arrow::array::Array;
use arrow::compute::can_cast_types;
use arrow::compute::kernels::cast::{CastOptions, cast_with_options};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use dipper_operator_api::{SplitPosition, SplitReader};
use dipper_types::{Error, ErrorKind, Result, sql_type_name};
use futures::StreamExt;
use parquet::arrow::async_reader::ParquetRecordBatchStream;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::ParquetError;

use super::ObjectFile;

/// Reads one file.
pub(crate) struct ParquetReader {
    file: String,
    stream: ParquetRecordBatchStream<ObjectFile>,
    schema: SchemaRef,
    /// For each wanted column its place in the batches of `stream`.
    places: Vec<usize>,
    /// How many rows have been read.
    rows: u64,
}

impl ParquetReader {
    /// Opens a file, called `name` in messages, behind its first `skipped` rows. `physical` are the table's columns, of which `projection`
    /// are wanted.
    pub(crate) async fn open(
        name: &str,
        file: ObjectFile,
        physical: &SchemaRef,
        projection: &[usize],
        batch_rows: usize,
        skipped: u64,
    ) -> Result<Self> {
        let builder = ParquetRecordBatchStreamBuilder::new(file).await.map_err(|error| file_error(name, &error))?;
        let roots = physical
            .fields()
            .iter()
            .map(|field| root_of(name, builder.schema(), field.name()))
            .collect::<Result<Vec<_>>>()?;
        let wanted: Vec<usize> = projection.iter().map(|column| roots[*column]).collect();
        let schema: SchemaRef = Arc::new(physical.project(projection)?);
        for (field, root) in schema.fields().iter().zip(&wanted) {
            let stored = builder.schema().field(*root).data_type();
            if stored != field.data_type() && !can_cast_types(stored, field.data_type()) {
                return Err(Error::invalid(format!(
                    "{name}: column '{}' is {} in the file and cannot be read as {}",
                    field.name(),
                    sql_type_name(stored),
                    sql_type_name(field.data_type())
                )));
            }
        }
        // The stream keeps the file's order of columns.
        let mut sorted = wanted.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let places = wanted.iter().filter_map(|root| sorted.binary_search(root).ok()).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), sorted);
        let stream = builder
            .with_projection(mask)
            .with_batch_size(batch_rows.max(1))
            .with_offset(skipped as usize)
            .build()
            .map_err(|error| file_error(name, &error))?;
        Ok(Self { file: name.to_owned(), stream, schema, places, rows: skipped })
    }

    fn shape(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let mut columns = Vec::with_capacity(self.places.len());
        for (field, place) in self.schema.fields().iter().zip(&self.places) {
            let mut column = Arc::clone(batch.column(*place));
            let (file, name) = (&self.file, field.name());
            if column.data_type() != field.data_type() {
                column = cast_with_options(&column, field.data_type(), &options)
                    .map_err(|error| Error::from(error).context(format!("{file}, column '{name}'")))?;
            }
            if !field.is_nullable() && column.null_count() > 0 {
                return Err(Error::invalid(format!(
                    "{file}, column '{name}': a value is NULL, but the column is NOT NULL"
                )));
            }
            columns.push(column);
        }
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &rows)?)
    }
}

#[async_trait]
impl SplitReader for ParquetReader {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            match self.stream.next().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(file_error(&self.file, &error)),
                Some(Ok(batch)) if batch.num_rows() == 0 => {}
                Some(Ok(batch)) => {
                    self.rows += batch.num_rows() as u64;
                    return self.shape(&batch).map(Some);
                }
            }
        }
    }

    fn position(&self) -> SplitPosition {
        SplitPosition(self.rows.into())
    }
}

/// The column of the file with this name; upper and lower case count only where both occur.
fn root_of(file: &str, stored: &SchemaRef, name: &str) -> Result<usize> {
    if let Some((place, _)) = stored.fields().find(name) {
        return Ok(place);
    }
    let lower = name.to_lowercase();
    let mut found = (0..stored.fields().len()).filter(|place| stored.field(*place).name().to_lowercase() == lower);
    match (found.next(), found.next()) {
        (Some(place), None) => Ok(place),
        (Some(_), Some(_)) => Err(Error::invalid(format!("{file}: several columns are called '{name}'"))),
        (None, _) => {
            let names: Vec<&str> = stored.fields().iter().map(|field| field.name().as_str()).collect();
            Err(Error::invalid(format!("{file}: no column '{name}' in the file: {}", names.join(", "))))
        }
    }
}

fn file_error(file: &str, error: &ParquetError) -> Error {
    let kind = match error {
        ParquetError::External(_) => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    };
    Error::new(kind, format!("{file}: cannot read as parquet: {error}"))
}
