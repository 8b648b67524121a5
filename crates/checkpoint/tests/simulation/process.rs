//! One attempt: recovery, then a coordinator and its tasks, and the messages between them. It may live on as a zombie.

use dipper_checkpoint::{
    Action, AttemptId, CheckpointOptions, Coordinator, Event, Failure, Found, Manifest, Outcome, Recovery,
    RecoveryAction, RecoveryEvent, Request, Restore, Start, StoreReply, TaskId, TaskMessage, Violation,
};

use crate::Bug;
use crate::chance::Chance;
use crate::job::{Effects, Job, Notice};
use crate::store::{Call, Reply, Store};
use crate::workload::Workload;

/// What a process needs of the world around it.
pub(crate) struct Surroundings<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) store: &'a mut Store,
    pub(crate) chance: &'a mut Chance,
    pub(crate) now_ms: u64,
    pub(crate) bug: Option<Bug>,
    /// Calls that the process makes.
    pub(crate) calls: Vec<Call>,
}

/// How a process is set up.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) options: CheckpointOptions,
    pub(crate) parallelism: [usize; 3],
    pub(crate) nonce: u64,
}

/// A message under way.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    ToCoordinator(AttemptId, TaskId, TaskMessage),
    ToTask(TaskId, Notice),
}

pub(crate) struct Process {
    setup: Setup,
    stage: Stage,
    /// Under way, in no order.
    pub(crate) messages: Vec<Message>,
    /// The manifest of the last put.
    writing: Option<Box<Manifest>>,
}

enum Stage {
    Recovering(Recovery),
    Running { coordinator: Box<Coordinator>, job: Job },
    Ended(Result<Outcome, Failure>),
}

impl Process {
    pub(crate) fn start(setup: Setup, around: &mut Surroundings<'_>) -> Self {
        let (recovery, _) = Recovery::begin(Restore::Latest, setup.nonce);
        around.calls.push(Call::List);
        Self { setup, stage: Stage::Recovering(recovery), messages: Vec::new(), writing: None }
    }

