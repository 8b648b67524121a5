//! The sink contract: writers stage rows, a commit makes them visible.

use std::fmt::{self, Debug};

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use dipper_types::{Epoch, Result, SubtaskId};
use futures::FutureExt;
use futures::future::BoxFuture;

/// What a writer has staged and a commit will make visible. Opaque to everyone but the sink; small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committable(pub Vec<u8>);

/// A table that can be written. Its options have been validated when it was made.
///
/// Nothing that a writer writes is visible to readers of the table before [`Sink::commit`]; where that is impossible
/// (a terminal), the sink says so by [`Sink::is_transactional`]. A job without checkpoints commits once, at its end; one with
/// checkpoints commits after each of them, and once more when it is restored.
#[async_trait]
pub trait Sink: Debug + Send + Sync {
    /// Whether rows stay invisible until the commit.
    fn is_transactional(&self) -> bool;

    /// Opens the writer of one subtask. `run` names the attempt and the sink, and makes staged names unique.
    async fn open(&self, run: &str, subtask: SubtaskId) -> Result<Box<dyn SinkWriter>>;

    /// Makes visible what all writers have staged up to the barrier of `epoch`. Idempotent: it may be said again, late, and by two
    /// at a time, with the same content for the same epoch.
    async fn commit(&self, epoch: Epoch, committables: Vec<Committable>) -> Result<()>;

    /// [`Sink::commit`] by somebody who does not know whether it has already happened, and perhaps long ago: what has been taken out of
    /// the table since is no error.
    async fn commit_again(&self, epoch: Epoch, committables: Vec<Committable>) -> Result<()> {
        self.commit(epoch, committables).await
    }

    /// Removes what writers of this run have staged and not committed.
    async fn abort(&self, run: &str) -> Result<()>;

    /// Removes what has been staged in the table by runs that `is_earlier` knows as those of attempts which have ended.
    async fn sweep(&self, _is_earlier: &(dyn for<'r> Fn(&'r str) -> bool + Sync)) -> Result<()> {
        Ok(())
    }
}

/// Writes the rows of one subtask.
#[async_trait]
pub trait SinkWriter: Send {
    /// Stages rows.
    async fn write(&mut self, batch: RecordBatch) -> Result<()>;

    /// A checkpoint's barrier: ends what is staged so far, so that rows from now on belong to the next checkpoint.
    async fn prepare(&mut self, epoch: Epoch) -> Result<Prepared>;

    /// Flushes everything and hands over what is to be committed, durable, and not handed over before.
    async fn finish(&mut self) -> Result<Vec<Committable>>;
}

/// What a writer has staged before a barrier.
pub struct Prepared {
    /// What is to be committed.
    pub committables: Vec<Committable>,
    /// Done when all of it is durable. It runs while the writer takes further rows; if it fails, the writer is lost.
    pub durable: BoxFuture<'static, Result<()>>,
}

impl Prepared {
    /// Nothing is staged.
    pub fn nothing() -> Self {
        Self { committables: Vec::new(), durable: std::future::ready(Ok(())).boxed() }
    }
}

impl Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("committables", &self.committables).finish_non_exhaustive()
    }
}
