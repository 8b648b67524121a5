//! What it means that a file is gone while it is read.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use dipper_state::Directory;
use dipper_types::Error;
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;

/// Another one's reader of a data file. If that fails because the file is gone, the error says what it means, as an [`Error`] inside.
pub struct WatchedReader {
    reader: Box<dyn AsyncFileReader + Send>,
    place: Place,
}

struct Place {
    /// For messages.
    table: String,
    directory: Directory,
    /// In the directory.
    name: String,
}

impl WatchedReader {
    /// Reads the file `name` in the `directory` of a table by `reader`; messages are about `table`.
    pub fn new(
        reader: Box<dyn AsyncFileReader + Send>,
        table: impl Into<String>,
        directory: Directory,
        name: impl Into<String>,
    ) -> Self {
        Self { reader, place: Place { table: table.into(), directory, name: name.into() } }
    }
}

impl AsyncFileReader for WatchedReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        let Self { reader, place } = self;
        async move { place.told(reader.get_bytes(range).await).await }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        let Self { reader, place } = self;
        async move { place.told(reader.get_byte_ranges(ranges).await).await }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        let Self { reader, place } = self;
        async move { place.told(reader.get_metadata(options).await).await }.boxed()
    }
}

impl Place {
    /// Some errors are but a text by now: the store is asked once more.
    async fn told<T>(&self, read: Result<T>) -> Result<T> {
        if read.is_err() && matches!(self.directory.size(&self.name).await, Ok(None)) {
            let error = gone(&self.name).context(format!("table '{}'", self.table));
            return Err(ParquetError::External(Box::new(error)));
        }
        read
    }
}

/// The error for a file of a table that is gone.
pub(crate) fn gone(name: &str) -> Error {
    let message = format!(
        "the file '{name}' is gone: the table was dropped or replaced meanwhile, or the file was removed after 'file.retention'"
    );
    Error::unavailable(message).with_hint("run the query again; with a longer 'file.retention' files stay for longer")
}
