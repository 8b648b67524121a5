//! One attempt: runs the tasks of a job under a coordinator, and does what the coordinator says.

use std::collections::{BTreeMap, BTreeSet};

use dipper_checkpoint as protocol;
use dipper_checkpoint::{
    Action, Coordinator, Event, Garbage, ManifestKind, Outcome, Start, StoreReply, TaskCheckpoints, TaskId, Tasks,
};
use dipper_state::{CheckpointStore, Compression, JobRequest, Manifest, SnapshotUploader, UploaderSpec};
use dipper_types::{AttemptId, Epoch, Error, OperatorId, Result};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::JobNotice;
use super::acknowledger::{Acknowledger, Said, Word};
use super::log::{self, PAUSE, explained};
use super::outputs::Commit;
use super::restore::{known_splits, restore};
use super::savepoints::{self, Savepoints};
use super::supervisor::Context;
use super::witness::Witness;
use crate::clock::{sleep, until};
use crate::deployment::{DeployedSink, Deployment, Plan, deploy};
use crate::opening::{deal_splits, open_sinks};
use crate::root_cause::RootCause;
use crate::run::Run;
use crate::task::{Report, Task, panic_error};
use crate::task_control::{Notice, TaskControl};

/// Runs an attempt from its opening to its end. `from` is what is restored.
pub(crate) async fn run(context: &Context, start: Start, from: Option<&Manifest>) -> Result<Outcome> {
    let tasks_cancel = context.cancel.child_token();
    // If the I/O runtime goes down under the job, its threads must not be left behind.
    let _threads = tasks_cancel.clone().drop_guard();
    let attempt = start.opening.attempt;
    let run = Run::Attempt(context.letterhead.job.0.clone(), attempt);
    let plan = Plan {
        graph: &context.graph,
        components: context.components.as_ref(),
        channel_bytes: context.channel_bytes,
        run: &run,
    };
    let Deployment { mut tasks, sinks, .. } = deploy(plan, &context.metrics, &tasks_cancel)?;
    let opened = tokio::select! {
        biased;
        () = context.cancel.cancelled() => Err(Error::cancelled()),
        opened = open(context, &mut tasks, from) => opened,
    };
    if let Err(error) = opened {
        abort(&sinks).await;
        return Err(error);
    }
    let mut attempt = Attempt::new(context, start, &tasks, tasks_cancel);
    let (acknowledgers, incoming) = attempt.spawn(tasks, &sinks, from);
    let outcome = attempt.lead(acknowledgers, incoming).await;
    // What a manifest may name stays where it is staged: the next attempt commits it.
    if outcome.is_ok() || attempt.writing.is_none() {
        abort(&sinks).await;
    }
    outcome
}

async fn open(context: &Context, tasks: &mut [Vec<Task>], from: Option<&Manifest>) -> Result<()> {
    deal_splits(tasks, |source| from.map(|from| known_splits(from, source)).unwrap_or_default()).await?;
    if let Some(from) = from {
        restore(context.store.directory(), from, tasks).await?;
    }
    open_sinks(tasks).await
}

/// Removes what the attempt has staged and not committed.
async fn abort(sinks: &[DeployedSink]) {
    for sink in sinks {
        if let Err(error) = sink.sink.abort(&sink.run).await {
            tracing::debug!(run = sink.run, %error, "cannot remove what the sink has staged");
        }
    }
}

/// What the coordinator waits for besides tasks.
type Call = BoxFuture<'static, (Event, Option<Error>)>;

struct Attempt<'a> {
    context: &'a Context,
    attempt: AttemptId,
    opened: Epoch,
    coordinator: Coordinator,
    witness: Witness,
    tasks_cancel: CancellationToken,
    /// To the threads and to the acknowledgers of the subtasks.
    notices: BTreeMap<TaskId, UnboundedSender<Notice>>,
    words: BTreeMap<TaskId, UnboundedSender<Word>>,
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

