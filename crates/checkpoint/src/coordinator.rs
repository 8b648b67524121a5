//! The coordinator of one attempt, its leader: triggers checkpoints, collects what tasks have saved, writes manifests, has sinks commit.
//!
//! Who was restored from what is [`Recovery`](crate::Recovery)'s matter, and when to run another attempt that of a
//! [`RestartStrategy`](crate::RestartStrategy).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dipper_types::Epoch;

use crate::manifest_write::{ManifestWrite, WriteStep};
use crate::{
    AbortReason, AttemptId, Committables, Failure, Garbage, Manifest, ManifestKind, ManifestNumber, Retention,
    Snapshot, SnapshotFile, Staged, Start, StoreReply, TaskId, TaskMessage,
};

/// The options of a job that concern its checkpoints, by Flink's names under `execution.checkpointing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointOptions {
    /// `interval`, from trigger to trigger; without it there are savepoints and the final checkpoint only.
    pub interval_ms: Option<u64>,
    /// `timeout`, for collecting, again for writing the manifest, and again for committing.
    pub timeout_ms: u64,
    /// `min-pause`, from the end of a checkpoint to the next trigger.
    pub min_pause_ms: u64,
    /// `tolerable-failed-checkpoints`, in a row.
    pub tolerable_failures: u32,
    /// `state.checkpoints.num-retained`.
    pub retained: usize,
}

impl Default for CheckpointOptions {
    /// Flink's defaults.
    fn default() -> Self {
        Self { interval_ms: None, timeout_ms: 600_000, min_pause_ms: 0, tolerable_failures: 0, retained: 1 }
    }
}

/// The tasks of an attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tasks {
    /// Those that read a source, and so are told of a checkpoint.
    pub sources: BTreeSet<TaskId>,
    /// All, sources included.
    pub all: BTreeSet<TaskId>,
}

/// What somebody wants of a running job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// A savepoint; the job goes on.
    Savepoint,
    /// A savepoint, after which the job is over.
    Stop,
    /// The end of all inputs, and a savepoint of what is left then.
    Drain,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The time of [`Coordinator::deadline_ms`] has come.
    Deadline,
    /// A person asks.
    Request(Request),
    /// A task of this attempt, or of an earlier one, has said something, to this coordinator or to one that led the attempt before.
    Task {
        /// Whose task it is.
        attempt: AttemptId,
        /// The task.
        task: TaskId,
        /// What it said.
        message: TaskMessage,
    },
    /// A task has failed, or nothing has been heard of it for too long.
    TaskLost(TaskId),
    /// The answer to the last [`Action::Put`] or [`Action::Inspect`].
    Store(StoreReply),
    /// All sinks have committed what [`Action::Commit`] named.
    Committed,
    /// A sink cannot commit.
    CommitFailed,
    /// All of an [`Action::Delete`] is gone. If this does not come, it is tried again with the next one.
    Deleted(Garbage),
}

/// What the shell is to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A checkpoint begins: tell these source tasks, if there are any left, to send the barrier.
    Trigger {
        /// The checkpoint.
        epoch: Epoch,
        /// Whether somebody has asked for it. To the tasks it is like any other; when it is completed, it is copied.
        is_savepoint: bool,
        /// What sources do then.
        mode: SourceMode,
        /// The sources that have not finished.
        sources: Vec<TaskId>,
    },
    /// Create the manifest with `PutMode::Create`, and answer with [`Event::Store`].
    Put(Box<Manifest>),
    /// Look what stands at this number, and *after that* for the greatest number of the log; answer with [`Event::Store`].
    Inspect(ManifestNumber),
    /// Have the sinks commit these, idempotently by epoch; answer with [`Event::Committed`] or [`Event::CommitFailed`].
    Commit {
        /// The epoch of the manifest.
        epoch: Epoch,
        /// What it names.
        committables: Committables,
    },
    /// Tell all tasks that the checkpoint is completed.
    Completed(Epoch),
    /// Tell all tasks that the checkpoint has been given up.
    Aborted(Epoch, AbortReason),
    /// Delete these: the manifests first and, when they are gone, the files; then say so with [`Event::Deleted`].
    Delete(Garbage),
    /// The attempt is over: stop its tasks. Nothing follows.
    End(Result<Outcome, Failure>),
}

