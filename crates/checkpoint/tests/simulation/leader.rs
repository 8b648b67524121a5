//! Who leads an attempt: recovery, then a coordinator. It may live on as a zombie while another leads the same tasks, or newer ones.

use std::collections::BTreeMap;

use dipper_checkpoint::{
    Action, CheckpointOptions, Coordinator, Event, Failure, Found, Manifest, Outcome, Recovery, RecoveryAction,
    RecoveryEvent, Request, Restore, Start, StoreReply, TaskId, Violation,
};
use dipper_types::Epoch;

use crate::Bug;
use crate::job::Job;
use crate::store::{Call, Reply, Store};
use crate::task::Notice;
use crate::workload::Workload;

/// What a leader needs of the world around it.
pub(crate) struct Surroundings<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) store: &'a mut Store,
    pub(crate) jobs: &'a mut Vec<Job>,
    pub(crate) now_ms: u64,
    pub(crate) bug: Option<Bug>,
    /// Calls that the leader makes.
    pub(crate) calls: Vec<Call>,
    /// What it says to the tasks of its job.
    pub(crate) notices: Vec<(TaskId, Notice)>,
    /// Why checkpoints are given up, and how often.
    pub(crate) aborts: &'a mut BTreeMap<String, usize>,
}

/// How a leader is set up.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) options: CheckpointOptions,
    pub(crate) parallelism: [usize; 3],
    pub(crate) nonce: u64,
}

pub(crate) struct Leader {
    index: usize,
    setup: Setup,
    stage: Stage,
    /// The job whose tasks it leads, once they exist.
    pub(crate) job: Option<usize>,
    /// What the tasks of a running job had been told of by others when they turned to this leader.
    passed: Option<Epoch>,
    /// The manifest of the last put.
    writing: Option<Box<Manifest>>,
}

enum Stage {
    Recovering(Recovery),
    Leading(Box<Coordinator>),
    Ended(Result<Outcome, Failure>),
}

impl Leader {
    /// Begins an attempt of its own or, of a job whose tasks have turned to it, adopts the running one.
    pub(crate) fn start(index: usize, setup: Setup, job: Option<usize>, around: &mut Surroundings<'_>) -> Self {
        let running = job.map(|job| &around.jobs[job]);
        let restore = running.map_or(Restore::Latest, |job| Restore::Adopt(job.attempt));
        let passed = running.map(|job| job.told);
        let (recovery, _) = Recovery::begin(restore, setup.nonce);
        around.calls.push(Call::List);
        Self { index, setup, stage: Stage::Recovering(recovery), job, passed, writing: None }
    }

