//! Holds rows until the watermark has passed them, then hands them over in order: by the ORDER BY keys, ties by arrival.
//!
//! Each batch is sorted by time when it comes and waits as a *run*. An index by the runs' earliest times finds those that a
//! watermark releases rows of, so a watermark costs what it releases, and what stays is not moved.

mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow::buffer::ScalarBuffer;
use arrow::compute::{filter_record_batch, is_not_null, take};
use arrow::datatypes::TimeUnit;
use arrow::record_batch::RecordBatch;
use dipper_operator_api::OperatorMetrics;
use dipper_types::{Error, Result, Watermark};

pub(super) use self::snapshot::HandedRuns;
use super::gather::Places;
use super::kept_columns::KeptColumns;
use super::native_time::{native_values, native_watermark};
use super::partitions::{PartitionId, Partitions};
use super::row_order::RowOrder;

/// What a stream's rows wait for.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventTime {
    /// The time attribute among the input columns.
    pub(super) column: usize,
    /// Its unit.
    pub(super) unit: TimeUnit,
}

/// The rows that have come and are not released.
pub(super) struct EventTimeBuffer {
    event_time: Option<EventTime>,
    never_null: Option<usize>,
    order: RowOrder,
    runs: BTreeMap<u64, Run>,
    by_earliest: BTreeSet<(i64, u64)>,
    arrivals: u64,
    passed: i64,
}

/// The rows of one batch, by time.
struct Run {
    columns: Vec<ArrayRef>,
    partitions: Arc<[PartitionId]>,
    /// Ascending; empty without event time.
    times: ScalarBuffer<i64>,
    /// The row in `columns` of each time; `None` if the rows are in order as they are.
    rows: Option<Vec<u32>>,
    /// How many have been released.
    released: usize,
    /// How many had been released and were dropped before those.
    base: usize,
}

/// Rows in order, as places in the runs they come from.
pub(super) struct Released {
    columns: Vec<Vec<ArrayRef>>,
    places: ReleasedPlaces,
    partitions: Arc<[PartitionId]>,
}

enum ReleasedPlaces {
    /// Consecutive rows of the only run.
    Stretch(Range<usize>),
    /// Run and row of each.
    Each(Vec<(u32, u32)>),
}

/// A row on its way out of the buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// The leading key, if it sorts as a number.
    pub(super) time: i64,
    /// Which of the runs concerned.
    pub(super) run: u32,
    /// Which row of it.
    pub(super) row: u32,
}

impl EventTimeBuffer {
    /// With an event time, rows are released by watermarks; without, at [`Watermark::MAX`]. A NULL in `never_null` is an error.
    pub(super) fn new(event_time: Option<EventTime>, never_null: Option<usize>, order: RowOrder) -> Self {
        let (runs, by_earliest) = (BTreeMap::new(), BTreeSet::new());
        Self { event_time, never_null, order, runs, by_earliest, arrivals: 0, passed: i64::MIN }
    }

    /// Takes rows in; those that come too late or have no time are left out and counted.
    pub(super) fn push(
        &mut self,
        batch: RecordBatch,
        kept: &KeptColumns,
        partitions: &mut Partitions,
        metrics: &OperatorMetrics,
    ) -> Result<()> {
        if let Some(column) = self.never_null
            && batch.column(column).null_count() > 0
        {
            let schema = batch.schema();
            let name = schema.field(column).name();
            return Err(Error::invalid(format!("NULL in the time column '{name}' that MATCH_RECOGNIZE is ordered by"))
                .with_hint(format!("leave such rows out: WHERE {name} IS NOT NULL")));
        }
        let batch = match self.event_time {
            Some(time) => self.admit(batch, time, metrics)?,
            None => batch,
        };
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let (times, rows) = match self.event_time {
            Some(time) => sorted_times(batch.column(time.column))?,
            None => (Vec::new().into(), None),
        };
        let partitions = partitions.intern(&batch)?.into();
        let run = Run { columns: kept.of(&batch), partitions, times, rows, released: 0, base: 0 };
        self.by_earliest.insert((run.times.first().copied().unwrap_or(i64::MAX), self.arrivals));
        self.runs.insert(self.arrivals, run);
        self.arrivals += 1;
        Ok(())
    }

