//! One attempt: leads the subtasks of a job, wherever they run, as the protocol's coordinator says.

use std::collections::BTreeSet;
use std::sync::Arc;

use dipper_checkpoint as protocol;
use dipper_checkpoint::{
    AbortReason, Action, Coordinator, Event, Garbage, ManifestKind, Outcome, Start, StoreReply, TaskId, Tasks,
};
use dipper_graph::{JobGraph, OperatorSpec, TaskGraph};
use dipper_state::{CheckpointStore, Manifest};
use dipper_types::{AttemptId, Epoch, Error, Result};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

use super::JobNotice;
use super::log::{self, PAUSE, explained};
use super::outputs::Commit;
use super::restore::known_splits;
use super::savepoints::{self, Ask, Savepoints};
use super::subtasks::{Heard, Order, Subtasks, Told};
use super::supervisor::Context;
use super::witness::Witness;
use crate::LastCheckpoint;
use crate::clock::{sleep, until};
use crate::opening::list_splits;
use crate::root_cause::RootCause;
use crate::run::Run;

/// Runs an attempt from its opening to its end. `from` is what is restored.
pub(crate) async fn run(context: &Context, start: Start, from: Option<&Manifest>) -> Result<Outcome> {
    let run = Run::Attempt(context.letterhead.job.0.clone(), start.opening.attempt);
    let deployed = tokio::select! {
        biased;
        () = context.cancel.cancelled() => Err(Error::cancelled()),
        deployed = deploy(context, &start, from) => deployed,
    };
    let subtasks = match deployed {
        Ok(subtasks) => subtasks,
        Err(error) => {
            context.outputs.abort(&run).await;
            return Err(error);
        }
    };
    let (witness, attempt) = (Witness::new(&start), start.opening.attempt);
    let coordinator = Coordinator::new(context.options, tasks(&context.graph), start, context.now_ms());
    Attempt::new(context, attempt, coordinator, witness, subtasks).run(Vec::new()).await
}

/// Leads an attempt on that another leader has started, to its end. `passed` is the greatest epoch that its subtasks may have been told of.
pub(crate) async fn adopt(context: &Context, start: Start, passed: Epoch) -> Result<Outcome> {
    let (witness, attempt) = (Witness::new(&start), start.opening.attempt);
    let subtasks = context.deploy.adopt(attempt)?;
    let (coordinator, actions) =
        Coordinator::adopt(context.options, tasks(&context.graph), start, passed, context.now_ms());
    Attempt::new(context, attempt, coordinator, witness, subtasks).run(actions).await
}

async fn deploy(context: &Context, start: &Start, from: Option<&Manifest>) -> Result<Box<dyn Subtasks>> {
    let known = |source: &_| from.map(|from| known_splits(from, source)).unwrap_or_default();
    let splits = list_splits(&context.graph, context.components.as_ref(), known).await?;
    let order = Order {
        graph: context.graph.clone(),
        job: context.letterhead.job.clone(),
        attempt: start.opening.attempt,
        opened: start.opening.epoch,
        splits,
        from: from.cloned(),
    };
    context.deploy.deploy(Arc::new(order)).await
}

/// The subtasks of a job, and those at which checkpoints begin.
fn tasks(graph: &JobGraph) -> Tasks {
    let mut tasks = Tasks::default();
    for (index, task) in TaskGraph::of(graph).tasks.iter().enumerate() {
        let ids = (0..task.parallelism).map(|subtask| TaskId { task: index, subtask });
        let first = task.nodes.first().map(|node| &graph.node(*node).spec);
        if matches!(first, Some(OperatorSpec::Source(_) | OperatorSpec::Values(_))) {
            tasks.sources.extend(ids.clone());
        }
        tasks.all.extend(ids);
    }
    tasks
}

/// What the coordinator waits for besides tasks.
type Call = BoxFuture<'static, (Event, Option<Error>)>;

struct Attempt<'a> {
    context: &'a Context,
    attempt: AttemptId,
    coordinator: Coordinator,
    witness: Witness,
    subtasks: Box<dyn Subtasks>,
    calls: FuturesUnordered<Call>,
    /// The manifest on its way into the log, until it is completed or certainly not there: it may name what sinks have staged.
    writing: Option<Manifest>,
    is_final: bool,
    /// When the checkpoint under way began.
    begun_ms: u64,
    /// What the store, a task or a sink has said last.
    last_error: Option<Error>,
    has_collected: bool,
    savepoints: Savepoints,
    failure: RootCause,
    outcome: Option<Result<Outcome, protocol::Failure>>,
}

