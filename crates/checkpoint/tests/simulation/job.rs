//! The tasks of one attempt: sources with offsets, a keyed exchange, stateful tasks, a transactional sink.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dipper_checkpoint::{
    AttemptId, BarrierAligner, Channel, Manifest, Mark, Observation, Snapshot, SnapshotFile, SourceMode,
    TaskCheckpoints, TaskId, TaskMessage, Tasks, Violation,
};
use dipper_types::{Epoch, KeyGroup};

use crate::Bug;
use crate::chance::Chance;
use crate::process::Message;
use crate::store::{Call, Store};
use crate::workload::{
    Cut, KEYED, KEYS, KeyState, Row, SOURCE, State, Workload, apply, decode_offsets, encode_offsets, name, totals,
};

/// A sender waits while its channel holds this many elements.
const CHANNEL_ELEMENTS: usize = 4;

/// What the coordinator says to a task.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Notice {
    Trigger { epoch: Epoch, mode: SourceMode },
    Completed(Epoch),
    Aborted(Epoch),
}

/// What a step of the job leads to.
#[derive(Default)]
pub(crate) struct Effects {
    pub(crate) calls: Vec<Call>,
    pub(crate) messages: Vec<Message>,
    pub(crate) lost: Option<TaskId>,
}

#[derive(Debug, Clone, Copy)]
enum Element {
    Row(Row),
    Barrier { epoch: Epoch },
    End,
}

struct Pipe {
    from: usize,
    to: usize,
    queue: VecDeque<Element>,
    sent: u64,
    taken: u64,
}

struct Task {
    id: TaskId,
    /// By index of pipe; the aligner counts in this order.
    inputs: Vec<usize>,
    outputs: Vec<usize>,
    aligner: BarrierAligner,
    checkpoints: TaskCheckpoints,
    work: Work,
    /// Snapshots on their way into the store, in the order of epochs.
    uploads: VecDeque<Upload>,
    /// The files of snapshots that may be completed, by epoch.
    taken: BTreeMap<Epoch, BTreeMap<u8, (SnapshotFile, KeyState)>>,
    /// Those of the last completed one: what has not changed since is referred to.
    base: BTreeMap<u8, (SnapshotFile, KeyState)>,
    ended: bool,
}

enum Work {
    Source { offsets: BTreeMap<usize, usize>, is_waiting: bool },
    Keyed { state: State, is_flushed: bool },
    Sink(Vec<Row>),
}

struct Upload {
    epoch: Epoch,
    pending: usize,
    has_failed: bool,
    snapshot: Snapshot,
    /// The task's last, with the names of what it staged.
    at_end: Option<Vec<Vec<u8>>>,
}

/// The tasks of one attempt and the channels between them.
pub(crate) struct Job {
    attempt: AttemptId,
    tasks: Vec<Task>,
    pipes: Vec<Pipe>,
    bug: Option<Bug>,
}

impl Job {
    /// Tasks at these parallelisms, restored from an opening; `None` if a file of it is gone.
    pub(crate) fn restore(
        opening: &Manifest,
        parallelism: [usize; 3],
        (workload, store, bug): (&Workload, &Store, Option<Bug>),
    ) -> Option<Self> {
        let (attempt, epoch) = (opening.attempt, opening.epoch);
        let mut offsets: BTreeMap<usize, usize> = (0..workload.splits()).map(|split| (split, 0)).collect();
        let mut base = BTreeMap::new();
        for snapshot in opening.tasks.values() {
            offsets.extend(decode_offsets(&snapshot.inline));
            for file in &snapshot.files {
                let (key, state) = store.files.get(file)?.clone();
                base.insert(key, (file.clone(), state));
            }
        }
        let is_flushed = Cut::of(opening).is_flushed;
        let mut job = Self { attempt, tasks: Vec::new(), pipes: Vec::new(), bug };
        for (task, &parallelism) in parallelism.iter().enumerate() {
            for subtask in 0..parallelism {
                let mut base = base.clone();
                base.retain(|&key, _| task == KEYED && owner(key, parallelism) == subtask);
                let mut offsets = offsets.clone();
                offsets.retain(|split, _| split % parallelism == subtask);
                let work = match task {
                    SOURCE => Work::Source { offsets, is_waiting: false },
                    KEYED => {
                        let state = base.iter().map(|(&key, (_, state))| (key, state.clone())).collect();
                        Work::Keyed { state, is_flushed }
                    }
                    _ => Work::Sink(Vec::new()),
                };
                job.tasks.push(Task { base, ..Task::new(TaskId { task, subtask }, epoch, work) });
            }
        }
        job.connect();
        Some(job)
    }

