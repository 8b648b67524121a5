//! One job under this leader: says to its [`Lifecycle`] what has happened, and does what that says.
//!
//! One task a job. What is decided is appended to the job's log first, and everything else waits until that is done.

use std::collections::VecDeque;
use std::sync::Arc;

use dipper_checkpoint::{Request, RestartStrategy};
use dipper_session::PlannedJob;
use dipper_types::{Error, ErrorKind, JobId, Result};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::attempt::{Began, Ended, Last, run_attempt};
use super::deployment::Attempt;
use super::hub::Hub;
use super::plan::{plan, slots, subtasks};
use super::view::View;
use crate::clock::{Stopwatch, noise, sleep};
use crate::{
    Action, AttemptEnd, AttemptFailure, Event, JobLog, JobState, Lifecycle, Record, Registry, Seat, StartFrom, Writer,
};

/// Between two attempts to have a record stored.
const RETRY: std::time::Duration = std::time::Duration::from_secs(1);

/// What all jobs of a leader share.
#[derive(Debug, Clone)]
pub(super) struct Leading {
    pub(super) hub: Arc<Hub>,
    pub(super) registry: Registry,
    pub(super) seat: Seat,
    pub(super) writer: Writer,
}

/// What a job hears.
#[derive(Debug)]
pub(super) enum Input {
    /// Something has happened.
    Event(Event),
    /// An attempt runs.
    Began(u64, dipper_runtime::JobHandle),
    /// An attempt has ended.
    Ended(u64, Result<Ended>),
    /// Somebody decides something about the job.
    Decide(Record, oneshot::Sender<Result<()>>),
    /// Somebody wants a savepoint, here.
    Savepoint(String, oneshot::Sender<Result<()>>),
    /// Somebody wants it to go on elsewhere, or anew.
    Restart(oneshot::Sender<Result<()>>),
}

/// To a job.
pub(super) type Inputs = UnboundedSender<Input>;

/// How a job begins under this leader.
#[derive(Debug)]
pub(super) enum Start {
    /// It has just been submitted, and planned.
    New(Box<JobLog>, Box<PlannedJob>),
    /// A former leader has led it.
    TakeOver,
}

/// Leads a job until it has ended, or this leader leads it no more.
pub(super) async fn lead(
    leading: Leading,
    job: JobId,
    start: Start,
    view: View,
    inputs: (Inputs, UnboundedReceiver<Input>),
) {
    let (sender, mut receiver) = inputs;
    let (mut start, mut said) = (Some(start), None);
    loop {
        let led = async {
            let (log, planned) = match start.take() {
                Some(Start::New(log, planned)) => (*log, Some(*planned)),
                _ => (leading.registry.take_over(&leading.writer, &job).await?, None),
            };
            let led = Led::new(leading.clone(), job.clone(), log, planned, view.clone(), sender.clone()).await?;
            led.run(&mut receiver).await
        };
        match led.await {
            Ok(()) => return,
            // Who leads now says what becomes of it.
            Err(error) if error.kind() == ErrorKind::Fenced => return tracing::warn!("{error}"),
            // It is begun anew: the store may be away, or a bug has shown.
            Err(error) => {
                let message = format!("it cannot be led: {error}; trying again");
                if said.as_ref() != Some(&message) {
                    view.say("WARN", message.clone());
                    said = Some(message);
                }
            }
        }
        sleep(RETRY).await;
        // Attempts are counted anew: what is still said of the old ones must not be taken for theirs. Whoever asks hears that it was not done.
        while receiver.try_recv().is_ok() {}
    }
}

struct Led {
    leading: Leading,
    job: JobId,
    log: JobLog,
    lifecycle: Lifecycle,
    view: View,
    inputs: Inputs,
    /// What runs already, until it is adopted.
    found: Option<(Attempt, Began)>,
    current: Option<Current>,
    /// Waits for slots, for the end of a delay, for attempts and what is asked of them. Ends with the job's leader.
    work: JoinSet<()>,
    /// Ends the wait for slots that are not wanted any more.
    waiting: Option<CancellationToken>,
    stopwatch: Stopwatch,
}