    /// Hands over the rows that the watermark has passed.
    pub(super) fn release(&mut self, watermark: Watermark) -> Result<Released> {
        let passed = match self.event_time {
            Some(time) => native_watermark(watermark, time.unit),
            None => watermark.0.0,
        };
        self.passed = self.passed.max(passed);
        let mut concerned = Vec::new();
        while let Some((earliest, run)) = self.by_earliest.first().copied()
            && earliest <= passed
        {
            self.by_earliest.pop_first();
            concerned.push(run);
        }
        // In order of arrival, so that a stable sort by time leaves ties in that order.
        concerned.sort_unstable();
        let (mut columns, mut entries, mut of_runs) = (Vec::new(), Vec::new(), Vec::new());
        let is_only = concerned.len() == 1 && self.order.is_by_time();
        let mut stretch = None;
        for (index, id) in concerned.into_iter().enumerate() {
            let Some(mut run) = self.runs.remove(&id) else { continue };
            let leaving = run.leave(passed);
            if is_only && run.rows.is_none() {
                stretch = Some(leaving);
            } else {
                entries.extend(run.entries(leaving, index as u32));
            }
            columns.push(run.columns.clone());
            of_runs.push(Arc::clone(&run.partitions));
            if let Some(earliest) = run.times.get(run.released) {
                self.by_earliest.insert((*earliest, id));
                run.shrink()?;
                self.runs.insert(id, run);
            }
        }
        if let (Some(stretch), [partitions]) = (stretch, &of_runs[..]) {
            let partitions = if stretch.len() == partitions.len() {
                Arc::clone(partitions)
            } else {
                partitions[stretch.clone()].into()
            };
            return Ok(Released { columns, places: ReleasedPlaces::Stretch(stretch), partitions });
        }
        self.order.sort(&mut entries, &columns)?;
        let partitions = entries.iter().map(|entry| of_runs[entry.run as usize][entry.row as usize]).collect();
        let places = entries.into_iter().map(|entry| (entry.run, entry.row)).collect();
        Ok(Released { columns, places: ReleasedPlaces::Each(places), partitions })
    }

    fn admit(&self, batch: RecordBatch, time: EventTime, metrics: &OperatorMetrics) -> Result<RecordBatch> {
        let column = batch.column(time.column);
        let batch = if column.null_count() > 0 {
            OperatorMetrics::add(&metrics.skipped_records, column.null_count());
            filter_record_batch(&batch, &is_not_null(column)?)?
        } else {
            batch
        };
        let times = native_values(batch.column(time.column))?;
        // The earliest time there is can be late only behind a watermark.
        let late = if self.passed == i64::MIN { 0 } else { times.iter().filter(|time| **time <= self.passed).count() };
        if late == 0 {
            return Ok(batch);
        }
        OperatorMetrics::add(&metrics.late_rows, late);
        let on_time: BooleanArray = times.iter().map(|time| Some(*time > self.passed)).collect();
        Ok(filter_record_batch(&batch, &on_time)?)
    }
}

impl Run {
    /// The next rows, up to those that time has passed: they are released.
    fn leave(&mut self, passed: i64) -> Range<usize> {
        let first = self.released;
        self.released = if self.times.is_empty() {
            self.partitions.len()
        } else {
            first + self.times[first..].partition_point(|time| *time <= passed)
        };
        first..self.released
    }

    /// Those rows, each with its time.
    fn entries(&self, leaving: Range<usize>, run: u32) -> impl Iterator<Item = Entry> + '_ {
        leaving.map(move |index| Entry { time: self.times.get(index).copied().unwrap_or(0), run, row: self.row(index) })
    }

    /// The row in `columns` that stands at a place in the order of time.
    fn row(&self, index: usize) -> u32 {
        self.rows.as_ref().map_or(index as u32, |rows| rows[index])
    }

    /// Copies what is left once most has gone, so that a few rows far ahead of the watermark do not keep their batches.
    fn shrink(&mut self) -> Result<()> {
        let left = self.times.len() - self.released;
        if left * 8 > self.partitions.len() {
            return Ok(());
        }
        let rows: UInt32Array = (self.released..self.times.len()).map(|index| self.row(index)).collect();
        self.columns = self.columns.iter().map(|column| Ok(take(column, &rows, None)?)).collect::<Result<_>>()?;
        self.partitions = rows.values().iter().map(|row| self.partitions[*row as usize]).collect();
        self.times = self.times[self.released..].to_vec().into();
        self.rows = None;
        self.base += self.released;
        self.released = 0;
        Ok(())
    }
}