    fn connect(&mut self) {
        for from in 0..self.tasks.len() {
            for to in 0..self.tasks.len() {
                if self.tasks[to].id.task == self.tasks[from].id.task + 1 {
                    self.tasks[from].outputs.push(self.pipes.len());
                    self.tasks[to].inputs.push(self.pipes.len());
                    self.pipes.push(Pipe { from, to, queue: VecDeque::new(), sent: 0, taken: 0 });
                }
            }
        }
        for task in &mut self.tasks {
            task.aligner = BarrierAligner::new(task.inputs.len());
        }
    }

    /// The tasks' names.
    pub(crate) fn tasks(&self) -> Tasks {
        let all: BTreeSet<TaskId> = self.tasks.iter().map(|task| task.id).collect();
        Tasks { sources: all.iter().filter(|id| id.task == SOURCE).copied().collect(), all }
    }

    /// A random task does what it can do next, if it can do anything.
    pub(crate) fn step(
        &mut self,
        chance: &mut Chance,
        workload: &Workload,
        store: &mut Store,
    ) -> Result<Effects, Violation> {
        let mut effects = Effects::default();
        let index = chance.below(self.tasks.len());
        let task = &self.tasks[index];
        if task.ended || task.outputs.iter().any(|&pipe| self.pipes[pipe].queue.len() >= CHANNEL_ELEMENTS) {
            return Ok(effects);
        }
        if let Work::Source { is_waiting, .. } = &task.work {
            if !is_waiting {
                self.read(index, chance, workload, store, &mut effects)?;
            }
            return Ok(effects);
        }
        let is_ready =
            |&input: &usize| task.aligner.may_read(input) && !self.pipes[task.inputs[input]].queue.is_empty();
        let ready: Vec<usize> = (0..task.inputs.len()).filter(is_ready).collect();
        if !ready.is_empty() {
            let input = ready[chance.below(ready.len())];
            self.take(index, input, store, &mut effects)?;
        }
        Ok(effects)
    }

    /// A source reads a row of one of its splits, or ends.
    fn read(
        &mut self,
        index: usize,
        chance: &mut Chance,
        workload: &Workload,
        store: &mut Store,
        effects: &mut Effects,
    ) -> Result<(), Violation> {
        let Work::Source { offsets, .. } = &mut self.tasks[index].work else { return Ok(()) };
        let mut unread: Vec<(&usize, &mut usize)> =
            offsets.iter_mut().filter(|(split, offset)| workload.read(**split, **offset).is_some()).collect();
        if unread.is_empty() {
            return self.end(index, store, effects);
        }
        let (split, offset) = unread.swap_remove(chance.below(unread.len()));
        let row = workload.read(*split, *offset);
        *offset += 1;
        self.send(index, row);
        Ok(())
    }

    /// A task takes an element off one of its inputs.
    fn take(&mut self, index: usize, input: usize, store: &mut Store, effects: &mut Effects) -> Result<(), Violation> {
        let task = &mut self.tasks[index];
        let pipe = &mut self.pipes[task.inputs[input]];
        let Some(element) = pipe.queue.pop_front() else { return Ok(()) };
        let from = pipe.from;
        let aligned = match element {
            Element::Row(row) => {
                pipe.taken += 1;
                let out = match &mut task.work {
                    Work::Keyed { state, .. } => Some(apply(state, row)),
                    Work::Sink(rows) => {
                        rows.push(row);
                        None
                    }
                    Work::Source { .. } => None,
                };
                self.send(index, out);
                return Ok(());
            }
            Element::Barrier { epoch } => {
                let rows = pipe.taken;
                let aligned = task.aligner.on_barrier(input, epoch);
                self.observe(store, from, index, Mark::Barrier(epoch), rows, false)?;
                aligned
            }
            Element::End => {
                let rows = pipe.taken;
                let aligned = task.aligner.on_end(input);
                self.observe(store, from, index, Mark::End, rows, false)?;
                aligned
            }
        };
        if let Some(epoch) = aligned {
            self.pass_barrier(index, epoch, store, effects)?;
        }
        if self.tasks[index].aligner.has_ended() {
            self.end(index, store, effects)?;
        }
        Ok(())
    }