impl<'a> Attempt<'a> {
    fn new(
        context: &'a Context,
        attempt: AttemptId,
        coordinator: Coordinator,
        witness: Witness,
        subtasks: Box<dyn Subtasks>,
    ) -> Self {
        Self {
            context,
            attempt,
            coordinator,
            witness,
            subtasks,
            calls: FuturesUnordered::new(),
            writing: None,
            is_final: false,
            begun_ms: 0,
            last_error: None,
            has_collected: false,
            savepoints: Savepoints::new(context.store.clone(), context.open_directory()),
            failure: RootCause::default(),
            outcome: None,
        }
    }

    /// Does what is to be done `first`, then what the coordinator says until the attempt is over, and takes back what must not be committed.
    async fn run(mut self, first: Vec<Action>) -> Result<Outcome> {
        for action in first {
            self.carry_out(action);
        }
        let outcome = self.lead().await;
        // What a manifest may name stays where it is staged: the next attempt commits it. So does what another leader may go on with, until the
        // next attempt has taken the job over and sweeps.
        let is_ours = outcome.is_ok() || self.writing.is_none();
        if is_ours && self.context.runs_here() || matches!(outcome, Ok(Outcome::Finished)) {
            self.context.outputs.abort(&Run::Attempt(self.context.letterhead.job.0.clone(), self.attempt)).await;
        }
        outcome
    }

