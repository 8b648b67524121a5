//! Holds rows until the watermark has passed them, then hands them over in order: by the ORDER BY keys, ties by arrival.
//!
//! Each batch is sorted by time when it comes and waits as a *run*. An index by the runs' earliest times finds those that a
//! watermark releases rows of, so a watermark costs what it releases, and what stays is not moved.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow::compute::{filter_record_batch, is_not_null, take};
use arrow::datatypes::TimeUnit;
use arrow::record_batch::RecordBatch;
use dipper_operator_api::OperatorMetrics;
use dipper_types::{Error, Result, Watermark};

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
    times: Vec<i64>,
    /// The row in `columns` of each time.
    rows: Vec<u32>,
    /// How many have been released.
    released: usize,
}

/// Rows in order, as places in the runs they come from.
pub(super) struct Released {
    columns: Vec<Vec<ArrayRef>>,
    /// Run and row.
    places: Vec<(u32, u32)>,
    partitions: Vec<PartitionId>,
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
            None => (Vec::new(), (0..batch.num_rows() as u32).collect()),
        };
        let partitions = partitions.intern(&batch)?.into();
        let run = Run { columns: kept.of(&batch), partitions, times, rows, released: 0 };
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
        let mut released = Released { columns: Vec::new(), places: Vec::new(), partitions: Vec::new() };
        let mut entries = Vec::new();
        let mut of_runs = Vec::new();
        for (index, id) in concerned.into_iter().enumerate() {
            let Some(mut run) = self.runs.remove(&id) else { continue };
            run.release(passed, index as u32, &mut entries);
            released.columns.push(run.columns.clone());
            of_runs.push(Arc::clone(&run.partitions));
            if let Some(earliest) = run.times.get(run.released) {
                self.by_earliest.insert((*earliest, id));
                run.shrink()?;
                self.runs.insert(id, run);
            }
        }
        self.order.sort(&mut entries, &released.columns)?;
        released.partitions = entries.iter().map(|e| of_runs[e.run as usize][e.row as usize]).collect();
        released.places = entries.into_iter().map(|entry| (entry.run, entry.row)).collect();
        Ok(released)
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
    fn release(&mut self, passed: i64, index: u32, entries: &mut Vec<Entry>) {
        if self.times.is_empty() {
            entries.extend(self.rows.iter().map(|row| Entry { time: 0, run: index, row: *row }));
            return;
        }
        let end = self.released + self.times[self.released..].partition_point(|time| *time <= passed);
        let leaving = self.times[self.released..end].iter().zip(&self.rows[self.released..end]);
        entries.extend(leaving.map(|(time, row)| Entry { time: *time, run: index, row: *row }));
        self.released = end;
    }

    /// Copies what is left once most has gone, so that a few rows far ahead of the watermark do not keep their batches.
    fn shrink(&mut self) -> Result<()> {
        let left = self.times.len() - self.released;
        if left * 8 > self.partitions.len() {
            return Ok(());
        }
        let rows = UInt32Array::from(self.rows.split_off(self.released));
        self.columns = self.columns.iter().map(|column| Ok(take(column, &rows, None)?)).collect::<Result<_>>()?;
        self.partitions = rows.values().iter().map(|row| self.partitions[*row as usize]).collect();
        self.times = self.times.split_off(self.released);
        self.rows = (0..left as u32).collect();
        self.released = 0;
        Ok(())
    }
}

impl Released {
    /// How many rows.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The partition of each row.
    pub(super) fn partitions(&self) -> &[PartitionId] {
        &self.partitions
    }

    /// The kept columns of some rows: those at `first + order[i]`.
    pub(super) fn gather(&self, first: usize, order: &[u32], slots: usize) -> Result<Vec<ArrayRef>> {
        let mut places = Places::default();
        for row in order {
            let (run, row) = self.places[first + *row as usize];
            places.push(run as usize, row as usize, 1);
        }
        let column = |slot: usize| -> Result<ArrayRef> {
            places.gather(&self.columns.iter().map(|columns| columns[slot].as_ref()).collect::<Vec<&dyn Array>>())
        };
        (0..slots).map(column).collect()
    }
}

/// The times of a column in ascending order, ties by row, and the rows they belong to.
fn sorted_times(column: &ArrayRef) -> Result<(Vec<i64>, Vec<u32>)> {
    let times = native_values(column)?;
    if times.is_sorted() {
        return Ok((times.to_vec(), (0..times.len() as u32).collect()));
    }
    let mut pairs: Vec<(i64, u32)> = times.iter().copied().zip(0..).collect();
    pairs.sort_unstable();
    Ok(pairs.into_iter().unzip())
}
