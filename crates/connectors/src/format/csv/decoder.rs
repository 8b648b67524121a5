//! Gathers the records of a CSV file into batches.
//!
//! Complete lines of a block are indexed at once; a record without quotes is then a run of positions in that index, and
//! only its wanted fields are noted. Records that are not so plain go through `record`.

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use dipper_types::Result;

use super::columns::{ColumnParser, Failures, Rows};
use super::index::StructuralIndex;
use super::options::CsvOptions;
use super::record::{Field, Scanned, scan};
use crate::format::RecordDecoder;
use crate::format::bad_records::BadRecords;

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
    columns: Vec<ColumnParser>,
    layout: Option<Layout>,
    /// Bytes that are not yet part of `text`: the beginning of a line, or of a record with a newline in quotes.
    pending: Vec<u8>,
    /// Whole lines, valid UTF-8.
    text: String,
    index: StructuralIndex,
    /// The next entry of the index.
    cursor: usize,
    /// Where the next record begins in `text`.
    position: usize,
    /// The number of the file's line that `text` begins with.
    first_line: u64,
    /// Where bytes of `text` were not UTF-8 and have been replaced.
    not_utf8: Vec<usize>,
    ended: bool,
    at_file_start: bool,
    /// The fields of the batch, row by row, and where each row begins.
    fields: Vec<Field>,
    starts: Vec<u32>,
    aside: String,
    scratch: Vec<Field>,
}

/// Which fields of the file's records are wanted.
struct Layout {
    fields: usize,
    wanted: Vec<usize>,
}

/// Why the gathering of rows stopped.
enum Stop {
    BatchFull,
    TextExhausted,
}

impl CsvDecoder {
    pub(crate) fn new(
        options: &CsvOptions,
        physical: &SchemaRef,
        projection: &[usize],
        batch_rows: usize,
        bad: BadRecords,
    ) -> Result<Self> {
        let schema: SchemaRef = Arc::new(physical.project(projection)?);
        let columns = schema
            .fields()
            .iter()
            .map(|field| ColumnParser::new(field, options.null_literal.as_deref()))
            .collect::<Result<_>>()?;
        let layout = (!options.header).then(|| Layout { fields: physical.fields().len(), wanted: projection.to_vec() });
        Ok(Self {
            options: options.clone(),
            physical: Arc::clone(physical),
            projection: projection.to_vec(),
            schema,
            batch_rows: batch_rows.max(1),
            bad,
            columns,
            layout,
            pending: Vec::new(),
            text: String::new(),
            index: StructuralIndex::default(),
            cursor: 0,
            position: 0,
            first_line: 1,
            not_utf8: Vec::new(),
            ended: false,
            at_file_start: true,
            fields: Vec::new(),
            starts: Vec::new(),
            aside: String::new(),
            scratch: Vec::new(),
        })
    }

    /// Makes the complete lines among the pending bytes the text. False if there are none.
    fn load(&mut self) -> Result<bool> {
        if self.ended && self.pending.last().is_some_and(|byte| *byte != b'\n') {
            self.pending.push(b'\n');
        }
        if self.at_file_start && (self.pending.len() >= 3 || self.ended) {
            self.at_file_start = false;
            if self.pending.starts_with(b"\xef\xbb\xbf") {
                self.pending.drain(..3);
            }
        }
        let Some(last) = self.pending.iter().rposition(|byte| *byte == b'\n') else {
            if self.pending.len() > RECORD_BYTES_MAX {
                return Err(self.bad.file_error(format!("line {}: the line is longer than 16 MiB", self.first_line)));
            }
            return Ok(false);
        };
        let mut bytes = std::mem::take(&mut self.text).into_bytes();
        bytes.clear();
        bytes.extend_from_slice(&self.pending[..=last]);
        self.pending.drain(..=last);
        self.not_utf8.clear();
        self.text = self.into_utf8(bytes);
        let delimiter = self.options.delimiter;
        let quote = self.options.quote.unwrap_or(delimiter);
        match self.options.escape {
            None => self.index.fill(self.text.as_bytes(), [delimiter, b'\n', quote]),
            Some(escape) => self.index.fill(self.text.as_bytes(), [delimiter, b'\n', quote, escape]),
        }
        self.cursor = 0;
        self.position = 0;
        Ok(true)
    }

