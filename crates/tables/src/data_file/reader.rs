//! Reads the rows of a data file that are not deleted.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::compute::kernels::cast::{CastOptions, cast_with_options};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use bytes::Bytes;
use dipper_state::Directory;
use dipper_types::{Error, ErrorKind, Result};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, RowSelection};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use roaring::RoaringTreemap;

use super::gone;

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// A file as the Parquet reader wants to see it.
struct Object {
    directory: Directory,
    name: String,
    bytes: u64,
}

/// Reads the columns of `schema` from the file `name` of `bytes` bytes: by name, cast to its types, NULL where the file lacks a column.
/// Rows in `deleted` are left out; the others keep their order.
pub(crate) async fn read(
    directory: &Directory,
    name: &str,
    bytes: u64,
    schema: &SchemaRef,
    deleted: Option<&RoaringTreemap>,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let file = format!("table '{}', file '{name}'", directory.url());
    let object = Object { directory: directory.clone(), name: name.to_owned(), bytes };
    let builder = ParquetRecordBatchStreamBuilder::new(object).await.map_err(|error| failed(&file, &error))?;
    // For each wanted column its place in the file.
    let stored = builder.schema().fields();
    let places: Vec<Option<usize>> =
        schema.fields().iter().map(|field| stored.find(field.name()).map(|(place, _)| place)).collect();
    let mut roots: Vec<usize> = places.iter().flatten().copied().collect();
    roots.sort_unstable();
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots.iter().copied());
    let rows = builder.metadata().file_metadata().num_rows().max(0).unsigned_abs();
    let mut builder = builder.with_projection(mask).with_batch_size(BATCH_ROWS);
    if let Some(deleted) = deleted.filter(|deleted| !deleted.is_empty()) {
        builder = builder.with_row_selection(kept_rows(deleted, rows).map_err(|error| error.context(&file))?);
    }
    let stream = builder.build().map_err(|error| failed(&file, &error))?;
    // ... and in the batches that are read, which keep the order of the file.
    let places = places.into_iter().map(|place| place.and_then(|place| roots.binary_search(&place).ok())).collect();
    let shape = Shape { file, schema: Arc::clone(schema), places };
    Ok(stream.map(move |batch| shape.apply(&batch.map_err(|error| failed(&shape.file, &error))?)).boxed())
}

/// How a batch of a file becomes one of the table.
struct Shape {
    file: String,
    schema: SchemaRef,
    places: Vec<Option<usize>>,
}

impl Shape {
    fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let column = |(field, place): (&arrow::datatypes::FieldRef, &Option<usize>)| -> Result<ArrayRef> {
            let Some(place) = place else { return Ok(new_null_array(field.data_type(), batch.num_rows())) };
            let column = batch.column(*place);
            if column.data_type() == field.data_type() {
                return Ok(Arc::clone(column));
            }
            let cast = cast_with_options(column, field.data_type(), &options);
            cast.map_err(|error| Error::from(error).context(format!("{}, column '{}'", self.file, field.name())))
        };
        let columns = self.schema.fields().iter().zip(&self.places).map(column).collect::<Result<Vec<_>>>()?;
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &rows)
            .map_err(|error| Error::new(ErrorKind::Corrupt, format!("{}: {error}", self.file)))
    }
}

/// The rows that are not deleted, of so many.
pub(crate) fn kept_rows(deleted: &RoaringTreemap, rows: u64) -> Result<RowSelection> {
    if deleted.max().is_some_and(|last| last >= rows) {
        let message = format!("a row is marked as deleted that the file of {rows} rows does not have");
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    Ok(RowSelection::from_consecutive_ranges(kept_ranges(deleted, rows).into_iter(), rows as usize))
}

fn kept_ranges(deleted: &RoaringTreemap, rows: u64) -> Vec<Range<usize>> {
    let mut kept = Vec::new();
    let mut start = 0;
    for row in deleted.iter().chain(std::iter::once(rows)) {
        if start < row {
            kept.push(start as usize..row as usize);
        }
        start = row + 1;
    }
    kept
}

impl AsyncFileReader for Object {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        let bytes = self.get_byte_ranges(vec![range]);
        async move { bytes.await?.pop().ok_or_else(|| ParquetError::General("nothing was read".to_owned())) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move {
            let read = self.directory.get_ranges(&self.name, &ranges).await;
            let read = read.and_then(|read| read.ok_or_else(|| gone(&self.name)));
            read.map_err(|error| ParquetError::External(Box::new(error)))
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move {
            let bytes = self.bytes;
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
            Ok(Arc::new(reader.with_prefetch_hint(Some(64 << 10)).load_and_finish(self, bytes).await?))
        }
        .boxed()
    }
}

/// An error of ours comes out as it went in.
fn failed(file: &str, error: &ParquetError) -> Error {
    if let ParquetError::External(inner) = error
        && let Some(ours) = inner.downcast_ref::<Error>()
    {
        return ours.clone().context(file);
    }
    Error::new(ErrorKind::Corrupt, format!("{file}: cannot read as parquet: {error}"))
}