    /// A task hears from the coordinator.
    pub(crate) fn on_notice(&mut self, id: TaskId, notice: Notice, store: &mut Store) -> Result<Effects, Violation> {
        let mut effects = Effects::default();
        let Some(index) = self.tasks.iter().position(|task| task.id == id) else { return Ok(effects) };
        let task = &mut self.tasks[index];
        let answer = match notice {
            Notice::Trigger { epoch, mode } if !task.ended && epoch > task.checkpoints.passed() => {
                if let Work::Source { is_waiting, .. } = &mut task.work {
                    *is_waiting = mode == SourceMode::Wait;
                }
                if mode == SourceMode::End {
                    self.end(index, store, &mut effects)?;
                } else {
                    self.pass_barrier(index, epoch, store, &mut effects)?;
                }
                None
            }
            Notice::Trigger { .. } => task.checkpoints.on_aborted(),
            Notice::Completed(epoch) => {
                if let Some(files) = task.taken.remove(&epoch) {
                    task.base = files;
                }
                task.taken.retain(|&taken, _| taken > epoch);
                task.checkpoints.on_completed(epoch)
            }
            Notice::Aborted(epoch) => {
                task.aligner.on_abort(epoch);
                if let Work::Source { is_waiting, .. } = &mut task.work
                    && epoch >= task.checkpoints.passed()
                {
                    *is_waiting = false;
                }
                task.checkpoints.on_aborted()
            }
        };
        effects.messages.extend(answer.map(|answer| Message::ToCoordinator(self.attempt, id, answer)));
        Ok(effects)
    }

    /// The task snapshots and sends the barrier on.
    fn pass_barrier(
        &mut self,
        index: usize,
        epoch: Epoch,
        store: &mut Store,
        effects: &mut Effects,
    ) -> Result<(), Violation> {
        let attempt = self.attempt;
        let task = &mut self.tasks[index];
        let (upload, staged) = task.snapshot(attempt, epoch, effects);
        task.checkpoints.on_barrier(epoch, staged);
        task.uploads.push_back(upload);
        self.mark(index, Element::Barrier { epoch }, Mark::Barrier(epoch), store)?;
        self.acknowledge(index, effects);
        Ok(())
    }

    /// The task's inputs have ended: it flushes, and its last snapshot is on its way.
    fn end(&mut self, index: usize, store: &mut Store, effects: &mut Effects) -> Result<(), Violation> {
        let flushed = match &mut self.tasks[index].work {
            Work::Keyed { state, is_flushed: is_flushed @ false } => {
                *is_flushed = true;
                totals(state)
            }
            _ => Vec::new(),
        };
        self.send(index, flushed);
        let attempt = self.attempt;
        let task = &mut self.tasks[index];
        task.ended = true;
        task.base.clear();
        let (mut upload, staged) = task.snapshot(attempt, Epoch(task.checkpoints.passed().0 + 1), effects);
        upload.at_end = Some(staged);
        task.uploads.push_back(upload);
        self.mark(index, Element::End, Mark::End, store)?;
        self.acknowledge(index, effects);
        Ok(())
    }

    /// A part of a snapshot is durable, or `has_failed`.
    pub(crate) fn on_stored(&mut self, id: TaskId, epoch: Epoch, has_failed: bool) -> Effects {
        let mut effects = Effects::default();
        let Some(index) = self.tasks.iter().position(|task| task.id == id) else { return effects };
        if let Some(upload) = self.tasks[index].uploads.iter_mut().find(|upload| upload.epoch == epoch) {
            upload.pending -= 1;
            upload.has_failed |= has_failed;
        }
        self.acknowledge(index, &mut effects);
        effects
    }

    /// Says what is durable, in the order of epochs: what a later snapshot says includes what an earlier one staged.
    fn acknowledge(&mut self, index: usize, effects: &mut Effects) {
        let task = &mut self.tasks[index];
        while task.uploads.front().is_some_and(|upload| upload.pending == 0) {
            let Some(Upload { epoch, has_failed, snapshot, at_end, .. }) = task.uploads.pop_front() else { return };
            let mut message = match at_end {
                Some(_) if has_failed => {
                    effects.lost = Some(task.id);
                    return;
                }
                Some(staged) => task.checkpoints.on_end(snapshot, staged),
                None if has_failed => TaskMessage::Declined { epoch },
                None => task.checkpoints.on_durable(epoch, snapshot),
            };
            plant(self.bug, &mut message);
            effects.messages.push(Message::ToCoordinator(self.attempt, task.id, message));
        }
    }

