//! A running job as its owner sees it: rows, progress, cancellation and the end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use dipper_checkpoint::Request;
use dipper_graph::JobGraph;
use dipper_types::{Error, Result};
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, Stream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::channel::Receiver;
use crate::checkpointing::Ask;
use crate::job_metrics::JobMetrics;
use crate::{Progress, RunOptions};

/// How a job ends, for everyone who wants to know.
pub(crate) type Outcome = Shared<BoxFuture<'static, Result<JobSummary>>>;

/// What a job that has ended well has done.
#[derive(Debug, Clone)]
pub struct JobSummary {
    /// Whether its inputs have ended, or it has stopped for a while.
    pub outcome: dipper_checkpoint::Outcome,
    /// The final counters.
    pub progress: Progress,
    /// From [`start`] to the last commit.
    pub elapsed: Duration,
}

/// Starts a job. The graph, the tables' options and the operators have been checked when it returns; what needs I/O (a
/// missing file, say) is reported by [`Job::wait`] and by the row stream. It never blocks, and may be called from async code.
pub fn start(graph: &JobGraph, mut options: RunOptions) -> Result<Job> {
    match options.checkpointing.take() {
        None => crate::coordinator::start(graph, options),
        Some(checkpointing) => crate::checkpointing::start(graph, options, *checkpointing),
    }
}

/// A running job. Dropping it cancels it.
#[derive(Debug)]
pub struct Job {
    pub(crate) handle: JobHandle,
    pub(crate) rows: Option<RowStream>,
    pub(crate) outcome: Outcome,
    pub(crate) cancel_on_drop: DropGuard,
}

impl Job {
    /// The rows of the job's Collect node, once; `None` if it has none. Take them before [`Job::wait`]: a job whose rows
    /// nobody can read any more is cancelled.
    pub fn rows(&mut self) -> Option<RowStream> {
        self.rows.take()
    }

    /// Asks the job to stop: all threads end, the sinks are aborted, and [`Job::wait`] returns a cancelled error.
    pub fn cancel(&self) {
        self.handle.cancel();
    }

    /// The counters now.
    pub fn progress(&self) -> Progress {
        self.handle.progress()
    }

    /// What may watch and cancel the job from elsewhere.
    pub fn handle(&self) -> JobHandle {
        self.handle.clone()
    }

    /// Waits until every thread has ended and the sinks are committed, or aborted. Fails with the first failure's error.
    pub async fn wait(self) -> Result<JobSummary> {
        let Self { rows, outcome, cancel_on_drop, .. } = self;
        drop(rows);
        let result = outcome.await;
        cancel_on_drop.disarm();
        result
    }
}

/// Watches and cancels a job.
#[derive(Debug, Clone)]
pub struct JobHandle {
    pub(crate) cancel: CancellationToken,
    pub(crate) metrics: Arc<JobMetrics>,
    /// To a job with checkpoints.
    pub(crate) asks: Option<UnboundedSender<Ask>>,
    pub(crate) leader: Option<AbortHandle>,
}

impl JobHandle {
    /// See [`Job::cancel`].
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// The counters now.
    pub fn progress(&self) -> Progress {
        self.metrics.progress()
    }

    /// Asks for a checkpoint, to be copied to `target` if that is said, and waits until it is there. It begins when an attempt runs.
    pub async fn checkpoint(&self, request: Request, target: Option<String>) -> Result<()> {
        let gone = || Error::unavailable("the job has ended");
        let asks = self.asks.as_ref().ok_or_else(|| Error::invalid("the job takes no checkpoints"))?;
        let (ask, answer) = Ask::new(request, target);
        asks.send(ask).map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Ceases to lead a job with checkpoints, and leaves everything as it is: its subtasks are another leader's, and what they have staged
    /// is not taken back.
    pub fn abandon(&self) {
        if let Some(leader) = &self.leader {
            leader.abort();
        }
    }
}

/// The rows that a job hands to its client, in no particular order between subtasks. It ends when the job has ended; if the
/// job has failed, its last item is the error.
#[derive(Debug)]
pub struct RowStream {
    pub(crate) schema: SchemaRef,
    pub(crate) receiver: Receiver,
    /// `None` once it has been told.
    pub(crate) outcome: Option<Outcome>,
}

impl RowStream {
    /// The columns.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Stream for RowStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let Some(outcome) = &mut this.outcome else { return Poll::Ready(None) };
            match std::task::ready!(this.receiver.poll_receive(context)) {
                Some(dipper_operator_api::StreamElement::Batch(batch)) => return Poll::Ready(Some(Ok(batch))),
                Some(_) => {}
                None => {
                    let result = std::task::ready!(outcome.poll_unpin(context));
                    this.outcome = None;
                    return Poll::Ready(result.err().map(Err::<RecordBatch, Error>));
                }
            }
        }
    }
}
