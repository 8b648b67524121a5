//! The tasks of one attempt: sources with offsets, a keyed exchange, stateful tasks, a transactional sink.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dipper_checkpoint::{
    AttemptId, BarrierAligner, Channel, Manifest, Mark, Observation, SourceMode, TaskId, Tasks, Violation,
};
use dipper_types::{Epoch, KeyGroup};

use crate::Bug;
use crate::chance::Chance;
use crate::store::Store;
use crate::task::{Effects, Notice, Task, Work};
use crate::workload::{Cut, KEYED, KEYS, Row, SOURCE, Workload, apply, decode_offsets, totals};

/// A sender waits while its channel holds this many elements.
const CHANNEL_ELEMENTS: usize = 4;

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

/// The tasks of one attempt and the channels between them. They go on without whoever leads them.
pub(crate) struct Job {
    pub(crate) attempt: AttemptId,
    /// Whom the tasks obey and answer.
    pub(crate) leader: usize,
    /// The greatest epoch that one of them has been told of.
    pub(crate) told: Epoch,
    pub(crate) is_stopped: bool,
    /// A task that has failed: it does nothing any more, and the attempt has to end.
    pub(crate) lost: Option<TaskId>,
    tasks: Vec<Task>,
    pipes: Vec<Pipe>,
    bug: Option<Bug>,
}

impl Job {
    /// Tasks at these parallelisms, restored from an opening; `None` if a file of it is gone.
    pub(crate) fn restore(
        opening: &Manifest,
        parallelism: [usize; 3],
        leader: usize,
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
        let (tasks, pipes) = (Vec::new(), Vec::new());
        let mut job = Self { attempt, leader, told: epoch, is_stopped: false, lost: None, tasks, pipes, bug };
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
                let id = TaskId { task, subtask };
                let mut task = Task::new(id, attempt, epoch, work, bug);
                task.base = base;
                job.tasks.push(task);
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

    /// Whether a new leader can go on with it.
    pub(crate) fn is_whole(&self) -> bool {
        !self.is_stopped && self.lost.is_none()
    }

    /// All tasks obey another leader from now on. What the former one has said and they have not heard is lost.
    pub(crate) fn attach(&mut self, leader: usize) {
        self.leader = leader;
        self.tasks.iter_mut().for_each(|task| task.notices.clear());
    }

    /// The leader says something to a task, which does not hear it before this step.
    pub(crate) fn tell(&mut self, id: TaskId, notice: Notice, not_before: u64) {
        if let Some(task) = self.tasks.iter_mut().find(|task| task.id == id) {
            task.notices.push_back((not_before, notice));
        }
    }

    /// A random task hears what its leader has said by now.
    pub(crate) fn hear(&mut self, chance: &mut Chance, now: u64, store: &mut Store) -> Result<Effects, Violation> {
        let mut effects = Effects::default();
        let hears = |&index: &usize| {
            let task = &self.tasks[index];
            self.lost != Some(task.id) && task.notices.front().is_some_and(|(not_before, _)| *not_before <= now)
        };
        let hearing: Vec<usize> = (0..self.tasks.len()).filter(hears).collect();
        if hearing.is_empty() {
            return Ok(effects);
        }
        let index = hearing[chance.below(hearing.len())];
        if let Some((_, notice)) = self.tasks[index].notices.pop_front() {
            self.on_notice(index, notice, store, &mut effects)?;
        }
        Ok(effects)
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
        if task.ended || self.lost == Some(task.id) || self.is_full(task) {
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

    fn is_full(&self, task: &Task) -> bool {
        task.outputs.iter().any(|&pipe| self.pipes[pipe].queue.len() >= CHANNEL_ELEMENTS)
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
    fn on_notice(
        &mut self,
        index: usize,
        notice: Notice,
        store: &mut Store,
        effects: &mut Effects,
    ) -> Result<(), Violation> {
        self.told = self.told.max(notice.epoch());
        let task = &mut self.tasks[index];
        match notice {
            Notice::Trigger { epoch, mode } if !task.ended && epoch > task.checkpoints.passed() => {
                if let Work::Source { is_waiting, .. } = &mut task.work {
                    *is_waiting = mode == SourceMode::Wait;
                }
                if mode == SourceMode::End {
                    return self.end(index, store, effects);
                }
                return self.pass_barrier(index, epoch, store, effects);
            }
            Notice::Trigger { .. } => task.say(task.checkpoints.report(), effects),
            Notice::Completed(epoch) => task.on_completed(epoch, effects),
            Notice::Aborted(epoch) => task.on_aborted(epoch, effects),
        }
        Ok(())
    }

    /// The task snapshots and sends the barrier on.
    fn pass_barrier(
        &mut self,
        index: usize,
        epoch: Epoch,
        store: &mut Store,
        effects: &mut Effects,
    ) -> Result<(), Violation> {
        self.tasks[index].on_barrier(epoch, effects);
        self.mark(index, Element::Barrier { epoch }, Mark::Barrier(epoch), store)
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
        self.tasks[index].on_end(effects);
        self.mark(index, Element::End, Mark::End, store)
    }

    /// A part of a snapshot is durable, or `has_failed`.
    pub(crate) fn on_stored(&mut self, id: TaskId, epoch: Epoch, has_failed: bool) -> Effects {
        let mut effects = Effects::default();
        if let Some(task) = self.tasks.iter_mut().find(|task| task.id == id && self.lost != Some(id)) {
            task.on_stored(epoch, has_failed, &mut effects);
        }
        effects
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

fn owner(key: u8, parallelism: usize) -> usize {
    KeyGroup(u16::from(key)).subtask(u16::from(KEYS), parallelism)
}