    pub(crate) fn outcome(&self) -> Option<Result<Outcome, Failure>> {
        match self.stage {
            Stage::Ended(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// A task does something.
    pub(crate) fn step(&mut self, around: &mut Surroundings<'_>) -> Result<(), Violation> {
        let Stage::Running { job, .. } = &mut self.stage else { return Ok(()) };
        let effects = job.step(around.chance, around.workload, around.store)?;
        self.apply(effects, around)
    }

    /// A message arrives.
    pub(crate) fn deliver(&mut self, message: Message, around: &mut Surroundings<'_>) -> Result<(), Violation> {
        match (message, &mut self.stage) {
            (Message::ToTask(task, notice), Stage::Running { job, .. }) => {
                let effects = job.on_notice(task, notice, around.store)?;
                self.apply(effects, around)
            }
            (Message::ToCoordinator(attempt, task, message), Stage::Running { .. }) => {
                self.tell(Event::Task { attempt, task, message }, around)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn request(&mut self, request: Request, around: &mut Surroundings<'_>) -> Result<(), Violation> {
        self.tell(Event::Request(request), around)
    }

    /// One of the tasks fails.
    pub(crate) fn lose_task(&mut self, around: &mut Surroundings<'_>) -> Result<(), Violation> {
        let Stage::Running { job, .. } = &self.stage else { return Ok(()) };
        let tasks: Vec<TaskId> = job.tasks().all.into_iter().collect();
        self.tell(Event::TaskLost(around.chance.one_of(&tasks)), around)
    }

    /// The coordinator hears of its deadline, if it has come.
    pub(crate) fn tick(&mut self, around: &mut Surroundings<'_>) -> Result<(), Violation> {
        match &self.stage {
            Stage::Running { coordinator, .. } if coordinator.deadline_ms().is_some_and(|due| due <= around.now_ms) => {
                self.tell(Event::Deadline, around)
            }
            _ => Ok(()),
        }
    }

    /// A call has been answered.
    pub(crate) fn on_reply(&mut self, reply: Reply, around: &mut Surroundings<'_>) -> Result<(), Violation> {
        let reply = match reply {
            Reply::Then(call) => {
                around.calls.push(call);
                return Ok(());
            }
            Reply::Store(reply) => Reply::Store(self.misread(reply, around.bug)),
            reply => reply,
        };
        match &mut self.stage {
            Stage::Recovering(recovery) => {
                let event = match reply {
                    Reply::Log(event) => event,
                    Reply::Committed => RecoveryEvent::Committed,
                    Reply::CommitFailed => RecoveryEvent::CommitFailed,
                    Reply::Store(reply) => RecoveryEvent::Store(reply),
                    _ => return Ok(()),
                };
                let actions = recovery.on_event(event);
                self.recover(actions, around);
                Ok(())
            }
            Stage::Running { job, .. } => match reply {
                Reply::Stored { task, epoch } => {
                    let effects = job.on_stored(task, epoch, false);
                    self.apply(effects, around)
                }
                Reply::UploadFailed { task, epoch } => {
                    let effects = job.on_stored(task, epoch, true);
                    self.apply(effects, around)
                }
                // Later checkpoints build on what is staged.
                Reply::StagingFailed(task) => self.tell(Event::TaskLost(task), around),
                Reply::Committed => self.tell(Event::Committed, around),
                Reply::CommitFailed => self.tell(Event::CommitFailed, around),
                Reply::Store(reply) => self.tell(Event::Store(reply), around),
                Reply::Deleted(garbage) => self.tell(Event::Deleted(garbage), around),
                Reply::Log(_) | Reply::Then(_) | Reply::Nothing => Ok(()),
            },
            Stage::Ended(_) => Ok(()),
        }
    }

    /// Planted bugs in what is made of the log.
    fn misread(&self, reply: StoreReply, bug: Option<Bug>) -> StoreReply {
        match (reply, &self.writing, bug) {
            (StoreReply::Inspected { found, .. }, Some(writing), Some(Bug::ZombieCommits)) => {
                let found = if found == Found::Absent { Found::Absent } else { Found::Own };
                StoreReply::Inspected { found, head: writing.number }
            }
            (StoreReply::Inspected { found, .. }, Some(writing), Some(Bug::IgnoresHead)) => {
                StoreReply::Inspected { found, head: writing.number }
            }
            (reply, ..) => reply,
        }
    }

    fn recover(&mut self, actions: Vec<RecoveryAction>, around: &mut Surroundings<'_>) {
        for action in actions {
            match action {
                RecoveryAction::List => around.calls.push(Call::List),
                RecoveryAction::Read(numbers) => around.calls.push(Call::Read(numbers)),
                RecoveryAction::Commit { epoch, committables } => {
                    around.calls.push(Call::Commit { epoch, committables });
                }
                RecoveryAction::Put(manifest) => {
                    if around.bug == Some(Bug::SweepsBeforeOpening) {
                        let keep = manifest.files().cloned().collect();
                        around.calls.push(Call::Sweep { before: manifest.number, keep, others: false });
                    }
                    self.put(manifest, around);
                }
                RecoveryAction::Inspect(_) => self.inspect(around),
                RecoveryAction::Sweep { before, keep } => {
                    around.calls.push(Call::Sweep { before, keep, others: around.bug == Some(Bug::SweepsOthers) });
                }
                RecoveryAction::Start(start) => self.run(*start, around),
                RecoveryAction::Finished => self.stage = Stage::Ended(Ok(Outcome::Finished)),
                RecoveryAction::Fail(failure) => self.stage = Stage::Ended(Err(failure)),
            }
        }
    }

    fn run(&mut self, start: Start, around: &Surroundings<'_>) {
        let host = (around.workload, &*around.store, around.bug);
        let Some(job) = Job::restore(&start.opening, self.setup.parallelism, host) else {
            // A newer attempt has deleted what this one was to restore. If it was the newest itself, the job never ends.
            self.stage = Stage::Ended(Err(Failure::Fenced));
            return;
        };
        let coordinator = Box::new(Coordinator::new(self.setup.options, job.tasks(), start, around.now_ms));
        self.stage = Stage::Running { coordinator, job };
    }

    fn put(&mut self, manifest: Box<Manifest>, around: &mut Surroundings<'_>) {
        self.writing = Some(manifest.clone());
        around.calls.push(Call::Put(manifest));
    }

    fn inspect(&self, around: &mut Surroundings<'_>) {
        around.calls.extend(self.writing.clone().map(Call::Inspect));
    }

    fn apply(&mut self, effects: Effects, around: &mut Surroundings<'_>) -> Result<(), Violation> {
        around.calls.extend(effects.calls);
        self.messages.extend(effects.messages);
        match effects.lost {
            Some(task) => self.tell(Event::TaskLost(task), around),
            None => Ok(()),
        }
    }

    /// Tells the coordinator, and does what it says.
    fn tell(&mut self, event: Event, around: &mut Surroundings<'_>) -> Result<(), Violation> {
        let Stage::Running { coordinator, .. } = &mut self.stage else { return Ok(()) };
        for action in coordinator.on_event(event, around.now_ms) {
            match action {
                Action::Trigger { epoch, mode, sources, .. } => {
                    let notice = Notice::Trigger { epoch, mode };
                    self.messages.extend(sources.into_iter().map(|source| Message::ToTask(source, notice)));
                }
                Action::Put(manifest) => {
                    if around.bug == Some(Bug::CommitsBeforeManifest) {
                        let (epoch, committables) = (manifest.epoch, &manifest.committables);
                        around.store.commit(epoch, committables, usize::MAX)?;
                    }
                    self.put(manifest, around);
                }
                Action::Inspect(_) => self.inspect(around),
                Action::Commit { epoch, committables } => around.calls.push(Call::Commit { epoch, committables }),
                Action::Completed(epoch) => self.broadcast(Notice::Completed(epoch)),
                Action::Aborted(epoch, _) => self.broadcast(Notice::Aborted(epoch)),
                Action::Delete(garbage) => around.calls.push(Call::Delete(garbage, 0)),
                Action::End(outcome) => self.stage = Stage::Ended(outcome),
            }
        }
        Ok(())
    }

    fn broadcast(&mut self, notice: Notice) {
        if let Stage::Running { job, .. } = &self.stage {
            self.messages.extend(job.tasks().all.into_iter().map(|task| Message::ToTask(task, notice)));
        }
    }
}
