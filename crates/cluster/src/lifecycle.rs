//! The life of a job under one leader: a function of what has been decided about it and of what happens to its attempts.
//!
//! Pure: the shell says what has happened and does what the actions say, in order. What is to last is asked for with [`Action::Record`] and
//! holds when it comes back as [`Event::Recorded`], which is also how the decisions of users arrive. So a job that is shown as ended has
//! ended for every leader to come.
//!
//! An *attempt* is one run of the job's subtasks. There is at most one that the leader has not seen the end of.

mod transition;

use std::mem::discriminant;

use dipper_checkpoint::RestartStrategy;
use dipper_types::{Error, Result};

pub use transition::{End, JobState, Transition};

use crate::{JobDecisions, JobEnd, Record, StartFrom, Stop};

/// Something that has happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The leader takes the job on. Once, and first.
    Begin,
    /// The leader takes the job on, and an attempt that a former leader has started still runs, as it is to: instead of [`Event::Begin`].
    Adopt,
    /// Somebody wants the job to run on other slots, or anew.
    Restart,
    /// The job has been given as many slots as it has asked for.
    SlotsGranted {
        /// How many.
        slots: usize,
    },
    /// All workers have made their subtasks, and the attempt has opened the job's log of checkpoints.
    AttemptReady {
        /// Which attempt.
        attempt: u64,
    },
    /// A part of the attempt has failed, or it could not be deployed.
    AttemptFailed {
        /// Which attempt.
        attempt: u64,
        /// Why.
        failure: AttemptFailure,
    },
    /// Nothing of the attempt runs any more, except what does not answer. Whoever fails says so first, with [`Event::AttemptFailed`].
    AttemptEnded {
        /// Which attempt.
        attempt: u64,
        /// How.
        end: AttemptEnd,
    },
    /// The savepoint of [`Action::TakeSavepoint`] has been given up.
    SavepointFailed {
        /// Which attempt.
        attempt: u64,
        /// Why.
        error: Error,
    },
    /// The checkpoint of [`Action::SuspendAttempt`] has been given up.
    SuspendFailed {
        /// Which attempt.
        attempt: u64,
    },
    /// The time of [`Action::ScheduleRestart`] has come.
    RestartDue {
        /// The attempt that had failed.
        attempt: u64,
    },
    /// A record stands in the job's log.
    Recorded(Record),
}

/// How an attempt has failed.
#[derive(Debug, Clone)]
pub struct AttemptFailure {
    /// Why. A job is run again after what [may pass](dipper_types::ErrorKind::may_pass) only.
    pub error: Error,
    /// When, by a clock that does not go back.
    pub at_ms: u64,
    /// Random, from -1 to 1, for the delay before the next attempt.
    pub noise: f64,
}

/// How an attempt has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptEnd {
    /// All inputs have ended, and the final checkpoint is committed. A savepoint that was asked for is not there.
    Finished,
    /// It has stopped with the savepoint that was asked for.
    Stopped {
        /// Where the savepoint is.
        savepoint: String,
    },
    /// In any other way: it has been cancelled or suspended.
    Gone,
}

/// What the shell is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask for so many slots, instead of those that the job holds or waits for.
    RequestSlots(usize),
    /// Give back all slots, and wait for none.
    ReleaseSlots,
    /// Run a new attempt on the slots that have been granted, up to where it is ready.
    Deploy {
        /// Its number, from 1.
        attempt: u64,
        /// What it starts from.
        start_from: StartFrom,
    },
    /// Lead the subtasks that a former leader has started.
    Adopt {
        /// The number that the attempt has under this leader.
        attempt: u64,
    },
    /// Let the subtasks run.
    Start {
        /// Which attempt.
        attempt: u64,
    },
    /// End the attempt with a checkpoint from which another one can go on.
    SuspendAttempt {
        /// Which attempt.
        attempt: u64,
    },
    /// End the attempt everywhere. Once more does no harm.
    CancelAttempt {
        /// Which attempt.
        attempt: u64,
    },
    /// Stop the attempt with a savepoint.
    TakeSavepoint {
        /// Which attempt.
        attempt: u64,
        /// How, and where the savepoint goes.
        stop: Stop,
    },
    /// Say [`Event::RestartDue`] after this time.
    ScheduleRestart {
        /// The attempt that has failed.
        attempt: u64,
        /// From now on.
        delay_ms: u64,
    },
    /// Append this to the job's log.
    Record(Record),
}