impl Released {
    /// How many rows.
    pub(super) fn len(&self) -> usize {
        self.partitions.len()
    }

    /// The partition of each row.
    pub(super) fn partitions(&self) -> &[PartitionId] {
        &self.partitions
    }

    /// The kept columns of `rows`: of those at `rows.start + order[i]`, or of all of them as they are.
    pub(super) fn gather(&self, rows: Range<usize>, order: Option<&[u32]>, slots: usize) -> Result<Vec<ArrayRef>> {
        let count = order.map_or(rows.len(), <[u32]>::len);
        let index = |row: usize| rows.start + order.map_or(row, |order| order[row] as usize);
        match (&self.places, order) {
            (ReleasedPlaces::Stretch(all), None) => {
                let slice = |column: &ArrayRef| column.slice(all.start + rows.start, rows.len());
                Ok(self.columns[0].iter().map(slice).collect())
            }
            (ReleasedPlaces::Stretch(all), Some(order)) => {
                let first = (all.start + rows.start) as u32;
                let indices = UInt32Array::from(order.iter().map(|row| first + row).collect::<Vec<_>>());
                self.columns[0].iter().map(|column| Ok(take(column, &indices, None)?)).collect()
            }
            (ReleasedPlaces::Each(each), _) => {
                let mut places = Places::default();
                for row in 0..count {
                    let (run, row) = each[index(row)];
                    places.push(run as usize, row as usize, 1);
                }
                let column = |slot: usize| -> Result<ArrayRef> {
                    let columns = self.columns.iter().map(|columns| columns[slot].as_ref());
                    places.gather(&columns.collect::<Vec<&dyn Array>>())
                };
                (0..slots).map(column).collect()
            }
        }
    }
}

/// The times of a column in ascending order, ties by row, and the rows they belong to if that is not their order.
fn sorted_times(column: &ArrayRef) -> Result<(ScalarBuffer<i64>, Option<Vec<u32>>)> {
    let times = native_values(column)?;
    if times.is_sorted() {
        return Ok((times, None));
    }
    let (min, max) = times.iter().fold((i64::MAX, i64::MIN), |(min, max), time| (min.min(*time), max.max(*time)));
    let (times, rows): (Vec<i64>, Vec<u32>) = if u32::try_from(max.abs_diff(min)).is_ok() {
        // Near one another, a time and its row are one number, which is sorted in half the time.
        let mut keys: Vec<u64> = times.iter().zip(0..).map(|(time, row)| time.abs_diff(min) << 32 | row).collect();
        keys.sort_unstable();
        keys.into_iter().map(|key| (min + (key >> 32) as i64, key as u32)).unzip()
    } else {
        let mut pairs: Vec<(i64, u32)> = times.iter().copied().zip(0..).collect();
        pairs.sort_unstable();
        pairs.into_iter().unzip()
    };
    Ok((times.into(), Some(rows)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use arrow::array::TimestampMillisecondArray;

    use super::*;

    #[test]
    fn times_are_sorted_with_ties_in_the_order_of_rows_near_one_another_and_far_apart() {
        for far in [0, 1 << 40, i64::MAX] {
            let times: Vec<i64> = vec![5, -3, far, 5, 0, -3, 5];
            let column: ArrayRef = Arc::new(TimestampMillisecondArray::from(times.clone()));
            let (sorted, rows) = sorted_times(&column).unwrap();
            let mut expected: Vec<(i64, u32)> = times.into_iter().zip(0..).collect();
            expected.sort_by_key(|(time, _)| *time);
            assert_eq!(sorted.iter().copied().zip(rows.unwrap()).collect::<Vec<_>>(), expected);
        }
        let ascending: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![1, 1, 2]));
        assert_eq!(sorted_times(&ascending).unwrap().1, None);
    }
}