/// What a source does when it is told of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceMode {
    /// It sends the barrier and reads on.
    ReadOn,
    /// It sends the barrier and waits. It reads on when the checkpoint is given up, or a later one is triggered.
    Wait,
    /// It sends no barrier; its input ends here.
    End,
}

/// How a job has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All inputs have ended, or were drained.
    Finished,
    /// By a savepoint, from which it can be started again.
    Stopped,
}

/// The coordinator of one attempt.
///
/// ```
/// use std::collections::BTreeSet;
/// use dipper_checkpoint::*;
/// use dipper_types::Epoch;
///
/// let task = TaskId { task: 0, subtask: 0 };
/// let tasks = Tasks { sources: BTreeSet::from([task]), all: BTreeSet::from([task]) };
/// let options = CheckpointOptions { interval_ms: Some(1000), ..CheckpointOptions::default() };
/// # let number = ManifestNumber(1);
/// # let attempt = AttemptId { opening: number, nonce: 7 };
/// # let (kind, tasks_none, committables) = (ManifestKind::Opening, Default::default(), Default::default());
/// # let opening = Manifest { number, attempt, leader: 7, epoch: Epoch(0), kind, tasks: tasks_none, committables };
/// # let start = Start { opening, log: vec![] };
/// let mut coordinator = Coordinator::new(options, tasks, start, 0);
///
/// assert_eq!(coordinator.deadline_ms(), Some(1000));
/// let actions = coordinator.on_event(Event::Deadline, 1000);
/// assert!(matches!(actions[..], [Action::Trigger { epoch: Epoch(1), .. }]));
/// let message = TaskMessage::Acknowledged { epoch: Epoch(1), snapshot: Snapshot::default(), staged: vec![] };
/// let actions = coordinator.on_event(Event::Task { attempt, task, message }, 1200);
/// assert!(matches!(&actions[..], [Action::Put(manifest)] if manifest.number == ManifestNumber(2)));
/// // Even a put that succeeded is inspected: the log may have gone on without this attempt.
/// let actions = coordinator.on_event(Event::Store(StoreReply::Put), 1250);
/// assert_eq!(actions, [Action::Inspect(ManifestNumber(2))]);
/// let durable = StoreReply::Inspected { found: Found::Own, head: ManifestNumber(2) };
/// let actions = coordinator.on_event(Event::Store(durable), 1260);
/// assert!(matches!(actions[..], [Action::Commit { epoch: Epoch(1), .. }]));
/// ```
#[derive(Debug, Clone)]
pub struct Coordinator {
    options: CheckpointOptions,
    tasks: Tasks,
    attempt: AttemptId,
    leader: u64,
    phase: Phase,
    /// The last manifest, and the epoch up to which committables are in manifests.
    head: ManifestNumber,
    covered: Epoch,
    /// The last epoch triggered.
    epoch: Epoch,
    finished: BTreeMap<TaskId, FinishedTask>,
    requests: VecDeque<Request>,
    /// Sources have been told to end: every checkpoint from now on is the attempt at a final one.
    is_draining: bool,
    failures: u32,
    next_trigger_ms: Option<u64>,
    retention: Retention,
}

#[derive(Debug, Clone)]
enum Phase {
    Idle,
    Collecting(Collecting),
    Writing { write: ManifestWrite, stops: bool, deadline_ms: u64 },
    Committing { manifest: Box<Manifest>, stops: bool, deadline_ms: u64 },
    Over,
}

/// A checkpoint whose barriers are under way.
#[derive(Debug, Clone)]
struct Collecting {
    epoch: Epoch,
    is_savepoint: bool,
    /// The job is over when it is completed.
    stops: bool,
    deadline_ms: u64,
    delivered: BTreeMap<TaskId, Delivery>,
}

#[derive(Debug, Clone)]
struct Delivery {
    snapshot: Snapshot,
    staged: Vec<Staged>,
}

#[derive(Debug, Clone)]
struct FinishedTask {
    passed: Epoch,
    delivery: Delivery,
}

impl Coordinator {
    /// The coordinator of the attempt that recovery has started.
    pub fn new(options: CheckpointOptions, tasks: Tasks, start: Start, now_ms: u64) -> Self {
        let Start { opening, log } = start;
        Self {
            options,
            tasks,
            attempt: opening.attempt,
            leader: opening.leader,
            phase: Phase::Idle,
            head: opening.number,
            covered: opening.epoch,
            epoch: opening.epoch,
            finished: BTreeMap::new(),
            requests: VecDeque::new(),
            is_draining: false,
            failures: 0,
            next_trigger_ms: options.interval_ms.map(|interval| now_ms + interval),
            retention: Retention::new(options.retained, log.iter().chain([&opening])),
        }
    }

