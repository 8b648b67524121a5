//! One task of a simulated job: what it works on, what it has handed over at barriers, and what it has stored of that.

use std::collections::{BTreeMap, VecDeque};

use dipper_checkpoint::{
    AttemptId, BarrierAligner, Snapshot, SnapshotFile, SourceMode, TaskCheckpoints, TaskId, TaskMessage,
};
use dipper_types::Epoch;

use crate::Bug;
use crate::store::Call;
use crate::workload::{KeyState, Row, State, encode_offsets, name};

/// A key's state is stored anew after so many checkpoints, changed or not.
const MERGED_EVERY: u64 = 2;

/// What the coordinator says to a task.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Notice {
    Trigger { epoch: Epoch, mode: SourceMode },
    Completed(Epoch),
    Aborted(Epoch),
}

impl Notice {
    pub(crate) fn epoch(self) -> Epoch {
        match self {
            Self::Trigger { epoch, .. } | Self::Completed(epoch) | Self::Aborted(epoch) => epoch,
        }
    }
}

/// What a step of the job leads to.
#[derive(Default)]
pub(crate) struct Effects {
    pub(crate) calls: Vec<Call>,
    pub(crate) messages: Vec<(TaskId, TaskMessage)>,
    pub(crate) lost: Option<TaskId>,
}

pub(crate) struct Task {
    pub(crate) id: TaskId,
    attempt: AttemptId,
    /// By index of pipe; the aligner counts in this order.
    pub(crate) inputs: Vec<usize>,
    pub(crate) outputs: Vec<usize>,
    pub(crate) aligner: BarrierAligner,
    pub(crate) checkpoints: TaskCheckpoints,
    pub(crate) work: Work,
    /// Under way from whoever leads it: in order, complete, and none before its step.
    pub(crate) notices: VecDeque<(u64, Notice)>,
    /// What has been handed over and not been acknowledged, in the order of epochs.
    uploads: VecDeque<Upload>,
    /// The files of snapshots that may be completed, by epoch.
    taken: BTreeMap<Epoch, BTreeMap<u8, (SnapshotFile, KeyState)>>,
    /// Those of the last completed one: what has not changed since is referred to.
    pub(crate) base: BTreeMap<u8, (SnapshotFile, KeyState)>,
    pub(crate) ended: bool,
    bug: Option<Bug>,
}

pub(crate) enum Work {
    Source { offsets: BTreeMap<usize, usize>, is_waiting: bool },
    Keyed { state: State, is_flushed: bool },
    Sink(Vec<Row>),
}

struct Upload {
    epoch: Epoch,
    /// The state at the barrier, until it is being stored.
    captured: Option<State>,
    /// How many parts are on their way into the store.
    pending: usize,
    has_failed: bool,
    snapshot: Snapshot,
    /// The task's last, with the names of what it staged.
    at_end: Option<Vec<Vec<u8>>>,
}

impl Task {
    pub(crate) fn new(id: TaskId, attempt: AttemptId, restored: Epoch, work: Work, bug: Option<Bug>) -> Self {
        Self {
            id,
            attempt,
            inputs: Vec::new(),
            outputs: Vec::new(),
            aligner: BarrierAligner::new(0),
            checkpoints: TaskCheckpoints::new(restored),
            work,
            notices: VecDeque::new(),
            uploads: VecDeque::new(),
            taken: BTreeMap::new(),
            base: BTreeMap::new(),
            ended: false,
            bug,
        }
    }

    /// A barrier has been aligned.
    pub(crate) fn on_barrier(&mut self, epoch: Epoch, effects: &mut Effects) {
        let (upload, staged) = self.hand_over(epoch, effects);
        self.checkpoints.on_barrier(epoch, staged);
        self.uploads.push_back(upload);
        self.acknowledge(effects);
    }

    /// The task has flushed.
    pub(crate) fn on_end(&mut self, effects: &mut Effects) {
        self.ended = true;
        let (mut upload, staged) = self.hand_over(Epoch(self.checkpoints.passed().0 + 1), effects);
        upload.at_end = Some(staged);
        self.uploads.push_back(upload);
        self.acknowledge(effects);
    }

    pub(crate) fn on_completed(&mut self, epoch: Epoch, effects: &mut Effects) {
        if let Some(files) = self.taken.remove(&epoch) {
            self.base = files;
        }
        self.taken.retain(|&taken, _| taken > epoch);
        let report = self.checkpoints.on_completed(epoch);
        self.say(report, effects);
        self.acknowledge(effects);
    }

    pub(crate) fn on_aborted(&mut self, epoch: Epoch, effects: &mut Effects) {
        self.aligner.on_abort(epoch);
        if let Work::Source { is_waiting, .. } = &mut self.work
            && epoch >= self.checkpoints.passed()
        {
            *is_waiting = false;
        }
        let report = self.checkpoints.on_aborted(epoch);
        self.say(report, effects);
        self.acknowledge(effects);
    }

