//! The `print` sink: each row on the terminal as Flink prints it, `+I[a, b]`.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int8Type;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use dipper_operator_api::{Committable, Prepared, ROW_KIND_COLUMN, RowKind, Sink, SinkWriter};
use dipper_types::{Epoch, Error, Result, SubtaskId};

use crate::options::TableOptions;
use crate::row_text::RowText;
use crate::table::{TableDefinition, no_metadata};

/// Prints rows to standard output, or to standard error with `'standard-error' = 'true'`.
#[derive(Debug)]
pub(crate) struct PrintSink {
    identifier: Option<String>,
    standard_error: bool,
}

impl PrintSink {
    pub(crate) fn new(table: &TableDefinition, mut options: TableOptions) -> Result<Self> {
        no_metadata(table, "print")?;
        let identifier = options.take("print-identifier").filter(|identifier| !identifier.is_empty());
        let standard_error = options.take_bool("standard-error")?.unwrap_or(false);
        options.finish()?;
        Ok(Self { identifier, standard_error })
    }

    /// What stands before each row: the identifier, and which subtask it is if there are several.
    fn prefix(&self, subtask: SubtaskId) -> String {
        let number = subtask.index + 1;
        match (&self.identifier, subtask.parallelism > 1) {
            (Some(identifier), true) => format!("{identifier}:{number}> "),
            (Some(identifier), false) => format!("{identifier}> "),
            (None, true) => format!("{number}> "),
            (None, false) => String::new(),
        }
    }
}

#[async_trait]
impl Sink for PrintSink {
    fn is_transactional(&self) -> bool {
        false
    }

    async fn open(&self, _run: &str, subtask: SubtaskId) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(PrintWriter { prefix: self.prefix(subtask), standard_error: self.standard_error }))
    }

    async fn commit(&self, _epoch: Epoch, _committables: Vec<Committable>) -> Result<()> {
        Ok(())
    }

    async fn abort(&self, _run: &str) -> Result<()> {
        Ok(())
    }
}

struct PrintWriter {
    prefix: String,
    standard_error: bool,
}

#[async_trait]
impl SinkWriter for PrintWriter {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let lines = lines(&self.prefix, &batch)?;
        // One write for the whole batch, so that the lines of several subtasks do not mix.
        let written = if self.standard_error {
            io::stderr().lock().write_all(lines.as_bytes())
        } else {
            let mut out = io::stdout().lock();
            out.write_all(lines.as_bytes()).and_then(|()| out.flush())
        };
        written.map_err(|error| match error.kind() {
            // Whoever read the output has gone, as `head` does.
            io::ErrorKind::BrokenPipe => Error::cancelled(),
            _ => Error::unavailable(format!("cannot print: {error}")),
        })
    }

    async fn prepare(&mut self, _epoch: Epoch) -> Result<Prepared> {
        Ok(Prepared::nothing())
    }

    async fn finish(&mut self) -> Result<Vec<Committable>> {
        Ok(Vec::new())
    }
}

fn lines(prefix: &str, batch: &RecordBatch) -> Result<String> {
    let kind_column = batch.schema_ref().index_of(ROW_KIND_COLUMN).ok();
    let kinds = kind_column.map(|column| Arc::clone(batch.column(column)));
    let places: Vec<usize> = (0..batch.num_columns()).filter(|column| Some(*column) != kind_column).collect();
    let rows = batch.project(&places)?;
    let text = RowText::new(&rows)?;
    let mut lines = String::new();
    for row in 0..rows.num_rows() {
        let kind = match &kinds {
            Some(kinds) => short_kind(kinds.as_primitive::<Int8Type>().value(row)),
            None => RowKind::Insert.short(),
        };
        lines.push_str(prefix);
        lines.push_str(kind);
        lines.push('[');
        for column in 0..rows.num_columns() {
            if column > 0 {
                lines.push_str(", ");
            }
            if !text.append(row, column, &mut lines)? {
                lines.push_str("null");
            }
        }
        lines.push_str("]\n");
    }
    Ok(lines)
}

fn short_kind(kind: i8) -> &'static str {
    [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete]
        .into_iter()
        .find(|known| *known as i8 == kind)
        .map_or("?", RowKind::short)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use arrow::array::{ArrayRef, Int8Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn rows_are_printed_with_their_kind() {
        let columns: [(&str, ArrayRef); 3] = [
            ("name", Arc::new(StringArray::from(vec![Some("a"), None]))),
            (ROW_KIND_COLUMN, Arc::new(Int8Array::from(vec![0, 3]))),
            ("n", Arc::new(Int64Array::from(vec![1, 2]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        assert_eq!(lines("out:2> ", &batch).unwrap(), "out:2> +I[a, 1]\nout:2> -D[null, 2]\n");
        let plain = batch.project(&[0]).unwrap();
        assert_eq!(lines("", &plain).unwrap(), "+I[a]\n+I[null]\n");
    }

    #[test]
    fn the_prefix_names_the_subtask_only_among_several() {
        let sink = PrintSink { identifier: Some("x".to_owned()), standard_error: false };
        assert_eq!(sink.prefix(SubtaskId { index: 0, parallelism: 1 }), "x> ");
        assert_eq!(sink.prefix(SubtaskId { index: 1, parallelism: 4 }), "x:2> ");
    }
}
