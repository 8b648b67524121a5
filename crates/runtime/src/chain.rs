//! A chain of operators in one task: what one emits is the next one's input, by plain calls.

use std::sync::Arc;

use dipper_operator_api::{Operator, OperatorCtx, OperatorMetrics, Port, StreamElement};
use dipper_state::{StateReader, StateSnapshot, StateWriter};
use dipper_types::{Epoch, OperatorId, Result, SubtaskId, Watermark};

use crate::clock::{Stopwatch, processing_time};
use crate::position::Position;
use crate::restored::{Restored, put_watermark, take_watermark};

/// The operators of one subtask, upstream first. May be empty.
pub(crate) struct Chain {
    links: Vec<Link>,
    subtask: SubtaskId,
    /// Of the job.
    key_groups: u16,
    position: Arc<Position>,
    /// What the operators have handed over and nobody has taken.
    snapshots: Vec<(OperatorId, StateSnapshot)>,
}

struct Link {
    id: OperatorId,
    operator: Box<dyn Operator>,
    metrics: Arc<OperatorMetrics>,
    /// The place of the node in its task, for messages.
    place: usize,
    watermark: Watermark,
    /// Restored as one that had flushed: it gets nothing but the end, and flushes nothing again.
    finished: bool,
}

impl Chain {
    pub(crate) fn new(subtask: SubtaskId, position: Arc<Position>, key_groups: u16) -> Self {
        Self { links: Vec::new(), subtask, key_groups, position, snapshots: Vec::new() }
    }

    /// Appends the operator of the task's node number `place`.
    pub(crate) fn push(
        &mut self,
        place: usize,
        id: OperatorId,
        operator: Box<dyn Operator>,
        metrics: Arc<OperatorMetrics>,
    ) {
        self.links.push(Link { id, operator, metrics, place, watermark: Watermark::MIN, finished: false });
    }

    /// The operators, upstream first.
    pub(crate) fn operators(&self) -> impl Iterator<Item = &OperatorId> {
        self.links.iter().map(|link| &link.id)
    }

    /// Opens all operators; what they emit goes the usual way into `out`.
    pub(crate) fn open(&mut self, out: &mut Vec<StreamElement>) -> Result<()> {
        for index in 0..self.links.len() {
            let emitted = self.call(index, |operator, ctx| operator.open(ctx))?;
            self.pass_on(index, emitted, out)?;
        }
        Ok(())
    }

    /// Gives the operators back what they had handed over, nothing if they are new, and the watermarks that they had reached.
    pub(crate) fn restore(&mut self, restored: &mut Restored, out: &mut Vec<StreamElement>) -> Result<()> {
        for link in &mut self.links {
            self.position.enter(link.place);
            let Some(mut operator) = restored.take(&link.id) else {
                link.operator.restore(&mut StateReader::empty(link.id.clone(), self.subtask, self.key_groups))?;
                continue;
            };
            link.watermark = take_watermark(&mut operator.state)?;
            link.finished = operator.finished;
            let stopwatch = Stopwatch::start();
            link.operator.restore(&mut operator.state)?;
            operator.refuse_rest()?;
            let (subtask, ms) = (self.subtask.index, stopwatch.elapsed().as_millis());
            tracing::debug!(operator = %link.id, subtask, ms, "an operator has been restored");
        }
        // The last one first: what the others pass on is no news to those behind them.
        for index in (0..self.links.len()).rev() {
            let Link { watermark, finished, .. } = self.links[index];
            if watermark > Watermark::MIN && !finished {
                let emitted = self.call(index, |operator, ctx| operator.on_watermark(watermark, ctx))?;
                self.links[index].metrics.set_watermark(watermark);
                self.pass_on(index, emitted, out)?;
            }
        }
        Ok(())
    }

    /// What the operators have handed over since this was last called.
    pub(crate) fn take_snapshots(&mut self) -> Vec<(OperatorId, StateSnapshot)> {
        std::mem::take(&mut self.snapshots)
    }

    /// Has all operators hand over without a barrier, after the end.
    pub(crate) fn snapshot(&mut self, epoch: Epoch) -> Result<()> {
        (0..self.links.len()).try_for_each(|index| self.snapshot_link(index, epoch))
    }

