//! What has been handed over of each partition. It is kept beside the task: what a snapshot adds, and what leaves it, is found there.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, AsArray, BooleanArray, UInt16Array, UInt32Array, UInt64Array};
use arrow::compute::FilterBuilder;
use arrow::datatypes::{SchemaRef, UInt32Type};
use arrow::record_batch::RecordBatch;
use dipper_operator_api::key_groups;
use dipper_state::StateWriter;
use dipper_types::{Error, KeyGroup, Result};

use super::super::partitions::PartitionId;
use super::delta::{Counters, Delta, KeptRows, OfPartitions, Standing, latest};
use super::tables::{StoredPartitions, Tables};

/// What a partition is known by in stored state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct PartitionKey {
    /// The key group of its key.
    pub(in super::super) group: u16,
    /// Its number among the partitions of the group, in no order that means anything. It is never given to another.
    pub(in super::super) number: u32,
}

/// What has been handed over, by partition.
#[derive(Debug, Default)]
pub(in super::super) struct Ledger {
    keys: Vec<PartitionKey>,
    /// The rows that were kept.
    rows: Vec<Range<u64>>,
    /// By key group.
    next_number: Vec<u32>,
}

/// A ledger from hand to hand. It is gone if an entry has failed: what would follow does not continue what has been handed over.
#[derive(Debug)]
pub(super) struct SharedLedger {
    ledger: Mutex<Option<Ledger>>,
    /// Memory for the next notes that has been written to: a new page costs the task more than the note itself.
    room: Mutex<Vec<Standing>>,
}

impl SharedLedger {
    pub(super) fn new(ledger: Ledger) -> Self {
        Self { ledger: Mutex::new(Some(ledger)), room: Mutex::default() }
    }

