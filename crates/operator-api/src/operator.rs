//! The operator contract.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use dipper_state::{StateReader, StateWriter};
use dipper_types::{Result, SubtaskId, Timestamp, Watermark};

use crate::{OperatorMetrics, StreamElement};

/// Which input of an operator an element comes from, from 0.
pub type Port = usize;

/// Transforms one partition of a stream. Calls never overlap, never block and never read a clock,
/// so the same input always yields the same output, but for what is asked to depend on [`OperatorCtx::processing_time`].
///
/// The runtime combines the watermarks of all channels before it calls, aligns barriers, and calls [`Operator::on_end`] once, after
/// every input has ended. What the operator emits goes to the next operator in the order of the calls.
pub trait Operator: Send {
    /// Called once before any element.
    fn open(&mut self, _ctx: &mut OperatorCtx<'_>) -> Result<()> {
        Ok(())
    }

    /// Rows have come. A batch is never empty.
    fn on_batch(&mut self, port: Port, batch: RecordBatch, ctx: &mut OperatorCtx<'_>) -> Result<()>;

    /// Event time has advanced: strictly above every earlier call's. Forward it when everything up to it has been emitted.
    fn on_watermark(&mut self, watermark: Watermark, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        ctx.emit_watermark(watermark);
        Ok(())
    }

    /// A checkpoint's barrier has been aligned: hand over how what is remembered differs from the last snapshot, or from what
    /// [`Operator::restore`] took. Whoever stores it begins with what was restored, or an operator says that a table is replaced.
    /// What has been seen up to here belongs to `state.epoch()`. The runtime forwards the barrier after this call.
    ///
    /// The call holds up the stream, so it costs what has changed, not what there is, and leaves what it can for later ([`StateWriter::later`]). An operator that remembers nothing hands over nothing.
    fn snapshot(&mut self, _state: &mut StateWriter) -> Result<()> {
        Ok(())
    }

    /// Called once in a job that takes checkpoints, after [`Operator::open`] and before any element: take what was handed over, by whatever
    /// parallelism; nothing if the operator is new. What nobody takes is state that the operator does not know; the runtime refuses it.
    fn restore(&mut self, _state: &mut StateReader) -> Result<()> {
        Ok(())
    }

    /// The input has ended: emit whatever is still held. [`Watermark::MAX`] has been delivered before. The runtime
    /// forwards the end after this call.
    fn on_end(&mut self, _ctx: &mut OperatorCtx<'_>) -> Result<()> {
        Ok(())
    }
}

/// What an operator may do during a call.
pub struct OperatorCtx<'a> {
    out: &'a mut Vec<StreamElement>,
    metrics: &'a Arc<OperatorMetrics>,
    subtask: SubtaskId,
    processing_time: Timestamp,
    matched: Vec<Timestamp>,
}

impl<'a> OperatorCtx<'a> {
    /// A context that gathers what is emitted in `out`.
    pub fn new(out: &'a mut Vec<StreamElement>, metrics: &'a Arc<OperatorMetrics>, subtask: SubtaskId) -> Self {
        Self { out, metrics, subtask, processing_time: Timestamp(0), matched: Vec::new() }
    }

    /// The same context during a call at this time of the wall clock, which an operator does not read for itself.
    #[must_use]
    pub fn at(mut self, processing_time: Timestamp) -> Self {
        self.processing_time = processing_time;
        self
    }

    /// When the call began by the wall clock; 1970 if the host does not say.
    pub fn processing_time(&self) -> Timestamp {
        self.processing_time
    }

    /// Passes rows on; an empty batch is dropped.
    pub fn emit(&mut self, batch: RecordBatch) {
        if batch.num_rows() > 0 {
            OperatorMetrics::add(&self.metrics.rows_out, batch.num_rows());
            self.out.push(StreamElement::Batch(batch));
        }
    }

    /// Passes a watermark on.
    pub fn emit_watermark(&mut self, watermark: Watermark) {
        self.out.push(StreamElement::Watermark(watermark));
    }

    /// Says that a match leaves whose last row has this event time; the host tells how late that is. A few of each batch are enough.
    pub fn note_match(&mut self, last_row: Timestamp) {
        self.matched.push(last_row);
    }

    /// The event times that matches have been noted with during the call.
    pub fn noted_matches(&self) -> &[Timestamp] {
        &self.matched
    }

    /// The operator's counters.
    pub fn metrics(&self) -> &OperatorMetrics {
        self.metrics
    }

    /// Which instance of the operator this is.
    pub fn subtask(&self) -> SubtaskId {
        self.subtask
    }
}