    /// The coordinator that goes on with a running attempt, and what it says first: what is completed, and that nothing
    /// more comes of the other checkpoints up to `passed`, the greatest epoch that a task was told of by those
    /// who led before. What was staged for these goes out with the next. What somebody has asked them for must be asked again.
    pub fn adopt(
        options: CheckpointOptions,
        tasks: Tasks,
        start: Start,
        passed: Epoch,
        now_ms: u64,
    ) -> (Self, Vec<Action>) {
        let mut coordinator = Self::new(options, tasks, start, now_ms);
        let passed = passed.max(coordinator.covered);
        coordinator.epoch = passed;
        // Even if all are completed: a source may be waiting behind the last barrier.
        let actions = vec![Action::Completed(coordinator.covered), Action::Aborted(passed, AbortReason::Adopted)];
        (coordinator, actions)
    }

    /// When [`Event::Deadline`] is to be handed in, unless something else happens before.
    pub fn deadline_ms(&self) -> Option<u64> {
        match &self.phase {
            Phase::Idle => self.next_trigger_ms,
            Phase::Collecting(Collecting { deadline_ms, .. })
            | Phase::Writing { deadline_ms, .. }
            | Phase::Committing { deadline_ms, .. } => Some(*deadline_ms),
            Phase::Over => None,
        }
    }

