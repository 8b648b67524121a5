//! Rows as JSON lines: one object per row and line, NULLs written as `null`, times in ISO 8601.

use std::collections::HashSet;
use std::io::Write;

use arrow::datatypes::SchemaRef;
use arrow::json::writer::{LineDelimited, Writer, WriterBuilder};
use arrow::record_batch::RecordBatch;
use dipper_session::refuse_times_beyond_calendar;
use dipper_types::Error;

use super::{RowWriter, WriteError};

/// Writes JSON lines.
pub(super) struct JsonWriter<W: Write> {
    writer: Writer<W, LineDelimited>,
}

impl<W: Write> JsonWriter<W> {
    /// A writer; two columns of one name would be one key twice.
    pub(super) fn new(schema: &SchemaRef, out: W) -> Result<Self, WriteError> {
        let mut names = HashSet::new();
        if let Some(twice) = schema.fields().iter().find(|field| !names.insert(field.name())) {
            let message =
                format!("the result has two columns named '{}', which one JSON object cannot hold", twice.name());
            return Err(WriteError::Rows(Error::invalid(message).with_hint("give one of them another name with AS")));
        }
        let writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(out);
        Ok(Self { writer })
    }
}

impl<W: Write> RowWriter for JsonWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        refuse_times_beyond_calendar(batch).map_err(WriteError::Rows)?;
        Ok(self.writer.write(batch)?)
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        Ok(self.writer.get_mut().flush()?)
    }

    fn finish(&mut self) -> Result<(), WriteError> {
        self.writer.finish()?;
        self.flush()
    }
}
