//! The rows in the buffer as stored state. A row is known by the run that it came in and its place in the order of that, so that rows of
//! equal times keep the order in which they arrived.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, UInt32Array, UInt64Array};
use arrow::buffer::ScalarBuffer;
use arrow::compute::take;
use arrow::datatypes::{UInt32Type, UInt64Type};
use dipper_state::StateRows;
use dipper_types::{Error, Result};

use super::super::native_time::native_values;
use super::super::operator::STEP_ROWS;
use super::super::partitions::PartitionId;
use super::super::snapshot::{OfPartitions, PartitionKey, Tables};
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
    /// The place of the first of `partitions`.
    first: usize,
    /// The partition of each row, in the order of the run.
    partitions: Vec<PartitionId>,
    /// How many of them are gone.
    gone: usize,
    /// What each is known by, if that is not the run itself and its place there: the rows of a restored run have come in others.
    keys: Option<Vec<(u64, u32)>>,
}

/// Where a stored row is, in the order of arrival.
type Arrived = (u64, u32, usize, usize);

impl EventTimeBuffer {
    /// Hands over the keys of the rows that are gone, and the rows that have come since the last time and are still here.
    pub(in super::super) fn hand_over(&self, handed: &mut HandedRuns, tables: &Tables) -> Result<Vec<OfPartitions>> {
        let (mut ids, mut runs, mut places) = (Vec::new(), Vec::new(), Vec::new());
        handed.runs.retain(|id, known| {
            let gone = match self.runs.get(id) {
                Some(run) => run.base + run.released - known.first,
                None => known.partitions.len(),
            };
            for index in known.gone..gone {
                let (run, place) = match &known.keys {
                    Some(keys) => keys[index],
                    None => (*id, (known.first + index) as u32),
                };
                ids.push(known.partitions[index]);
                runs.push(run);
                places.push(place);
            }
            known.gone = gone;
            gone < known.partitions.len()
        });
        let mut changes = Vec::new();
        if !ids.is_empty() {
            let columns: Vec<ArrayRef> = vec![Arc::new(UInt64Array::from(runs)), Arc::new(UInt32Array::from(places))];
            changes.push(OfPartitions { table: tables.buffer.clone(), are_gone: true, ids, number_at: None, columns });
        }
        for (id, run) in self.runs.range(handed.next..) {
            let (table, partitions, columns) = (tables.buffer.clone(), run.partitions(), run.columns(*id, tables)?);
            let known =
                HandedRun { first: run.base + run.released, partitions: partitions.clone(), gone: 0, keys: None };
            changes.push(OfPartitions { table, are_gone: false, ids: partitions, number_at: Some(2), columns });
            handed.runs.insert(*id, known);
        }
        handed.next = self.arrivals;
        Ok(changes)
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
            let run = restored(rows, stored, tables, &times, &partition)?;
            let partitions = run.partitions();
            self.by_earliest.insert((run.times.first().copied().unwrap_or(i64::MAX), self.arrivals));
            self.runs.insert(self.arrivals, run);
            let keys = Some(rows.iter().map(|(run, place, ..)| (*run, *place)).collect());
            handed.runs.insert(self.arrivals, HandedRun { first: 0, partitions, gone: 0, keys });
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

/// A run of stored rows.
fn restored(
    rows: &[Arrived],
    stored: &[StateRows],
    tables: &Tables,
    times: &[ScalarBuffer<i64>],
    partition: impl Fn(PartitionKey) -> Result<PartitionId>,
) -> Result<Run> {
    let places: Vec<(usize, usize)> = rows.iter().map(|(_, _, batch, row)| (*batch, *row)).collect();
    let columns = tables.columns(stored, 3, &places)?;
    let partition = |(batch, row): &(usize, usize)| {
        let StateRows { key_groups, rows } = &stored[*batch];
        let (group, number) = (key_groups.value(*row), rows.column(2).as_primitive::<UInt32Type>().value(*row));
        partition(PartitionKey { group, number })
    };
    let partitions = places.iter().map(partition).collect::<Result<_>>()?;
    let ascending: Vec<i64> =
        if times.is_empty() { Vec::new() } else { places.iter().map(|(batch, row)| times[*batch][*row]).collect() };
    Ok(Run { columns, partitions, times: ascending.into(), rows: None, released: 0, base: 0 })
}

impl Run {
    /// The partition of each row that is here, in the order of the run.
    fn partitions(&self) -> Vec<PartitionId> {
        (self.released..self.partitions.len()).map(|index| self.partitions[self.row(index) as usize]).collect()
    }

    /// The columns of those rows in the table, but for the partition.
    fn columns(&self, id: u64, tables: &Tables) -> Result<Vec<ArrayRef>> {
        let (released, count) = (self.released, self.partitions.len() - self.released);
        let end = u32::try_from(self.base + released + count).map_err(|_| Error::internal("a run is too long"))?;
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from(vec![id; count])),
            Arc::new(UInt32Array::from_iter_values(end - count as u32..end)),
        ];
        let order = self.rows.as_ref().map(|rows| UInt32Array::from(rows[released..].to_vec()));
        for slot in &tables.slots {
            columns.push(match &order {
                Some(order) => take(&self.columns[*slot], order, None)?,
                None => self.columns[*slot].slice(released, count),
            });
        }
        Ok(columns)
    }
}