    /// No notes, with room for about as many as there were last.
    pub(super) fn room(&self) -> Vec<Standing> {
        std::mem::take(&mut *self.room.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Enters what has changed, and hands it over.
    pub(super) fn enter(&self, mut delta: Delta, tables: &Tables, state: &mut StateWriter) -> Result<()> {
        let mut shared = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = || Error::internal("an earlier snapshot of MATCH_RECOGNIZE has failed");
        let mut ledger = shared.take().ok_or_else(missing)?;
        let mut notes = std::mem::take(&mut delta.notes);
        latest(&mut notes);
        ledger.enter(delta, &mut notes, tables, state)?;
        *shared = Some(ledger);
        notes.clear();
        *self.room.lock().unwrap_or_else(PoisonError::into_inner) = notes;
        Ok(())
    }
}

impl Ledger {
    /// The next partition has been restored, with these rows.
    pub(in super::super) fn restored(&mut self, key: PartitionKey, rows: Range<u64>) {
        let next = self.next_number_in(key.group);
        *next = (*next).max(key.number + 1);
        self.keys.push(key);
        self.rows.push(rows);
    }

    /// How many there are.
    pub(super) fn partitions(&self) -> usize {
        self.keys.len()
    }

    /// The notes are each of another partition.
    fn enter(
        &mut self,
        delta: Delta,
        notes: &mut Vec<Standing>,
        tables: &Tables,
        state: &mut StateWriter,
    ) -> Result<()> {
        let Delta { new_keys, new, rows, others, .. } = delta;
        let (first_new, count) = (self.keys.len(), self.keys.len() + new);
        for keys in new_keys {
            let first = self.keys.len();
            self.meet(&keys, keys.first().map_or(new, |column| column.len()), state.key_groups())?;
            let ids = (first as PartitionId..self.keys.len() as PartitionId).collect();
            let (table, are_gone) = (tables.keys.clone(), false);
            self.put(OfPartitions { table, are_gone, ids, number_at: Some(0), columns: keys }, state)?;
        }
        if self.keys.len() != count {
            return Err(Error::internal("as many keys as new partitions were expected"));
        }
        // A new partition without a note has had no row yet.
        let mut is_noted = vec![false; new];
        for note in notes.iter().filter_map(|note| (note.id as usize).checked_sub(first_new)) {
            is_noted[note] = true;
        }
        let without = (first_new..count).filter(|id| !is_noted[id - first_new]);
        notes.extend(without.map(|id| Standing { id: id as PartitionId, ..Standing::default() }));
        let changed: Vec<PartitionId> = notes.iter().map(|note| note.id).collect();
        let counters = Counters::of(notes);
        for rows in rows {
            self.put_rows(rows, tables, state)?;
        }
        self.put_gone_rows(&changed, &counters, tables, state)?;
        let (groups, numbers) = self.names(&changed);
        if !groups.is_empty() {
            let stored = StoredPartitions { groups, numbers, counters }.into_rows(&tables.partitions)?;
            state.upsert(&tables.partitions, stored.key_groups, stored.rows)?;
        }
        others.into_iter().try_for_each(|rows| self.put(rows, state))
    }

    /// Gives numbers to new partitions.
    fn meet(&mut self, keys: &[ArrayRef], count: usize, groups: u16) -> Result<()> {
        for KeyGroup(group) in key_groups(keys, count, groups)? {
            let next = self.next_number_in(group);
            let key = PartitionKey { group, number: *next };
            *next = next.checked_add(1).ok_or_else(|| Error::internal("too many partitions in a key group"))?;
            self.keys.push(key);
            self.rows.push(0..0);
        }
        Ok(())
    }

    fn put(&self, rows: OfPartitions, state: &mut StateWriter) -> Result<()> {
        let OfPartitions { table, are_gone, ids, number_at, mut columns } = rows;
        let (groups, numbers) = self.names(&ids);
        if let Some(place) = number_at {
            columns.insert(place, Arc::new(UInt32Array::from(numbers)));
        }
        let groups = UInt16Array::from(groups);
        if are_gone {
            state.delete(&table, groups, RecordBatch::try_new(table.key_schema(), columns)?)
        } else {
            state.upsert(&table, groups, RecordBatch::try_new(SchemaRef::clone(&table.schema), columns)?)
        }
    }

    fn put_rows(&self, KeptRows { columns, live }: KeptRows, tables: &Tables, state: &mut StateWriter) -> Result<()> {
        let filter = FilterBuilder::new(&BooleanArray::new(live, None)).optimize().build();
        let kept = |column: &ArrayRef| -> Result<ArrayRef> { Ok(filter.filter(column)?) };
        let [slots @ .., ids, indices] = &columns[..] else { return Err(Error::internal("rows without names")) };
        let ids = kept(ids)?.as_primitive::<UInt32Type>().values().to_vec();
        let mut stored = vec![kept(indices)?];
        for slot in &tables.slots {
            stored.push(kept(&slots[*slot])?);
        }
        let (table, are_gone) = (tables.rows.clone(), false);
        self.put(OfPartitions { table, are_gone, ids, number_at: Some(0), columns: stored }, state)
    }

    /// The partitions keep these rows now: what has been handed over and is before them is gone.
    fn put_gone_rows(
        &mut self,
        changed: &[PartitionId],
        counters: &Counters,
        tables: &Tables,
        state: &mut StateWriter,
    ) -> Result<()> {
        let (mut ids, mut rows) = (Vec::new(), Vec::new());
        for (index, id) in changed.iter().enumerate() {
            let first = counters.first(index);
            let handed = std::mem::replace(&mut self.rows[*id as usize], first..counters.seen[index]);
            let gone = handed.start..handed.end.min(first);
            if !gone.is_empty() {
                ids.extend(std::iter::repeat_n(*id, (gone.end - gone.start) as usize));
                rows.extend(gone);
            }
        }
        if ids.is_empty() {
            return Ok(());
        }
        let columns: Vec<ArrayRef> = vec![Arc::new(UInt64Array::from(rows))];
        let (table, are_gone) = (tables.rows.clone(), true);
        self.put(OfPartitions { table, are_gone, ids, number_at: Some(0), columns }, state)
    }

    /// What partitions are known by: key groups and numbers.
    fn names(&self, ids: &[PartitionId]) -> (Vec<u16>, Vec<u32>) {
        ids.iter().map(|id| self.keys[*id as usize]).map(|key| (key.group, key.number)).unzip()
    }

    fn next_number_in(&mut self, group: u16) -> &mut u32 {
        let index = usize::from(group);
        if self.next_number.len() <= index {
            self.next_number.resize(index + 1, 0);
        }
        &mut self.next_number[index]
    }
}
