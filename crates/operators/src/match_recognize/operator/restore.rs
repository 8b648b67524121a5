//! From stored state back to where the operator was. The searches are not stored: the rows since the first open start are searched again,
//! and must lead to where the search stood, without anything coming out.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, UInt32Array, UInt64Array};
use arrow::datatypes::{UInt32Type, UInt64Type};
use dipper_state::{StateReader, StateRows};
use dipper_types::{Error, Result};

use super::super::partition_rows::PartitionRows;
use super::super::partition_states::NO_TIME;
use super::super::partitions::PartitionId;
use super::super::search::{NewRows, Place};
use super::super::snapshot::{
    Changes, Counters, Ledger, PartitionKey, Progress, StoredPartitions, Tables, does_not_fit, gather,
};
use super::{MatchRecognizeOperator, STEP_ROWS, Work};

/// Where a stored row is: partition, index in it, batch, row of the batch.
type StoredRow = (PartitionId, u64, usize, usize);

impl MatchRecognizeOperator {
    /// Takes what was handed over of the subtask's key groups.
    pub(super) fn take_over(&mut self, state: &mut StateReader) -> Result<()> {
        let tables = Tables::new(&self.kept, self.keys.columns());
        self.store.note_names();
        let Some(progress) = Progress::of_items(&state.take_list(Progress::LIST))? else {
            // Nothing has been handed over; what there is otherwise is for others to refuse.
            self.changes = Some(Box::new(Changes::since(Ledger::default(), tables)));
            return Ok(());
        };
        let keys = state.take_table(&tables.keys)?;
        let stored = state.take_table(&tables.partitions)?;
        let rows = state.take_table(&tables.rows)?;
        let buffered = state.take_table(&tables.buffer)?;
        let waiting = state.take_table(&tables.waiting)?;
        let mut ledger = Ledger::default();
        let partitions = self.take_over_partitions(&stored, &keys, &mut ledger)?;
        let partition = |key: PartitionKey| Ok(partitions.find(key.group, key.number)? as PartitionId);
        self.take_over_rows(&rows, &partitions, &tables)?;
        self.search_again(&partitions)?;
        self.open_starts =
            (0..self.partitions.count()).map(|id| self.partitions.runs.open_starts(id as PartitionId)).sum();
        let mut changes = Box::new(Changes::since(ledger, tables));
        changes.next_seq = self.store.next_seq();
        self.partitions.waiting = changes.take_over_waiting(&waiting, partition)?;
        self.take_over_notes(&partitions);
        let time = self.time.filter(|time| time.is_watermarked).map(|time| time.slot);
        let time = time.and_then(|time| changes.tables.slots.iter().position(|slot| *slot == time));
        changes.buffered = self.buffer.take_over(&buffered, &changes.tables, time.map(|place| place + 3), partition)?;
        self.buffer.resume(progress.passed);
        self.forwarded = progress.forwarded;
        self.ended = progress.passed == i64::MAX;
        self.changes = Some(changes);
        Ok(())
    }

    /// Makes the partitions known, in the order in which they are read: the id of each is its index.
    fn take_over_partitions(
        &mut self,
        stored: &[StateRows],
        keys: &[StateRows],
        ledger: &mut Ledger,
    ) -> Result<StoredPartitions> {
        if stored.is_empty() && keys.is_empty() {
            return Ok(StoredPartitions::default());
        }
        let partitions = StoredPartitions::read(stored)?;
        let places = partitions.places_of_keys(keys)?;
        let mut expected = 0..;
        for places in places.chunks(STEP_ROWS) {
            let columns = 1..=self.keys.columns().len();
            let keys = columns.map(|column| gather(keys, column, places)).collect::<Result<Vec<ArrayRef>>>()?;
            if !self.keys.intern_keys(&keys, places.len())?.into_iter().eq(expected.by_ref().take(places.len())) {
                return Err(does_not_fit("two partitions have the same key"));
            }
        }
        self.partitions.grow(self.keys.count());
        let counters = &partitions.counters;
        for index in 0..partitions.len() {
            let (group, number) = (partitions.groups[index], partitions.numbers[index]);
            let rows = counters.first(index)..counters.seen[index];
            let (needed, searched) = (counters.needed(index), counters.searched(index));
            if !(rows.start <= needed && needed <= searched) {
                return Err(does_not_fit(format_args!("the counters of partition {number} in key group {group}")));
            }
            let reads = needed.saturating_sub(self.reach.back)..searched + self.reach.ahead;
            if rows.start > reads.start || (searched > 0 && rows.end < reads.end) {
                return Err(other_query("rows that the query reads of a partition have not been kept"));
            }
            self.partitions.rows[index] = PartitionRows::behind(rows.start);
            ledger.restored(PartitionKey { group, number }, rows);
        }
        Ok(partitions)
    }

