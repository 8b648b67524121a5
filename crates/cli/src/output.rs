//! Result rows on standard output, in the format asked for.

mod cell;
mod csv;
mod json;
mod table;

use std::io::{self, Write};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use dipper_types::Error;

use crate::args::OutputFormat;

/// Why rows could not be written.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// Standard output refuses them.
    Io(io::Error),
    /// They cannot be said in this format.
    Rows(Error),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<arrow::error::ArrowError> for WriteError {
    fn from(error: arrow::error::ArrowError) -> Self {
        match error {
            arrow::error::ArrowError::IoError(_, error) => Self::Io(error),
            other => Self::Rows(other.into()),
        }
    }
}

/// Writes the rows of one result.
pub(crate) trait RowWriter {
    /// Takes rows; they may wait for [`RowWriter::flush`].
    fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError>;

    /// Shows what was taken so far.
    fn flush(&mut self) -> Result<(), WriteError>;

    /// Shows everything and what stands below the last row.
    fn finish(&mut self) -> Result<(), WriteError>;
}

/// The writer of a format.
pub(crate) fn row_writer<'a>(
    format: OutputFormat,
    schema: &SchemaRef,
    out: impl Write + 'a,
) -> Result<Box<dyn RowWriter + 'a>, WriteError> {
    Ok(match format {
        OutputFormat::Table => Box::new(table::TableWriter::new(schema, out)),
        OutputFormat::Json => Box::new(json::JsonWriter::new(schema, out)?),
        OutputFormat::Csv => Box::new(csv::CsvWriter::new(schema, out)),
    })
}

#[cfg(test)]
mod tests;