    fn snapshot_link(&mut self, index: usize, epoch: Epoch) -> Result<()> {
        let mut state = StateWriter::new(epoch).with_key_groups(self.key_groups);
        let stopwatch = Stopwatch::start();
        self.call(index, |operator, _| operator.snapshot(&mut state))?;
        let link = &self.links[index];
        let (subtask, us) = (self.subtask.index, stopwatch.elapsed().as_micros());
        tracing::debug!(operator = %link.id, subtask, epoch = epoch.0, us, "the stream was held up for a snapshot");
        put_watermark(&mut state, self.subtask, link.watermark);
        self.snapshots.push((link.id.clone(), state.finish()));
        Ok(())
    }

    /// Feeds the first operator; what the last one emits is appended to `out`.
    ///
    /// [`Watermark::MAX`] travels with the end alone: an operator that still emits rows in
    /// [`Operator::on_end`] does so before the next one hears that no row is to come.
    pub(crate) fn feed(&mut self, port: Port, element: StreamElement, out: &mut Vec<StreamElement>) -> Result<()> {
        if !matches!(element, StreamElement::Watermark(Watermark::MAX)) {
            self.feed_link(0, port, element, out)?;
        }
        Ok(())
    }

    fn feed_link(
        &mut self,
        index: usize,
        port: Port,
        element: StreamElement,
        out: &mut Vec<StreamElement>,
    ) -> Result<()> {
        let Some(link) = self.links.get_mut(index) else {
            out.push(element);
            return Ok(());
        };
        match element {
            StreamElement::Batch(batch) => {
                if batch.num_rows() == 0 {
                    return Ok(());
                }
                OperatorMetrics::add(&link.metrics.rows_in, batch.num_rows());
                let emitted = self.call(index, |operator, ctx| operator.on_batch(port, batch, ctx))?;
                self.pass_on(index, emitted, out)
            }
            StreamElement::Watermark(watermark) => self.advance(index, watermark, out),
            StreamElement::Barrier(barrier) => {
                self.snapshot_link(index, barrier.epoch)?;
                self.feed_link(index + 1, 0, element, out)
            }
            StreamElement::Idle | StreamElement::Active => self.feed_link(index + 1, 0, element, out),
            StreamElement::End if link.finished => self.feed_link(index + 1, 0, element, out),
            StreamElement::End => {
                self.advance(index, Watermark::MAX, out)?;
                let emitted = self.call(index, |operator, ctx| operator.on_end(ctx))?;
                self.pass_on(index, emitted, out)?;
                self.feed_link(index + 1, 0, element, out)
            }
        }
    }

    fn advance(&mut self, index: usize, watermark: Watermark, out: &mut Vec<StreamElement>) -> Result<()> {
        let link = &mut self.links[index];
        if watermark <= link.watermark {
            return Ok(());
        }
        link.watermark = watermark;
        let emitted = self.call(index, |operator, ctx| operator.on_watermark(watermark, ctx))?;
        // After the call, so that whoever watches sees a watermark only when its rows are out.
        self.links[index].metrics.set_watermark(watermark);
        self.pass_on(index, emitted, out)
    }

    fn pass_on(&mut self, from: usize, emitted: Vec<StreamElement>, out: &mut Vec<StreamElement>) -> Result<()> {
        for element in emitted {
            if !matches!(element, StreamElement::Watermark(Watermark::MAX)) {
                self.feed_link(from + 1, 0, element, out)?;
            }
        }
        Ok(())
    }

    fn call(
        &mut self,
        index: usize,
        act: impl FnOnce(&mut dyn Operator, &mut OperatorCtx<'_>) -> Result<()>,
    ) -> Result<Vec<StreamElement>> {
        let link = &mut self.links[index];
        let mut emitted = Vec::new();
        self.position.enter(link.place);
        let mut ctx = OperatorCtx::new(&mut emitted, &link.metrics, self.subtask).at(processing_time());
        act(link.operator.as_mut(), &mut ctx)?;
        if !ctx.noted_matches().is_empty() {
            // What was emitted leaves now.
            let now = processing_time();
            for last_row in ctx.noted_matches() {
                link.metrics.match_latency.record_us(now.0.saturating_sub(last_row.0));
            }
        }
        Ok(emitted)
    }
}

#[cfg(test)]
mod tests;
