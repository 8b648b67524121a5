//! The `csv.…` options of a table.

use std::sync::Arc;

use arrow::csv::ReaderBuilder;
use arrow::datatypes::SchemaRef;
use dipper_types::{Error, Result};
use regex::Regex;

use crate::format::bad_records::OnError;
use crate::options::TableOptions;

/// Stands for the quote where quoting is disabled, which arrow-csv cannot do: UTF-8 has no such byte.
pub(super) const NO_QUOTE: u8 = 0xff;

/// How a CSV file is written, and what to do about bad records.
#[derive(Debug, Clone)]
pub(crate) struct CsvOptions {
    pub(crate) delimiter: u8,
    pub(crate) quote: Option<u8>,
    pub(crate) escape: Option<u8>,
    pub(crate) allow_comments: bool,
    pub(crate) null_literal: Option<String>,
    pub(crate) header: bool,
    pub(crate) on_error: OnError,
}

impl CsvOptions {
    pub(crate) fn take(options: &mut TableOptions) -> Result<Self> {
        let delimiter = options.take_ascii_char("csv.field-delimiter")?.unwrap_or(b',');
        let quote = options.take_ascii_char("csv.quote-character")?;
        let quote = match options.take_bool("csv.disable-quote-character")? {
            Some(true) if quote.is_some() => {
                return Err(options
                    .error("options 'csv.quote-character' and 'csv.disable-quote-character' contradict each other"));
            }
            Some(true) => None,
            _ => Some(quote.unwrap_or(b'"')),
        };
        let read = Self {
            delimiter,
            quote,
            escape: options.take_ascii_char("csv.escape-character")?,
            allow_comments: options.take_bool("csv.allow-comments")?.unwrap_or(false),
            null_literal: options.take("csv.null-literal"),
            header: options.take_bool("csv.header")?.unwrap_or(true),
            on_error: OnError::take(options, "csv")?,
        };
        let special = [Some(read.delimiter), read.quote, read.escape];
        if special.iter().enumerate().any(|(i, c)| c.is_some() && special[..i].contains(c)) {
            return Err(options.error("the delimiter, quote and escape characters of a CSV table must differ"));
        }
        Ok(read)
    }

    /// Arrow's reader of records that have these fields, without a header.
    pub(super) fn reader(&self, fields: &SchemaRef, projection: &[usize], batch_rows: usize) -> Result<ReaderBuilder> {
        let mut builder = ReaderBuilder::new(Arc::clone(fields))
            .with_batch_size(batch_rows)
            .with_projection(projection.to_vec())
            .with_delimiter(self.delimiter)
            .with_quote(self.quote.unwrap_or(NO_QUOTE));
        if let Some(escape) = self.escape {
            builder = builder.with_escape(escape);
        }
        if self.allow_comments {
            builder = builder.with_comment(b'#');
        }
        if let Some(literal) = &self.null_literal {
            let exactly = Regex::new(&format!("^{}$", regex::escape(literal)))
                .map_err(|error| Error::invalid(format!("option 'csv.null-literal': {error}")))?;
            builder = builder.with_null_regex(exactly);
        }
        Ok(builder)
    }

    /// The reader of records underneath arrow-csv, set up as [`Self::reader`] does.
    pub(super) fn record_reader(&self) -> csv_core::Reader {
        csv_core::ReaderBuilder::new()
            .delimiter(self.delimiter)
            .quote(self.quote.unwrap_or(NO_QUOTE))
            .escape(self.escape)
            .comment(self.allow_comments.then_some(b'#'))
            .build()
    }
}

#[cfg(test)]
impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: Some(b'"'),
            escape: None,
            allow_comments: false,
            null_literal: None,
            header: true,
            on_error: OnError::Fail,
        }
    }
}
