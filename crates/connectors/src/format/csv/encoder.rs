//! Writes CSV: a header, then one line for each row. What is written is read back as it was, NULL and empty text included.

use std::io::Write;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use dipper_types::{Error, Result};

use super::options::CsvOptions;
use crate::format::RecordEncoder;
use crate::row_text::RowText;

/// Writes one CSV file.
pub(crate) struct CsvEncoder<W> {
    options: CsvOptions,
    out: W,
    lines: String,
    written: u64,
}

impl<W: Write> CsvEncoder<W> {
    pub(crate) fn new(options: &CsvOptions, schema: &SchemaRef, out: W) -> Result<Self> {
        let mut encoder = Self { options: options.clone(), out, lines: String::new(), written: 0 };
        if options.header {
            for (column, field) in schema.fields().iter().enumerate() {
                encoder.separate(column);
                encoder.text(field.name())?;
            }
            encoder.lines.push('\n');
            encoder.flush()?;
        }
        Ok(encoder)
    }

    fn separate(&mut self, column: usize) {
        if column > 0 {
            self.lines.push(char::from(self.options.delimiter));
        }
    }

    /// Appends a value, in quotes where it needs them.
    fn text(&mut self, text: &str) -> Result<()> {
        let options = &self.options;
        let special = |byte: u8| {
            byte == options.delimiter
                || Some(byte) == options.quote
                || Some(byte) == options.escape
                || matches!(byte, b'\n' | b'\r')
        };
        let looks_null = match &options.null_literal {
            None => text.is_empty(),
            Some(literal) => text == literal || text.is_empty(),
        };
        let looks_comment = options.allow_comments && text.starts_with('#');
        if !looks_null && !looks_comment && !text.bytes().any(special) {
            self.lines.push_str(text);
            return Ok(());
        }
        let Some(quote) = options.quote.map(char::from) else {
            if text.is_empty() {
                return Ok(());
            }
            return Err(Error::invalid(format!("cannot write '{text}' as CSV without a quote character"))
                .with_hint("leave out 'csv.disable-quote-character'"));
        };
        let escape = options.escape.map(char::from);
        self.lines.push(quote);
        for character in text.chars() {
            if Some(character) == escape || character == quote {
                self.lines.push(escape.unwrap_or(quote));
            }
            self.lines.push(character);
        }
        self.lines.push(quote);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.out.write_all(self.lines.as_bytes()).map_err(|error| Error::unavailable(error.to_string()))?;
        self.written += self.lines.len() as u64;
        self.lines.clear();
        Ok(())
    }
}

impl<W: Write + Send> RecordEncoder for CsvEncoder<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = RowText::new(batch)?;
        let mut value = String::new();
        for row in 0..batch.num_rows() {
            for column in 0..batch.num_columns() {
                self.separate(column);
                value.clear();
                if rows.append(row, column, &mut value)? {
                    self.text(&value)?;
                } else if let Some(literal) = &self.options.null_literal {
                    self.lines.push_str(literal);
                } else if batch.num_columns() == 1 {
                    return Err(Error::invalid("cannot write NULL as CSV: a blank line is no record")
                        .with_hint("set 'csv.null-literal'"));
                }
            }
            self.lines.push('\n');
        }
        self.flush()
    }

    fn flushed_bytes(&self) -> u64 {
        self.written
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.flush()
    }
}
