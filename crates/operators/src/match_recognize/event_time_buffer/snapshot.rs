//! The rows in the buffer as stored state. A row is known by the run that it came in and its place in the order of that, so that rows of
//! equal times keep the order in which they arrived.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, UInt16Array, UInt32Array, UInt64Array};
use arrow::buffer::ScalarBuffer;
use arrow::compute::take;
use arrow::datatypes::{SchemaRef, UInt32Type, UInt64Type};
use arrow::record_batch::RecordBatch;
use dipper_state::{StateRows, StateWriter, TableSpec};
use dipper_types::{Error, Result};

use super::super::native_time::native_values;
use super::super::operator::STEP_ROWS;
use super::super::partitions::PartitionId;
use super::super::snapshot::{PartitionKey, Tables};
use super::{EventTimeBuffer, Run};

/// What has been handed over, run by run.
#[derive(Debug, Default)]
pub(in super::super) struct HandedRuns {
    runs: BTreeMap<u64, HandedRun>,
    /// The next run that comes.
    next: u64,
}

/// The rows of one run that have been handed over and were not gone the last time.
#[derive(Debug)]
struct HandedRun {
    /// The place of the first of `groups`.
    first: usize,
    /// The key group of each row, in the order of the run.
    groups: Vec<u16>,
    /// How many of them are gone.
    gone: usize,
    /// What each is known by, if that is not the run itself and its place there: the rows of a restored run have come in others.
    keys: Option<Vec<(u64, u32)>>,
}

/// Where a stored row is, in the order of arrival.
type Arrived = (u64, u32, usize, usize);

impl EventTimeBuffer {
    /// Hands over the rows that have come since the last time and are still here, and the keys of those that are gone.
    pub(in super::super) fn hand_over(
        &self,
        handed: &mut HandedRuns,
        tables: &Tables,
        key: impl Fn(PartitionId) -> PartitionKey,
        state: &mut StateWriter,
    ) -> Result<()> {
        let (mut groups, mut runs, mut places) = (Vec::new(), Vec::new(), Vec::new());
        handed.runs.retain(|id, known| {
            let gone = match self.runs.get(id) {
                Some(run) => run.base + run.released - known.first,
                None => known.groups.len(),
            };
            for index in known.gone..gone {
                let (run, place) = match &known.keys {
                    Some(keys) => keys[index],
                    None => (*id, (known.first + index) as u32),
                };
                groups.push(known.groups[index]);
                runs.push(run);
                places.push(place);
            }
            known.gone = gone;
            gone < known.groups.len()
        });
        if !groups.is_empty() {
            let columns: Vec<ArrayRef> = vec![Arc::new(UInt64Array::from(runs)), Arc::new(UInt32Array::from(places))];
            let keys = RecordBatch::try_new(tables.buffer.key_schema(), columns)?;
            state.delete(&tables.buffer, UInt16Array::from(groups), keys)?;
        }
        for (id, run) in self.runs.range(handed.next..) {
            let (first, keys) = (run.base + run.released, run.keys(&key));
            let groups: Vec<u16> = keys.iter().map(|key| key.group).collect();
            let rows = run.rows(*id, &keys, tables)?;
            state.upsert(&tables.buffer, UInt16Array::from(groups.clone()), rows)?;
            handed.runs.insert(*id, HandedRun { first, groups, gone: 0, keys: None });
        }
        handed.next = self.arrivals;
        Ok(())
    }

