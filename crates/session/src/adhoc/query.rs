//! From a logical plan to rows.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use dipper_graph::FromDataFusion;
use dipper_types::{Error, Result};
use futures::{FutureExt, StreamExt, stream};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::planner::planning_state;
use super::watch::Watch;
use crate::{JobHandle, Rows};

/// A query that is ready to run.
pub(crate) struct Plan {
    physical: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    watch: Arc<Watch>,
}

/// Optimises the plan and makes it executable; options are checked, nothing is read. Its nodes count into `watch`.
pub(crate) async fn plan(logical: &LogicalPlan, batch_rows: usize, watch: Arc<Watch>) -> Result<Plan> {
    let state = planning_state(batch_rows, Arc::clone(&watch));
    let physical = state.create_physical_plan(logical).await.or_plan_error()?;
    Ok(Plan { physical, context: state.task_ctx(), watch })
}

impl Plan {
    /// Runs the query. Nothing happens before the first row is asked for.
    pub(crate) fn rows(self, name: &str) -> Result<Rows> {
        let schema = self.physical.schema();
        let watch = Arc::clone(&self.watch);
        let running = self.start()?;
        let (sender, ended) = oneshot::channel();
        let running = Told { running, teller: Some(sender) };
        let stream =
            stream::unfold(running, |mut running| async move { running.next().await.map(|item| (item, running)) });
        // A stream that is dropped before its end has been cancelled by whoever read it.
        let end = async move { ended.await.unwrap_or_else(|_| Err(Error::cancelled())) };
        let job = JobHandle::new(name, watch, end.boxed());
        Ok(Rows { schema, stream: stream.boxed(), job: Some(job) })
    }

    /// Runs the query for someone who waits for its end himself.
    pub(super) fn start(self) -> Result<Running> {
        let rows = execute_stream(self.physical, self.context).or_plan_error()?;
        Ok(Running { rows, cancelled: self.watch.cancellation(), watch: self.watch })
    }
}

/// Rows on their way; cancellation ends them with an error.
pub(super) struct Running {
    rows: SendableRecordBatchStream,
    cancelled: CancellationToken,
    watch: Arc<Watch>,
}

impl Running {
    /// The next rows, never none.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let batch = tokio::select! {
                biased;
                () = self.cancelled.cancelled() => return Err(Error::cancelled()),
                batch = self.rows.next() => batch.transpose().or_plan_error()?,
            };
            match batch {
                Some(batch) if batch.num_rows() == 0 => {}
                Some(batch) => {
                    self.watch.add_rows_out(batch.num_rows());
                    return Ok(Some(batch));
                }
                None => return Ok(None),
            }
        }
    }
}

/// Rows whose end someone else waits for too.
struct Told {
    running: Running,
    teller: Option<oneshot::Sender<Result<()>>>,
}

impl Told {
    async fn next(&mut self) -> Option<Result<RecordBatch>> {
        let teller = self.teller.take()?;
        let item = self.running.next().await;
        match &item {
            Ok(Some(_)) => self.teller = Some(teller),
            // Whoever does not wait does not want to know.
            Ok(None) => drop(teller.send(Ok(()))),
            Err(error) => drop(teller.send(Err(error.clone()))),
        }
        item.transpose()
    }
}
