//! A chain of operators in one task: what one emits is the next one's input, by plain calls.

use std::sync::Arc;

use dipper_operator_api::{Operator, OperatorCtx, OperatorMetrics, Port, StreamElement};
use dipper_state::StateWriter;
use dipper_types::{Result, SubtaskId, Watermark};

use crate::clock::processing_time;
use crate::position::Position;

/// The operators of one subtask, upstream first. May be empty.
pub(crate) struct Chain {
    links: Vec<Link>,
    subtask: SubtaskId,
    position: Arc<Position>,
}

struct Link {
    operator: Box<dyn Operator>,
    metrics: Arc<OperatorMetrics>,
    /// The place of the node in its task, for messages.
    place: usize,
    watermark: Watermark,
}

impl Chain {
    pub(crate) fn new(subtask: SubtaskId, position: Arc<Position>) -> Self {
        Self { links: Vec::new(), subtask, position }
    }

    /// Appends the operator of the task's node number `place`.
    pub(crate) fn push(&mut self, place: usize, operator: Box<dyn Operator>, metrics: Arc<OperatorMetrics>) {
        self.links.push(Link { operator, metrics, place, watermark: Watermark::MIN });
    }

    /// Opens all operators; what they emit goes the usual way into `out`.
    pub(crate) fn open(&mut self, out: &mut Vec<StreamElement>) -> Result<()> {
        for index in 0..self.links.len() {
            let emitted = self.call(index, |operator, ctx| operator.open(ctx))?;
            self.pass_on(index, emitted, out)?;
        }
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
                let mut state = StateWriter::new(barrier.epoch);
                self.call(index, |operator, _| operator.snapshot(&mut state))?;
                self.feed_link(index + 1, 0, element, out)
            }
            StreamElement::Idle | StreamElement::Active => self.feed_link(index + 1, 0, element, out),
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
        let ctx = OperatorCtx::new(&mut emitted, &link.metrics, self.subtask);
        act(link.operator.as_mut(), &mut ctx.at(processing_time()))?;
        Ok(emitted)
    }
}

#[cfg(test)]
mod tests;
