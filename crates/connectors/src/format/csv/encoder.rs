//! Writes CSV with arrow-csv: a header, then one line for each row.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::csv::{QuoteStyle, WriterBuilder};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use dipper_types::{Error, Result};

use super::options::{CsvOptions, NO_QUOTE};
use crate::format::RecordEncoder;
use crate::row_text::{TIMESTAMP, ZONED_TIMESTAMP};

/// Writes one CSV file.
pub(crate) struct CsvEncoder<W> {
    options: CsvOptions,
    builder: WriterBuilder,
    out: W,
    lines: Vec<u8>,
    written: u64,
}

impl<W: Write> CsvEncoder<W> {
    pub(crate) fn new(options: &CsvOptions, schema: &SchemaRef, out: W) -> Result<Self> {
        let mut builder = WriterBuilder::new()
            .with_header(options.header)
            .with_delimiter(options.delimiter)
            .with_quote(options.quote.unwrap_or(NO_QUOTE))
            .with_timestamp_format(TIMESTAMP.to_owned())
            .with_timestamp_tz_format(ZONED_TIMESTAMP.to_owned());
        let mut null = options.null_literal.clone().unwrap_or_default();
        if let Some(escape) = options.escape {
            builder = builder.with_double_quote(false).with_escape(escape);
            null = double(&null, escape);
        }
        builder = builder.with_null(null);
        if options.allow_comments && options.quote.is_some() {
            // A line that begins with a quote is no comment, whatever the text.
            builder = builder.with_quote_style(QuoteStyle::Always);
        }
        let mut encoder = Self { options: options.clone(), builder, out, lines: Vec::new(), written: 0 };
        // A file without rows has a header too.
        encoder.append(&RecordBatch::new_empty(Arc::clone(schema)))?;
        encoder.builder = encoder.builder.with_header(false);
        Ok(encoder)
    }

    fn append(&mut self, batch: &RecordBatch) -> Result<()> {
        self.lines.clear();
        let mark = self.mark_of_empty_text(batch)?;
        let change = |text: &str| match (&mark, self.options.escape) {
            (Some(mark), _) if text.is_empty() => mark.clone(),
            (_, Some(escape)) => double(text, escape),
            _ => text.to_owned(),
        };
        let mut writer = self.builder.clone().build(&mut self.lines);
        if mark.is_some() || self.options.escape.is_some() {
            writer.write(&with_text(batch, change)?)?;
        } else {
            writer.write(batch)?;
        }
        drop(writer);
        if let (Some(mark), Some(quote)) = (mark, self.options.quote) {
            self.lines = replaced(&self.lines, mark.as_bytes(), &[quote, quote]);
        }
        if self.options.quote.is_none() {
            self.check_unquoted()?;
        }
        self.out.write_all(&self.lines).map_err(|error| Error::unavailable(error.to_string()))?;
        self.written += self.lines.len() as u64;
        Ok(())
    }

    /// What stands for empty text until the batch is written: arrow-csv would leave the field empty, as it does for NULL,
    /// which other readers tell apart from a pair of quotes. `None` if there is no empty text, or NULL has its own literal.
    fn mark_of_empty_text(&self, batch: &RecordBatch) -> Result<Option<String>> {
        let has_literal = self.options.null_literal.as_ref().is_some_and(|literal| !literal.is_empty());
        if has_literal || self.options.quote.is_none() || self.options.allow_comments {
            return Ok(None);
        }
        let mut texts = Vec::new();
        for column in batch.columns().iter().filter(|column| column.data_type().is_string()) {
            texts.push(cast(column, &DataType::Utf8)?);
        }
        let has =
            |wanted: &dyn Fn(&str) -> bool| texts.iter().any(|t| t.as_string::<i32>().iter().flatten().any(wanted));
        if !has(&str::is_empty) {
            return Ok(None);
        }
        // Not a character: hardly ever in a text, and never quoted.
        let mut mark = "\u{fdd0}".to_owned();
        while has(&|text| text.contains(&mark)) {
            mark.push('\u{fdd1}');
        }
        Ok(Some(mark))
    }

    /// Refuses values that cannot be told apart from what is around them without quotes.
    fn check_unquoted(&self) -> Result<()> {
        let mut lines = self.lines.split(|byte| *byte == b'\n');
        let needs_quotes =
            |line: &&[u8]| line.contains(&NO_QUOTE) || (self.options.allow_comments && line.first() == Some(&b'#'));
        let Some(line) = lines.find(needs_quotes) else { return Ok(()) };
        let value = line.split(|byte| *byte == NO_QUOTE).nth(1).unwrap_or(line);
        let value = String::from_utf8_lossy(value);
        Err(Error::invalid(format!("cannot write '{value}' as CSV without a quote character"))
            .with_hint("leave out 'csv.disable-quote-character'"))
    }
}

/// Changes names and text. (arrow-csv puts the escape character before quotes, but not before itself.)
fn with_text(batch: &RecordBatch, change: impl Fn(&str) -> String) -> Result<RecordBatch> {
    let schema = batch.schema();
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let mut column = Arc::clone(column);
        if field.data_type().is_string() {
            let text = cast(&column, &DataType::Utf8)?;
            let changed: StringArray = text.as_string::<i32>().iter().map(|text| text.map(&change)).collect();
            column = Arc::new(changed) as ArrayRef;
        }
        let field = field.as_ref().clone().with_name(change(field.name()));
        fields.push(field.with_data_type(column.data_type().clone()));
        columns.push(column);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut end = 0;
    for found in memchr::memmem::find_iter(bytes, from) {
        out.extend_from_slice(&bytes[end..found]);
        out.extend_from_slice(to);
        end = found + from.len();
    }
    out.extend_from_slice(&bytes[end..]);
    out
}

fn double(text: &str, escape: u8) -> String {
    let escape = char::from(escape);
    text.replace(escape, &format!("{escape}{escape}"))
}

impl<W: Write + Send> RecordEncoder for CsvEncoder<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.append(batch)
    }

    fn flushed_bytes(&self) -> u64 {
        self.written
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
