//! Runs one attempt of a job after the other, until it has finished, or must not be run again.

use std::sync::Arc;
use std::time::Duration;

use dipper_checkpoint::{CheckpointOptions, Outcome, Restore};
use dipper_graph::{JobGraph, OperatorSpec};
use dipper_state::{CheckpointStore, Manifest, Savepoint};
use dipper_types::{Epoch, Error, ErrorKind, Result, Timestamp};
use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::attempt;
use super::host::{Host, Local};
use super::log::{Letterhead, protocol_manifest};
use super::outputs::{Commit, Outputs};
use super::recovery::{Recovered, Takeover, with_way_out};
use super::restore::check;
use super::savepoints::Ask;
use super::subtasks::Deploy;
use super::{Checkpointing, JobNotice, OpenDirectory, StartFrom};
use crate::clock::{Stopwatch, noise, nonce, sleep};
use crate::deployment::{Plan, deploy};
use crate::job::{Job, JobHandle, JobSummary};
use crate::job_metrics::JobMetrics;
use crate::network::Share;
use crate::run::Run;
use crate::validate::validate;
use crate::{Components, RunOptions};

/// What is the same for all attempts of a job in this process.
pub(crate) struct Context {
    pub(crate) graph: JobGraph,
    pub(crate) components: Arc<dyn Components>,
    pub(crate) deploy: Arc<dyn Deploy>,
    pub(crate) io: Handle,
    pub(crate) metrics: Arc<JobMetrics>,
    pub(crate) cancel: CancellationToken,
    pub(crate) store: CheckpointStore,
    pub(crate) letterhead: Letterhead,
    pub(crate) outputs: Outputs,
    pub(crate) options: CheckpointOptions,
    pub(crate) stopwatch: Stopwatch,
    /// What is wanted in this process, of whichever attempt is running.
    pub(crate) asks: Mutex<UnboundedReceiver<Ask>>,
    checkpointing: Checkpointing,
}

/// Makes the job's parts, to see that they can be made, and lets a supervisor loose on them.
pub(crate) fn start(graph: &JobGraph, options: RunOptions, checkpointing: Checkpointing) -> Result<Job> {
    validate(graph)?;
    if graph.nodes.iter().any(|node| matches!(node.spec, OperatorSpec::Collect)) {
        return Err(Error::internal("a job that hands rows to its client takes no checkpoints"));
    }
    let metrics = Arc::new(JobMetrics::new(graph));
    let cancel = CancellationToken::new();
    let RunOptions { channel_bytes, io, components, .. } = options;
    let run = Run::Only("trial".to_owned());
    let share = Share::All;
    deploy(
        Plan { graph, components: components.as_ref(), channel_bytes, run: &run, share: &share },
        &metrics,
        &cancel,
    )?;
    let (host_io, directory) = (io.clone(), checkpointing.directory.clone());
    let host = Host { components: Arc::clone(&components), channel_bytes, io: host_io, directory };
    let local = || Arc::new(Local { host, metrics: Arc::clone(&metrics) }) as Arc<dyn Deploy>;
    let deploy = checkpointing.deploy.clone().unwrap_or_else(local);
    let job = checkpointing.job.clone();
    let (asks, asked) = unbounded_channel();
    let context = Context {
        outputs: Outputs::of(graph, components.as_ref())?,
        graph: graph.clone(),
        components,
        deploy,
        io: io.clone(),
        metrics: Arc::clone(&metrics),
        cancel: cancel.clone(),
        store: CheckpointStore::new(&checkpointing.directory, job.clone()),
        letterhead: Letterhead { job, key_groups: graph.key_groups, query: checkpointing.query.clone() },
        options: checkpointing.options,
        stopwatch: Stopwatch::start(),
        asks: Mutex::new(asked),
        checkpointing,
    };
    let running = io.spawn(context.run());
    let leader = Some(running.abort_handle());
    let outcome = async {
        let stopped = |error| Error::internal(format!("the job's supervisor has stopped: {error}"));
        running.await.unwrap_or_else(|error| Err(stopped(error)))
    };
    let outcome = outcome.boxed().shared();
    let cancel_on_drop = cancel.clone().drop_guard();
    let handle = JobHandle { cancel, metrics, asks: Some(asks), leader };
    Ok(Job { handle, rows: None, outcome, cancel_on_drop })
}

