//! Reads a text file: blocks in, batches out.

use std::io;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use dipper_operator_api::{SplitPosition, SplitReader};
use dipper_types::{Error, ErrorKind, Result};

use super::blocks::Blocks;
use super::compression::Compression;
use crate::format::RecordDecoder;

/// Reads one file.
pub(crate) struct FileReader {
    pub(crate) file: String,
    pub(crate) compression: Compression,
    pub(crate) blocks: Blocks,
    pub(crate) decoder: Box<dyn RecordDecoder>,
    pub(crate) ended: bool,
}

impl FileReader {
    fn error(&self, error: &io::Error) -> Error {
        let file = &self.file;
        let compressed = match self.compression {
            Compression::Auto | Compression::None => None,
            Compression::Gzip => Some("gzip"),
            Compression::Zstd => Some("zstd"),
        };
        match (compressed, error.kind()) {
            (_, io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) | (None, _) => {
                let kind = match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidData => {
                        ErrorKind::Invalid
                    }
                    _ => ErrorKind::Unavailable,
                };
                Error::new(kind, format!("cannot read '{file}': {error}"))
            }
            (Some(name), io::ErrorKind::UnexpectedEof) => {
                Error::invalid(format!("{file}: the {name} stream is cut off: {error}"))
            }
            (Some(name), _) => Error::invalid(format!("{file}: cannot decompress as {name}: {error}")),
        }
    }
}

#[async_trait]
impl SplitReader for FileReader {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.decoder.next_batch()? {
                return Ok(Some(batch));
            }
            if self.ended {
                return Ok(None);
            }
            match self.blocks.next().await.map_err(|error| self.error(&error))? {
                Some(block) => self.decoder.feed(&block),
                None => {
                    self.decoder.end();
                    self.ended = true;
                }
            }
        }
    }

    fn position(&self) -> SplitPosition {
        SplitPosition(serde_json::json!(self.decoder.position()))
    }
}
