//! What several runs of a table come to: for each key the latest word, a row or a delete.

use std::collections::HashSet;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use dipper_types::{Error, Result};

use crate::state_file::Contents;

/// What becomes of deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deletes {
    /// There is nothing older that they could delete.
    Drop,
    /// They still outrank what is older.
    Keep,
}

/// Merges runs, oldest first. Within a run deletes apply before rows, and no two rows have the same key.
pub(crate) fn merge(mut runs: Vec<Contents>, key_columns: usize, deletes: Deletes) -> Result<Contents> {
    if let (true, Some(oldest)) = (deletes == Deletes::Drop, runs.first_mut()) {
        oldest.deletes.clear();
    }
    let mut keys = Keys { columns: key_columns + 1, converter: None, seen: HashSet::new() };
    let mut merged = Contents::default();
    for (age, run) in runs.iter().enumerate().rev() {
        // Nobody asks again after the oldest run's rows, and its deletes if there are any.
        let remember = age > 0 || !run.deletes.is_empty();
        if age == 0 && !remember && keys.seen.is_empty() {
            merged.rows.extend(run.rows.iter().cloned());
            continue;
        }
        for batch in &run.rows {
            merged.rows.push(keys.unseen(batch, remember)?);
        }
        for batch in &run.deletes {
            let kept = keys.unseen(batch, true)?;
            if deletes == Deletes::Keep {
                merged.deletes.push(kept);
            }
        }
    }
    Ok(merged)
}

/// Refuses rows of which two have the same key.
pub(crate) fn check_keys_differ(rows: &[RecordBatch], key_columns: usize) -> Result<()> {
    let mut keys = Keys { columns: key_columns + 1, converter: None, seen: HashSet::new() };
    for batch in rows {
        if keys.unseen(batch, true)?.num_rows() != batch.num_rows() {
            return Err(Error::internal("a snapshot has two rows with the same key"));
        }
    }
    Ok(())
}

/// Keys about which something has been said.
struct Keys {
    /// The key group and the columns of the key.
    columns: usize,
    converter: Option<RowConverter>,
    seen: HashSet<Box<[u8]>>,
}

impl Keys {
    /// The rows whose keys have not been seen; with `remember` they now have.
    fn unseen(&mut self, batch: &RecordBatch, remember: bool) -> Result<RecordBatch> {
        let key = batch.columns().get(..self.columns);
        let key: &[ArrayRef] = key.ok_or_else(|| Error::internal("stored rows have fewer columns than their key"))?;
        let converter = match &mut self.converter {
            Some(converter) => converter,
            none => {
                let fields = key.iter().map(|column| SortField::new(column.data_type().clone())).collect();
                none.insert(RowConverter::new(fields)?)
            }
        };
        let rows = converter.convert_columns(key)?;
        let mut is_new = |key: &[u8]| if remember { self.seen.insert(key.into()) } else { !self.seen.contains(key) };
        let unseen: BooleanArray = rows.iter().map(|row| Some(is_new(row.as_ref()))).collect();
        Ok(filter_record_batch(batch, &unseen)?)
    }
}
