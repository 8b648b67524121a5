//! Reads one CSV file: arrow-csv does the work; the bytes of its batch are kept until it has succeeded.

use std::sync::Arc;

use arrow::csv::reader::Decoder;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use dipper_types::Result;

use super::bad_batch::BadBatch;
use super::columns::Column;
use super::header::Layout;
use super::options::CsvOptions;
use super::records::{Next, Records, newlines};
use crate::format::bad_records::BadRecords;
use crate::format::{RecordDecoder, TextPosition};

/// A longer record is an error: most likely a quote that is never closed.
const RECORD_BYTES_MAX: usize = 16 << 20;

/// Reads one CSV file.
pub(crate) struct CsvDecoder {
    options: CsvOptions,
    physical: SchemaRef,
    projection: Vec<usize>,
    schema: SchemaRef,
    batch_rows: usize,
    bad: BadRecords,
    /// `None` until the header has been read.
    body: Option<Body>,
    bytes: Vec<u8>,
    /// How many bytes of the file stood before `bytes`, and how many have come in all.
    dropped: u64,
    fed: u64,
    /// Where the records begin, once the header has been read.
    body_start: u64,
    /// What is to be gone on from behind the header.
    resumed: Option<TextPosition>,
    /// Where the batch under way begins in `bytes`, and on which line of the file.
    start: usize,
    line: u64,
    /// How far arrow-csv has read, and how much of that is of a record that has not ended.
    position: usize,
    open_bytes: usize,
    ended: bool,
    at_file_start: bool,
}

/// What is known once the header has been read.
struct Body {
    fields: SchemaRef,
    /// The wanted columns, each with its place among the fields of a record.
    columns: Vec<(usize, Column)>,
    arrow: Decoder,
}

/// What arrow-csv has made of the bytes at hand.
enum Progress {
    /// A batch can be flushed.
    Batch,
    /// More bytes are needed, or there are none.
    Nothing,
    /// Some record of the batch is bad.
    Failed,
}

impl CsvDecoder {
    pub(crate) fn new(
        options: &CsvOptions,
        physical: &SchemaRef,
        projection: &[usize],
        batch_rows: usize,
        bad: BadRecords,
    ) -> Result<Self> {
        let mut decoder = Self {
            options: options.clone(),
            physical: Arc::clone(physical),
            projection: projection.to_vec(),
            schema: Arc::new(physical.project(projection)?),
            batch_rows: batch_rows.max(1),
            bad,
            body: None,
            bytes: Vec::new(),
            dropped: 0,
            fed: 0,
            body_start: 0,
            resumed: None,
            start: 0,
            line: 1,
            position: 0,
            open_bytes: 0,
            ended: false,
            at_file_start: true,
        };
        if !options.header {
            decoder.body = Some(decoder.body(&Layout::without_header(physical))?);
        }
        Ok(decoder)
    }

    fn body(&self, layout: &Layout) -> Result<Body> {
        let null_literal = self.options.null_literal.as_deref();
        let columns: Vec<(usize, Column)> = (self.projection.iter().zip(self.schema.fields()))
            .map(|(column, field)| (layout.places[*column], Column::new(field, null_literal)))
            .collect();
        let fields = layout.schema(columns.iter().map(|(place, column)| (*place, column.read_type())));
        let arrow = self.arrow(&fields, &columns)?;
        Ok(Body { fields, columns, arrow })
    }

    fn arrow(&self, fields: &SchemaRef, columns: &[(usize, Column)]) -> Result<Decoder> {
        let projection: Vec<usize> = columns.iter().map(|(place, _)| *place).collect();
        Ok(self.options.reader(fields, &projection, self.batch_rows)?.build_decoder())
    }

    fn skip_byte_order_mark(&mut self) {
        let unread = &self.bytes[self.start..];
        if self.at_file_start && (unread.len() >= 3 || self.ended) {
            self.at_file_start = false;
            if unread.starts_with(b"\xef\xbb\xbf") {
                self.start += 3;
                self.position = self.start;
            }
        }
    }

    /// Reads the header. `None` asks for more bytes.
    fn read_header(&mut self) -> Result<Option<Body>> {
        let mut records = Records::new(&self.options, &self.bytes[self.start..], self.line);
        let layout = match records.next() {
            Next::Nothing => return Ok(None),
            Next::Open { line } if self.ended => {
                return Err(self.bad.line_error(line, "the quotes of the header do not match"));
            }
            Next::Open { line } => {
                self.open_bytes = self.bytes.len() - self.start;
                return self.check_open_record(line).map(|()| None);
            }
            Next::Record { line } if !records.is_utf8() => {
                return Err(self.bad.line_error(line, "the header is not valid UTF-8"));
            }
            Next::Record { .. } => {
                let names: Vec<String> = (0..records.field_count()).map(|i| records.field(i).to_owned()).collect();
                Layout::of_header(&names, &self.physical, &self.bad)?
            }
        };
        let end = self.start + records.position();
        self.begin_batch_at(end);
        self.body_start = self.dropped + self.start as u64;
        if let Some(position) = self.resumed.take() {
            // What follows the header here stands further on in the file.
            if self.body_start != position.body {
                return Err(self
                    .bad
                    .line_error(1, "the header is not the one that it was when the file was read before"));
            }
            let left_out = position.offset - position.body;
            self.dropped += left_out;
            self.fed += left_out;
            self.line = position.line;
        }
        self.body(&layout).map(Some)
    }

