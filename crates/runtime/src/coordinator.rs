//! Leads a job without checkpoints: opens its tables, starts its tasks, and, when all of them have ended, commits the sinks or aborts
//! them.

use std::collections::BTreeSet;
use std::sync::Arc;

use dipper_checkpoint::Outcome;
use dipper_graph::JobGraph;
use dipper_operator_api::Committable;
use dipper_types::{Epoch, Error, Result};
use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;

use crate::clock::Stopwatch;
use crate::deployment::{DeployedSink, Deployment, Plan, deploy};
use crate::job::{Job, JobHandle, JobSummary, RowStream};
use crate::job_metrics::JobMetrics;
use crate::network::Share;
use crate::opening::{deal_splits, list_splits, open_sinks};
use crate::root_cause::RootCause;
use crate::run::{Run, unique_run_id};
use crate::task::{Report, Task};
use crate::validate::validate;
use crate::{Components, RunOptions};

/// Makes the job's parts and lets a coordinator loose on them.
pub(crate) fn start(graph: &JobGraph, options: RunOptions) -> Result<Job> {
    validate(graph)?;
    let metrics = Arc::new(JobMetrics::new(graph));
    let cancel = CancellationToken::new();
    let tasks_cancel = cancel.child_token();
    let RunOptions { channel_bytes, io, run_id, components, .. } = options;
    let run = Run::Only(run_id.unwrap_or_else(|| unique_run_id(&graph.name)));
    let plan = Plan { graph, components: components.as_ref(), channel_bytes, run: &run, share: &Share::All };
    let Deployment { tasks, sinks, rows, .. } = deploy(plan, &metrics, &tasks_cancel)?;
    let coordinator = Coordinator {
        graph: graph.clone(),
        components,
        sinks,
        cancel: cancel.clone(),
        tasks_cancel,
        metrics: Arc::clone(&metrics),
        io: io.clone(),
        stopwatch: Stopwatch::start(),
        opened: false,
    };
    let running = io.spawn(coordinator.run(tasks));
    let outcome = async {
        let stopped = |error| Error::internal(format!("the job's coordinator has stopped: {error}"));
        running.await.unwrap_or_else(|error| Err(stopped(error)))
    };
    let outcome = outcome.boxed().shared();
    let rows = rows.map(|(schema, receiver)| RowStream { schema, receiver, outcome: Some(outcome.clone()) });
    let cancel_on_drop = cancel.clone().drop_guard();
    Ok(Job { handle: JobHandle { cancel, metrics, asks: None, leader: None }, rows, outcome, cancel_on_drop })
}

struct Coordinator {
    graph: JobGraph,
    components: Arc<dyn Components>,
    sinks: Vec<DeployedSink>,
    /// Cancelled by the job's owner.
    cancel: CancellationToken,
    /// Its child: cancelled also when a task has failed.
    tasks_cancel: CancellationToken,
    metrics: Arc<JobMetrics>,
    io: Handle,
    stopwatch: Stopwatch,
    /// Whether a sink may have staged something.
    opened: bool,
}

impl Coordinator {
    async fn run(mut self, tasks: Vec<Task>) -> Result<JobSummary> {
        // If the I/O runtime goes down under the job, its threads must not be left behind.
        let _threads = self.tasks_cancel.clone().drop_guard();
        let result = self.run_tasks(tasks).await;
        let result = match result {
            Ok(_) if self.cancel.is_cancelled() => Err((Error::cancelled(), 0)),
            Ok(staged) => self.commit(staged).await,
            Err(error) => Err((error, 0)),
        };
        match result {
            Ok(()) => Ok(JobSummary {
                outcome: Outcome::Finished,
                progress: self.metrics.progress(),
                elapsed: self.stopwatch.elapsed(),
            }),
            Err((error, committed)) => {
                self.abort(committed).await;
                Err(error)
            }
        }
    }

    /// Opens and runs everything; returns what each sink's subtasks have staged.
    async fn run_tasks(&mut self, mut tasks: Vec<Task>) -> Result<Vec<Vec<Committable>>> {
        let cancel = self.cancel.clone();
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Error::cancelled()),
            opened = self.open(&mut tasks) => opened?,
        }
        let (reports, mut incoming) = unbounded_channel();
        let mut failure = RootCause::default();
        let mut staged: Vec<Vec<(usize, Vec<Committable>)>> = vec![Vec::new(); self.sinks.len()];
        for task in tasks {
            // A thread that cannot be started is a failed task: the others hear of it below.
            if let Err(error) = task.spawn(self.io.clone(), reports.clone()) {
                failure.note(error, self.cancel.is_cancelled());
                self.tasks_cancel.cancel();
                break;
            }
        }
        drop(reports);
        // The channel closes when the last thread has ended.
        while let Some(Report { task, subtask, result }) = incoming.recv().await {
            match result {
                Ok(committables) => {
                    if let Some(sink) = self.sinks.iter().position(|sink| sink.task == task) {
                        staged[sink].push((subtask, committables));
                    }
                }
                Err(error) => {
                    failure.note(error, self.cancel.is_cancelled());
                    self.tasks_cancel.cancel();
                }
            }
        }
        if let Some(error) = failure.into_error() {
            return Err(error);
        }
        let in_order = |mut parts: Vec<(usize, Vec<Committable>)>| {
            parts.sort_by_key(|(subtask, _)| *subtask);
            parts.into_iter().flat_map(|(_, committables)| committables).collect()
        };
        Ok(staged.into_iter().map(in_order).collect())
    }

    /// Opens everything: when an input is missing, nothing has been touched yet.
    async fn open(&mut self, tasks: &mut [Task]) -> Result<()> {
        let splits = list_splits(&self.graph, self.components.as_ref(), |_| BTreeSet::new()).await?;
        deal_splits(tasks, &splits);
        self.opened = true;
        open_sinks(tasks).await
    }

    /// Commits sink by sink; an error comes with the number of sinks that had been committed before.
    async fn commit(&self, staged: Vec<Vec<Committable>>) -> Result<(), (Error, usize)> {
        for (index, (sink, committables)) in self.sinks.iter().zip(staged).enumerate() {
            let committed = sink.sink.commit(Epoch(1), committables).await;
            committed.map_err(|error| (error, index))?;
        }
        Ok(())
    }

    /// Takes back what the sinks after the first `committed` have staged.
    async fn abort(&self, committed: usize) {
        if !self.opened {
            return;
        }
        for sink in &self.sinks[committed..] {
            if let Err(error) = sink.sink.abort(&sink.run).await {
                // A sink that has taken no row has staged nothing, and so there may be no place to look at.
                if self.metrics.rows_written(sink.node) > 0 {
                    tracing::warn!(run = sink.run, %error, "cannot remove what the sink has staged");
                }
            }
        }
    }
}