    /// Takes note of what has happened and says what is to be done.
    pub fn on_event(&mut self, event: Event, now_ms: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            _ if matches!(self.phase, Phase::Over) => {}
            Event::Deadline => self.on_deadline(now_ms, &mut actions),
            Event::Request(request) => self.requests.push_back(request),
            Event::Task { attempt, task, message } if attempt == self.attempt && self.tasks.all.contains(&task) => {
                self.on_message(task, message, now_ms, &mut actions);
            }
            // A zombie's.
            Event::Task { .. } => {}
            // What is durable stays so, whatever the phase; recovery goes on from there.
            Event::TaskLost(task) => self.end(Err(Failure::TaskLost(task)), &mut actions),
            Event::Store(reply) => self.on_store(reply, now_ms, &mut actions),
            Event::Committed => self.on_committed(now_ms, &mut actions),
            Event::Deleted(garbage) => self.retention.on_deleted(&garbage),
            Event::CommitFailed => self.on_commit_failed(&mut actions),
        }
        self.begin_if_due(now_ms, &mut actions);
        self.write_if_complete(now_ms, &mut actions);
        actions
    }

    fn on_deadline(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        if self.deadline_ms().is_none_or(|deadline| now_ms < deadline) {
            return;
        }
        match self.phase {
            Phase::Collecting(_) => self.abort(AbortReason::Timeout, now_ms, actions),
            // The manifest may already be durable, or become so: aborting could contradict it.
            Phase::Writing { .. } => self.end(Err(Failure::ManifestInDoubt), actions),
            Phase::Committing { .. } => self.end(Err(Failure::CommitFailed), actions),
            Phase::Idle | Phase::Over => {}
        }
    }

    fn begin_if_due(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        if !matches!(self.phase, Phase::Idle) {
            return;
        }
        if let Some(request) = self.requests.pop_front() {
            self.is_draining |= request == Request::Drain;
            self.begin(true, request == Request::Stop, now_ms, actions);
        } else if self.all_finished() || self.next_trigger_ms.is_some_and(|due| due <= now_ms) {
            self.begin(self.is_draining, false, now_ms, actions);
        }
    }

    fn begin(&mut self, is_savepoint: bool, stops: bool, now_ms: u64, actions: &mut Vec<Action>) {
        self.epoch = Epoch(self.epoch.0 + 1);
        self.next_trigger_ms = self.options.interval_ms.map(|interval| now_ms + interval);
        let mode = match (self.is_draining, stops) {
            (true, _) => SourceMode::End,
            (false, true) => SourceMode::Wait,
            (false, false) => SourceMode::ReadOn,
        };
        let running = self.tasks.sources.iter().filter(|source| !self.finished.contains_key(source));
        let sources: Vec<TaskId> = running.copied().collect();
        actions.push(Action::Trigger { epoch: self.epoch, is_savepoint, mode, sources });
        self.phase = Phase::Collecting(Collecting {
            epoch: self.epoch,
            is_savepoint,
            stops,
            deadline_ms: now_ms + self.options.timeout_ms,
            delivered: BTreeMap::new(),
        });
    }

    fn on_message(&mut self, task: TaskId, message: TaskMessage, now_ms: u64, actions: &mut Vec<Action>) {
        match message {
            TaskMessage::Acknowledged { epoch, snapshot, staged } => {
                self.on_acknowledged(task, epoch, Delivery { snapshot, staged }, now_ms, actions);
            }
            TaskMessage::Declined { epoch } => {
                if matches!(&self.phase, Phase::Collecting(collecting) if collecting.epoch == epoch) {
                    self.abort(AbortReason::Declined(task), now_ms, actions);
                }
            }
            TaskMessage::Finished { passed, snapshot, staged } => {
                let delivery = Delivery { snapshot, staged };
                self.finished.entry(task).or_insert(FinishedTask { passed, delivery });
            }
        }
    }

    fn on_acknowledged(
        &mut self,
        task: TaskId,
        epoch: Epoch,
        delivery: Delivery,
        now_ms: u64,
        actions: &mut Vec<Action>,
    ) {
        let may_name = |file| self.is_new(file, epoch) || self.retention.names(file);
        let is_stale = !delivery.snapshot.files.iter().all(may_name);
        match &mut self.phase {
            Phase::Collecting(collecting) if collecting.epoch == epoch => {
                // A doubled message says the same.
                collecting.delivered.insert(task, delivery);
                if is_stale {
                    self.abort(AbortReason::StaleFile(task), now_ms, actions);
                }
            }
            Phase::Writing { write, .. } if write.manifest.epoch == epoch => {}
            // Given up meanwhile. Lower epochs are not looked at: it may be the double of an acknowledgement that counted.
            _ if epoch > self.covered => self.discard(epoch, delivery.snapshot.files, actions),
            _ => {}
        }
    }

    /// Deletes the files that tasks have uploaded for a checkpoint that has been given up: only those written for it, and
    /// not those of finished tasks, which the next manifest will name.
    fn discard(&self, epoch: Epoch, files: impl IntoIterator<Item = SnapshotFile>, actions: &mut Vec<Action>) {
        let is_final =
            |file: &SnapshotFile| self.finished.values().any(|task| task.delivery.snapshot.files.contains(file));
        let files = files.into_iter().filter(|file| self.is_new(file, epoch) && !is_final(file));
        let garbage = Garbage { manifests: Vec::new(), files: files.collect() };
        if !garbage.is_empty() {
            actions.push(Action::Delete(garbage));
        }
    }

    fn is_new(&self, file: &SnapshotFile, epoch: Epoch) -> bool {
        file.attempt == self.attempt.opening && file.epoch == epoch
    }

    fn abort(&mut self, reason: AbortReason, now_ms: u64, actions: &mut Vec<Action>) {
        let (epoch, is_savepoint, files) = match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Collecting(Collecting { epoch, is_savepoint, delivered, .. }) => {
                let files = delivered.into_values().flat_map(|delivery| delivery.snapshot.files);
                (epoch, is_savepoint, files.collect::<Vec<_>>())
            }
            Phase::Writing { write, .. } => {
                let manifest = write.manifest;
                (manifest.epoch, manifest.kind == ManifestKind::Savepoint, manifest.files().cloned().collect())
            }
            other => {
                self.phase = other;
                return;
            }
        };
        actions.push(Action::Aborted(epoch, reason));
        self.discard(epoch, files, actions);
        // Without a barrier under way, the checkpoint has only been waiting for tasks to finish.
        let counts = !is_savepoint && (reason != AbortReason::Timeout || self.has_barrier(epoch));
        if counts {
            self.failures += 1;
            if self.failures > self.options.tolerable_failures {
                self.end(Err(Failure::TooManyFailedCheckpoints(reason)), actions);
                return;
            }
        }
        self.pause(now_ms);
    }

    /// Whether a source may have sent the barrier of this epoch.
    fn has_barrier(&self, epoch: Epoch) -> bool {
        let ended_before = |source| self.finished.get(source).is_some_and(|finished| finished.passed < epoch);
        !self.tasks.sources.iter().all(ended_before)
    }

    /// Puts the next trigger off until the minimum pause is over.
    fn pause(&mut self, now_ms: u64) {
        let earliest = now_ms + self.options.min_pause_ms;
        // A drain that has failed is tried again even without an interval.
        let due = self.next_trigger_ms.or(self.is_draining.then_some(earliest));
        self.next_trigger_ms = due.map(|due| due.max(earliest));
    }

    fn all_finished(&self) -> bool {
        self.finished.len() == self.tasks.all.len()
    }

    fn write_if_complete(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        let Phase::Collecting(collecting) = &self.phase else { return };
        let delivered = |task: &TaskId| {
            let finished = self.finished.get(task).filter(|finished| finished.passed < collecting.epoch);
            finished.map(|finished| &finished.delivery).or_else(|| collecting.delivered.get(task))
        };
        let Some(deliveries) = self.tasks.all.iter().map(|task| Some((*task, delivered(task)?))).collect() else {
            return;
        };
        let manifest = self.manifest(collecting, deliveries);
        actions.push(Action::Put(Box::new(manifest.clone())));
        let stops = collecting.stops;
        let deadline_ms = now_ms + self.options.timeout_ms;
        self.phase = Phase::Writing { write: ManifestWrite::new(manifest), stops, deadline_ms };
    }

    fn manifest(&self, collecting: &Collecting, deliveries: BTreeMap<TaskId, &Delivery>) -> Manifest {
        let mut committables = Committables::new();
        for (task, delivery) in &deliveries {
            let uncovered = delivery.staged.iter().filter(|staged| staged.epoch > self.covered);
            let uncovered: Vec<Vec<u8>> = uncovered.map(|staged| staged.committable.clone()).collect();
            if !uncovered.is_empty() {
                committables.insert(*task, uncovered);
            }
        }
        Manifest {
            number: self.head.next(),
            attempt: self.attempt,
            leader: self.leader,
            epoch: collecting.epoch,
            kind: if collecting.is_savepoint { ManifestKind::Savepoint } else { ManifestKind::Checkpoint },
            tasks: deliveries.into_iter().map(|(task, delivery)| (task, delivery.snapshot.clone())).collect(),
            committables,
        }
    }

    fn on_store(&mut self, reply: StoreReply, now_ms: u64, actions: &mut Vec<Action>) {
        let Phase::Writing { write, stops, .. } = &mut self.phase else { return };
        match write.on_reply(reply) {
            WriteStep::Put => actions.push(Action::Put(write.manifest.clone())),
            WriteStep::Inspect => actions.push(Action::Inspect(write.manifest.number)),
            WriteStep::Fenced => self.end(Err(Failure::Fenced), actions),
            WriteStep::Refused => self.abort(AbortReason::ManifestRefused, now_ms, actions),
            WriteStep::Durable => {
                let (manifest, stops) = (write.manifest.clone(), *stops);
                self.head = manifest.number;
                self.covered = manifest.epoch;
                actions.push(Action::Commit { epoch: manifest.epoch, committables: manifest.committables.clone() });
                let deadline_ms = now_ms + self.options.timeout_ms;
                self.phase = Phase::Committing { manifest, stops, deadline_ms };
            }
        }
    }

    fn on_committed(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        let Phase::Committing { manifest, stops, .. } = &self.phase else { return };
        let (manifest, stops) = (manifest.clone(), *stops);
        self.phase = Phase::Idle;
        self.failures = 0;
        actions.push(Action::Completed(manifest.epoch));
        let garbage = self.retention.on_completed(&manifest);
        if !garbage.is_empty() {
            actions.push(Action::Delete(garbage));
        }
        if manifest.is_final() {
            self.end(Ok(Outcome::Finished), actions);
        } else if stops {
            self.end(Ok(Outcome::Stopped), actions);
        } else {
            self.pause(now_ms);
        }
    }

    fn on_commit_failed(&mut self, actions: &mut Vec<Action>) {
        if matches!(self.phase, Phase::Committing { .. }) {
            self.end(Err(Failure::CommitFailed), actions);
        }
    }

    fn end(&mut self, outcome: Result<Outcome, Failure>, actions: &mut Vec<Action>) {
        self.phase = Phase::Over;
        actions.push(Action::End(outcome));
    }
}

#[cfg(test)]
mod tests;