    fn begin_batch_at(&mut self, end: usize) {
        self.line += newlines(&self.bytes[self.start..end]);
        self.start = end;
        self.position = end;
        self.open_bytes = 0;
    }

    fn check_open_record(&self, line: u64) -> Result<()> {
        if self.open_bytes > RECORD_BYTES_MAX {
            return Err(self.bad.line_error(line, "the record is longer than 16 MiB"));
        }
        Ok(())
    }

    /// Feeds arrow-csv until it has a batch or the bytes are used up.
    fn advance(&mut self, arrow: &mut Decoder) -> Progress {
        while self.position < self.bytes.len() && arrow.capacity() > 0 {
            let capacity = arrow.capacity();
            let Ok(read) = arrow.decode(&self.bytes[self.position..]) else { return Progress::Failed };
            self.position += read;
            self.open_bytes = if arrow.capacity() == capacity { self.open_bytes + read } else { 0 };
        }
        let capacity = arrow.capacity();
        if capacity > 0 {
            if !self.ended {
                return Progress::Nothing;
            }
            // The last line has its newline, so that a record which only the end of the file ends is an open quote.
            if arrow.decode(&[]).is_err() || arrow.capacity() != capacity {
                return Progress::Failed;
            }
            if capacity == self.batch_rows {
                return Progress::Nothing;
            }
        }
        // arrow-csv checks its batch as a whole: halves of a character in two fields would pass.
        match std::str::from_utf8(&self.bytes[self.start..self.position]) {
            Ok(_) => Progress::Batch,
            Err(_) => Progress::Failed,
        }
    }

    /// The batch that arrow-csv has read. `None` if some record in it is bad.
    fn flush(&self, body: &mut Body) -> Result<Option<RecordBatch>> {
        let Ok(Some(batch)) = body.arrow.flush() else { return Ok(None) };
        let mut arrays = Vec::with_capacity(body.columns.len());
        for ((_, column), read) in body.columns.iter().zip(batch.columns()) {
            match column.finish(read)? {
                Some(array) => arrays.push(array),
                None => return Ok(None),
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(Some(RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?))
    }

    /// Reads the batch under way without arrow-csv. `None` asks for more bytes.
    fn read_bad_batch(&mut self, body: &mut Body) -> Result<Option<RecordBatch>> {
        let reading = BadBatch {
            fields: body.fields.fields().len(),
            columns: &body.columns,
            schema: &self.schema,
            batch_rows: self.batch_rows,
            ended: self.ended,
        };
        let mut records = Records::new(&self.options, &self.bytes[self.start..], self.line);
        let batch = reading.read(&mut records, &mut self.bad)?;
        let end = self.start + records.position();
        let is_stuck = end == self.start && !self.ended;
        if is_stuck {
            self.open_bytes = self.bytes.len() - self.start;
            self.check_open_record(self.line)?;
        }
        self.begin_batch_at(end);
        body.arrow = self.arrow(&body.fields, &body.columns)?;
        Ok((!is_stuck).then_some(batch))
    }

    /// The line of the record that has not ended, counted by going through the batch.
    fn open_line(&self) -> u64 {
        let mut records = Records::new(&self.options, &self.bytes[self.start..], self.line);
        loop {
            match records.next() {
                Next::Record { .. } => {}
                Next::Open { line } => return line,
                Next::Nothing => return self.line,
            }
        }
    }

    fn next_of_body(&mut self, body: &mut Body) -> Result<Option<RecordBatch>> {
        loop {
            let flushed = match self.advance(&mut body.arrow) {
                Progress::Batch => self.flush(body)?,
                Progress::Nothing if self.open_bytes > RECORD_BYTES_MAX => {
                    return self.check_open_record(self.open_line()).map(|()| None);
                }
                Progress::Nothing => return Ok(None),
                Progress::Failed => None,
            };
            let batch = if let Some(batch) = flushed {
                self.begin_batch_at(self.position);
                batch
            } else if let Some(batch) = self.read_bad_batch(body)? {
                batch
            } else {
                return Ok(None);
            };
            if batch.num_rows() > 0 {
                return Ok(Some(batch));
            }
        }
    }
}

impl RecordDecoder for CsvDecoder {
    fn position(&self) -> TextPosition {
        if let Some(position) = self.resumed {
            return position;
        }
        if self.at_file_start || self.body.is_none() {
            return TextPosition::default();
        }
        // A newline that the file does not have does not count.
        let offset = (self.dropped + self.start as u64).min(self.fed);
        TextPosition { offset, line: self.line, body: if self.options.header { self.body_start } else { 0 } }
    }

    fn resume(&mut self, position: TextPosition) {
        if position.offset == 0 {
            return;
        }
        if self.options.header {
            self.resumed = Some(position);
        } else {
            self.at_file_start = false;
            self.dropped = position.offset;
            self.fed = position.offset;
            self.line = position.line;
        }
    }

    fn feed(&mut self, block: &[u8]) {
        self.dropped += self.start as u64;
        self.fed += block.len() as u64;
        self.bytes.drain(..self.start);
        self.position -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(block);
    }

    fn end(&mut self) {
        self.ended = true;
        if self.bytes[self.start..].last().is_some_and(|byte| *byte != b'\n') {
            self.bytes.push(b'\n');
        }
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        self.skip_byte_order_mark();
        if self.at_file_start {
            return Ok(None);
        }
        let body = match self.body.take() {
            Some(body) => Some(body),
            None => self.read_header()?,
        };
        let Some(mut body) = body else { return Ok(None) };
        let batch = self.next_of_body(&mut body);
        self.body = Some(body);
        batch
    }
}
