//! Aggregates per key and window of event time; a window is emitted, once, when the watermark passes its end.

mod aggregate;
mod open_window;
mod snapshot;
mod stored_groups;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use dipper_graph::WindowAggregateSpec;
use dipper_operator_api::{Operator, OperatorCtx, OperatorMetrics, Port, floor_us, timestamp_values};
use dipper_state::{StateReader, StateWriter};
use dipper_types::{Error, Result, Timestamp, Watermark};

use aggregate::Aggregate;
use open_window::OpenWindow;

/// How many rows an emitted batch has at most.
const BATCH_ROWS_MAX: usize = 8_192;

/// GROUP BY with a window among the group columns. The state is one [`OpenWindow`] per distinct window end, so that a
/// watermark costs what it closes. Results come out by window, within a window sorted by the group columns: their order does
/// not depend on how the rows of several senders happened to interleave.
///
/// A row whose window has been emitted is late: it is counted and left out.
#[derive(Debug)]
pub(crate) struct WindowAggregate {
    /// The input columns that are read at all; everything else here is over these.
    kept: Vec<usize>,
    group_by: Vec<usize>,
    group_schema: SchemaRef,
    /// Which of the group columns tell the key group.
    keys: Vec<usize>,
    window_end: usize,
    unit: TimeUnit,
    aggregates: Vec<Aggregate>,
    windows: BTreeMap<i64, OpenWindow>,
    /// The keys of groups that have been handed over and whose windows have closed since; from the first snapshot, or a restore, on.
    closed: Option<Vec<Vec<ArrayRef>>>,
    watermark: Watermark,
    output: SchemaRef,
}

impl WindowAggregate {
    pub(crate) fn new(spec: &WindowAggregateSpec, input: &SchemaRef, output: &SchemaRef) -> Result<Self> {
        if output.fields().len() != spec.group_by.len() + spec.aggregates.len() {
            return Err(Error::internal("a window aggregate must emit its group columns and its aggregates"));
        }
        let mut kept: BTreeSet<usize> = spec.group_by.iter().copied().collect();
        kept.insert(spec.window_end);
        for function in &spec.aggregates {
            kept.extend(Aggregate::new(function, input)?.columns());
        }
        let kept: Vec<usize> = kept.into_iter().collect();
        let schema = SchemaRef::new(input.project(&kept)?);
        // Every index is among `kept`, as it has just been put there.
        let place = |column: usize| kept.partition_point(|other| *other < column);
        let group_by: Vec<usize> = spec.group_by.iter().map(|column| place(*column)).collect();
        let window_end = place(spec.window_end);
        let DataType::Timestamp(unit, _) = schema.field(window_end).data_type() else {
            return Err(Error::internal(format!(
                "the window's end '{}' is no timestamp",
                schema.field(window_end).name()
            )));
        };
        let unit = *unit;
        let aggregates =
            spec.aggregates.iter().map(|function| Aggregate::new(function, &schema)).collect::<Result<Vec<_>>>()?;
        for (aggregate, field) in aggregates.iter().zip(&output.fields()[group_by.len()..]) {
            aggregate.check_type(field)?;
        }
        let keys = spec.keys.iter().map(|key| {
            let place = spec.group_by.iter().position(|column| column == key);
            place.ok_or_else(|| Error::internal("a key of a window aggregate is no group column"))
        });
        let keys = keys.collect::<Result<_>>()?;
        let group_schema = SchemaRef::new(schema.project(&group_by)?);
        let (windows, output) = (BTreeMap::new(), SchemaRef::clone(output));
        Ok(Self {
            kept,
            group_by,
            group_schema,
            keys,
            window_end,
            unit,
            aggregates,
            windows,
            closed: None,
            watermark: Watermark::MIN,
            output,
        })
    }

    /// The last instant of a window, by which a watermark passes it: its rows, and its `window_time`, are not after it.
    fn last_instant(&self, end: i64) -> Timestamp {
        floor_us(end.saturating_sub(1), self.unit)
    }

    fn is_closed(&self, end: i64) -> bool {
        self.watermark.has_passed(self.last_instant(end))
    }

    fn aggregate(&mut self, end: i64, rows: &RecordBatch) -> Result<()> {
        let keys: Vec<ArrayRef> = self.group_by.iter().map(|column| ArrayRef::clone(rows.column(*column))).collect();
        if !self.windows.contains_key(&end) {
            self.windows.insert(end, OpenWindow::new(&self.group_schema, &self.aggregates)?);
        }
        match self.windows.get_mut(&end) {
            Some(window) => window.aggregate(&keys, rows, &self.aggregates),
            None => Ok(()),
        }
    }

    fn emit(&mut self, mut window: OpenWindow, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        let stored = window.load_all(&self.group_schema, &self.aggregates)?;
        if let (Some(closed), Some(stored)) = (&mut self.closed, stored) {
            closed.push(stored.into_keys()?);
        }
        let rows = RecordBatch::try_new(SchemaRef::clone(&self.output), window.into_columns(&self.aggregates)?)?;
        for first in (0..rows.num_rows()).step_by(BATCH_ROWS_MAX) {
            ctx.emit(rows.slice(first, BATCH_ROWS_MAX.min(rows.num_rows() - first)));
        }
        Ok(())
    }
}

impl Operator for WindowAggregate {
    fn on_batch(&mut self, _port: Port, batch: RecordBatch, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        let batch = batch.project(&self.kept)?;
        let ends = batch.column(self.window_end);
        if ends.null_count() > 0 {
            let name = batch.schema_ref().field(self.window_end).name().clone();
            return Err(Error::invalid(format!("the window's end '{name}' is NULL in a row to aggregate")));
        }
        for (end, rows) in rows_by_end(timestamp_values(ends)?) {
            if self.is_closed(end) {
                OperatorMetrics::add(&ctx.metrics().late_rows, rows.len());
            } else if rows.len() == batch.num_rows() {
                self.aggregate(end, &batch)?;
            } else {
                self.aggregate(end, &take_record_batch(&batch, &UInt32Array::from(rows))?)?;
            }
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        if watermark <= self.watermark {
            // After a restore the inputs begin anew.
            return Ok(());
        }
        self.watermark = watermark;
        while let Some((&end, _)) = self.windows.first_key_value()
            && self.is_closed(end)
            && let Some((_, window)) = self.windows.pop_first()
        {
            self.emit(window, ctx)?;
        }
        ctx.emit_watermark(watermark);
        Ok(())
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        self.hand_over(state)
    }

    fn restore(&mut self, state: &mut StateReader) -> Result<()> {
        self.take_over(state)
    }
}

/// The rows of each window, in the order of first appearance.
fn rows_by_end(ends: &[i64]) -> Vec<(i64, Vec<u32>)> {
    let mut windows: Vec<(i64, Vec<u32>)> = Vec::new();
    let mut index_of: HashMap<i64, usize> = HashMap::new();
    let mut current = 0;
    for (row, &end) in ends.iter().enumerate() {
        // Neighbouring rows mostly share their window.
        if windows.get(current).is_none_or(|(of, _)| *of != end) {
            current = *index_of.entry(end).or_insert_with(|| {
                windows.push((end, Vec::new()));
                windows.len() - 1
            });
        }
        windows[current].1.push(row as u32);
    }
    windows
}

#[cfg(test)]
mod tests;