    /// Takes stored rows in. `partition` says which partition a key is of; `time` is the column of the table that holds the event time.
    pub(in super::super) fn take_over(
        &mut self,
        stored: &[StateRows],
        tables: &Tables,
        time: Option<usize>,
        partition: impl Fn(PartitionKey) -> Result<PartitionId>,
    ) -> Result<HandedRuns> {
        let mut rows: Vec<Arrived> = Vec::new();
        for (batch, StateRows { rows: part, .. }) in stored.iter().enumerate() {
            let runs = part.column(0).as_primitive::<UInt64Type>().values();
            let places = part.column(1).as_primitive::<UInt32Type>().values();
            rows.extend(runs.iter().zip(places).enumerate().map(|(row, (run, place))| (*run, *place, batch, row)));
        }
        rows.sort_unstable();
        self.arrivals = rows.last().map_or(0, |(run, ..)| run + 1);
        let times: Vec<ScalarBuffer<i64>> = match time {
            Some(column) => stored.iter().map(|part| native_values(part.rows.column(column))).collect::<Result<_>>()?,
            None => Vec::new(),
        };
        if time.is_some() {
            rows.sort_by_key(|(_, _, batch, row)| times[*batch][*row]);
        }
        let mut handed = HandedRuns::default();
        for rows in rows.chunks(STEP_ROWS) {
            let (run, groups) = restored(rows, stored, tables, &times, &partition)?;
            self.by_earliest.insert((run.times.first().copied().unwrap_or(i64::MAX), self.arrivals));
            self.runs.insert(self.arrivals, run);
            let keys = Some(rows.iter().map(|(run, place, ..)| (*run, *place)).collect());
            handed.runs.insert(self.arrivals, HandedRun { first: 0, groups, gone: 0, keys });
            self.arrivals += 1;
        }
        handed.next = self.arrivals;
        Ok(handed)
    }

    /// The greatest native time that a watermark has passed.
    pub(in super::super) fn passed(&self) -> i64 {
        self.passed
    }

    /// A watermark had passed this time when the state was stored.
    pub(in super::super) fn resume(&mut self, passed: i64) {
        self.passed = passed;
    }
}

/// A run of stored rows, and their key groups.
fn restored(
    rows: &[Arrived],
    stored: &[StateRows],
    tables: &Tables,
    times: &[ScalarBuffer<i64>],
    partition: impl Fn(PartitionKey) -> Result<PartitionId>,
) -> Result<(Run, Vec<u16>)> {
    let places: Vec<(usize, usize)> = rows.iter().map(|(_, _, batch, row)| (*batch, *row)).collect();
    let columns = tables.columns(stored, 3, &places)?;
    let (mut groups, mut partitions) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for (batch, row) in &places {
        let StateRows { key_groups, rows } = &stored[*batch];
        let (group, number) = (key_groups.value(*row), rows.column(2).as_primitive::<UInt32Type>().value(*row));
        groups.push(group);
        partitions.push(partition(PartitionKey { group, number })?);
    }
    let ascending: Vec<i64> =
        if times.is_empty() { Vec::new() } else { places.iter().map(|(batch, row)| times[*batch][*row]).collect() };
    let partitions = partitions.into();
    Ok((Run { columns, partitions, times: ascending.into(), rows: None, released: 0, base: 0 }, groups))
}

impl Run {
    /// What the rows that are here are known by: the partition of each, in the order of the run.
    fn keys(&self, key: impl Fn(PartitionId) -> PartitionKey) -> Vec<PartitionKey> {
        (self.released..self.partitions.len()).map(|index| key(self.partitions[self.row(index) as usize])).collect()
    }

    /// Those rows as rows of the table.
    fn rows(&self, id: u64, keys: &[PartitionKey], tables: &Tables) -> Result<RecordBatch> {
        let (released, count) = (self.released, keys.len());
        let end = u32::try_from(self.base + released + count).map_err(|_| Error::internal("a run is too long"))?;
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from(vec![id; count])),
            Arc::new(UInt32Array::from_iter_values(end - count as u32..end)),
            Arc::new(UInt32Array::from_iter_values(keys.iter().map(|key| key.number))),
        ];
        let order = self.rows.as_ref().map(|rows| UInt32Array::from(rows[released..].to_vec()));
        for slot in &tables.slots {
            columns.push(match &order {
                Some(order) => take(&self.columns[*slot], order, None)?,
                None => self.columns[*slot].slice(released, count),
            });
        }
        let TableSpec { schema, .. } = &tables.buffer;
        Ok(RecordBatch::try_new(SchemaRef::clone(schema), columns)?)
    }
}
