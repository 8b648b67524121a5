//! From a logical plan to rows.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::common::Result as DfResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use dipper_graph::FromDataFusion;
use dipper_types::{Error, Result};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::cooperative;
use super::host::{Host, computing};
use super::planner::planning_state;
use super::watch::Watch;
use crate::panic::stopped;
use crate::{JobHandle, Rows};

/// A query that is ready to run.
pub(crate) struct Plan {
    physical: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    watch: Arc<Watch>,
    threads: Handle,
}

/// Optimises the plan and makes it executable; options are checked, nothing is read but the logs of tables. Its nodes count into `watch`.
pub(crate) async fn plan(logical: &LogicalPlan, host: &Arc<Host>, watch: Arc<Watch>) -> Result<Plan> {
    let state = planning_state(logical, host, Arc::clone(&watch)).or_plan_error()?;
    let physical = state.create_physical_plan(logical).await.and_then(cooperative::joins).or_plan_error()?;
    watch.look_at_scans(&physical);
    Ok(Plan { physical, context: state.task_ctx(), watch, threads: computing()? })
}

impl Plan {
    /// Runs the query. Nothing happens before the first row is asked for.
    pub(crate) fn rows(self, name: &str) -> Rows {
        let schema = self.physical.schema();
        let watch = Arc::clone(&self.watch);
        let running = self.start();
        let (sender, ended) = oneshot::channel();
        let running = Told { running, teller: Some(sender) };
        let stream =
            stream::unfold(running, |mut running| async move { running.next().await.map(|item| (item, running)) });
        // A stream that is dropped before its end has been cancelled by whoever read it.
        let end = async move { ended.await.unwrap_or_else(|_| Err(Error::cancelled())) };
        let job = JobHandle::new(name, watch, end.boxed());
        Rows { schema, stream: stream.boxed(), job: Some(job) }
    }

    /// Runs the query for someone who waits for its end himself.
    pub(super) fn start(self) -> Running {
        let Self { physical, context, watch, threads } = self;
        let schema = physical.schema();
        // There are nodes that begin to read as soon as they are executed.
        let rows = stream::once(async move { execute_stream(physical, context) }).try_flatten();
        let rows: SendableRecordBatchStream = Box::pin(RecordBatchStreamAdapter::new(schema, rows));
        Running { rows: Some(rows), pump: None, cancelled: watch.cancellation(), watch, threads }
    }
}

/// Rows on their way; cancellation ends them with an error.
pub(super) struct Running {
    /// Taken by the pump when the first rows are asked for.
    rows: Option<SendableRecordBatchStream>,
    pump: Option<Pump>,
    cancelled: CancellationToken,
    watch: Arc<Watch>,
    threads: Handle,
}

/// Computes on a thread of its own: an expression that takes long keeps nobody from cancelling.
struct Pump {
    batches: mpsc::Receiver<DfResult<RecordBatch>>,
    task: JoinHandle<()>,
}

impl Pump {
    fn start(mut rows: SendableRecordBatchStream, threads: &Handle) -> Self {
        let (sender, batches) = mpsc::channel(1);
        let task = threads.spawn(async move {
            while let Some(batch) = rows.next().await {
                if sender.send(batch).await.is_err() {
                    return;
                }
            }
        });
        Self { batches, task }
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        match self.batches.recv().await {
            Some(batch) => batch.map(Some).or_plan_error(),
            // Rows that just stop may be the work of a panic.
            None => (&mut self.task).await.map(|()| None).map_err(stopped),
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    /// The next rows, never none.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(rows) = self.rows.take() {
            self.pump = Some(Pump::start(rows, &self.threads));
        }
        let Some(pump) = &mut self.pump else { return Ok(None) };
        loop {
            let batch = tokio::select! {
                biased;
                () = self.cancelled.cancelled() => return Err(Error::cancelled()),
                batch = pump.next() => batch?,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use arrow::datatypes::Schema;
    use dipper_types::ErrorKind;

    use super::*;
    use crate::job::Control;

    fn running(rows: impl futures::Stream<Item = DfResult<RecordBatch>> + Send + 'static) -> (Running, Arc<Watch>) {
        let rows: SendableRecordBatchStream = Box::pin(RecordBatchStreamAdapter::new(Arc::new(Schema::empty()), rows));
        let watch = Arc::<Watch>::default();
        let (cancelled, threads) = (watch.cancellation(), Handle::current());
        (Running { rows: Some(rows), pump: None, cancelled, watch: Arc::clone(&watch), threads }, watch)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_panic_while_rows_are_computed_is_an_internal_error() {
        let (mut running, _watch) = running(stream::once(async { panic!("the offsets are too short") }));
        let error = running.next().await.unwrap_err();
        let (kind, text) = (error.kind(), error.to_string());
        assert_eq!((kind, text.as_str()), (ErrorKind::Internal, "the query panicked: the offsets are too short"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_computation_that_never_looks_up_is_cancelled_all_the_same() {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (mut running, watch) = running(stream::once(async move {
            // Blocks the thread, as an expression that takes long does.
            let _ = held.recv();
            Err(datafusion::error::DataFusionError::Internal("released".to_owned()))
        }));
        let next = tokio::spawn(async move { running.next().await });
        tokio::task::yield_now().await;
        watch.cancel();
        assert_eq!(next.await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
        drop(release);
    }
}
