//! The operator's state at a barrier: nothing is on its way between two elements, so it is what the stages hold.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt16Array, UInt32Array, UInt64Array};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use dipper_state::{Redistribution, StateRows, StateWriter};
use dipper_types::Result;

use super::super::partition_states::NO_TIME;
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
            let mut stored = StoredPartitions::default();
            for id in ids {
                let (PartitionKey { group, number }, index) = (changes.key(*id), *id as usize);
                let rows = self.partitions.rows(*id);
                stored.groups.push(group);
                stored.numbers.push(number);
                stored.first.push(rows.first());
                stored.seen.push(rows.seen());
                stored.searched.push(self.partitions.runs.rows_seen(*id));
                stored.needed.push(self.partitions.runs.first_needed_row(*id));
                stored.matches.push(self.partitions.runs.matches(*id));
                stored.reported.push(self.partitions.reported.get(index).copied().unwrap_or(rows.seen()));
                stored.wakeups.push(self.partitions.wakeups.get(index).copied().unwrap_or(NO_TIME));
            }
            let table = &changes.tables.partitions;
            let StateRows { key_groups, rows } = stored.into_rows(table)?;
            state.upsert(table, key_groups, rows)?;
        }
        Ok(())
    }

    fn hand_over_rows(&self, changes: &mut Changes, changed: &[PartitionId], state: &mut StateWriter) -> Result<()> {
        let (mut new, mut addresses, mut gone) = (RowKeys::default(), Addresses::default(), RowKeys::default());
        for id in changed {
            let (key, rows) = (changes.key(*id), self.partitions.rows(*id));
            let (mut come, left) = changes.rows(*id, rows.first()..rows.seen());
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

impl RowKeys {
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
