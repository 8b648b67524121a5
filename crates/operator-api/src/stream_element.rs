//! What flows on a channel.

use arrow::record_batch::RecordBatch;
use dipper_types::{Epoch, Watermark};

/// Divides the rows of one checkpoint from those of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Barrier {
    /// The checkpoint that the rows before this barrier belong to.
    pub epoch: Epoch,
}

/// One element of a stream, in the order in which an operator sees it.
#[derive(Debug, Clone)]
pub enum StreamElement {
    /// Rows. A changelog carries a [`crate::ROW_KIND_COLUMN`]; an append-only stream has none.
    Batch(RecordBatch),
    /// No row with a timestamp at or before this one follows.
    Watermark(Watermark),
    /// The end of a checkpoint's rows.
    Barrier(Barrier),
    /// The channel has nothing to say for a while: it no longer holds back the watermark.
    Idle,
    /// The channel speaks again.
    Active,
    /// Nothing follows.
    End,
}

impl StreamElement {
    /// The memory that the element keeps alive, in bytes: what a channel's bound counts.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Batch(batch) => batch.get_array_memory_size(),
            _ => 0,
        }
    }
}