/// The attempt under way.
#[derive(Debug)]
struct Current {
    number: u64,
    cancel: CancellationToken,
    /// The subtasks may run.
    start: Arc<Notify>,
    running: Option<dipper_runtime::JobHandle>,
    /// With which checkpoint it is to end.
    last: UnboundedSender<Last>,
}

impl Led {
    async fn new(
        leading: Leading,
        job: JobId,
        log: JobLog,
        planned: Option<PlannedJob>,
        view: View,
        inputs: Inputs,
    ) -> Result<Self> {
        let decided = log.decided().cloned().ok_or_else(|| Error::internal("a job without a submission is led"))?;
        let is_new = planned.is_some();
        let planned = match planned {
            Some(planned) => Ok(planned),
            None => {
                let directory = leading.hub.directory();
                match plan(directory, &decided.submission, decided.parallelism, decided.start_from()).await {
                    Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                    planned => planned,
                }
            }
        };
        let (parallelism, strategy) = match &planned {
            Ok(planned) => {
                let restart = planned.checkpointing.as_ref().map(|checkpointing| checkpointing.restart);
                (slots(planned), restart.unwrap_or(RestartStrategy::None))
            }
            // Its first attempt says why.
            Err(_) => (1, RestartStrategy::None),
        };
        if let Ok(planned) = &planned {
            planned.warnings.iter().for_each(|warning| view.say("WARN", warning.clone()));
        }
        let mut found = None;
        if let (false, false, Ok(planned)) = (is_new, decided.end.is_some(), &planned) {
            let (reports, heard) = unbounded_channel();
            if let Some(share) = leading.hub.claim(&job, &subtasks(planned), reports).await {
                let began = Began { attempt: share.key.attempt, passed: share.passed };
                found = Some((Attempt::of(Arc::clone(&leading.hub), share, heard), began));
            }
        }
        let lifecycle = Lifecycle::new(decided, parallelism, strategy);
        let (work, stopwatch) = (JoinSet::new(), Stopwatch::start());
        Ok(Self { leading, job, log, lifecycle, view, inputs, found, current: None, work, waiting: None, stopwatch })
    }

    async fn run(mut self, inputs: &mut UnboundedReceiver<Input>) -> Result<()> {
        self.view.show(&self.lifecycle);
        if self.lifecycle.state().is_end() {
            return Ok(());
        }
        self.on_event(if self.found.is_some() { Event::Adopt } else { Event::Begin }).await?;
        while !self.lifecycle.state().is_end() {
            let input = tokio::select! {
                Some(input) = inputs.recv() => input,
                Some(ended) = self.work.join_next() => match (ended, &self.current) {
                    (Err(panic), Some(current)) if panic.is_panic() => {
                        Input::Ended(current.number, Err(Error::internal(format!("an attempt has stopped: {panic}"))))
                    }
                    _ => continue,
                },
            };
            match input {
                Input::Event(event) => self.on_event(event).await?,
                Input::Began(number, running) => {
                    if let Some(current) = self.current.as_mut().filter(|current| current.number == number) {
                        self.view.runs(running.clone());
                        current.running = Some(running);
                    }
                }
                Input::Ended(number, ended) => self.on_ended(number, ended).await?,
                Input::Decide(record, reply) => self.decide(record, reply).await?,
                Input::Savepoint(target, reply) => self.savepoint(target, reply),
                Input::Restart(reply) => {
                    let _ = reply.send(self.may_restart());
                    self.on_event(Event::Restart).await?;
                }
            }
        }
        Ok(())
    }

    fn may_restart(&self) -> Result<()> {
        match self.lifecycle.state() {
            JobState::Running
            | JobState::Deploying
            | JobState::Rescaling
            | JobState::Restarting
            | JobState::Waiting => Ok(()),
            state => Err(Error::invalid(format!("job '{}' is {state}", self.job.0))),
        }
    }

