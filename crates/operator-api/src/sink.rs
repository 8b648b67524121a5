//! The sink contract: writers stage rows, one commit makes them visible.

use std::fmt::Debug;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use dipper_types::{Result, SubtaskId};

/// What a writer has staged and a commit will make visible. Opaque to everyone but the sink; small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committable(pub Vec<u8>);

/// A table that can be written. Its options have been validated when it was made.
///
/// Nothing that a writer writes is visible to readers of the table before [`Sink::commit`]; where that is impossible
/// (a terminal), the sink says so by [`Sink::is_transactional`].
#[async_trait]
pub trait Sink: Debug + Send + Sync {
    /// Whether rows stay invisible until the commit.
    fn is_transactional(&self) -> bool;

    /// Opens the writer of one subtask. `job` names the run and makes staged names unique.
    async fn open(&self, job: &str, subtask: SubtaskId) -> Result<Box<dyn SinkWriter>>;

    /// Makes visible what all writers have staged. Idempotent.
    async fn commit(&self, committables: Vec<Committable>) -> Result<()>;

    /// Removes what writers of this run have staged and not committed.
    async fn abort(&self, job: &str) -> Result<()>;
}

/// Writes the rows of one subtask.
#[async_trait]
pub trait SinkWriter: Send {
    /// Stages rows.
    async fn write(&mut self, batch: RecordBatch) -> Result<()>;

    /// Flushes everything and hands over what is to be committed.
    async fn finish(&mut self) -> Result<Vec<Committable>>;
}
