//! What a statement gives back.

use std::pin::Pin;
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use dipper_sql::own_name;
use dipper_types::Result;
use futures::{Stream, StreamExt};

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

impl Rows {
    /// With the names of columns as the user knows them.
    pub(crate) fn with_own_names(self) -> Self {
        let schema = own_names(&self.schema);
        if schema == self.schema {
            return self;
        }
        let named = Arc::clone(&schema);
        let rename = move |batch: Result<RecordBatch>| {
            let batch = batch?;
            let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            Ok(RecordBatch::try_new_with_options(Arc::clone(&named), batch.columns().to_vec(), &rows)?)
        };
        Self { schema, stream: self.stream.map(rename).boxed(), job: self.job }
    }
}

/// The same columns by the names that the user knows.
pub(crate) fn own_names(schema: &SchemaRef) -> SchemaRef {
    let own = |field: &FieldRef| field.as_ref().clone().with_name(own_name(field.name()));
    let fields: Vec<Field> = schema.fields().iter().map(own).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}
