//! The operator's state at a barrier: nothing is on its way between two elements, so it is what the stages hold.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt16Array, UInt32Array, UInt64Array};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use dipper_state::{Redistribution, StateRows, StateWriter};
use dipper_types::Result;

use super::super::partition_states::PartitionStates;
use super::super::partitions::PartitionId;
use super::super::row_store::Addresses;
use super::super::snapshot::{Changes, PartitionKey, Progress, StoredPartitions, Tables};
use super::{MatchRecognizeOperator, STEP_ROWS};

/// Rows by partition and index, for as long as they are brought together.
#[derive(Default)]
struct RowKeys {
    groups: Vec<u16>,
    partitions: Vec<u32>,
    rows: Vec<u64>,
}

impl MatchRecognizeOperator {
    /// Hands over what has changed since the last snapshot, or everything if there has been none.
    pub(super) fn hand_over(&mut self, state: &mut StateWriter) -> Result<()> {
        let changes = self.changes.take();
        let is_whole = changes.is_none() || self.ended;
        let mut changes =
            changes.unwrap_or_else(|| Box::new(Changes::new(Tables::new(&self.kept, self.keys.columns()))));
        if is_whole {
            changes.tables.all().into_iter().for_each(|table| state.replace(table));
        }
        // After the end nothing is left, and nothing is to come.
        if !self.ended {
            let (changed, first_new) = changes.take(&self.keys, state.key_groups())?;
            self.hand_over_keys(&changes, first_new, state)?;
            self.hand_over_partitions(&changes, &changed, state)?;
            self.hand_over_rows(&mut changes, &changed, state)?;
            changes.hand_over_waiting(&self.partitions.waiting, &changed, state)?;
            let mut buffered = std::mem::take(&mut changes.buffered);
            self.buffer.hand_over(&mut buffered, &changes.tables, |id| changes.key(id), state)?;
            changes.buffered = buffered;
        }
        let progress = Progress { passed: self.buffer.passed(), forwarded: self.forwarded };
        state.put_list(Progress::LIST, Redistribution::Union, vec![progress.to_item()]);
        // If something has failed there are no notes, and the next snapshot is of everything.
        self.changes = Some(changes);
        Ok(())
    }

    /// Hands over the keys of the partitions from `first` on.
    fn hand_over_keys(&self, changes: &Changes, first: PartitionId, state: &mut StateWriter) -> Result<()> {
        let (table, end) = (&changes.tables.keys, self.keys.count() as PartitionId);
        for first in (first..end).step_by(STEP_ROWS) {
            let ids: Vec<PartitionId> = (first..end.min(first + STEP_ROWS as PartitionId)).collect();
            let numbers: UInt32Array = ids.iter().map(|id| Some(changes.key(*id).number)).collect();
            let mut columns: Vec<ArrayRef> = vec![Arc::new(numbers)];
            columns.extend(self.keys.keys_of(&ids)?);
            let groups = ids.iter().map(|id| Some(changes.key(*id).group)).collect();
            state.upsert(table, groups, RecordBatch::try_new(SchemaRef::clone(&table.schema), columns)?)?;
        }
        Ok(())
    }

    fn hand_over_partitions(&self, changes: &Changes, changed: &[PartitionId], state: &mut StateWriter) -> Result<()> {
        for ids in changed.chunks(STEP_ROWS) {
            let PartitionStates { runs, reported, .. } = &self.partitions;
            let (mut groups, mut numbers) = (Vec::with_capacity(ids.len()), Vec::with_capacity(ids.len()));
            for PartitionKey { group, number } in ids.iter().map(|id| changes.key(*id)) {
                groups.push(group);
                numbers.push(number);
            }
            // One column after the other: nearly all of the cost is to wait for memory, and so it is waited for many at a time.
            let seen: Vec<u64> = ids.iter().map(|id| self.partitions.rows(*id).seen()).collect();
            let stored = StoredPartitions {
                groups,
                numbers,
                first: ids.iter().map(|id| self.partitions.rows(*id).first()).collect(),
                searched: ids.iter().map(|id| runs.rows_seen(*id)).collect(),
                needed: ids.iter().map(|id| runs.first_needed_row(*id)).collect(),
                matches: ids.iter().map(|id| runs.matches(*id)).collect(),
                reported: if reported.is_empty() { seen.clone() } else { of_each(ids, reported) },
                seen,
            };
            let table = &changes.tables.partitions;
            let StateRows { key_groups, rows } = stored.into_rows(table)?;
            state.upsert(table, key_groups, rows)?;
        }
        Ok(())
    }