/// A job under one leader.
///
/// ```
/// use dipper_checkpoint::RestartStrategy;
/// use dipper_cluster::{Action, Event, JobDecisions, JobState, Lifecycle, StartFrom, Submission};
/// use dipper_types::JobId;
///
/// let submission = Submission {
///     job: JobId("1".into()), name: "orders".into(), sql: "…".into(),
///     settings: [].into(), start_from: StartFrom::Latest, submitted_ms: 0,
/// };
/// let mut job = Lifecycle::new(JobDecisions::new(submission), 2, RestartStrategy::None);
/// assert_eq!(job.on_event(Event::Begin)?, [Action::RequestSlots(2)]);
/// let deploy = Action::Deploy { attempt: 1, start_from: StartFrom::Latest };
/// assert_eq!(job.on_event(Event::SlotsGranted { slots: 2 })?, [deploy]);
/// assert_eq!(job.on_event(Event::AttemptReady { attempt: 1 })?, [Action::Start { attempt: 1 }]);
/// assert_eq!(job.state(), JobState::Running);
/// # Ok::<(), dipper_types::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Lifecycle {
    decided: JobDecisions,
    /// Unless something else is decided.
    parallelism: usize,
    strategy: RestartStrategy,
    state: JobState,
    /// The number of the last attempt.
    attempt: u64,
    /// Whether its end has not been seen.
    is_live: bool,
    is_ready: bool,
    /// With how many slots it runs, or how many are waited for.
    slots: usize,
    failures_ms: Vec<u64>,
    /// The delay before the restart is over.
    is_due: bool,
    /// What is to become of the job when the attempt has ended.
    end: Option<JobEnd>,
    /// What it has asked to be recorded and does not know to be.
    awaited: Vec<Record>,
    last_error: Option<String>,
}

impl Lifecycle {
    /// A job of which this has been decided. `parallelism` is what it runs with if nobody has changed that.
    pub fn new(decided: JobDecisions, parallelism: usize, strategy: RestartStrategy) -> Self {
        let state = decided.end.as_ref().map_or(JobState::Created, JobState::of_end);
        Self {
            decided,
            parallelism,
            strategy,
            state,
            attempt: 0,
            is_live: false,
            is_ready: false,
            slots: 0,
            failures_ms: Vec::new(),
            is_due: false,
            end: None,
            awaited: Vec::new(),
            last_error: None,
        }
    }

    /// Where the job stands.
    pub fn state(&self) -> JobState {
        self.state
    }

    /// What has been decided about it.
    pub fn decided(&self) -> &JobDecisions {
        &self.decided
    }

    /// The number of the last attempt, 0 if there has been none under this leader.
    pub fn attempt(&self) -> u64 {
        self.attempt
    }

    /// The parallelism that it runs with, or is to run with.
    pub fn parallelism(&self) -> usize {
        self.decided.parallelism.unwrap_or(self.parallelism)
    }

    /// Why it was last started anew, or could not be stopped.
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// Takes note of what has happened and says what is to be done. An event that cannot happen in the job's state is refused, and changes
    /// nothing. What an attempt says that has been told to end, or another one, is no error: messages cross.
    pub fn on_event(&mut self, event: Event) -> Result<Vec<Action>> {
        let mut next = self.clone();
        let actions = next.follow(event)?;
        *self = next;
        Ok(actions)
    }

    fn follow(&mut self, event: Event) -> Result<Vec<Action>> {
        match event {
            Event::Begin => self.begin(),
            Event::Adopt => self.adopt(),
            Event::Restart => self.make_way(),
            Event::SlotsGranted { slots } => self.deploy(slots),
            Event::AttemptReady { attempt } if self.is_current(attempt) => self.on_ready(),
            Event::AttemptFailed { attempt, failure } if self.is_current(attempt) => self.fail(&failure),
            Event::AttemptEnded { attempt, end } if self.is_current(attempt) => self.on_ended(end),
            Event::SavepointFailed { attempt, error } if self.is_current(attempt) => Ok(self.on_no_savepoint(&error)),
            Event::SuspendFailed { attempt } if self.is_current(attempt) && self.state == JobState::Rescaling => {
                Ok(vec![Action::CancelAttempt { attempt }])
            }
            Event::RestartDue { attempt } if attempt == self.attempt && self.state == JobState::Restarting => {
                self.is_due = true;
                self.retry()
            }
            Event::Recorded(record) => self.on_record(&record),
            Event::AttemptReady { .. }
            | Event::AttemptFailed { .. }
            | Event::AttemptEnded { .. }
            | Event::SavepointFailed { .. }
            | Event::SuspendFailed { .. }
            | Event::RestartDue { .. } => Ok(Vec::new()),
        }
    }

