//! Writes rows into Parquet files of a table's directory. The files belong to no snapshot before a commit names them.

use std::sync::Arc;

use arrow::array::Array;
use arrow::compute::kernels::cast::{CastOptions, cast_with_options};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use dipper_state::Directory;
use dipper_types::{Error, ErrorKind, Result, sql_type_name};
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use parquet::basic::{Compression, Encoding, Type, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnDescPtr;
use uuid::Uuid;

use super::NewFile;
use crate::clock::now_ms;
use crate::concurrent::concurrently;
use crate::statistics::Collector;

/// Rows of a row group: what one reader reads at a time.
const ROW_GROUP_ROWS: usize = 1 << 18;

/// The largest dictionary of the whole numbers in a column of a row group; what comes behind it is written as packed differences.
const DICTIONARY_BYTES: usize = 1 << 18;

/// Writes files of about the same size, one after the other.
pub struct DataFileWriter {
    directory: Directory,
    schema: SchemaRef,
    target_bytes: u64,
    /// A directory in the table's, with its separator; empty for none.
    folder: &'static str,
    open: Option<OpenFile>,
    /// Complete, and uploaded.
    done: Vec<NewFile>,
}

/// Files that have been written up to a point.
pub struct Staged {
    /// The files. They may be kept, but not committed, before they are durable.
    pub files: Vec<NewFile>,
    /// Done when all of them are durable. It may run while the writer takes further rows.
    pub durable: BoxFuture<'static, Result<()>>,
}

struct OpenFile {
    name: String,
    parquet: ArrowWriter<Vec<u8>>,
    statistics: Collector,
}

impl DataFileWriter {
    /// A writer into the table's `directory` of rows with the table's `schema`; a file ends when it has `target_bytes`.
    pub fn new(directory: Directory, schema: SchemaRef, target_bytes: u64) -> Self {
        Self { directory, schema, target_bytes, folder: "", open: None, done: Vec::new() }
    }

    /// Writes into a directory of the table's directory, `folder/`, instead.
    pub(crate) fn in_folder(mut self, folder: &'static str) -> Self {
        self.folder = folder;
        self
    }

    /// Takes rows; columns count by position and are cast to the table's types. Files that are full are uploaded before it returns.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = conform(batch, &self.schema)?;
        // A batch may be larger than a file.
        let mut offset = 0;
        while offset < batch.num_rows() {
            let rows = (batch.num_rows() - offset).min(ROW_GROUP_ROWS);
            let is_full = self.encode(&batch.slice(offset, rows))?;
            offset += rows;
            if is_full && let Some((file, bytes)) = self.close()? {
                self.directory.put(&file.name, &bytes).await?;
                self.done.push(file);
            }
        }
        Ok(())
    }

    /// Ends the file that is being written. The rows that have been taken so far are in the files of the answer, later ones are not.
    pub fn stage(&mut self) -> Result<Staged> {
        let last = self.close()?;
        let mut files = std::mem::take(&mut self.done);
        let durable = match last {
            None => std::future::ready(Ok(())).boxed(),
            Some((file, bytes)) => {
                let (directory, name) = (self.directory.clone(), file.name.clone());
                files.push(file);
                async move { directory.put(&name, &bytes).await }.boxed()
            }
        };
        Ok(Staged { files, durable })
    }

    /// [`DataFileWriter::stage`], and waits until all is durable.
    pub async fn finish(&mut self) -> Result<Vec<NewFile>> {
        let staged = self.stage()?;
        staged.durable.await?;
        Ok(staged.files)
    }

    /// Whether the file has reached its size.
    fn encode(&mut self, batch: &RecordBatch) -> Result<bool> {
        let file = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(OpenFile::new(self.folder, &self.schema)?),
        };
        file.parquet.write(batch).map_err(failed)?;
        file.statistics.add(batch);
        let bytes = file.parquet.bytes_written() + file.parquet.in_progress_size();
        // Rows of a file are counted with 32 bits.
        Ok(bytes as u64 >= self.target_bytes || file.statistics.rows() > u64::from(u32::MAX / 2))
    }

    fn close(&mut self) -> Result<Option<(NewFile, Bytes)>> {
        let Some(open) = self.open.take() else { return Ok(None) };
        let bytes = Bytes::from(open.parquet.into_inner().map_err(failed)?);
        let file = NewFile {
            name: open.name,
            bytes: bytes.len() as u64,
            rows: open.statistics.rows(),
            modified_ms: now_ms(),
            statistics: open.statistics.finish(),
        };
        Ok(Some((file, bytes)))
    }
}

