//! Finds the records in bytes of CSV, with their lines in the file. Slow but exact: for headers and bad batches.

use super::options::CsvOptions;

/// Goes through the records of some bytes of a file.
pub(super) struct Records<'a> {
    options: &'a CsvOptions,
    bytes: &'a [u8],
    reader: csv_core::Reader,
    /// Where the next record begins, but for blank lines and comments, and the number of that line.
    position: usize,
    line: u64,
    /// The record just read: where it begins, its fields one behind the other, their ends, and how many they are.
    start: usize,
    text: Vec<u8>,
    ends: Vec<usize>,
    fields: usize,
}

/// What comes next in the bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A record, whose fields can be asked for.
    Record {
        /// The file's line on which it begins.
        line: u64,
    },
    /// A record whose end is not among the bytes.
    Open {
        /// The file's line on which it begins.
        line: u64,
    },
    /// Nothing but blank lines and comments.
    Nothing,
}

impl<'a> Records<'a> {
    /// `bytes` begin on `line`, and not within a record.
    pub(super) fn new(options: &'a CsvOptions, bytes: &'a [u8], line: u64) -> Self {
        let reader = options.record_reader();
        Self { options, bytes, reader, position: 0, line, start: 0, text: vec![0; 1024], ends: vec![0; 64], fields: 0 }
    }

    /// The number of bytes read: all before the next record.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Goes to the next record and reads it.
    pub(super) fn next(&mut self) -> Next {
        self.skip_blank_lines();
        if self.position == self.bytes.len() {
            return Next::Nothing;
        }
        let (start, line) = (self.position, self.line);
        let (mut at, mut text_len, mut fields) = (start, 0, 0);
        loop {
            let (result, read, written, ended) =
                self.reader.read_record(&self.bytes[at..], &mut self.text[text_len..], &mut self.ends[fields..]);
            (at, text_len, fields) = (at + read, text_len + written, fields + ended);
            match result {
                csv_core::ReadRecordResult::OutputFull => self.text.resize(2 * self.text.len(), 0),
                csv_core::ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                csv_core::ReadRecordResult::Record => break,
                csv_core::ReadRecordResult::InputEmpty | csv_core::ReadRecordResult::End => {
                    self.reader = self.options.record_reader();
                    return Next::Open { line };
                }
            }
        }
        (self.start, self.fields) = (start, fields);
        self.go_to(at);
        Next::Record { line }
    }

    /// Whether the record just read is UTF-8. If not, the text of its fields may be missing.
    pub(super) fn is_utf8(&self) -> bool {
        std::str::from_utf8(&self.bytes[self.start..self.position]).is_ok()
    }

    /// The number of fields of the record just read.
    pub(super) fn field_count(&self) -> usize {
        self.fields
    }

    /// A field of the record just read.
    pub(super) fn field(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        std::str::from_utf8(&self.text[start..self.ends[index]]).unwrap_or_default()
    }

    /// Passes over one line, where no record can be made of it.
    pub(super) fn skip_line(&mut self) {
        let rest = &self.bytes[self.position..];
        let len = memchr::memchr(b'\n', rest).map_or(rest.len(), |newline| newline + 1);
        self.go_to(self.position + len);
    }

    fn skip_blank_lines(&mut self) {
        while let Some(byte) = self.bytes.get(self.position) {
            match byte {
                b'\r' | b'\n' => self.go_to(self.position + 1),
                b'#' if self.options.allow_comments => self.skip_line(),
                _ => break,
            }
        }
    }

    fn go_to(&mut self, position: usize) {
        self.line += newlines(&self.bytes[self.position..position]);
        self.position = position;
    }
}

/// The number of lines that end in `bytes`.
pub(super) fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}