impl Context {
    /// Time since the job was started, in this process.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.stopwatch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn notify(&self, notice: JobNotice) {
        match &self.checkpointing.notices {
            // Nobody listens if the owner has gone.
            Some(notices) => drop(notices.send(notice)),
            None if notice.is_warning() => tracing::warn!("{notice}"),
            None => tracing::info!("{notice}"),
        }
    }

    async fn run(self) -> Result<JobSummary> {
        let mut failures_ms = Vec::new();
        let mut start_from = self.checkpointing.start_from.clone();
        loop {
            let error = match self.attempt(&mut start_from).await {
                Ok(outcome) => return Ok(self.summary(outcome)),
                Err(error) => error,
            };
            failures_ms.push(self.now_ms());
            let delay = self.checkpointing.restart.delay_ms(&failures_ms, noise()).map(Duration::from_millis);
            let Some(delay) = delay.filter(|_| error.kind().may_pass()) else { return Err(error) };
            self.notify(JobNotice::Restarting { error, delay });
            tokio::select! {
                () = self.cancel.cancelled() => return Err(Error::cancelled()),
                () = sleep(delay) => {}
            }
        }
    }

    /// Takes the job over and runs its tasks. Once it is taken over, further attempts go on from its own checkpoints.
    async fn attempt(&self, start_from: &mut StartFrom) -> Result<Outcome> {
        let takeover = Takeover {
            store: &self.store,
            letterhead: &self.letterhead,
            outputs: &self.outputs,
            retained: self.options.retained,
        };
        let recover = async {
            let nonce = nonce();
            let (restore, savepoint) = match &*start_from {
                StartFrom::Latest => (Restore::Latest, None),
                StartFrom::Adopt { attempt, .. } => (Restore::Adopt(*attempt), None),
                StartFrom::Nothing => (Restore::Nothing, None),
                StartFrom::Savepoint { savepoint, over } => {
                    let adopted = self.adopt(savepoint, *over, nonce).await?;
                    (Restore::From(Box::new(protocol_manifest(&adopted)?)), Some(adopted))
                }
            };
            takeover.run(restore, savepoint, nonce, |manifest| self.check(manifest)).await
        };
        let recovered = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Err(Error::cancelled()),
            recovered = recover => recovered?,
        };
        match recovered {
            Recovered::Finished => {
                self.notify(JobNotice::AlreadyFinished { job: self.letterhead.job.0.clone() });
                Ok(Outcome::Finished)
            }
            Recovered::Start { start, from } => {
                let from_what = std::mem::replace(start_from, StartFrom::Latest);
                if let StartFrom::Adopt { passed, .. } = from_what {
                    return attempt::adopt(self, *start, passed).await;
                }
                let over = !matches!(from_what, StartFrom::Latest);
                self.notify(match &from {
                    Some(from) => {
                        let taken = Timestamp(from.created_ms.saturating_mul(1_000));
                        JobNotice::Resumed { checkpoint: from.number, taken }
                    }
                    None => JobNotice::Begun {
                        job: self.letterhead.job.0.clone(),
                        directory: self.checkpointing.directory.url().to_owned(),
                        over,
                    },
                });
                match (attempt::run(self, *start, from.as_deref()).await, from) {
                    (Err(error), Some(from)) if error.kind() == ErrorKind::Corrupt => {
                        let log = self.store.read_log().await?;
                        Err(with_way_out(
                            error,
                            &self.store,
                            log.manifests.range(..from.number).map(|(_, older)| older),
                        ))
                    }
                    (ended, _) => ended,
                }
            }
        }
    }

    fn check(&self, manifest: &Manifest) -> Result<()> {
        check(manifest, &self.graph, self.checkpointing.allow_non_restored_state)
    }

    /// Copies a savepoint into the job's directory. Its rows are committed: it may be the last checkpoint of a job that was killed before it
    /// had done so, and nothing after the opening names them. A job that has checkpoints of its own is `over` only if somebody says so.
    async fn adopt(&self, savepoint: &Savepoint, over: bool, nonce: u64) -> Result<Manifest> {
        self.check(&savepoint.manifest)?;
        let last = self.store.latest().await?;
        if last.is_some() && !over {
            let job = &self.letterhead.job.0;
            let error =
                Error::invalid(format!("job '{job}' has checkpoints of its own, and is to start from a savepoint"));
            return Err(error.with_hint(
                "leave out --from-savepoint to go on from its last checkpoint, or add --fresh to start over from the savepoint",
            ));
        }
        let committables = protocol_manifest(&savepoint.manifest)?.committables;
        self.outputs.commit(savepoint.manifest.epoch, committables, Commit::OfSavepoint).await?;
        let epoch = Epoch(last.map_or(0, |last| last.epoch.0) + 1);
        savepoint.adopt(&self.store, nonce, epoch).await
    }

    /// Whether subtasks run in this process, and end with it.
    pub(crate) fn runs_here(&self) -> bool {
        self.checkpointing.deploy.is_none()
    }

    pub(crate) fn open_directory(&self) -> OpenDirectory {
        OpenDirectory::clone(&self.checkpointing.open_directory)
    }

    fn summary(&self, outcome: Outcome) -> JobSummary {
        JobSummary { outcome, progress: self.metrics.progress(), elapsed: self.stopwatch.elapsed() }
    }
}