    pub(crate) fn outcome(&self) -> Option<Result<Outcome, Failure>> {
        match self.stage {
            Stage::Ended(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// The coordinator hears of its deadline, if it has come.
    pub(crate) fn tick(&mut self, around: &mut Surroundings<'_>) -> Result<(), Violation> {
        match &self.stage {
            Stage::Leading(coordinator) if coordinator.deadline_ms().is_some_and(|due| due <= around.now_ms) => {
                self.tell(Event::Deadline, around)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn request(&mut self, request: Request, around: &mut Surroundings<'_>) -> Result<(), Violation> {
        self.tell(Event::Request(request), around)
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
                self.recover(actions, around)
            }
            Stage::Leading(_) => match reply {
                Reply::Committed => self.tell(Event::Committed, around),
                Reply::CommitFailed => self.tell(Event::CommitFailed, around),
                Reply::Store(reply) => self.tell(Event::Store(reply), around),
                Reply::Deleted(garbage) => self.tell(Event::Deleted(garbage), around),
                _ => Ok(()),
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

    fn recover(&mut self, actions: Vec<RecoveryAction>, around: &mut Surroundings<'_>) -> Result<(), Violation> {
        for action in actions {
            match action {
                RecoveryAction::List => around.calls.push(Call::List),
                RecoveryAction::Read(numbers) => around.calls.push(Call::Read(numbers)),
                RecoveryAction::Commit { epoch, committables } => {
                    around.calls.push(Call::Commit { epoch, committables });
                }
                RecoveryAction::Put(manifest) if manifest.adopts() && around.bug == Some(Bug::AdoptsUnopened) => {
                    return self.lead_unopened(&manifest, around);
                }
                RecoveryAction::Put(manifest) => {
                    if around.bug == Some(Bug::SweepsBeforeOpening) {
                        let keep = manifest.files().cloned().collect();
                        around.calls.push(Call::Sweep { before: manifest.number, keep, others: false });
                    }
                    self.put(manifest, around);
                }
                RecoveryAction::Inspect(_) => self.inspect(around),
                RecoveryAction::Sweep { mut before, keep } => {
                    if let (Some(Bug::SweepsAdopted), Some(opening)) = (around.bug, &self.writing) {
                        before = opening.number;
                    }
                    around.calls.push(Call::Sweep { before, keep, others: around.bug == Some(Bug::SweepsOthers) });
                }
                RecoveryAction::Start(start) => self.lead(*start, around)?,
                RecoveryAction::Finished => self.end(Ok(Outcome::Finished), around),
                RecoveryAction::Fail(failure) => self.end(Err(failure), around),
            }
        }
        Ok(())
    }

    /// A planted bug: what the log holds is taken for the opening.
    fn lead_unopened(&mut self, opening: &Manifest, around: &mut Surroundings<'_>) -> Result<(), Violation> {
        let Stage::Recovering(recovery) = &mut self.stage else { return Ok(()) };
        recovery.on_event(RecoveryEvent::Store(StoreReply::Put));
        let seen = StoreReply::Inspected { found: Found::Own, head: opening.number };
        for action in recovery.on_event(RecoveryEvent::Store(seen)) {
            if let RecoveryAction::Start(mut start) = action {
                start.opening.number.0 -= 1;
                self.lead(*start, around)?;
            }
        }
        Ok(())
    }

    fn lead(&mut self, mut start: Start, around: &mut Surroundings<'_>) -> Result<(), Violation> {
        let options = self.setup.options;
        if let (Some(index), Some(passed)) = (self.job, self.passed) {
            if around.bug == Some(Bug::CoversPassed) {
                start.opening.epoch = passed;
            }
            let job = &around.jobs[index];
            let (coordinator, actions) = Coordinator::adopt(options, job.tasks(), start, passed, around.now_ms);
            let lost = job.lost;
            self.stage = Stage::Leading(Box::new(coordinator));
            self.carry_out(actions, around)?;
            return lost.map_or(Ok(()), |task| self.tell(Event::TaskLost(task), around));
        }
        let host = (around.workload, &*around.store, around.bug);
        let Some(job) = Job::restore(&start.opening, self.setup.parallelism, self.index, host) else {
            // A newer attempt has deleted what this one was to restore. If it was the newest itself, the job never ends.
            self.end(Err(Failure::Fenced), around);
            return Ok(());
        };
        let coordinator = Coordinator::new(options, job.tasks(), start, around.now_ms);
        self.stage = Stage::Leading(Box::new(coordinator));
        self.job = Some(around.jobs.len());
        around.jobs.push(job);
        Ok(())
    }

    fn put(&mut self, manifest: Box<Manifest>, around: &mut Surroundings<'_>) {
        self.writing = Some(manifest.clone());
        around.calls.push(Call::Put(manifest));
    }

    fn inspect(&self, around: &mut Surroundings<'_>) {
        around.calls.extend(self.writing.clone().map(Call::Inspect));
    }

    /// Tells the coordinator, and does what it says.
    pub(crate) fn tell(&mut self, event: Event, around: &mut Surroundings<'_>) -> Result<(), Violation> {
        let Stage::Leading(coordinator) = &mut self.stage else { return Ok(()) };
        let actions = coordinator.on_event(event, around.now_ms);
        self.carry_out(actions, around)
    }

    fn carry_out(&mut self, actions: Vec<Action>, around: &mut Surroundings<'_>) -> Result<(), Violation> {
        for action in actions {
            match action {
                Action::Trigger { epoch, mode, sources, .. } => {
                    let notice = Notice::Trigger { epoch, mode };
                    around.notices.extend(sources.into_iter().map(|source| (source, notice)));
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
                Action::Completed(epoch) => self.broadcast(Notice::Completed(epoch), around),
                Action::Aborted(epoch, reason) => {
                    *around.aborts.entry(crate::name_of(&reason)).or_default() += 1;
                    self.broadcast(Notice::Aborted(epoch), around);
                }
                Action::Delete(garbage) => around.calls.push(Call::Delete(garbage, 0)),
                Action::End(outcome) => self.end(outcome, around),
            }
        }
        Ok(())
    }

    fn broadcast(&self, notice: Notice, around: &mut Surroundings<'_>) {
        let job = self.job.map(|job| &around.jobs[job]);
        around.notices.extend(job.into_iter().flat_map(|job| job.tasks().all).map(|task| (task, notice)));
    }

    /// The tasks end with whoever leads them, unless it could only not read the log: another may adopt them.
    fn end(&mut self, outcome: Result<Outcome, Failure>, around: &mut Surroundings<'_>) {
        self.stage = Stage::Ended(outcome);
        let Some(job) = self.job.map(|job| &mut around.jobs[job]) else { return };
        if around.bug == Some(Bug::AbortsStaged) {
            around.calls.push(Call::RemoveStaged(job.attempt.opening));
        }
        if job.leader == self.index && outcome != Err(Failure::StoreRefuses) {
            job.is_stopped = true;
        }
    }
}