    fn send(&mut self, index: usize, rows: impl IntoIterator<Item = Row>) {
        for row in rows {
            let outputs = &self.tasks[index].outputs;
            let output = match self.tasks[index].id.task {
                SOURCE => owner(row.key(), outputs.len()),
                _ => usize::from(row.key()) % outputs.len(),
            };
            let pipe = &mut self.pipes[outputs[output]];
            pipe.queue.push_back(Element::Row(row));
            pipe.sent += 1;
        }
    }

    /// Sends a barrier or the end to all outputs.
    fn mark(&mut self, index: usize, element: Element, mark: Mark, store: &mut Store) -> Result<(), Violation> {
        for output in self.tasks[index].outputs.clone() {
            let pipe = &mut self.pipes[output];
            pipe.queue.push_back(element);
            let last = pipe.queue.len() - 1;
            if self.bug == Some(Bug::BarrierOvertakesRow) && last > 0 && matches!(element, Element::Barrier { .. }) {
                pipe.queue.swap(last - 1, last);
            }
            let (to, sent) = (pipe.to, pipe.sent);
            self.observe(store, index, to, mark, sent, true)?;
        }
        Ok(())
    }

    fn observe(
        &self,
        store: &mut Store,
        from: usize,
        to: usize,
        mark: Mark,
        rows: u64,
        is_sent: bool,
    ) -> Result<(), Violation> {
        let channel = Channel { attempt: self.attempt, from: self.tasks[from].id, to: self.tasks[to].id };
        let observation = if is_sent { Observation::Sent } else { Observation::Taken };
        store.history.observe(observation(channel, mark, rows))
    }
}

impl Task {
    fn new(id: TaskId, epoch: Epoch, work: Work) -> Self {
        Self {
            id,
            inputs: Vec::new(),
            outputs: Vec::new(),
            aligner: BarrierAligner::new(0),
            checkpoints: TaskCheckpoints::new(epoch),
            work,
            uploads: VecDeque::new(),
            taken: BTreeMap::new(),
            base: BTreeMap::new(),
            ended: false,
        }
    }

    /// Captures the state; what is new of it goes on its way into the store. Returns the names of staged output as well.
    fn snapshot(&mut self, attempt: AttemptId, epoch: Epoch, effects: &mut Effects) -> (Upload, Vec<Vec<u8>>) {
        let mut upload = Upload { epoch, pending: 0, has_failed: false, snapshot: Snapshot::default(), at_end: None };
        let mut staged = Vec::new();
        let mut files = BTreeMap::new();
        match &mut self.work {
            Work::Source { offsets, .. } => upload.snapshot.inline = encode_offsets(offsets),
            Work::Keyed { state, .. } => {
                for (&key, state) in state.iter() {
                    let is_unchanged = |(_, base): &&(SnapshotFile, KeyState)| base == state;
                    let unchanged = self.base.get(&key).filter(is_unchanged).map(|(file, _)| file.clone());
                    let file = unchanged.unwrap_or_else(|| {
                        let path = name(attempt.opening.0, epoch.0, self.id, key);
                        let file = SnapshotFile { path, attempt: attempt.opening, epoch };
                        let (task, state) = (self.id, state.clone());
                        effects.calls.push(Call::Upload { task, epoch, key, file: file.clone(), state });
                        upload.pending += 1;
                        file
                    });
                    upload.snapshot.files.insert(file.clone());
                    files.insert(key, (file, state.clone()));
                }
            }
            Work::Sink(rows) if !rows.is_empty() => {
                let attempt = attempt.opening;
                let name = name(attempt.0, epoch.0, self.id, "staged");
                staged.push(name.clone().into_bytes());
                upload.pending += 1;
                effects.calls.push(Call::Stage { task: self.id, attempt, epoch, name, rows: std::mem::take(rows) });
            }
            Work::Sink(_) => {}
        }
        self.taken.insert(epoch, files);
        (upload, staged)
    }
}

fn owner(key: u8, parallelism: usize) -> usize {
    KeyGroup(u16::from(key)).subtask(u16::from(KEYS), parallelism)
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
