//! Rows as aligned columns, numbers to the right. Rows are shown in chunks; a column keeps its width from chunk to chunk
//! and only ever grows.

use std::io::Write;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use unicode_width::UnicodeWidthStr;

use super::{RowWriter, WriteError, cell};

/// The most rows that wait for a common width.
const CHUNK_ROWS: usize = 1_000;

/// Writes a table.
pub(super) struct TableWriter<W> {
    out: W,
    columns: Vec<Column>,
    waiting: Vec<Vec<String>>,
    header_written: bool,
    rows: u64,
}

struct Column {
    name: String,
    right: bool,
    width: usize,
}

impl<W: Write> TableWriter<W> {
    /// A writer; the header comes with the first chunk.
    pub(super) fn new(schema: &SchemaRef, out: W) -> Self {
        let column = |field: &arrow::datatypes::FieldRef| {
            let name = shown(field.name());
            let width = name.width();
            Column { name, right: field.data_type().is_numeric(), width }
        };
        let columns = schema.fields().iter().map(column).collect();
        Self { out, columns, waiting: Vec::new(), header_written: false, rows: 0 }
    }

    fn write_chunk(&mut self) -> Result<(), WriteError> {
        let rows = std::mem::take(&mut self.waiting);
        for row in &rows {
            for (column, text) in self.columns.iter_mut().zip(row) {
                column.width = column.width.max(text.width());
            }
        }
        if !self.header_written {
            self.header_written = true;
            let names: Vec<_> = self.columns.iter().map(|column| column.name.clone()).collect();
            let rules: Vec<_> = self.columns.iter().map(|column| "-".repeat(column.width + 2)).collect();
            writeln!(self.out, "{}", self.line(&names))?;
            writeln!(self.out, "{}", rules.join("+"))?;
        }
        for row in &rows {
            writeln!(self.out, "{}", self.line(row))?;
        }
        Ok(())
    }

    fn line(&self, texts: &[String]) -> String {
        let mut line = String::new();
        for (index, (column, text)) in self.columns.iter().zip(texts).enumerate() {
            line.push_str(if index == 0 { " " } else { " | " });
            let padding = " ".repeat(column.width.saturating_sub(text.width()));
            let (left, right) = if column.right { (padding.as_str(), "") } else { ("", padding.as_str()) };
            line.push_str(left);
            line.push_str(text);
            line.push_str(right);
        }
        line.truncate(line.trim_end().len());
        line
    }
}

impl<W: Write> RowWriter for TableWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        let columns: Vec<_> = batch.columns().iter().map(cell::formatter).collect::<Result<_, _>>()?;
        for row in 0..batch.num_rows() {
            let cells = columns.iter().map(|column| Ok(shown(&column.value(row).try_to_string()?)));
            self.waiting.push(cells.collect::<Result<_, WriteError>>()?);
            if self.waiting.len() >= CHUNK_ROWS {
                self.write_chunk()?;
            }
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        if !self.waiting.is_empty() {
            self.write_chunk()?;
        }
        Ok(self.out.flush()?)
    }

    fn finish(&mut self) -> Result<(), WriteError> {
        self.write_chunk()?;
        let noun = if self.rows == 1 { "row" } else { "rows" };
        writeln!(self.out, "({} {noun})", self.rows)?;
        Ok(self.out.flush()?)
    }
}

/// A text on one line: what would move the cursor is escaped.
fn shown(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    text.chars().fold(String::new(), |mut shown, character| {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
        shown
    })
}