    /// Puts the kept rows into the store, partition by partition.
    fn take_over_rows(&mut self, stored: &[StateRows], partitions: &StoredPartitions, tables: &Tables) -> Result<()> {
        let mut rows: Vec<StoredRow> = Vec::new();
        for (batch, StateRows { key_groups, rows: part }) in stored.iter().enumerate() {
            let numbers = part.column(0).as_primitive::<UInt32Type>().values();
            let indices = part.column(1).as_primitive::<UInt64Type>().values();
            for (row, (group, number)) in key_groups.values().iter().zip(numbers).enumerate() {
                rows.push((partitions.find(*group, *number)? as PartitionId, indices[row], batch, row));
            }
        }
        rows.sort_unstable();
        for rows in rows.chunks(STEP_ROWS) {
            let places: Vec<(usize, usize)> = rows.iter().map(|(_, _, batch, row)| (*batch, *row)).collect();
            let mut columns = tables.columns(stored, 2, &places)?;
            columns.push(Arc::new(UInt32Array::from_iter_values(rows.iter().map(|(id, ..)| *id))));
            columns.push(Arc::new(UInt64Array::from_iter_values(rows.iter().map(|(_, row, ..)| *row))));
            let mut seq = self.store.append(columns, rows.len());
            for rows in rows.chunk_by(|one, next| one.0 == next.0) {
                let partition = &mut self.partitions.rows[rows[0].0 as usize];
                if rows.iter().zip(partition.seen()..).any(|((_, row, ..), expected)| *row != expected) {
                    return Err(does_not_fit("rows of a partition are missing"));
                }
                partition.append(seq, rows.len(), &mut self.store)?;
                seq += rows.len() as u64;
            }
        }
        let are_all =
            self.partitions.rows.iter().zip(&partitions.counters.seen).all(|(rows, seen)| rows.seen() == *seen);
        if are_all { Ok(()) } else { Err(does_not_fit("rows of a partition are missing")) }
    }

    /// Brings every search to where it stood.
    fn search_again(&mut self, partitions: &StoredPartitions) -> Result<()> {
        let (mut work, mut at) = (Vec::new(), 0);
        for index in 0..partitions.len() {
            let counters = &partitions.counters;
            let (id, first) = (index as PartitionId, counters.needed(index));
            self.partitions.runs.resume(id, first, counters.matches[index]);
            let len = (counters.searched(index) - first) as usize;
            if len > 0 {
                work.push(Work { partition: id, first, len, at, needed: first });
                at += len;
            }
            if at >= STEP_ROWS {
                self.search_rows_again(&work, at, partitions)?;
                (at, work) = (0, Vec::new());
            }
        }
        self.search_rows_again(&work, at, partitions)
    }

    fn search_rows_again(&mut self, work: &[Work], count: usize, partitions: &StoredPartitions) -> Result<()> {
        if work.is_empty() {
            return Ok(());
        }
        let (letters, times, values) = self.read_stored(work, count)?;
        let mut found = Vec::new();
        for Work { partition: id, first, len, at, .. } in work {
            let new = NewRows { letters: &letters, times: &times, values: &values, start: *at, end: at + len };
            let place = Place { id: *id, rows: &self.partitions.rows[*id as usize], store: &self.store };
            self.search.push(&mut self.partitions.runs, place, new, &mut found)?;
            let (runs, matches) = (&self.partitions.runs, partitions.counters.matches[*id as usize]);
            if !found.is_empty() || runs.first_needed_row(*id) != *first || runs.matches(*id) != matches {
                return Err(other_query("the stored rows of a partition do not lead the search to where it stood"));
            }
        }
        Ok(())
    }

    /// What else is noted of each partition.
    fn take_over_notes(&mut self, partitions: &StoredPartitions) {
        for index in 0..partitions.len() {
            let id = index as PartitionId;
            if let Some(reported) = self.partitions.reported.get_mut(index) {
                let Counters { seen, unreported, .. } = &partitions.counters;
                *reported = seen[index] - u64::from(unreported[index]);
            }
            self.schedule(id);
            if self.hold.is_some() {
                let open = self.partitions.first_open_row(id, self.partitions.runs.first_needed_row(id));
                let needed = self.time_of(id, open).unwrap_or(NO_TIME);
                if let Some(hold) = &mut self.hold {
                    hold.update(needed, &mut self.partitions.held[index]);
                }
            }
        }
    }
}

/// Stored state is not of this query.
fn other_query(what: &str) -> Error {
    Error::invalid(what).with_hint("the query has changed: restore it as it was, or start fresh")
}