    /// Says to the life cycle what has happened, does what that says, and goes on until there is nothing more to do at once.
    async fn on_event(&mut self, event: Event) -> Result<()> {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let actions = self.lifecycle.on_event(event)?;
            self.view.show(&self.lifecycle);
            for action in actions {
                if let Action::Record(record) = action {
                    self.append(record.clone(), &mut None).await?;
                    events.push_back(Event::Recorded(record));
                } else {
                    self.carry_out(action);
                }
            }
        }
        Ok(())
    }

    /// Stores a record, however long the store is away. Who waits for it hears at once if it is not stored, or not known to be.
    async fn append(&mut self, record: Record, reply: &mut Option<oneshot::Sender<Result<()>>>) -> Result<()> {
        let mut said = None;
        loop {
            let may_follow = self.log.decided().is_none_or(|decided| decided.check(&record).is_ok());
            // The task that says that it leads no more may not have had the time.
            let appended = if self.leading.seat.generation() == Some(self.leading.writer.generation) {
                self.leading.registry.append(&mut self.log, record.clone()).await
            } else {
                Err(self.log.fenced())
            };
            match appended {
                Ok(()) => return Ok(()),
                // Whatever the store says, it may say something else later.
                Err(error) if error.kind() != ErrorKind::Fenced && may_follow => {
                    let message = format!("{error}; trying again");
                    if said.as_ref() != Some(&message) {
                        self.view.say("WARN", message.clone());
                        said = Some(message);
                    }
                    let in_doubt = error.with_hint("it is tried again: see what becomes of the job");
                    let _ = reply.take().map(|reply| reply.send(Err(in_doubt)));
                    sleep(RETRY).await;
                }
                Err(error) => {
                    let _ = reply.take().map(|reply| reply.send(Err(error.clone())));
                    return Err(error);
                }
            }
        }
    }

    async fn decide(&mut self, record: Record, reply: oneshot::Sender<Result<()>>) -> Result<()> {
        if let Err(error) = self.lifecycle.decided().check(&record) {
            let _ = reply.send(Err(error));
            return Ok(());
        }
        let mut reply = Some(reply);
        self.append(record.clone(), &mut reply).await?;
        self.on_event(Event::Recorded(record)).await?;
        let _ = reply.map(|reply| reply.send(Ok(())));
        Ok(())
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::RequestSlots(count) => self.wait_for_slots(count),
            Action::ReleaseSlots => {
                self.wait_no_more();
                self.leading.hub.give_back(&self.job);
            }
            Action::Deploy { attempt, start_from } => self.attempt(attempt, None, start_from),
            Action::Adopt { attempt } => {
                let found = self.found.take();
                self.attempt(attempt, found, StartFrom::Latest);
            }
            Action::Start { .. } => {
                if let Some(current) = &self.current {
                    current.start.notify_one();
                }
            }
            Action::SuspendAttempt { attempt } => self.end_with(attempt, Last::Suspend),
            Action::TakeSavepoint { attempt, stop } => self.end_with(attempt, Last::Stop(stop)),
            Action::CancelAttempt { attempt } => {
                if let Some(current) = self.current.as_ref().filter(|current| current.number == attempt) {
                    current.cancel.cancel();
                }
            }
            Action::ScheduleRestart { attempt, delay_ms } => {
                let inputs = self.inputs.clone();
                self.work.spawn(async move {
                    sleep(std::time::Duration::from_millis(delay_ms)).await;
                    let _ = inputs.send(Input::Event(Event::RestartDue { attempt }));
                });
            }
            // It is stored before.
            Action::Record(_) => {}
        }
    }

    fn wait_for_slots(&mut self, count: usize) {
        self.wait_no_more();
        let over = CancellationToken::new();
        self.waiting = Some(over.clone());
        let (hub, job, view, inputs) =
            (Arc::clone(&self.leading.hub), self.job.clone(), self.view.clone(), self.inputs.clone());
        self.work.spawn(async move {
            let taken = tokio::select! {
                () = over.cancelled() => return,
                taken = hub.take_slots(&job, count, |lacks| view.lacks(lacks)) => taken,
            };
            match taken {
                Ok(()) => drop(inputs.send(Input::Event(Event::SlotsGranted { slots: count }))),
                Err(error) => view.say("WARN", error.to_string()),
            }
        });
    }

    fn wait_no_more(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            waiting.cancel();
        }
    }

    /// Runs an attempt: one that has been found, or a new one.
    fn attempt(&mut self, number: u64, found: Option<(Attempt, Began)>, start_from: StartFrom) {
        let (cancel, start) = (CancellationToken::new(), Arc::new(Notify::new()));
        let (ask_last, last) = unbounded_channel();
        let current =
            Current { number, cancel: cancel.clone(), start: Arc::clone(&start), running: None, last: ask_last };
        self.current = Some(current);
        let decided = self.lifecycle.decided();
        self.work.spawn(run_attempt(super::attempt::Attempted {
            hub: Arc::clone(&self.leading.hub),
            number,
            submission: decided.submission.clone(),
            parallelism: decided.parallelism,
            start_from,
            found,
            cancel,
            start,
            last,
            view: self.view.clone(),
            inputs: self.inputs.clone(),
        }));
    }

    fn end_with(&self, number: u64, last: Last) {
        if let Some(current) = self.current.as_ref().filter(|current| current.number == number) {
            // One that has ended says so.
            let _ = current.last.send(last);
        }
    }

    async fn on_ended(&mut self, attempt: u64, ended: Result<Ended>) -> Result<()> {
        if self.current.take_if(|current| current.number == attempt).is_none() {
            return Ok(());
        }
        let end = match ended {
            Ok(Ended::Finished { unsaved }) => {
                if let Some(error) = unsaved {
                    self.view.say("WARN", format!("its savepoint could not be taken: {error}"));
                }
                AttemptEnd::Finished
            }
            Ok(Ended::Stopped { last: Last::Suspend, .. }) => AttemptEnd::Gone,
            Ok(Ended::Stopped { last: Last::Stop(stop), saved: Ok(()) }) => {
                AttemptEnd::Stopped { savepoint: stop.savepoint }
            }
            // It goes on from that checkpoint.
            Ok(Ended::Stopped { last: Last::Stop(_), saved: Err(error) }) => {
                self.on_event(Event::SavepointFailed { attempt, error }).await?;
                self.on_event(Event::Restart).await?;
                AttemptEnd::Gone
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => AttemptEnd::Gone,
            Err(error) => {
                self.fail(attempt, error).await?;
                AttemptEnd::Gone
            }
        };
        self.on_event(Event::AttemptEnded { attempt, end }).await
    }

    async fn fail(&mut self, attempt: u64, error: Error) -> Result<()> {
        // Whoever has taken the job's checkpoints over: the log of the job says who leads it.
        let error = match error.kind() {
            ErrorKind::Fenced => Error::unavailable(error.to_string()),
            _ => error,
        };
        let failure = AttemptFailure { error, at_ms: self.stopwatch.elapsed_ms(), noise: noise() };
        self.on_event(Event::AttemptFailed { attempt, failure }).await
    }

    fn savepoint(&mut self, target: String, reply: oneshot::Sender<Result<()>>) {
        let running = self.current.as_ref().filter(|_| self.lifecycle.state() == JobState::Running);
        let Some(running) = running.and_then(|current| current.running.clone()) else {
            let (job, state) = (&self.job.0, self.lifecycle.state());
            let _ = reply.send(Err(Error::invalid(format!("job '{job}' is {state}: only what runs can be saved"))));
            return;
        };
        self.work.spawn(async move {
            let _ = reply.send(running.checkpoint(Request::Savepoint, Some(target)).await);
        });
    }
}