    fn hand_over_rows(&self, changes: &mut Changes, changed: &[PartitionId], state: &mut StateWriter) -> Result<()> {
        let (mut new, mut addresses, mut gone) = (RowKeys::default(), Addresses::default(), RowKeys::default());
        new.reserve(changed.len().min(STEP_ROWS));
        let kept = changed.iter().map(|id| self.partitions.rows(*id)).map(|rows| rows.first()..rows.seen());
        let kept: Vec<Range<u64>> = kept.collect();
        let moved: Vec<_> = changed.iter().zip(kept).map(|(id, kept)| changes.rows(*id, kept)).collect();
        for (id, (mut come, left)) in changed.iter().zip(moved) {
            if come.is_empty() && left.is_empty() {
                continue;
            }
            let (key, rows) = (changes.key(*id), self.partitions.rows(*id));
            gone.push(key, left);
            while !come.is_empty() {
                let end = come.end.min(come.start + (STEP_ROWS - new.rows.len()) as u64);
                rows.address(come.start as i64..end as i64, &self.store, &mut addresses)?;
                new.push(key, come.start..end);
                come.start = end;
                if new.rows.len() == STEP_ROWS {
                    let (new, addresses) = (std::mem::take(&mut new), std::mem::take(&mut addresses));
                    self.upsert_rows(&changes.tables, new, &addresses, state)?;
                }
            }
        }
        self.upsert_rows(&changes.tables, new, &addresses, state)?;
        if gone.rows.is_empty() {
            return Ok(());
        }
        let table = &changes.tables.rows;
        let (groups, keys) = gone.into_columns();
        state.delete(table, groups, RecordBatch::try_new(table.key_schema(), keys)?)
    }

    fn upsert_rows(
        &self,
        tables: &Tables,
        rows: RowKeys,
        addresses: &Addresses,
        state: &mut StateWriter,
    ) -> Result<()> {
        if rows.rows.is_empty() {
            return Ok(());
        }
        let (groups, mut columns) = rows.into_columns();
        for slot in &tables.slots {
            columns.push(self.store.gather(*slot, addresses)?);
        }
        let batch = RecordBatch::try_new(SchemaRef::clone(&tables.rows.schema), columns)?;
        state.upsert(&tables.rows, groups, batch)
    }
}

/// What a column of all partitions says of some.
fn of_each<T: Copy>(ids: &[PartitionId], column: &[T]) -> Vec<T> {
    ids.iter().map(|id| column[*id as usize]).collect()
}

impl RowKeys {
    fn reserve(&mut self, rows: usize) {
        self.groups.reserve(rows);
        self.partitions.reserve(rows);
        self.rows.reserve(rows);
    }

    fn push(&mut self, key: PartitionKey, rows: Range<u64>) {
        let count = (rows.end - rows.start) as usize;
        self.groups.extend(std::iter::repeat_n(key.group, count));
        self.partitions.extend(std::iter::repeat_n(key.number, count));
        self.rows.extend(rows);
    }

    fn into_columns(self) -> (UInt16Array, Vec<ArrayRef>) {
        let columns: Vec<ArrayRef> =
            vec![Arc::new(UInt32Array::from(self.partitions)), Arc::new(UInt64Array::from(self.rows))];
        (UInt16Array::from(self.groups), columns)
    }
}
