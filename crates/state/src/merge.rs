//! What several runs of a table come to: for each key the latest word, a row or a delete.

use std::hash::Hash;

use arrow::array::{Array, BooleanArray};
use arrow::buffer::ScalarBuffer;
use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, Rows, SortField};
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

/// Finds what is the latest.
fn find_latest(words: &mut [Words], key_columns: usize) -> Result<()> {
    let batches = words.iter().map(|words| words.batch.clone()).collect::<Vec<_>>();
    let groups = batches.iter().map(|batch| Ok(key_groups(batch)?.values())).collect::<Result<Vec<_>>>()?;
    if let Some(keys) = batches.iter().map(|batch| small_keys(batch, key_columns)).collect::<Option<Vec<_>>>() {
        find_latest_of(words, &groups, |batch, row| keys[batch][row]);
    } else {
        let keys = keys(&batches, key_columns)?;
        find_latest_of(words, &groups, |batch, row| keys[batch].row(row));
    }
    Ok(())
}

/// Newest first, and one key group after the other, so that the set of its keys stays at hand.
fn find_latest_of<K: Hash + Eq>(words: &mut [Words], groups: &[&ScalarBuffer<u16>], key: impl Fn(usize, usize) -> K) {
    let mut next = vec![0; words.len()];
    let mut seen: HashSet<K> = HashSet::new();
    while let Some(group) = groups.iter().zip(&next).filter_map(|(groups, next)| groups.get(*next)).min() {
        seen.clear();
        for (index, words) in words.iter_mut().enumerate() {
            let first = next[index];
            let end = first + groups[index][first..].partition_point(|other| other <= group);
            let is_new = |row| {
                let key = key(index, row);
                if words.remember { seen.insert(key) } else { !seen.contains(&key) }
            };
            words.are_latest.extend((first..end).map(is_new));
            next[index] = end;
        }
    }
}

/// A key whose columns are short and of fixed width: their bytes.
type SmallKey = [u8; 16];

/// The key of each row, but for its key group; `None` if it does not fit or may be missing.
fn small_keys(batch: &RecordBatch, key_columns: usize) -> Option<Vec<SmallKey>> {
    let mut keys = vec![SmallKey::default(); batch.num_rows()];
    let mut end = 0;
    for column in batch.columns().get(1..=key_columns)? {
        let width = column.data_type().primitive_width().filter(|_| column.null_count() == 0)?;
        let place = end..end + width;
        end = place.end;
        if end > size_of::<SmallKey>() {
            return None;
        }
        let data = column.to_data();
        let bytes = &data.buffers().first()?[data.offset() * width..];
        for (key, bytes) in keys.iter_mut().zip(bytes.chunks_exact(width)) {
            key[place.clone()].copy_from_slice(bytes);
        }
    }
    Some(keys)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, Decimal128Array, Int64Array, StringArray, TimestampMillisecondArray, UInt8Array, UInt16Array,
        UInt32Array,
    };

    use super::*;

    fn batch(keys: Vec<ArrayRef>) -> RecordBatch {
        let groups: ArrayRef = Arc::new(UInt16Array::from(vec![0; keys[0].len()]));
        let columns = std::iter::once(groups).chain(keys).enumerate();
        RecordBatch::try_from_iter(columns.map(|(index, column)| (index.to_string(), column))).unwrap()
    }

    #[test]
    fn small_keys_are_equal_where_their_columns_are() {
        let parts = || (0..4_usize).flat_map(|a| (0..3).flat_map(move |b| [(a, b), (a, b)]));
        let a = UInt32Array::from_iter_values(parts().map(|(a, _)| [0, 1, 256, u32::MAX][a]));
        let b = TimestampMillisecondArray::from_iter_values(parts().map(|(_, b)| [i64::MIN, -1, 1][b]));
        let c = UInt8Array::from(vec![7; a.len()]);
        let batch = batch(vec![Arc::new(a), Arc::new(b), Arc::new(c)]).slice(1, 22);
        let (small, rows) = (small_keys(&batch, 3).unwrap(), keys(&[batch], 3).unwrap().remove(0));
        for one in 0..22 {
            for other in 0..22 {
                assert_eq!(small[one] == small[other], rows.row(one) == rows.row(other), "{one} {other}");
            }
        }
    }

    #[test]
    fn keys_that_may_be_missing_or_are_long_are_not_small() {
        let wide: ArrayRef = Arc::new(Decimal128Array::from(vec![1, 2]));
        let (number, missing): (ArrayRef, ArrayRef) =
            (Arc::new(Int64Array::from(vec![1, 2])), Arc::new(Int64Array::from(vec![None, Some(2)])));
        assert_eq!(
            small_keys(&batch(vec![Arc::clone(&wide)]), 1),
            Some(vec![1_u128.to_le_bytes(), 2_u128.to_le_bytes()])
        );
        assert_eq!(small_keys(&batch(vec![wide, number]), 2), None);
        assert_eq!(small_keys(&batch(vec![missing]), 1), None);
        assert_eq!(small_keys(&batch(vec![Arc::new(StringArray::from(vec!["a", "b"]))]), 1), None);
    }
}