impl OpenFile {
    fn new(folder: &str, schema: &SchemaRef) -> Result<Self> {
        let parquet = properties(schema)
            .and_then(|properties| ArrowWriter::try_new(Vec::new(), Arc::clone(schema), Some(properties)));
        let parquet = parquet.map_err(failed)?;
        let name = format!("{folder}part-{}.parquet", Uuid::new_v4());
        Ok(Self { name, parquet, statistics: Collector::new(Arc::clone(schema)) })
    }
}

/// How files are written. They have no bounds of floating point numbers: those pass over a NaN, which is the greatest number to a query, so
/// that a reader would leave it out. Whole numbers and times of which there are many are differences, whose bits are packed: numbers in full
/// would be left to zstd, and take a reader several times as long.
fn properties(schema: &SchemaRef) -> parquet::errors::Result<WriterProperties> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_created_by(concat!("Dipper ", env!("CARGO_PKG_VERSION")).to_owned());
    let stored = ArrowSchemaConverter::new().convert(schema)?;
    let of_column = |properties: WriterPropertiesBuilder, leaf: &ColumnDescPtr| match leaf.physical_type() {
        Type::FLOAT | Type::DOUBLE => {
            properties.set_column_statistics_enabled(leaf.path().clone(), EnabledStatistics::None)
        }
        Type::INT32 | Type::INT64 => properties
            .set_column_encoding(leaf.path().clone(), Encoding::DELTA_BINARY_PACKED)
            .set_column_dictionary_page_size_limit(leaf.path().clone(), DICTIONARY_BYTES),
        _ => properties,
    };
    Ok(stored.columns().iter().fold(properties, of_column).build())
}

/// Waits for several writers' files.
pub(crate) fn all_durable(durable: Vec<BoxFuture<'static, Result<()>>>) -> BoxFuture<'static, Result<()>> {
    async move { concurrently(durable).await.map(drop) }.boxed()
}

/// The rows with the types of `schema`, column by column.
pub(crate) fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.num_columns() != schema.fields().len() {
        let (given, wanted) = (batch.num_columns(), schema.fields().len());
        return Err(Error::invalid(format!("the table has {wanted} columns, the rows have {given}")));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let about = |error: Error| error.context(format!("column '{}'", field.name()));
        let column = if column.data_type() == field.data_type() {
            Arc::clone(column)
        } else {
            cast_with_options(column, field.data_type(), &options).map_err(|error| {
                let (from, to) = (sql_type_name(column.data_type()), sql_type_name(field.data_type()));
                about(Error::from(error).context(format!("a value of {from} cannot be stored as {to}")))
            })?
        };
        if !field.is_nullable() && column.null_count() > 0 {
            return Err(about(Error::invalid("a value is NULL, but the column is NOT NULL")));
        }
        columns.push(column);
    }
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn failed(error: ParquetError) -> Error {
    Error::new(ErrorKind::Internal, format!("cannot write parquet: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::collections::BTreeMap;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray};
    use arrow::datatypes::Float32Type;
    use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaDataReader};

    use super::*;

    #[tokio::test]
    async fn files_have_no_bounds_of_floating_point_numbers() {
        let directory = Directory::open("memory://", &BTreeMap::new()).unwrap();
        let reals = ListArray::from_iter_primitive::<Float32Type, _, _>([Some([Some(0.5)]), Some([Some(f32::NAN)])]);
        let columns: [(&str, ArrayRef); 3] = [
            ("n", Arc::new(Int64Array::from(vec![1, 2]))),
            ("real", Arc::new(Float64Array::from(vec![0.5, f64::NAN]))),
            ("reals", Arc::new(reals)),
        ];
        let rows = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = DataFileWriter::new(directory.clone(), rows.schema(), 1 << 20);
        writer.write(&rows).await.unwrap();
        let [file] = writer.finish().await.unwrap().try_into().unwrap();
        let bytes = directory.get(&file.name).await.unwrap().unwrap();
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&bytes).unwrap();
        let has_bounds = |column: &ColumnChunkMetaData| column.statistics().is_some();
        let has_bounds: Vec<bool> = metadata.row_group(0).columns().iter().map(has_bounds).collect();
        assert_eq!(has_bounds, [true, false, false]);
    }
}
