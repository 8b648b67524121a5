//! The source contract: a source enumerates splits, a reader turns one split into batches.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use dipper_types::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::OperatorMetrics;

/// Whether an input ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Boundedness {
    /// It ends: files, for instance.
    Bounded,
    /// It goes on until the job is cancelled.
    Unbounded,
}

/// A part of a source that one reader reads in order: a file, say. `id` is unique within the source and, for the same
/// data, the same in every run; `description` is opaque to everyone but the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The identity, shown to people: the file's path, say.
    pub id: String,
    /// What the source needs in order to read it.
    pub description: String,
}

/// How far a split has been read: opaque to everyone but the source, small, and the same in every version that can read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitPosition(pub Value);

impl SplitPosition {
    /// What the reader of the split has said.
    pub fn decode<T: DeserializeOwned>(&self, split: &Split) -> Result<T> {
        T::deserialize(&self.0).map_err(|error| {
            Error::invalid(format!(
                "the place up to which split '{}' has been read is not understood: {error}",
                split.id
            ))
            .with_hint("the table has changed: leave it as it was, or start over with --fresh")
        })
    }
}

/// What a reader is asked for.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// The columns wanted, as indices into [`Source::schema`], in the order wanted.
    pub projection: Vec<usize>,
    /// The most rows in one batch.
    pub batch_rows: usize,
    /// Where skipped records are counted.
    pub metrics: Arc<OperatorMetrics>,
}

/// A table that can be read. Its options have been validated when it was made.
#[async_trait]
pub trait Source: Debug + Send + Sync {
    /// The physical columns, metadata columns included, without computed ones.
    fn schema(&self) -> SchemaRef;

    /// Whether the table ends.
    fn boundedness(&self) -> Boundedness;

    /// The parts of the table, in a stable order. Fails when the table cannot be read at all (no such file, no permission).
    async fn splits(&self) -> Result<Vec<Split>>;

    /// Opens a split behind the rows that had been read at `from`, or at its beginning.
    async fn open(
        &self,
        split: &Split,
        from: Option<&SplitPosition>,
        options: ReadOptions,
    ) -> Result<Box<dyn SplitReader>>;
}

/// Reads one split in order.
///
/// `next` may wait for I/O and is cancellation-safe: dropping its future loses no row.
#[async_trait]
pub trait SplitReader: Send {
    /// The next rows, or `None` at the end of the split. Never an empty batch.
    async fn next(&mut self) -> Result<Option<RecordBatch>>;

    /// Where [`Source::open`] finds the rows behind the last batch of [`SplitReader::next`], each of them once, whatever the columns
    /// and the size of batches that are asked for then.
    fn position(&self) -> SplitPosition;
}
