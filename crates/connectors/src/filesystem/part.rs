//! One file while it is written: rows are encoded, compressed, and appended in large pieces.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use dipper_types::{Error, Result};

use super::commit::StagedFile;
use super::compression::{Compression, FileBytes};
use super::directory::{Directory, StagedWriter};
use crate::format::{Format, RecordEncoder};

/// Bytes are appended in pieces of at least this size.
const PIECE_BYTES: usize = 1 << 20;

/// A staged file that is being written.
pub(crate) struct Part {
    file: StagedFile,
    encoder: Box<dyn RecordEncoder>,
    bytes: FileBytes,
    writer: StagedWriter,
    compressed: bool,
    appended: u64,
}

impl Part {
    pub(crate) fn create(
        directory: &Directory,
        file: StagedFile,
        format: &Format,
        compression: Compression,
        schema: &SchemaRef,
    ) -> Result<Self> {
        let bytes = FileBytes::new(compression).map_err(|error| Error::internal(error.to_string()))?;
        let encoder = format.encoder(schema, bytes.clone())?;
        let writer = directory.stage(&file)?;
        let compressed = !compression.suffix().is_empty();
        Ok(Self { file, encoder, bytes, writer, compressed, appended: 0 })
    }

    pub(crate) async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.encoder.write(batch)?;
        let Some(bytes) = self.bytes.take(PIECE_BYTES) else { return Ok(()) };
        self.appended += bytes.len() as u64;
        self.writer.append(&bytes).await.map_err(|error| cannot_write(&self.file, &error))
    }

    /// The size of the file, as far as it is known before its end.
    pub(crate) fn size(&self) -> u64 {
        if self.compressed { self.appended } else { self.encoder.flushed_bytes() }
    }

    /// Ends the file. It is durable when the future is done.
    pub(crate) fn close(self) -> Result<(StagedFile, impl Future<Output = Result<()>> + Send + 'static)> {
        let Self { file, encoder, bytes, mut writer, .. } = self;
        encoder.finish()?;
        let last = bytes.finish().map_err(|error| cannot_write(&file, &error))?;
        let staged = file.clone();
        let closed = async move {
            writer.append(&last).await.map_err(|error| cannot_write(&staged, &error))?;
            writer.close().await.map_err(|error| cannot_write(&staged, &error))
        };
        Ok((file, closed))
    }
}

fn cannot_write(file: &StagedFile, error: &std::io::Error) -> Error {
    Error::unavailable(format!("cannot write '{}': {error}", file.name))
}