/// What happens outside of tasks' threads: ends when it is dropped.
type Acknowledgers = JoinSet<()>;

/// Where what is said arrives.
struct Incoming {
    reports: UnboundedReceiver<Report>,
    said: UnboundedReceiver<(TaskId, Said)>,
    requests: UnboundedReceiver<JobRequest>,
}

impl<'a> Attempt<'a> {
    fn new(context: &'a Context, start: Start, tasks: &[Vec<Task>], tasks_cancel: CancellationToken) -> Self {
        let id = |task: &Task| TaskId { task: task.index, subtask: task.subtask.index };
        let all = || tasks.iter().flatten();
        let sources: BTreeSet<TaskId> = all().filter(|task| task.head.is_source()).map(id).collect();
        let tasks = Tasks { sources, all: all().map(id).collect() };
        let (attempt, opened) = (start.opening.attempt, start.opening.epoch);
        let witness = Witness::new(&start);
        let coordinator = Coordinator::new(context.options, tasks, start, context.now_ms());
        Self {
            context,
            attempt,
            opened,
            coordinator,
            witness,
            tasks_cancel,
            notices: BTreeMap::new(),
            words: BTreeMap::new(),
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

    /// Starts the threads and the acknowledgers of all subtasks.
    fn spawn(
        &mut self,
        tasks: Vec<Vec<Task>>,
        sinks: &[DeployedSink],
        from: Option<&Manifest>,
    ) -> (Acknowledgers, Incoming) {
        let mut acknowledgers = JoinSet::new();
        let (reports, incoming_reports) = unbounded_channel();
        let (coordinator, said) = unbounded_channel();
        let (asks, requests) = unbounded_channel();
        acknowledgers.spawn_on(savepoints::watch(self.context.store.clone(), asks), &self.context.io);
        for mut task in tasks.into_iter().flatten() {
            let id = TaskId { task: task.index, subtask: task.subtask.index };
            let (notices, heard) = unbounded_channel();
            let (words, heard_words) = unbounded_channel();
            let (hand_over, handed_over) = unbounded_channel();
            task.control = Some(TaskControl::new(heard, hand_over, self.opened));
            let sink = sinks.iter().find(|sink| sink.task == task.index);
            let acknowledger = Acknowledger {
                task: id,
                checkpoints: TaskCheckpoints::new(self.opened),
                uploaders: self.uploaders(&task, from),
                sink: sink.map(|sink| (sink.id.clone(), self.context.table_of(&sink.id))),
                handed_over,
                words: heard_words,
                coordinator: coordinator.clone(),
                has_ended: false,
                settled: self.opened,
            };
            acknowledgers.spawn_on(acknowledger.run(), &self.context.io);
            self.notices.insert(id, notices);
            self.words.insert(id, words);
            // A thread that cannot be started is a failed task.
            if let Err(error) = task.spawn(self.context.io.clone(), reports.clone()) {
                self.note_failure(error);
                self.calls.push(std::future::ready((Event::TaskLost(id), None)).boxed());
                break;
            }
        }
        (acknowledgers, Incoming { reports: incoming_reports, said, requests })
    }

    fn uploaders(&self, task: &Task, from: Option<&Manifest>) -> BTreeMap<OperatorId, SnapshotUploader> {
        let uploader = |id: &OperatorId| {
            let spec = UploaderSpec {
                job: self.context.letterhead.job.clone(),
                attempt: self.attempt,
                opened: self.opened,
                operator: id.clone(),
                subtask: task.subtask,
                key_groups: self.context.letterhead.key_groups,
                compression: Compression::Zstd,
            };
            let uploader = SnapshotUploader::new(self.context.store.directory().clone(), spec);
            match from.and_then(|from| from.operator(id)) {
                Some(state) => uploader.restored(&state),
                None => uploader,
            }
        };
        task.operators().map(|id| (id.clone(), uploader(id))).collect()
    }

    /// Does what the coordinator says until it says that the attempt is over, and all threads have ended.
    async fn lead(&mut self, mut acknowledgers: Acknowledgers, incoming: Incoming) -> Result<Outcome> {
        let Incoming { mut reports, mut said, mut requests } = incoming;
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
                Some(report) = reports.recv() => self.on_report(report),
                Some((task, said)) = said.recv() => Some(self.on_said(task, said)),
                Some(ended) = acknowledgers.join_next() => self.on_ended(ended),
                Some(notice) = self.savepoints.next() => {
                    self.context.notify(notice);
                    None
                }
                Some(request) = requests.recv() => Some(Event::Request(self.savepoints.on_request(request))),
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
        self.tasks_cancel.cancel();
        // The channel closes when the last thread has ended.
        while let Some(report) = reports.recv().await {
            self.on_report(report);
        }
        // Deletions end; nothing else is under way when the coordinator has said that it is over.
        if matches!(self.outcome, Some(Ok(_))) {
            while self.calls.next().await.is_some() {}
        }
        self.savepoints.end();
        while let Some(notice) = self.savepoints.next().await {
            self.context.notify(notice);
        }
        // A merge that is still running must not write behind the collector.
        acknowledgers.shutdown().await;
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

    fn on_report(&mut self, report: Report) -> Option<Event> {
        let Report { task, subtask, result } = report;
        let error = result.err()?;
        self.note_failure(error);
        Some(Event::TaskLost(TaskId { task, subtask }))
    }

    /// What runs beside the tasks ends with the attempt, or by a panic.
    fn on_ended(&mut self, ended: Result<(), tokio::task::JoinError>) -> Option<Event> {
        let panic = ended.err().filter(tokio::task::JoinError::is_panic)?;
        self.note_failure(panic_error(panic.into_panic().as_ref()));
        // Any task will do: all of them start anew.
        self.notices.keys().next().map(|task| Event::TaskLost(*task))
    }

    fn note_failure(&mut self, error: Error) {
        self.failure.note(error, self.context.cancel.is_cancelled());
        self.tasks_cancel.cancel();
    }

    fn on_said(&mut self, task: TaskId, said: Said) -> Event {
        match said {
            Said::Message(message, error) => {
                self.last_error = error.or(self.last_error.take());
                Event::Task { attempt: self.attempt, task, message }
            }
            Said::Lost(error) => {
                self.note_failure(error);
                Event::TaskLost(task)
            }
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Trigger { epoch, is_savepoint, mode, sources } => {
                self.begun_ms = self.context.now_ms();
                self.last_error = None;
                if is_savepoint {
                    self.savepoints.on_begun();
                }
                for notices in sources.iter().filter_map(|source| self.notices.get(source)) {
                    // A source that has ended says so itself.
                    let _ = notices.send(Notice::Trigger { epoch, mode });
                }
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
                    self.savepoints.on_completed(&manifest);
                    self.collect_once();
                }
                self.tell(Word::Completed(epoch));
            }
            Action::Aborted(epoch, reason) => {
                self.writing = None;
                let reason = match &self.last_error {
                    Some(error) => format!("{reason}: {error}"),
                    None => reason.to_string(),
                };
                self.savepoints.on_aborted(&reason);
                self.context.notify(JobNotice::CheckpointFailed { epoch: epoch.0, reason });
                for notices in self.notices.values() {
                    let _ = notices.send(Notice::Aborted(epoch));
                }
                self.tell(Word::Aborted(epoch));
            }
            // It is tried again with the next.
            Action::Delete(_) if self.savepoints.is_copying() => {}
            Action::Delete(garbage) => self.delete(garbage),
            Action::End(outcome) => self.outcome = Some(outcome),
        }
    }

    fn tell(&self, word: Word) {
        for words in self.words.values() {
            let _ = words.send(word);
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
