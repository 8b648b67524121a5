//! Takes apart a batch on which arrow-csv failed: finds the bad records, rejects them and keeps the others.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringArray};
use arrow::compute::filter;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use dipper_types::Result;

use super::columns::Column;
use super::records::{Next, Records};
use crate::format::bad_records::BadRecords;

/// What the records of the batch are read for.
pub(super) struct BadBatch<'a> {
    /// The number of fields that a record has.
    pub(super) fields: usize,
    /// The wanted columns, each with its place among the fields.
    pub(super) columns: &'a [(usize, Column)],
    pub(super) schema: &'a SchemaRef,
    pub(super) batch_rows: usize,
    /// Whether the file ends with the bytes at hand.
    pub(super) ended: bool,
}

impl BadBatch<'_> {
    /// Reads records, at most a batch of them. Bad ones are rejected in the order of the file.
    pub(super) fn read(&self, records: &mut Records<'_>, bad: &mut BadRecords) -> Result<RecordBatch> {
        let mut rejected: Vec<(u64, String)> = Vec::new();
        let mut lines = Vec::new();
        let mut texts: Vec<Vec<Option<String>>> = self.columns.iter().map(|_| Vec::new()).collect();
        while lines.len() + rejected.len() < self.batch_rows {
            let line = match records.next() {
                Next::Record { line } => line,
                // The quote may have swallowed good lines: only the first one is given up.
                Next::Open { line } if self.ended => {
                    rejected.push((line, "a quote is never closed".to_owned()));
                    records.skip_line();
                    continue;
                }
                Next::Open { .. } | Next::Nothing => break,
            };
            if !records.is_utf8() {
                rejected.push((line, "the text is not valid UTF-8".to_owned()));
            } else if records.field_count() != self.fields {
                let (found, expected) = (records.field_count(), self.fields);
                rejected.push((line, format!("the record has {found} fields, not {expected}")));
            } else {
                lines.push(line);
                for ((place, column), texts) in self.columns.iter().zip(&mut texts) {
                    texts.push(column.text(records.field(*place)).map(str::to_owned));
                }
            }
        }
        let (arrays, keep) = self.cast(texts, &lines, &mut rejected)?;
        rejected.sort_by_key(|(line, _)| *line);
        for (line, reason) in rejected {
            bad.reject(line, || reason)?;
        }
        let arrays = arrays.iter().map(|array| filter(array, &keep)).collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(keep.true_count()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(self.schema), arrays, &options)?)
    }

    /// Casts the columns, and says which rows are good. Of a bad row the leftmost bad column is noted.
    fn cast(
        &self,
        texts: Vec<Vec<Option<String>>>,
        lines: &[u64],
        rejected: &mut Vec<(u64, String)>,
    ) -> Result<(Vec<ArrayRef>, BooleanArray)> {
        let mut keep = vec![true; lines.len()];
        let mut arrays = Vec::new();
        for ((_, column), texts) in self.columns.iter().zip(texts) {
            let text: ArrayRef = Arc::new(StringArray::from_iter(&texts));
            let cast = column.cast(&text)?;
            for row in cast.failed {
                if std::mem::replace(&mut keep[row], false) {
                    rejected.push((lines[row], column.describe(texts[row].as_deref())));
                }
            }
            arrays.push(cast.array);
        }
        Ok((arrays, BooleanArray::from(keep)))
    }
}
