//! Rows as `COPY` writes them: lines of text, lines of CSV, or PostgreSQL's binary format.

use bytes::{BufMut, BytesMut};

use crate::backend;
use crate::encode::{Column, Format, Shown};
use crate::failure::Result;
use crate::statement::{CopyFormat, Layout};

/// What a binary copy begins with: a signature, no flags, no extension.
const BINARY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Writes rows in a format.
pub(crate) struct CopyWriter {
    copied: CopyFormat,
    /// A value before its special characters are marked.
    value: BytesMut,
    /// Whether the header of the binary format is to come: it goes in one message with what follows it.
    needs_header: bool,
}

impl CopyWriter {
    pub(crate) fn new(copied: CopyFormat) -> Self {
        Self { needs_header: copied == CopyFormat::Binary, copied, value: BytesMut::new() }
    }

    /// How values are written.
    pub(crate) fn format(&self) -> Format {
        if self.copied == CopyFormat::Binary { Format::Binary } else { Format::Text }
    }

    /// What comes before the first row.
    pub(crate) fn begin(&self, columns: &[Shown], out: &mut BytesMut) {
        match &self.copied {
            CopyFormat::Text(layout) | CopyFormat::Csv { layout, .. } if layout.has_header => {
                backend::message(out, b'd', |out| {
                    for (index, column) in columns.iter().enumerate() {
                        if index > 0 {
                            out.put_u8(layout.delimiter);
                        }
                        self.put(column.name.as_bytes(), columns.len() == 1, out);
                    }
                    out.put_u8(b'\n');
                });
            }
            CopyFormat::Text(_) | CopyFormat::Csv { .. } | CopyFormat::Binary => {}
        }
    }

    /// What comes behind the last row.
    pub(crate) fn end(&mut self, out: &mut BytesMut) {
        if self.copied == CopyFormat::Binary {
            backend::message(out, b'd', |out| {
                self.put_header(out);
                out.put_i16(-1);
            });
        }
    }

    fn put_header(&mut self, out: &mut BytesMut) {
        if std::mem::take(&mut self.needs_header) {
            out.put_slice(BINARY_HEADER);
        }
    }

    /// A row.
    pub(crate) fn write(&mut self, columns: &[Column], row: usize, out: &mut BytesMut) -> Result<()> {
        self.put_header(out);
        let layout = match &self.copied {
            CopyFormat::Binary => {
                out.put_u16(columns.len() as u16);
                return columns.iter().try_for_each(|column| column.write_field(row, out));
            }
            CopyFormat::Text(layout) | CopyFormat::Csv { layout, .. } => layout,
        };
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                out.put_u8(layout.delimiter);
            }
            if column.is_null(row) {
                out.put_slice(layout.null.as_bytes());
                continue;
            }
            self.value.clear();
            column.write(row, &mut self.value)?;
            self.put(&self.value, columns.len() == 1, out);
        }
        out.put_u8(b'\n');
        Ok(())
    }

    /// A value that is not null.
    fn put(&self, value: &[u8], is_only_one: bool, out: &mut BytesMut) {
        match &self.copied {
            CopyFormat::Binary => out.put_slice(value),
            CopyFormat::Text(layout) => put_text(value, layout, out),
            CopyFormat::Csv { layout, quote, escape, quotes_all } => {
                let special = |byte: &u8| [layout.delimiter, *quote, b'\n', b'\r'].contains(byte);
                let needs_quotes = value == layout.null.as_bytes() || value.iter().any(special);
                // Such a line would be the end.
                if !(*quotes_all || needs_quotes || is_only_one && value == b"\\.") {
                    return out.put_slice(value);
                }
                out.put_u8(*quote);
                for byte in value {
                    if byte == quote || byte == escape {
                        out.put_u8(*escape);
                    }
                    out.put_u8(*byte);
                }
                out.put_u8(*quote);
            }
        }
    }
}

fn put_text(value: &[u8], layout: &Layout, out: &mut BytesMut) {
    for byte in value {
        let letter = match byte {
            b'\\' => b'\\',
            8 => b'b',
            9 => b't',
            10 => b'n',
            11 => b'v',
            12 => b'f',
            13 => b'r',
            byte if *byte == layout.delimiter => *byte,
            byte => {
                out.put_u8(*byte);
                continue;
            }
        };
        out.put_slice(&[b'\\', letter]);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};

    use super::*;
    use crate::encode::{Style, columns};

    fn copied(format: CopyFormat) -> Vec<u8> {
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a\tb\\,\"c\"", ""]));
        let batch = RecordBatch::try_from_iter([("n", numbers), ("t", texts)]).unwrap();
        let mut writer = CopyWriter::new(format);
        let columns = columns(&batch, |_| writer.format(), &Style::default()).unwrap();
        let mut out = BytesMut::new();
        (0..2).for_each(|row| writer.write(&columns, row, &mut out).unwrap());
        out.to_vec()
    }

    #[test]
    fn rows_are_lines_of_text() {
        let layout = Layout { delimiter: b'\t', null: "\\N".to_owned(), has_header: false };
        assert_eq!(copied(CopyFormat::Text(layout)), b"1\ta\\tb\\\\,\"c\"\n\\N\t\n");
    }

    #[test]
    fn rows_are_lines_of_csv() {
        let layout = Layout { delimiter: b',', null: String::new(), has_header: false };
        let csv = CopyFormat::Csv { layout, quote: b'"', escape: b'"', quotes_all: false };
        assert_eq!(copied(csv), b"1,\"a\tb\\,\"\"c\"\"\"\n,\"\"\n");
    }

    #[test]
    fn rows_are_fields_in_binary() {
        let binary = copied(CopyFormat::Binary);
        let (header, binary) = binary.split_at(BINARY_HEADER.len());
        assert_eq!(header, BINARY_HEADER);
        assert_eq!(binary, b"\0\x02\0\0\0\x04\0\0\0\x01\0\0\0\x08a\tb\\,\"c\"\0\x02\xff\xff\xff\xff\0\0\0\0");
    }
}