    fn is_current(&self, attempt: u64) -> bool {
        self.is_live && attempt == self.attempt
    }

    fn begin(&mut self) -> Result<Vec<Action>> {
        if self.state.is_end() {
            return Err(self.refuse("begin"));
        }
        if self.decided.is_cancelled {
            self.go(Transition::Cancel)?;
            return self.conclude(JobEnd::Cancelled);
        }
        self.wait(Transition::Begin)
    }

    /// What has been decided while nobody led is done at once.
    fn adopt(&mut self) -> Result<Vec<Action>> {
        self.go(Transition::Adopt)?;
        self.attempt += 1;
        (self.is_live, self.is_ready, self.slots) = (true, true, self.parallelism());
        let mut actions = vec![Action::Adopt { attempt: self.attempt }];
        actions.extend(match &self.decided.stop {
            _ if self.decided.is_cancelled => self.cancel()?,
            Some(_) => self.stop()?,
            None => Vec::new(),
        });
        Ok(actions)
    }

    /// Asks for slots.
    fn wait(&mut self, transition: Transition) -> Result<Vec<Action>> {
        self.go(transition)?;
        self.slots = self.parallelism();
        Ok(vec![Action::RequestSlots(self.slots)])
    }

    fn deploy(&mut self, slots: usize) -> Result<Vec<Action>> {
        match self.state {
            JobState::Waiting if slots == self.slots => self.go(Transition::Deploy)?,
            // They are not what it waits for any more.
            _ => return Ok(Vec::new()),
        }
        self.attempt += 1;
        (self.is_live, self.is_ready, self.is_due) = (true, false, false);
        Ok(vec![Action::Deploy { attempt: self.attempt, start_from: self.decided.start_from() }])
    }

    fn on_ready(&mut self) -> Result<Vec<Action>> {
        match self.state {
            JobState::Deploying if !self.is_ready => {}
            state if state.is_leaving() => return Ok(Vec::new()),
            _ => return Err(self.refuse("ready")),
        }
        self.is_ready = true;
        // Nothing has been committed yet. Once it may be, no leader must start from anything but the last checkpoint.
        if self.decided.start_from() != StartFrom::Latest {
            return Ok(self.record(Record::Started));
        }
        self.run()
    }

    fn run(&mut self) -> Result<Vec<Action>> {
        self.go(Transition::Run)?;
        let mut actions = vec![Action::Start { attempt: self.attempt }];
        if self.is_to_stop() {
            actions.extend(self.stop()?);
        }
        Ok(actions)
    }

    /// Somebody has decided so, and it has not been given up.
    fn is_to_stop(&self) -> bool {
        self.decided.stop.is_some() && !self.awaited.iter().any(|record| matches!(record, Record::StopGivenUp { .. }))
    }

    /// Asks for a record, unless one like it has been asked for.
    fn record(&mut self, record: Record) -> Vec<Action> {
        if self.awaited.iter().any(|awaited| discriminant(awaited) == discriminant(&record)) {
            return Vec::new();
        }
        self.awaited.push(record.clone());
        vec![Action::Record(record)]
    }

    fn stop(&mut self) -> Result<Vec<Action>> {
        self.go(Transition::Stop)?;
        Ok(self.take_savepoint())
    }

    fn take_savepoint(&self) -> Vec<Action> {
        let stop = self.decided.stop.clone();
        stop.map(|stop| Action::TakeSavepoint { attempt: self.attempt, stop }).into_iter().collect()
    }

    fn on_no_savepoint(&mut self, error: &Error) -> Vec<Action> {
        match &self.decided.stop {
            // Its inputs have ended: there is no way back.
            Some(stop) if self.state == JobState::Stopping && stop.drain => self.take_savepoint(),
            Some(_) if self.state == JobState::Stopping => {
                self.last_error = Some(error.to_string());
                self.record(Record::StopGivenUp { error: error.to_string() })
            }
            _ => Vec::new(),
        }
    }

    fn fail(&mut self, failure: &AttemptFailure) -> Result<Vec<Action>> {
        let cancel = Action::CancelAttempt { attempt: self.attempt };
        match self.state {
            JobState::Rescaling => return Ok(vec![cancel]),
            state if state.is_leaving() => return Ok(Vec::new()),
            _ => {}
        }
        let at_ms = self.failures_ms.last().map_or(failure.at_ms, |last| failure.at_ms.max(*last));
        self.failures_ms.push(at_ms);
        let error = failure.error.to_string();
        self.last_error = Some(error.clone());
        let delay_ms = self.strategy.delay_ms(&self.failures_ms, failure.noise);
        let Some(delay_ms) = delay_ms.filter(|_| failure.error.kind().may_pass()) else {
            self.go(Transition::GiveUp)?;
            self.end = Some(JobEnd::Failed { error });
            return Ok(vec![cancel]);
        };
        self.go(Transition::Fail)?;
        self.is_due = false;
        Ok(vec![cancel, Action::ScheduleRestart { attempt: self.attempt, delay_ms }])
    }