    /// A part of a snapshot is durable, or `has_failed`.
    pub(crate) fn on_stored(&mut self, epoch: Epoch, has_failed: bool, effects: &mut Effects) {
        if let Some(upload) = self.uploads.iter_mut().find(|upload| upload.epoch == epoch) {
            upload.pending -= 1;
            upload.has_failed |= has_failed;
        }
        self.acknowledge(effects);
    }

    pub(crate) fn say(&self, message: impl IntoIterator<Item = TaskMessage>, effects: &mut Effects) {
        effects.messages.extend(message.into_iter().map(|message| (self.id, message)));
    }

    /// Captures the state. What a sink has to stage goes on its way into the store; the names of that are returned as well.
    fn hand_over(&mut self, epoch: Epoch, effects: &mut Effects) -> (Upload, Vec<Vec<u8>>) {
        let (mut captured, mut snapshot) = (State::new(), Snapshot::default());
        let (mut staged, mut pending) = (Vec::new(), 0);
        match &mut self.work {
            Work::Source { offsets, .. } => snapshot.inline = encode_offsets(offsets),
            Work::Keyed { state, .. } => captured = state.clone(),
            Work::Sink(rows) if !rows.is_empty() => {
                let attempt = self.attempt.opening;
                let name = name(attempt.0, epoch.0, self.id, "staged");
                staged.push(name.clone().into_bytes());
                pending += 1;
                effects.calls.push(Call::Stage { task: self.id, attempt, epoch, name, rows: std::mem::take(rows) });
            }
            Work::Sink(_) => {}
        }
        (Upload { epoch, captured: Some(captured), pending, has_failed: false, snapshot, at_end: None }, staged)
    }

    /// Stores what may be stored, and says what is durable, in the order of epochs: what a later snapshot says includes
    /// what an earlier one staged.
    fn acknowledge(&mut self, effects: &mut Effects) {
        for upload in &mut self.uploads {
            // The last refers to no file that it has not written itself.
            let is_free = upload.at_end.is_some() || self.bug == Some(Bug::StoresUnsettled);
            let may_store = is_free || self.checkpoints.may_store(upload.epoch);
            let Some(captured) = upload.captured.take_if(|_| may_store) else { continue };
            let base = if upload.at_end.is_some() { &BTreeMap::new() } else { &self.base };
            let files = upload.store(captured, base, (self.id, self.attempt), effects);
            self.taken.insert(upload.epoch, files);
        }
        while self.uploads.front().is_some_and(|upload| upload.captured.is_none() && upload.pending == 0) {
            let Some(Upload { epoch, has_failed, snapshot, at_end, .. }) = self.uploads.pop_front() else { return };
            let mut message = match at_end {
                Some(_) if has_failed => {
                    effects.lost = Some(self.id);
                    return;
                }
                Some(staged) => self.checkpoints.on_end(snapshot, staged),
                None if has_failed => TaskMessage::Declined { epoch },
                None => self.checkpoints.on_durable(epoch, snapshot),
            };
            plant(self.bug, &mut message);
            self.say([message], effects);
        }
    }
}

impl Upload {
    /// What is not in the base goes on its way into the store, and from time to time what is: where state is stored in runs, merges have that effect.
    fn store(
        &mut self,
        captured: State,
        base: &BTreeMap<u8, (SnapshotFile, KeyState)>,
        (task, attempt): (TaskId, AttemptId),
        effects: &mut Effects,
    ) -> BTreeMap<u8, (SnapshotFile, KeyState)> {
        let (epoch, attempt) = (self.epoch, attempt.opening);
        let mut files = BTreeMap::new();
        for (key, state) in captured {
            let is_merged = (u64::from(key) + epoch.0).is_multiple_of(MERGED_EVERY);
            let unchanged = base.get(&key).filter(|(_, base)| !is_merged && *base == state);
            let unchanged = unchanged.map(|(file, _)| file.clone());
            let file = unchanged.unwrap_or_else(|| {
                let file = SnapshotFile { path: name(attempt.0, epoch.0, task, key), attempt, epoch };
                effects.calls.push(Call::Upload { task, epoch, key, file: file.clone(), state: state.clone() });
                self.pending += 1;
                file
            });
            self.snapshot.files.insert(file.clone());
            files.insert(key, (file, state));
        }
        files
    }
}

/// Bugs in what a task says.
fn plant(bug: Option<Bug>, message: &mut TaskMessage) {
    match (bug, message) {
        (Some(Bug::ForgetsAborted), TaskMessage::Acknowledged { epoch, staged, .. }) => {
            staged.retain(|staged| staged.epoch == *epoch);
        }
        (Some(Bug::ReportOvertakes), TaskMessage::Finished { passed, .. }) => *passed = Epoch(0),
        _ => {}
    }
}
