//! Writes Parquet.

use std::io::Write;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use dipper_types::{Error, Result};
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::ParquetOptions;
use crate::format::RecordEncoder;

/// Writes one Parquet file.
pub(crate) struct ParquetEncoder<W: Write + Send>(ArrowWriter<W>);

impl<W: Write + Send> ParquetEncoder<W> {
    pub(crate) fn new(options: &ParquetOptions, schema: &SchemaRef, out: W) -> Result<Self> {
        let properties = WriterProperties::builder().set_compression(options.compression).build();
        ArrowWriter::try_new(out, Arc::clone(schema), Some(properties)).map(Self).map_err(error)
    }
}

impl<W: Write + Send> RecordEncoder for ParquetEncoder<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.0.write(batch).map_err(error)
    }

    fn flushed_bytes(&self) -> u64 {
        (self.0.bytes_written() + self.0.in_progress_size()) as u64
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.0.close().map(drop).map_err(error)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn error(error: ParquetError) -> Error {
    Error::invalid(format!("cannot write parquet: {error}"))
}
