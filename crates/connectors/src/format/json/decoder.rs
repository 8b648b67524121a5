//! Reads JSON lines with Arrow's decoder, a batch of lines at a time; when it fails, the batch is halved until the bad
//! lines stand alone.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::concat_batches;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use dipper_types::{Result, sql_type_name};

use super::line_check::{LineCheck, element_type};
use crate::format::bad_records::BadRecords;
use crate::format::number_text::shortened;
use crate::format::{RecordDecoder, TextPosition};

/// A longer line is an error.
const LINE_BYTES_MAX: usize = 16 << 20;

/// Reads one file of JSON lines.
pub(crate) struct JsonDecoder {
    /// What Arrow decodes: never without a column, or rows could not be counted.
    decoded: SchemaRef,
    schema: SchemaRef,
    check: LineCheck,
    batch_rows: usize,
    bad: BadRecords,
    pending: Vec<u8>,
    /// How many bytes of the file stood before `pending`.
    dropped: u64,
    /// How much of `pending` has been read.
    position: usize,
    /// The number of the line at `position`.
    line: u64,
    ended: bool,
}

/// A line that is not blank: its bytes in `pending`, without the newline, and its number.
struct Line {
    bytes: Range<usize>,
    number: u64,
}

impl JsonDecoder {
    pub(crate) fn new(physical: &SchemaRef, projection: &[usize], batch_rows: usize, bad: BadRecords) -> Result<Self> {
        let schema: SchemaRef = Arc::new(physical.project(projection)?);
        let decoded = match physical.fields().first() {
            Some(first) if projection.is_empty() => {
                Arc::new(Schema::new(vec![first.as_ref().clone().with_nullable(true)]))
            }
            // NOT NULL is checked here, for a message that names the column.
            _ => Arc::new(Schema::new(
                schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>(),
            )),
        };
        let batch_rows = batch_rows.max(1);
        let check = LineCheck::new(&decoded);
        Ok(Self {
            decoded,
            schema,
            check,
            batch_rows,
            bad,
            pending: Vec::new(),
            dropped: 0,
            position: 0,
            line: 1,
            ended: false,
        })
    }

    /// The next lines, at most a batch of them.
    fn take_lines(&mut self) -> Result<Vec<Line>> {
        let mut lines = Vec::new();
        while lines.len() < self.batch_rows {
            let rest = &self.pending[self.position..];
            let len = match memchr::memchr(b'\n', rest) {
                Some(newline) => newline,
                None if self.ended && !rest.is_empty() => rest.len(),
                None if rest.len() > LINE_BYTES_MAX => {
                    let line = self.line;
                    return Err(self.bad.line_error(line, "the line is longer than 16 MiB"));
                }
                None => break,
            };
            let bytes = self.position..self.position + len;
            if !rest[..len].trim_ascii().is_empty() {
                lines.push(Line { bytes: bytes.clone(), number: self.line });
            }
            self.position = (bytes.end + 1).min(self.pending.len());
            self.line += 1;
        }
        Ok(lines)
    }

    fn decode(&mut self, lines: &[Line], batches: &mut Vec<RecordBatch>) -> Result<()> {
        match self.try_decode(lines) {
            Ok(batch) => batches.push(batch),
            Err(message) => match lines {
                [] => {}
                [line] => self.bad.reject(line.number, || message)?,
                lines => {
                    let (first, second) = lines.split_at(lines.len() / 2);
                    self.decode(first, batches)?;
                    self.decode(second, batches)?;
                }
            },
        }
        Ok(())
    }

    fn try_decode(&self, lines: &[Line]) -> Result<RecordBatch, String> {
        let builder = ReaderBuilder::new(Arc::clone(&self.decoded)).with_batch_size(lines.len() + 1);
        let mut decoder = builder.build_decoder().map_err(|error| error.to_string())?;
        for line in lines {
            let bytes = &self.pending[line.bytes.clone()];
            self.check.check(bytes)?;
            decoder.decode(bytes).map_err(|error| self.describe(&error.to_string()))?;
            if decoder.has_partial_record() {
                return Err("the object does not end on its line".to_owned());
            }
        }
        let batch = decoder.flush().map_err(|error| self.describe(&error.to_string()))?;
        let batch = batch.ok_or("not a JSON object")?;
        if batch.num_rows() != lines.len() {
            return Err("not one JSON object on its line".to_owned());
        }
        let missing = |(field, column): &(&FieldRef, &ArrayRef)| !field.is_nullable() && column.null_count() > 0;
        match self.schema.fields().iter().zip(batch.columns()).find(missing) {
            Some((field, _)) => {
                Err(format!("column '{}': the value is NULL or missing, but the column is NOT NULL", field.name()))
            }
            None => Ok(batch),
        }
    }

    /// Arrow's message, put as ours.
    fn describe(&self, message: &str) -> String {
        let mut rest = message.strip_prefix("Json error: ").unwrap_or(message);
        let mut place = String::new();
        let mut column = None;
        while let Some((name, reason)) =
            rest.strip_prefix("whilst decoding field '").and_then(|rest| rest.split_once("': "))
        {
            column = column.or_else(|| self.decoded.field_with_name(name).ok());
            place = format!("{place}column '{name}': ");
            rest = reason.strip_prefix("Json error: ").unwrap_or(reason);
        }
        let kind = column.map(|field| element_type(field.data_type()));
        let kind = kind.map(|kind| (format!(" as {kind}"), sql_type_name(kind)));
        let (rest, kind) = match kind.and_then(|(arrow, sql)| Some((rest.strip_suffix(&arrow)?, format!(" as {sql}"))))
        {
            Some((rest, kind)) => (rest, kind),
            None => (rest, String::new()),
        };
        format!("{place}{}{kind}", shortened(&rest.replace("failed to parse", "cannot parse")))
    }
}

impl RecordDecoder for JsonDecoder {
    fn position(&self) -> TextPosition {
        TextPosition { offset: self.dropped + self.position as u64, line: self.line, body: 0 }
    }

    fn resume(&mut self, position: TextPosition) {
        if position.offset > 0 {
            self.dropped = position.offset;
            self.line = position.line;
        }
    }

    fn feed(&mut self, block: &[u8]) {
        self.dropped += self.position as u64;
        self.pending.drain(..self.position);
        self.position = 0;
        self.pending.extend_from_slice(block);
    }

    fn end(&mut self) {
        self.ended = true;
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if self.line == 1 && self.position == 0 && self.dropped == 0 && self.pending.starts_with(b"\xef\xbb\xbf") {
                self.position = 3;
            }
            let lines = self.take_lines()?;
            if lines.is_empty() {
                return Ok(None);
            }
            let mut batches = Vec::new();
            self.decode(&lines, &mut batches)?;
            let batch = match batches.len() {
                0 => continue,
                1 => batches.swap_remove(0),
                _ => concat_batches(&self.decoded, &batches)?,
            };
            if self.schema.fields().is_empty() {
                let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                return Ok(Some(RecordBatch::try_new_with_options(Arc::clone(&self.schema), vec![], &options)?));
            }
            return Ok(Some(RecordBatch::try_new(Arc::clone(&self.schema), batch.columns().to_vec())?));
        }
    }
}
