//! What a statement gives back.

use std::pin::Pin;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use dipper_types::Result;
use futures::Stream;

use crate::JobHandle;

/// Result rows, batch by batch.
pub type RowStream = Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>;

/// What a statement gives back.
pub enum Outcome {
    /// Done at once; what to tell the user, such as `table 'ticks' created`.
    Done(String),
    /// A text to show as it is: a plan, a definition.
    Text(String),
    /// Rows, as they come.
    Rows(Rows),
    /// A job that writes to sinks is running: wait for it.
    Job(JobHandle),
}

/// The rows of a query.
pub struct Rows {
    /// Their columns.
    pub schema: SchemaRef,
    /// The rows. An error is the last item.
    pub stream: RowStream,
    /// What runs behind the stream; `None` for a listing. When the stream has ended, waiting for it says how it went.
    pub job: Option<JobHandle>,
}
