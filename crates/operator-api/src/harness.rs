//! Runs one operator in a test, without a runtime.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use dipper_state::{StateReader, StateSnapshot, StateWriter};
use dipper_types::{Result, SubtaskId, Timestamp, Watermark};

use crate::{Operator, OperatorCtx, OperatorMetrics, StreamElement};

/// Feeds an operator and gathers what it emits.
pub struct OperatorHarness<O> {
    operator: O,
    subtask: SubtaskId,
    metrics: Arc<OperatorMetrics>,
    out: Vec<StreamElement>,
    noted: Vec<Timestamp>,
}

impl<O: Operator> OperatorHarness<O> {
    /// Opens the operator as the only subtask.
    pub fn open(operator: O) -> Result<Self> {
        Self::open_as(operator, SubtaskId { index: 0, parallelism: 1 }, None)
    }

    /// Opens the operator as one of several subtasks; with state, of a job that takes checkpoints.
    pub fn open_as(operator: O, subtask: SubtaskId, state: Option<&mut StateReader>) -> Result<Self> {
        let mut harness = Self { operator, subtask, metrics: Arc::default(), out: Vec::new(), noted: Vec::new() };
        harness.call(Operator::open)?;
        if let Some(state) = state {
            harness.operator.restore(state)?;
        }
        Ok(harness)
    }

    /// What the operator hands over at a barrier.
    pub fn snapshot(&mut self, mut state: StateWriter) -> Result<StateSnapshot> {
        self.operator.snapshot(&mut state)?;
        Ok(state.finish())
    }

    /// Rows on port 0.
    pub fn batch(&mut self, batch: RecordBatch) -> Result<()> {
        self.call(|operator, ctx| operator.on_batch(0, batch, ctx))
    }

    /// A watermark, in microseconds.
    pub fn watermark_us(&mut self, watermark: i64) -> Result<()> {
        self.call(|operator, ctx| operator.on_watermark(Watermark(Timestamp(watermark)), ctx))
    }

    /// The end of the input: [`Watermark::MAX`], then the end.
    pub fn end(&mut self) -> Result<()> {
        self.call(|operator, ctx| {
            operator.on_watermark(Watermark::MAX, ctx)?;
            operator.on_end(ctx)
        })
    }

    /// What the operator has emitted since the last call.
    pub fn take(&mut self) -> Vec<StreamElement> {
        std::mem::take(&mut self.out)
    }

    /// The batches among what the operator has emitted since the last call.
    pub fn take_batches(&mut self) -> Vec<RecordBatch> {
        let batch = |element| match element {
            StreamElement::Batch(batch) => Some(batch),
            _ => None,
        };
        self.take().into_iter().filter_map(batch).collect()
    }

    /// The operator's counters.
    pub fn metrics(&self) -> &OperatorMetrics {
        &self.metrics
    }

    /// The event times that matches have been noted with since the last call.
    pub fn take_noted_matches(&mut self) -> Vec<Timestamp> {
        std::mem::take(&mut self.noted)
    }

    fn call(&mut self, act: impl FnOnce(&mut O, &mut OperatorCtx<'_>) -> Result<()>) -> Result<()> {
        let mut ctx = OperatorCtx::new(&mut self.out, &self.metrics, self.subtask);
        act(&mut self.operator, &mut ctx)?;
        self.noted.extend_from_slice(ctx.noted_matches());
        Ok(())
    }
}
