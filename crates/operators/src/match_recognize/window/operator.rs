//! The operator: gathers all rows, orders them, and sends them on with what their frames hold.

use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use dipper_graph::RowPatternWindowSpec;
use dipper_operator_api::{Operator, OperatorCtx, OperatorMetrics, Port};
use dipper_state::StateWriter;
use dipper_types::{Error, Result, Watermark};

use super::super::event_time_buffer::EventTimeBuffer;
use super::super::kept_columns::KeptColumns;
use super::super::operator::STEP_ROWS;
use super::super::partition_rows::PartitionRows;
use super::super::partitions::{Partitions, bring_together};
use super::super::row_order::RowOrder;
use super::super::row_store::RowStore;
use super::super::search::SearchLimits;
use super::frames::Frames;
use super::letters::Rows;
use super::output::{Output, OutputRows};

/// Windows with a row pattern over rows that end: feed all rows, then [`Watermark::MAX`]. Every row comes out, partition after partition, in the
/// order of ORDER BY.
pub struct RowPatternWindowOperator {
    kept: KeptColumns,
    types: Vec<DataType>,
    buffer: EventTimeBuffer,
    keys: Partitions,
    frames: Frames,
    output: Output,
    ended: bool,
}

impl RowPatternWindowOperator {
    /// Makes the window executable. Fails on what is not supported, by name.
    pub fn new(spec: &RowPatternWindowSpec) -> Result<Self> {
        Self::with_limits(spec, SearchLimits::default())
    }

    /// With other limits than the usual ones.
    pub(in super::super) fn with_limits(spec: &RowPatternWindowSpec, limits: SearchLimits) -> Result<Self> {
        let clause = &spec.clause;
        let mut kept = KeptColumns::new(SchemaRef::clone(&clause.input_schema));
        let output = Output::new(spec, &mut kept)?;
        let frames = Frames::new(spec, limits, &mut kept)?;
        let order = RowOrder::new(&clause.order_by, false, &mut kept)?;
        Ok(Self {
            types: kept.data_types(),
            buffer: EventTimeBuffer::new(None, None, order),
            keys: Partitions::new(&clause.input_schema, &clause.partition_by)?,
            frames,
            output,
            kept,
            ended: false,
        })
    }
}

impl Operator for RowPatternWindowOperator {
    fn on_batch(&mut self, _port: Port, batch: RecordBatch, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        self.buffer.push(batch, &self.kept, &mut self.keys, ctx.metrics())
    }

    fn on_watermark(&mut self, watermark: Watermark, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        // Frames may reach to the end of the input.
        if watermark != Watermark::MAX || self.ended {
            return Ok(());
        }
        self.ended = true;
        let rows = self.rows()?;
        let mut out = OutputRows::from(0);
        let mut letters = self.frames.letters(&rows);
        let mut emit = |out: &mut OutputRows| -> Result<()> {
            let (matches, skip_errors) = out.counts();
            OperatorMetrics::add(&ctx.metrics().matches, matches);
            OperatorMetrics::add(&ctx.metrics().skip_errors, skip_errors);
            let next = OutputRows::from(out.end());
            let rows_out = std::mem::replace(out, next);
            let batch = self.output.batch(rows_out, &rows.store, ctx.processing_time())?;
            ctx.emit(batch);
            Ok(())
        };
        for partition in rows.partitions() {
            self.frames.search_partition(&partition, &rows, &mut letters, |seen| {
                out.push(seen);
                if out.is_full() { emit(&mut out) } else { Ok(()) }
            })?;
        }
        if out.is_empty() { Ok(()) } else { emit(&mut out) }
    }

    fn snapshot(&mut self, _state: &mut StateWriter) -> Result<()> {
        Err(Error::internal("row patterns in windows run in ad-hoc queries only, which take no checkpoints"))
    }

    fn on_end(&mut self, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        self.on_watermark(Watermark::MAX, ctx)
    }
}

impl RowPatternWindowOperator {
    /// All rows in order, those of a partition together.
    fn rows(&mut self) -> Result<Rows> {
        let released = self.buffer.release(Watermark::MAX)?;
        let mut records: Vec<PartitionRows> = Vec::new();
        records.resize_with(self.keys.count(), PartitionRows::default);
        let (order, spans) = bring_together(released.partitions(), &mut records);
        let mut store = RowStore::new(self.types.clone());
        let slots = self.types.len();
        for first in (0..released.len()).step_by(STEP_ROWS) {
            let rows = first..released.len().min(first + STEP_ROWS);
            let columns = match &order {
                Some(order) => released.gather(0..released.len(), Some(&order[rows.clone()]), slots)?,
                None => released.gather(rows.clone(), None, slots)?,
            };
            store.append(columns, rows.len());
        }
        let mut bounds: Vec<u64> = spans.iter().map(|span| span.start as u64).collect();
        bounds.push(released.len() as u64);
        Ok(Rows { store, bounds })
    }
}
