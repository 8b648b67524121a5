//! Literal rows as the input of a task. They exist once, whatever the parallelism: the first subtask has them.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use dipper_operator_api::{OperatorMetrics, StreamElement};
use dipper_state::{ListItem, Redistribution, StateReader, StateWriter};
use dipper_types::{Error, Result, Watermark};

/// The list that says how many rows have been emitted.
const ROWS: &str = "rows";

/// The rows of one subtask.
#[derive(Debug)]
pub(crate) struct ValuesHead {
    batches: VecDeque<RecordBatch>,
    metrics: Arc<OperatorMetrics>,
    emitted: u64,
}

impl ValuesHead {
    pub(crate) fn new(batches: VecDeque<RecordBatch>, metrics: Arc<OperatorMetrics>) -> Self {
        Self { batches, metrics, emitted: 0 }
    }

    /// The next element; nothing follows the end.
    pub(crate) fn next(&mut self) -> StreamElement {
        let Some(batch) = self.batches.pop_front() else {
            self.metrics.set_watermark(Watermark::MAX);
            return StreamElement::End;
        };
        self.emitted += batch.num_rows() as u64;
        OperatorMetrics::add(&self.metrics.rows_in, batch.num_rows());
        OperatorMetrics::add(&self.metrics.rows_out, batch.num_rows());
        StreamElement::Batch(batch)
    }

    /// Leaves out the rows that have not been emitted.
    pub(crate) fn drain(&mut self) {
        self.batches.clear();
    }

    pub(crate) fn snapshot(&self, state: &mut StateWriter) {
        let item = ListItem { id: ROWS.to_owned(), state: self.emitted.into() };
        state.put_list(ROWS, Redistribution::Union, vec![item]);
    }

    /// Leaves out the rows that had been emitted.
    pub(crate) fn restore(&mut self, state: &mut StateReader) -> Result<()> {
        let rows = |item: &ListItem| {
            item.state.as_u64().ok_or_else(|| Error::internal(format!("no number of rows: {}", item.state)))
        };
        let rows = state.take_list(ROWS).iter().map(rows).collect::<Result<Vec<_>>>()?;
        self.emitted = rows.into_iter().max().unwrap_or(0);
        let mut left = self.emitted as usize;
        while left > 0 {
            let Some(batch) = self.batches.pop_front() else { break };
            if batch.num_rows() > left {
                self.batches.push_front(batch.slice(left, batch.num_rows() - left));
            }
            left = left.saturating_sub(batch.num_rows());
        }
        Ok(())
    }
}
