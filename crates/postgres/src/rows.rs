//! Rows on their way to a client: where they come from, and in which form they go.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::{BufMut, BytesMut};
use dipper_session::{JobHandle, RowStream, Rows};
use dipper_types::Error;
use futures::{StreamExt, stream};

use crate::backend;
use crate::copy::CopyWriter;
use crate::encode::{Column, Format, Style, columns};
use crate::failure::{Failure, Result};

/// The rows of a result, of which some may have been taken.
pub(crate) struct Source {
    schema: SchemaRef,
    stream: RowStream,
    job: Option<JobHandle>,
    /// What has come and has not been taken.
    rest: Option<RecordBatch>,
    has_ended: bool,
}

impl Source {
    /// The rows that the session gives.
    pub(crate) fn new(rows: Rows) -> Self {
        Self { schema: rows.schema, stream: rows.stream, job: rows.job, rest: None, has_ended: false }
    }

    /// Rows that are there.
    pub(crate) fn of_batches(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        let stream = stream::iter(batches.into_iter().map(Ok)).boxed();
        Self { schema, stream, job: None, rest: None, has_ended: false }
    }

    /// Rows of texts.
    pub(crate) fn of_texts<const N: usize>(names: [&str; N], rows: &[[String; N]]) -> Result<Self> {
        let schema = texts(names);
        let column = |index: usize| Arc::new(rows.iter().map(|row| Some(&row[index])).collect::<StringArray>()) as _;
        let batch = RecordBatch::try_new(Arc::clone(&schema), (0..N).map(column).collect()).map_err(Error::from)?;
        Ok(Self::of_batches(schema, vec![batch]))
    }

    /// The columns.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether all rows have been taken.
    pub(crate) fn is_read(&self) -> bool {
        self.has_ended && self.rest.is_none()
    }

    /// How much memory the rows take that have come and have not been taken.
    pub(crate) fn held_bytes(&self) -> usize {
        self.rest.as_ref().map_or(0, RecordBatch::get_array_memory_size)
    }

    /// The next rows, but no more than so many; nothing at the end.
    pub(crate) async fn next(&mut self, rows_max: usize) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.rest.take().filter(|batch| batch.num_rows() > 0) {
                if batch.num_rows() <= rows_max {
                    return Ok(Some(batch));
                }
                self.rest = Some(batch.slice(rows_max, batch.num_rows() - rows_max));
                return Ok(Some(batch.slice(0, rows_max)));
            }
            if self.has_ended {
                return Ok(None);
            }
            match self.stream.next().await {
                Some(Ok(batch)) => self.rest = Some(batch),
                Some(Err(error)) => {
                    self.has_ended = true;
                    return Err(error.into());
                }
                None => {
                    self.has_ended = true;
                    if let Some(job) = self.job.take() {
                        job.wait().await?;
                    }
                }
            }
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(job) = &self.job {
            job.control().cancel();
        }
    }
}

/// Columns of texts.
pub(crate) fn texts<const N: usize>(names: [&str; N]) -> SchemaRef {
    Arc::new(Schema::new(names.map(|name| Field::new(name, DataType::Utf8, true)).to_vec()))
}

/// In which format each column is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Formats(Vec<Format>);

impl Formats {
    /// All in one.
    pub(crate) fn all(format: Format) -> Self {
        Self(vec![format])
    }

    /// As the protocol has it: none is text, one is for all, and otherwise there is one for each.
    pub(crate) fn new(codes: &[i16], columns: usize, what: &str) -> Result<Self> {
        if codes.len() > 1 && codes.len() != columns {
            return Err(Failure::protocol(format!(
                "bind message has {} {what} formats but {columns} {what}s",
                codes.len()
            )));
        }
        let format = |code: &i16| match code {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            other => Err(Failure::protocol(format!("unsupported format code: {other}"))),
        };
        codes.iter().map(format).collect::<Result<_>>().map(Self)
    }

    /// That of a column.
    pub(crate) fn of(&self, column: usize) -> Format {
        match self.0.as_slice() {
            [] => Format::Text,
            [one] => *one,
            each => each.get(column).copied().unwrap_or(Format::Text),
        }
    }
}

/// The form in which rows go.
pub(crate) enum Sink {
    Rows(Formats),
    Copy(CopyWriter),
}

impl Sink {
    /// A batch, ready to be written.
    pub(crate) fn columns(&self, batch: &RecordBatch, style: &Style) -> Result<Vec<Column>> {
        match self {
            Self::Rows(formats) => columns(batch, |index| formats.of(index), style),
            Self::Copy(writer) => columns(batch, |_| writer.format(), style),
        }
    }

    /// Writes a row: all of it, or nothing.
    pub(crate) fn write(&mut self, columns: &[Column], row: usize, out: &mut BytesMut) -> Result<()> {
        let start = out.len();
        let mut written = Ok(());
        match self {
            Self::Rows(_) => backend::message(out, b'D', |out| {
                out.put_u16(columns.len() as u16);
                written = columns.iter().try_for_each(|column| column.write_field(row, out));
            }),
            Self::Copy(writer) => backend::message(out, b'd', |out| written = writer.write(columns, row, out)),
        }
        if written.is_err() {
            out.truncate(start);
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rows_are_taken_in_pieces() {
        let mut source = Source::of_texts(["a"], &[1, 2, 3].map(|number| [number.to_string()])).unwrap();
        let rows = |batch: Option<RecordBatch>| batch.map(|batch| batch.num_rows());
        assert_eq!(rows(source.next(2).await.unwrap()), Some(2));
        assert_eq!(rows(source.next(2).await.unwrap()), Some(1));
        assert_eq!(rows(source.next(2).await.unwrap()), None);
        assert_eq!(rows(source.next(2).await.unwrap()), None);
    }

    #[test]
    fn one_format_is_for_all_columns() {
        assert_eq!(Formats::new(&[1], 3, "result column").unwrap().of(2), Format::Binary);
        assert_eq!(Formats::new(&[], 3, "result column").unwrap().of(2), Format::Text);
        assert_eq!(Formats::new(&[0, 1], 2, "result column").unwrap().of(1), Format::Binary);
        assert!(Formats::new(&[0, 1], 3, "result column").is_err());
        assert!(Formats::new(&[2], 3, "result column").is_err());
    }
}