    /// What an attempt has achieved counts, whatever was to become of it.
    fn on_ended(&mut self, end: AttemptEnd) -> Result<Vec<Action>> {
        self.is_live = false;
        match (end, self.state) {
            (AttemptEnd::Finished, _) => self.conclude(JobEnd::Finished),
            (AttemptEnd::Stopped { savepoint }, _) if self.is_to_stop() => self.conclude(JobEnd::Stopped { savepoint }),
            (AttemptEnd::Gone, JobState::Rescaling) => self.wait(Transition::Resume),
            (AttemptEnd::Gone, JobState::Restarting) => self.retry(),
            (AttemptEnd::Gone, JobState::Cancelling) => self.conclude(JobEnd::Cancelled),
            (AttemptEnd::Gone, JobState::Failing) => match self.end.take() {
                Some(end) => self.conclude(end),
                None => Err(self.refuse("ended")),
            },
            _ => Err(self.refuse("ended")),
        }
    }

    /// Starts anew if the old attempt has ended and the delay is over.
    fn retry(&mut self) -> Result<Vec<Action>> {
        if self.is_live || !self.is_due {
            return Ok(Vec::new());
        }
        self.wait(Transition::Retry)
    }

    fn on_record(&mut self, record: &Record) -> Result<Vec<Action>> {
        self.decided.apply(record)?;
        self.awaited.retain(|awaited| awaited != record);
        match (record, self.state) {
            (Record::Started, JobState::Deploying) if self.is_ready => self.run(),
            (Record::Rescale { .. }, _) => self.rescale(),
            (Record::Stop(_), JobState::Running) => self.stop(),
            (Record::StopGivenUp { .. }, JobState::Stopping) => self.go(Transition::GoOn).map(|()| Vec::new()),
            (Record::Cancel, _) => self.cancel(),
            (Record::Ended(end), JobState::Ending) if self.end.as_ref() == Some(end) => {
                self.go(Transition::Recorded(end.into())).map(|()| Vec::new())
            }
            (Record::Ended(_), _) => Err(self.refuse("end recorded")),
            _ => Ok(Vec::new()),
        }
    }

    fn rescale(&mut self) -> Result<Vec<Action>> {
        match self.state {
            _ if self.parallelism() == self.slots => Ok(Vec::new()),
            JobState::Waiting => self.wait(Transition::AskAnew),
            _ => self.make_way(),
        }
    }

    /// Ends the attempt, if there is one, so that another one can go on.
    fn make_way(&mut self) -> Result<Vec<Action>> {
        let attempt = self.attempt;
        match self.state {
            JobState::Deploying => self.go(Transition::Rescale).map(|()| vec![Action::CancelAttempt { attempt }]),
            JobState::Running => self.go(Transition::Rescale).map(|()| vec![Action::SuspendAttempt { attempt }]),
            _ => Ok(Vec::new()),
        }
    }

    fn cancel(&mut self) -> Result<Vec<Action>> {
        match self.state {
            // It sees for itself when it begins, or ends in any case.
            JobState::Created | JobState::Failing | JobState::Ending => Ok(Vec::new()),
            _ => {
                self.go(Transition::Cancel)?;
                if !self.is_live {
                    return self.conclude(JobEnd::Cancelled);
                }
                Ok(vec![Action::CancelAttempt { attempt: self.attempt }])
            }
        }
    }

    fn conclude(&mut self, end: JobEnd) -> Result<Vec<Action>> {
        self.go(Transition::Conclude)?;
        self.end = Some(end.clone());
        Ok(vec![Action::ReleaseSlots, Action::Record(Record::Ended(end))])
    }

    fn go(&mut self, transition: Transition) -> Result<()> {
        if !transition.is_from(self.state) {
            return Err(self.refuse(&format!("{transition:?}")));
        }
        self.state = transition.to();
        Ok(())
    }

    fn refuse(&self, what: &str) -> Error {
        Error::internal(format!("job '{}' is {}: '{what}' is not legal", self.decided.submission.job.0, self.state))
    }
}

#[cfg(test)]
mod tests;
