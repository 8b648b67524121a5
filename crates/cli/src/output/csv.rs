//! Rows as CSV (RFC 4180 quoting, lines end in a line feed): a header, then one line per row. NULL is an empty field,
//! the empty text a quoted one.

use std::io::Write;

use arrow::array::Array;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use super::{RowWriter, WriteError, cell};

/// Writes CSV.
pub(super) struct CsvWriter<W> {
    out: W,
    header: Option<SchemaRef>,
}

impl<W: Write> CsvWriter<W> {
    /// A writer; the header comes with the first rows, or at the end.
    pub(super) fn new(schema: &SchemaRef, out: W) -> Self {
        Self { out, header: Some(SchemaRef::clone(schema)) }
    }

    fn write_header(&mut self) -> Result<(), WriteError> {
        if let Some(schema) = self.header.take() {
            let names: Vec<_> = schema.fields().iter().map(|field| quoted(field.name())).collect();
            writeln!(self.out, "{}", names.join(","))?;
        }
        Ok(())
    }
}

impl<W: Write> RowWriter for CsvWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        self.write_header()?;
        let columns: Vec<_> = batch.columns().iter().map(cell::formatter).collect::<Result<_, _>>()?;
        let nulls: Vec<_> = batch.columns().iter().map(|column| column.logical_nulls()).collect();
        let mut lines = String::new();
        for row in 0..batch.num_rows() {
            for (index, column) in columns.iter().enumerate() {
                if index > 0 {
                    lines.push(',');
                }
                if nulls[index].as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                    lines.push_str(&quoted(&column.value(row).try_to_string()?));
                }
            }
            lines.push('\n');
        }
        self.out.write_all(lines.as_bytes())?;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        Ok(self.out.flush()?)
    }

    fn finish(&mut self) -> Result<(), WriteError> {
        self.write_header()?;
        self.flush()
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