    /// Does what the coordinator says until it says that the attempt is over, and all subtasks have ended.
    async fn lead(&mut self) -> Result<Outcome> {
        let (_watch, mut requests) = self.watch();
        let context = self.context;
        let mut asks = context.asks.lock().await;
        let cancel = self.context.cancel.clone();
        while self.outcome.is_none() {
            let deadline_ms = self.coordinator.deadline_ms();
            let event = tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                Some((event, error)) = self.calls.next() => {
                    self.last_error = error.or(self.last_error.take());
                    Some(event)
                }
                Some(heard) = self.subtasks.hear() => self.on_heard(heard),
                Some(notice) = self.savepoints.next() => {
                    self.context.notify(notice);
                    None
                }
                Some(ask) = requests.recv() => Some(Event::Request(self.savepoints.on_ask(ask))),
                Some(ask) = asks.recv() => Some(Event::Request(self.savepoints.on_ask(ask))),
                () = until(&self.context.stopwatch, deadline_ms) => Some(Event::Deadline),
            };
            if let Some(event) = event {
                self.witness.on_event(&event);
                let actions = self.coordinator.on_event(event, self.context.now_ms());
                for action in actions {
                    self.witness.on_action(&action);
                    self.carry_out(action);
                }
            }
        }
        self.subtasks.tell(&Told::Cancel);
        // Nothing of theirs, a merge that is still running, say, must write behind the collector.
        while let Some(heard) = self.subtasks.hear().await {
            self.on_heard(heard);
        }
        // Deletions end; nothing else is under way when the coordinator has said that it is over.
        if matches!(self.outcome, Some(Ok(_))) {
            while self.calls.next().await.is_some() {}
        }
        self.savepoints.end();
        while let Some(notice) = self.savepoints.next().await {
            self.context.notify(notice);
        }
        if matches!(self.outcome, Some(Ok(_))) {
            collect(&self.context.store, self.context.options.retained).await;
        }
        let failure = std::mem::take(&mut self.failure).into_error();
        match self.outcome.take() {
            None => Err(Error::cancelled()),
            Some(Ok(outcome)) => Ok(outcome),
            Some(Err(protocol::Failure::TaskLost(_))) if failure.is_some() => {
                Err(failure.unwrap_or_else(Error::cancelled))
            }
            Some(Err(failure)) => Err(explained(failure, self.last_error.take())),
        }
    }

    /// Looks for those who ask for savepoints, for as long as the first of what is returned exists.
    fn watch(&self) -> (JoinSet<()>, UnboundedReceiver<Ask>) {
        let ((asks, requests), mut watch) = (unbounded_channel(), JoinSet::new());
        if self.context.runs_here() {
            watch.spawn_on(savepoints::watch(self.context.store.clone(), asks), &self.context.io);
        }
        (watch, requests)
    }

    fn on_heard(&mut self, heard: Heard) -> Option<Event> {
        match heard {
            Heard::Counted(counted) => {
                self.context.metrics.set(&counted);
                None
            }
            Heard::Message(task, message, error) => {
                self.last_error = error.or(self.last_error.take());
                Some(Event::Task { attempt: self.attempt, task, message })
            }
            Heard::Lost(task, error) => {
                self.note_failure(error);
                Some(Event::TaskLost(task))
            }
        }
    }

    fn note_failure(&mut self, error: Error) {
        self.failure.note(error, self.context.cancel.is_cancelled());
        self.subtasks.tell(&Told::Cancel);
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Trigger { epoch, is_savepoint, mode, sources } => {
                self.begun_ms = self.context.now_ms();
                self.last_error = None;
                if is_savepoint {
                    self.savepoints.on_begun();
                }
                self.subtasks.tell(&Told::Trigger { epoch, mode, sources });
            }
            Action::Put(manifest) => self.put(&manifest),
            Action::Inspect(_) => {
                let Some(manifest) = self.writing.clone() else { return };
                let pause = self.last_error.is_some();
                self.call(move |store| async move {
                    if pause {
                        sleep(PAUSE).await;
                    }
                    log::inspect(store, manifest).await
                });
            }
            Action::Commit { epoch, committables } => {
                let (outputs, how) = (self.context.outputs.clone(), Commit::Own { is_final: self.is_final });
                let commit = async move {
                    match outputs.commit(epoch, committables, how).await {
                        Ok(()) => (Event::Committed, None),
                        Err(error) => (Event::CommitFailed, Some(error)),
                    }
                };
                self.calls.push(commit.boxed());
            }
            Action::Completed(epoch) => {
                self.last_error = None;
                if let Some(manifest) = self.writing.take() {
                    if let Some(last) = LastCheckpoint::of(&manifest) {
                        self.context.metrics.checkpoint_completed(last);
                    }
                    self.savepoints.on_completed(&manifest);
                    self.collect_once();
                }
                self.subtasks.tell(&Told::Completed(epoch));
            }
            Action::Aborted(epoch, AbortReason::Adopted) => self.subtasks.tell(&Told::Aborted(epoch)),
            Action::Aborted(epoch, reason) => {
                self.writing = None;
                self.context.metrics.checkpoint_failed();
                let reason = match &self.last_error {
                    Some(error) => format!("{reason}: {error}"),
                    None => reason.to_string(),
                };
                self.savepoints.on_aborted(&reason);
                self.context.notify(JobNotice::CheckpointFailed { epoch: epoch.0, reason });
                self.subtasks.tell(&Told::Aborted(epoch));
            }
            // It is tried again with the next.
            Action::Delete(_) if self.savepoints.is_copying() => {}
            Action::Delete(garbage) => self.delete(garbage),
            Action::End(outcome) => self.outcome = Some(outcome),
        }
    }

    /// The same manifest is the same bytes, however often it is put.
    fn put(&mut self, manifest: &protocol::Manifest) {
        let again = self.writing.as_ref().is_some_and(|writing| writing.number == manifest.number.0);
        if !again {
            let duration_ms = match manifest.kind {
                ManifestKind::Opening => 0,
                _ => self.context.now_ms().saturating_sub(self.begun_ms),
            };
            match self.context.letterhead.manifest(manifest, duration_ms) {
                Ok(at_rest) => self.writing = Some(at_rest),
                Err(error) => {
                    self.calls.push(std::future::ready((Event::Store(StoreReply::Refused), Some(error))).boxed());
                    return;
                }
            }
            self.is_final = manifest.is_final();
        }
        let Some(manifest) = self.writing.clone() else { return };
        self.call(move |store| async move {
            if again {
                sleep(PAUSE).await;
            }
            log::put(store, manifest).await
        });
    }

    fn call<F>(&self, call: impl FnOnce(CheckpointStore) -> F)
    where
        F: Future<Output = log::Answer<StoreReply>> + Send + 'static,
    {
        let call = call(self.context.store.clone());
        self.calls.push(call.map(|(reply, error)| (Event::Store(reply), error)).boxed());
    }

    fn delete(&self, garbage: Garbage) {
        let store = self.context.store.clone();
        let delete = async move {
            let manifests: Vec<u64> = garbage.manifests.iter().map(|number| number.0).collect();
            let files: Vec<String> = garbage.files.iter().map(|file| file.path.clone()).collect();
            match store.delete(&manifests, &files).await {
                Ok(()) => (Event::Deleted(garbage), None),
                Err(error) => {
                    tracing::warn!(%error, "cannot delete what no checkpoint needs any more");
                    (Event::Deleted(Garbage::default()), None)
                }
            }
        };
        self.calls.push(delete.boxed());
    }

    /// Files of dead attempts can be told from those of running uploads once the epochs have passed theirs.
    fn collect_once(&mut self) {
        if self.savepoints.is_copying() || std::mem::replace(&mut self.has_collected, true) {
            return;
        }
        let (store, retained) = (self.context.store.clone(), self.context.options.retained);
        self.context.io.spawn(async move { collect(&store, retained).await });
    }
}

/// Removes what nothing names: what dead attempts were writing, and merges that came too late.
async fn collect(store: &CheckpointStore, retained: usize) {
    if let Err(error) = store.collect_garbage(retained, &BTreeSet::new()).await {
        tracing::warn!(%error, "cannot remove what no checkpoint needs any more");
    }
}
