//! Formats: how records lie in a file. Which files, and how their bytes arrive, is the connector's.

pub(crate) mod bad_records;
mod csv;
mod json;
mod number_text;
pub(crate) mod parquet;

use std::io::Write;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use dipper_types::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::options::TableOptions;
use bad_records::{BadRecords, OnError};

/// A format and its options.
#[derive(Debug, Clone)]
pub(crate) enum Format {
    Csv(csv::CsvOptions),
    Json(json::JsonOptions),
    Parquet(parquet::ParquetOptions),
}

#[derive(Debug, Clone, Copy)]
enum Name {
    Csv,
    Json,
    Parquet,
}

/// Where a text file has been read up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextPosition {
    /// Bytes before the first record that has not been read, decompressed.
    pub(crate) offset: u64,
    /// The number of its line, from 1.
    pub(crate) line: u64,
    /// Bytes of what stands before the records and must be known to read them: the header; 0 if there is none.
    pub(crate) body: u64,
}

/// Turns the bytes of one file into batches. Bytes go in by `feed` in order, then `end` once.
pub(crate) trait RecordDecoder: Send {
    /// Where the records behind the last batch begin. 0 before the first batch.
    fn position(&self) -> TextPosition;

    /// Says before anything is fed that only the bytes before `position.body` and those from `position.offset` on will be.
    fn resume(&mut self, position: TextPosition);

    /// Adds the next bytes of the file.
    fn feed(&mut self, block: &[u8]);

    /// Says that the file has ended.
    fn end(&mut self);

    /// The next rows. `None` asks for more bytes, or after `end` says that there are no more rows. Never empty.
    fn next_batch(&mut self) -> Result<Option<RecordBatch>>;
}

/// Turns batches into the bytes of one file.
pub(crate) trait RecordEncoder: Send {
    /// Adds rows, whose columns are those of the table.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Bytes written so far, as far as they have left the encoder's buffers.
    fn flushed_bytes(&self) -> u64;

    /// Ends the file.
    fn finish(self: Box<Self>) -> Result<()>;
}

impl Format {
    /// Takes `format` and the format's own options, and checks that it can hold the columns.
    pub(crate) fn take(options: &mut TableOptions, columns: &SchemaRef) -> Result<Self> {
        let names = [("csv", Name::Csv), ("json", Name::Json), ("parquet", Name::Parquet)];
        let format = match options
            .take_choice("format", &names)?
            .ok_or_else(|| options.missing("format", "add 'format' = 'csv', 'json' or 'parquet'"))?
        {
            Name::Csv => Self::Csv(csv::CsvOptions::take(options)?),
            Name::Json => Self::Json(json::JsonOptions::take(options)?),
            Name::Parquet => Self::Parquet(parquet::ParquetOptions::take(options)?),
        };
        if let Self::Csv(_) = format {
            csv::check_columns(columns).map_err(|message| options.error(message))?;
        }
        Ok(format)
    }

    /// The end of the names of files in this format.
    pub(crate) fn extension(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Json(_) => "json",
            Self::Parquet(_) => "parquet",
        }
    }

    /// What to do about records that cannot be decoded.
    pub(crate) fn on_error(&self) -> OnError {
        match self {
            Self::Csv(options) => options.on_error,
            Self::Json(options) => options.on_error,
            Self::Parquet(_) => OnError::Fail,
        }
    }

    /// A decoder of one text file. `physical` are the columns stored in the file, of which `projection` are wanted.
    pub(crate) fn decoder(
        &self,
        physical: &SchemaRef,
        projection: &[usize],
        batch_rows: usize,
        bad: BadRecords,
    ) -> Result<Box<dyn RecordDecoder>> {
        match self {
            Self::Csv(options) => Ok(Box::new(csv::CsvDecoder::new(options, physical, projection, batch_rows, bad)?)),
            Self::Json(_) => Ok(Box::new(json::JsonDecoder::new(physical, projection, batch_rows, bad)?)),
            Self::Parquet(_) => Err(Error::internal("parquet files are not decoded from a stream of bytes")),
        }
    }

    /// An encoder of one file into `out`.
    pub(crate) fn encoder<W: Write + Send + 'static>(
        &self,
        schema: &SchemaRef,
        out: W,
    ) -> Result<Box<dyn RecordEncoder>> {
        match self {
            Self::Csv(options) => Ok(Box::new(csv::CsvEncoder::new(options, schema, out)?)),
            Self::Json(_) => Ok(Box::new(json::JsonEncoder::new(out))),
            Self::Parquet(options) => Ok(Box::new(parquet::ParquetEncoder::new(options, schema, out)?)),
        }
    }
}
