//! What several runs of a table come to: for each key the latest word, a row or a delete.

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;
use arrow::row::{Row, RowConverter, Rows, SortField};
use dipper_types::{Error, Result};
use hashbrown::HashSet;

use crate::state_file::Contents;
use crate::table::key_groups;

/// What becomes of deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deletes {
    /// There is nothing older that they could delete.
    Drop,
    /// They still outrank what is older.
    Keep,
}

/// A batch of rows or deletes on its way through a merge.
struct Words {
    batch: RecordBatch,
    are_deletes: bool,
    /// Whether anybody asks again after these keys: not if nothing is older.
    remember: bool,
    /// Whether each is the latest about its key, as far as that is known.
    are_latest: Vec<bool>,
}

/// Merges runs, oldest first, of which each batch is sorted by key group. Within a run deletes apply before rows, and no two rows have the
/// same key.
pub(crate) fn merge(mut runs: Vec<Contents>, key_columns: usize, deletes: Deletes) -> Result<Contents> {
    if let (Deletes::Drop, Some(oldest)) = (deletes, runs.first_mut()) {
        oldest.deletes.clear();
    }
    let mut words = Vec::new();
    for (age, Contents { rows, deletes }) in runs.into_iter().enumerate().rev() {
        let of = |batch, are_deletes, remember| Words { batch, are_deletes, remember, are_latest: Vec::new() };
        let are_asked_after = age > 0 || !deletes.is_empty();
        words.extend(rows.into_iter().map(|batch| of(batch, false, are_asked_after)));
        words.extend(deletes.into_iter().map(|batch| of(batch, true, true)));
    }
    if words.iter().any(|words| words.remember) {
        find_latest(&mut words, key_columns)?;
    }
    let mut merged = Contents::default();
    for Words { batch, are_deletes, are_latest, .. } in words {
        let is_whole = are_latest.iter().all(|is_latest| *is_latest);
        let kept = if is_whole { batch } else { filter_record_batch(&batch, &BooleanArray::from(are_latest))? };
        match (are_deletes, deletes) {
            (false, _) => merged.rows.push(kept),
            (true, Deletes::Keep) => merged.deletes.push(kept),
            (true, Deletes::Drop) => {}
        }
    }
    Ok(merged)
}

/// Finds what is the latest, newest first. One key group after the other, so that the set of its keys stays at hand.
fn find_latest(words: &mut [Words], key_columns: usize) -> Result<()> {
    let batches = words.iter().map(|words| words.batch.clone()).collect::<Vec<_>>();
    let keys = keys(&batches, key_columns)?;
    let groups = batches.iter().map(|batch| Ok(key_groups(batch)?.values())).collect::<Result<Vec<_>>>()?;
    let mut next = vec![0; words.len()];
    let mut seen: HashSet<Row<'_>> = HashSet::new();
    while let Some(group) = groups.iter().zip(&next).filter_map(|(groups, next)| groups.get(*next)).min() {
        seen.clear();
        for (index, words) in words.iter_mut().enumerate() {
            let first = next[index];
            let end = first + groups[index][first..].partition_point(|other| other <= group);
            let is_new = |row| {
                let key = keys[index].row(row);
                if words.remember { seen.insert(key) } else { !seen.contains(&key) }
            };
            words.are_latest.extend((first..end).map(is_new));
            next[index] = end;
        }
    }
    Ok(())
}

/// Refuses rows of which two have the same key.
pub(crate) fn check_keys_differ(rows: &[RecordBatch], key_columns: usize) -> Result<()> {
    let keys = keys(rows, key_columns)?;
    let mut seen = HashSet::new();
    if keys.iter().flat_map(Rows::iter).all(|key| seen.insert(key)) {
        return Ok(());
    }
    Err(Error::internal("a snapshot has two rows with the same key"))
}

/// The key of each row, batch by batch: the key group and the columns of the key.
fn keys(batches: &[RecordBatch], key_columns: usize) -> Result<Vec<Rows>> {
    let Some(first) = batches.first() else { return Ok(Vec::new()) };
    let few = || Error::internal("stored rows have fewer columns than their key");
    let fields = first.schema_ref().fields().get(..=key_columns).ok_or_else(few)?;
    let fields = fields.iter().map(|field| SortField::new(field.data_type().clone())).collect();
    let converter = RowConverter::new(fields)?;
    let of = |batch: &RecordBatch| Ok(converter.convert_columns(batch.columns().get(..=key_columns).ok_or_else(few)?)?);
    batches.iter().map(of).collect()
}