    /// Replaces bytes that are not UTF-8, noting where they were.
    fn into_utf8(&mut self, bytes: Vec<u8>) -> String {
        let mut bytes = match String::from_utf8(bytes) {
            Ok(text) => return text,
            Err(error) => error.into_bytes(),
        };
        let mut valid = 0;
        while let Err(error) = std::str::from_utf8(&bytes[valid..]) {
            let start = valid + error.valid_up_to();
            let end = error.error_len().map_or(bytes.len(), |len| start + len);
            self.not_utf8.push(start);
            bytes[start..end].fill(b'?');
            valid = end;
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Puts the unread rest of the text back before the pending bytes, and asks for more.
    fn unload(&mut self) -> Result<()> {
        let rest = self.text.len() - self.position;
        if rest > RECORD_BYTES_MAX {
            let line = self.line_of(self.position);
            return Err(self.bad.file_error(format!("line {line}: a record in quotes is longer than 16 MiB")));
        }
        self.first_line = self.line_of(self.position);
        if rest > 0 {
            let mut pending = self.text.as_bytes()[self.position..].to_vec();
            for place in self.not_utf8.iter().filter(|place| **place >= self.position) {
                pending[*place - self.position] = 0xff;
            }
            pending.append(&mut self.pending);
            self.pending = pending;
        }
        self.text.clear();
        self.aside.clear();
        self.index.fill(&[], [0]);
        self.cursor = 0;
        self.position = 0;
        Ok(())
    }

    fn line_of(&self, position: usize) -> u64 {
        let before = &self.text.as_bytes()[..position];
        // Counted in bytes, of which a vector register holds many: no stretch has more newlines than one can count.
        let count = |stretch: &[u8]| stretch.iter().map(|byte| u8::from(*byte == b'\n')).sum::<u8>();
        self.first_line + before.chunks(255).map(|stretch| u64::from(count(stretch))).sum::<u64>()
    }

    /// Notes the fields of further rows until the batch is full or the text used up.
    fn gather(&mut self) -> Result<Stop> {
        let Some(layout) = self.layout.take() else { return self.read_header() };
        let stop = self.gather_rows(&layout);
        self.layout = Some(layout);
        stop
    }

    fn gather_rows(&mut self, layout: &Layout) -> Result<Stop> {
        while self.starts.len() < self.batch_rows {
            if self.position >= self.text.len() {
                return Ok(Stop::TextExhausted);
            }
            if self.take_plain_record(layout) {
                continue;
            }
            match self.scan_record() {
                Scanned::Record { end } => self.take_scanned_record(layout, end)?,
                Scanned::Nothing { end } => self.advance(end),
                Scanned::Unterminated if !self.ended => return Ok(Stop::TextExhausted),
                // Bad quotes may have swallowed good lines: only the first one is given up.
                Scanned::Unterminated => self.reject_line("a quote is never closed")?,
                Scanned::Malformed(reason) => self.reject_line(reason)?,
            }
        }
        Ok(Stop::BatchFull)
    }

    /// Takes the next record if it has the right number of fields and neither quotes nor escapes.
    fn take_plain_record(&mut self, layout: &Layout) -> bool {
        let text = self.text.as_bytes();
        let Some(ends) = self.index.positions().get(self.cursor..self.cursor + layout.fields) else { return false };
        let Some((last, inner)) = ends.split_last() else { return false };
        let start = self.position;
        let newline = *last as usize;
        let is_blank = newline == start || (newline == start + 1 && text[start] == b'\r');
        let plain = text[newline] == b'\n' && inner.iter().all(|end| text[*end as usize] == self.options.delimiter);
        if !plain || is_blank || (self.options.allow_comments && text[start] == b'#') {
            return false;
        }
        if !self.not_utf8.is_empty() && self.is_not_utf8(start, newline) {
            return false;
        }
        let last_end = *last - u32::from(newline > start && text[newline - 1] == b'\r');
        for wanted in &layout.wanted {
            let from = if *wanted == 0 { start as u32 } else { ends[*wanted - 1] + 1 };
            let to = if *wanted + 1 == layout.fields { last_end } else { ends[*wanted] };
            self.fields.push(Field::plain(from, to.max(from)));
        }
        self.starts.push(start as u32);
        self.cursor += layout.fields;
        self.position = newline + 1;
        true
    }

    fn scan_record(&mut self) -> Scanned {
        self.scratch.clear();
        scan(&self.options, &self.text, self.position, &mut self.scratch, &mut self.aside)
    }

    fn take_scanned_record(&mut self, layout: &Layout, end: usize) -> Result<()> {
        let start = self.position;
        if self.is_not_utf8(start, end) {
            self.reject_record(start, || "the text is not valid UTF-8".to_owned())?;
        } else if self.scratch.len() == layout.fields {
            self.fields.extend(layout.wanted.iter().map(|wanted| self.scratch[*wanted]));
            self.starts.push(start as u32);
        } else {
            let found = self.scratch.len();
            let expected = layout.fields;
            self.reject_record(start, || format!("the record has {found} fields, not {expected}"))?;
        }
        self.advance(end);
        Ok(())
    }

    /// Rejects the record at `start`. Rows gathered before it may be bad as well and come first in the file.
    fn reject_record(&mut self, start: usize, reason: impl FnOnce() -> String) -> Result<()> {
        if self.bad.is_fatal() {
            self.build()?;
        }
        let line = self.line_of(start);
        self.bad.reject(line, reason)
    }

    fn reject_line(&mut self, reason: &str) -> Result<()> {
        self.reject_record(self.position, || reason.to_owned())?;
        let rest = &self.text.as_bytes()[self.position..];
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(self.text.len(), |at| self.position + at + 1);
        self.advance(end);
        Ok(())
    }

    fn advance(&mut self, end: usize) {
        self.position = end;
        let rest = &self.index.positions()[self.cursor..];
        self.cursor += rest.partition_point(|position| (*position as usize) < end);
    }

    fn is_not_utf8(&self, start: usize, end: usize) -> bool {
        let next = self.not_utf8.partition_point(|position| *position < start);
        self.not_utf8.get(next).is_some_and(|position| *position < end)
    }

    /// Reads the header line and finds the columns in it.
    fn read_header(&mut self) -> Result<Stop> {
        while self.position < self.text.len() {
            match self.scan_record() {
                Scanned::Nothing { end } => self.advance(end),
                Scanned::Record { end } => {
                    let names: Vec<&str> =
                        self.scratch.iter().map(|field| field.text(&self.text, &self.aside).trim()).collect();
                    self.layout = Some(self.layout_of(&names)?);
                    self.aside.clear();
                    self.advance(end);
                    return self.gather();
                }
                Scanned::Unterminated if !self.ended => return Ok(Stop::TextExhausted),
                Scanned::Unterminated | Scanned::Malformed(_) => {
                    let line = self.line_of(self.position);
                    return Err(self.bad.file_error(format!("line {line}: the quotes of the header do not match")));
                }
            }
        }
        Ok(Stop::TextExhausted)
    }

    fn layout_of(&self, header: &[&str]) -> Result<Layout> {
        let mut places = Vec::with_capacity(self.physical.fields().len());
        for field in self.physical.fields() {
            let name = field.name().to_lowercase();
            let mut found = (0..header.len()).filter(|place| header[*place].to_lowercase() == name);
            let place = found.next().ok_or_else(|| {
                self.bad
                    .file_error(format!("no column '{}' in the header: {}", field.name(), header.join(", ")))
                    .with_hint("if the file has no header line, set 'csv.header' = 'false'")
            })?;
            if found.next().is_some() {
                return Err(self.bad.file_error(format!("the header names column '{}' twice", field.name())));
            }
            places.push(place);
        }
        let wanted = self.projection.iter().map(|column| places[*column]).collect();
        Ok(Layout { fields: header.len(), wanted })
    }

    /// Parses the rows gathered. `None` if there are none, or none good.
    fn build(&mut self) -> Result<Option<RecordBatch>> {
        let rows = self.starts.len();
        if rows == 0 {
            return Ok(None);
        }
        let mut failures = Failures::new(self.bad.is_fatal());
        let view = Rows { text: &self.text, aside: &self.aside, fields: &self.fields, width: self.columns.len(), rows };
        let arrays = (self.columns.iter().enumerate())
            .map(|(column, parser)| parser.parse(&view, column, &mut failures))
            .collect::<Result<Vec<_>>>()?;
        let bad_rows = failures.into_first_of_each_row();
        for failure in &bad_rows {
            let cell = view.cell(failure.row, failure.column);
            let line = self.line_of(self.starts[failure.row] as usize);
            let parser = &self.columns[failure.column];
            self.bad.reject(line, || parser.describe(&cell))?;
        }
        self.fields.clear();
        self.starts.clear();
        self.aside.clear();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        if bad_rows.is_empty() {
            return Ok(Some(RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?));
        }
        let mut keep = vec![true; rows];
        for failure in &bad_rows {
            keep[failure.row] = false;
        }
        // A bad field of a NOT NULL column stands as NULL until its row is gone.
        let lenient: Vec<_> = self.schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(lenient)), arrays, &options)?;
        let batch = filter_record_batch(&batch, &BooleanArray::from(keep))?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), batch.columns().to_vec(), &options)?;
        Ok((batch.num_rows() > 0).then_some(batch))
    }
}

impl RecordDecoder for CsvDecoder {
    fn feed(&mut self, block: &[u8]) {
        self.pending.extend_from_slice(block);
    }

    fn end(&mut self) {
        self.ended = true;
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if self.position >= self.text.len() && self.starts.is_empty() {
                self.unload()?;
                if !self.load()? {
                    return Ok(None);
                }
            }
            let stop = self.gather()?;
            if let Some(batch) = self.build()? {
                return Ok(Some(batch));
            }
            if matches!(stop, Stop::TextExhausted) && self.position < self.text.len() {
                // The last record goes on in bytes that have not come yet.
                self.unload()?;
                return Ok(None);
            }
        }
    }
}
