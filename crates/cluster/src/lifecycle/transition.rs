//! The states of a job, and every way from one to another.

use std::fmt;

use crate::JobEnd;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobState {
    /// It is known, and nothing has been done about it.
    Created,
    /// It waits for slots.
    Waiting,
    /// Workers make its subtasks.
    Deploying,
    /// It runs.
    Running,
    /// Its attempt ends, so that it can go on with another parallelism or on other slots.
    Rescaling,
    /// It stops with a savepoint.
    Stopping,
    /// Its attempt ends because somebody has cancelled the job.
    Cancelling,
    /// Its attempt has failed; there will be another one.
    Restarting,
    /// Its attempt has failed; there will be no other.
    Failing,
    /// What has become of it is being recorded.
    Ending,
    /// [`JobEnd::Finished`].
    Finished,
    /// [`JobEnd::Failed`].
    Failed,
    /// [`JobEnd::Cancelled`].
    Cancelled,
    /// [`JobEnd::Stopped`].
    Stopped,
}

/// A way from one state to another. There are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// A leader takes the job on, and asks for slots.
    Begin,
    /// A leader goes on leading what another one has deployed.
    Adopt,
    /// It asks for another number of slots.
    AskAnew,
    /// It has been given slots.
    Deploy,
    /// All subtasks are there.
    Run,
    /// It is to run with another parallelism, or on other slots.
    Rescale,
    /// The attempt that was to make way has ended.
    Resume,
    /// It is to stop with a savepoint.
    Stop,
    /// The savepoint could not be taken.
    GoOn,
    /// The attempt has failed, and the restart strategy allows another one.
    Fail,
    /// The attempt has ended, and the delay is over.
    Retry,
    /// The attempt has failed, and there is none after it.
    GiveUp,
    /// Somebody has cancelled it.
    Cancel,
    /// No attempt runs, and none will.
    Conclude,
    /// The end is in the job's log.
    Recorded(End),
}

/// [`JobEnd`], without the circumstances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// [`JobEnd::Finished`].
    Finished,
    /// [`JobEnd::Failed`].
    Failed,
    /// [`JobEnd::Cancelled`].
    Cancelled,
    /// [`JobEnd::Stopped`].
    Stopped,
}

impl Transition {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Begin,
        Self::Adopt,
        Self::AskAnew,
        Self::Deploy,
        Self::Run,
        Self::Rescale,
        Self::Resume,
        Self::Stop,
        Self::GoOn,
        Self::Fail,
        Self::Retry,
        Self::GiveUp,
        Self::Cancel,
        Self::Conclude,
        Self::Recorded(End::Finished),
        Self::Recorded(End::Failed),
        Self::Recorded(End::Cancelled),
        Self::Recorded(End::Stopped),
    ];

    /// Whether it leads out of this state.
    pub fn is_from(self, state: JobState) -> bool {
        use JobState::{
            Cancelling, Created, Deploying, Ending, Failing, Rescaling, Restarting, Running, Stopping, Waiting,
        };
        match self {
            Self::Begin | Self::Adopt => matches!(state, Created),
            Self::AskAnew | Self::Deploy => matches!(state, Waiting),
            Self::Run => matches!(state, Deploying),
            Self::Rescale => matches!(state, Deploying | Running),
            Self::Resume => matches!(state, Rescaling),
            Self::Stop => matches!(state, Running),
            Self::GoOn => matches!(state, Stopping),
            Self::Fail | Self::GiveUp => matches!(state, Deploying | Running | Stopping),
            Self::Retry => matches!(state, Restarting),
            Self::Cancel => {
                matches!(state, Created | Waiting | Deploying | Running | Rescaling | Stopping | Restarting)
            }
            Self::Conclude => {
                matches!(state, Deploying | Running | Rescaling | Stopping | Cancelling | Restarting | Failing)
            }
            Self::Recorded(_) => matches!(state, Ending),
        }
    }

    /// Where it leads.
    pub fn to(self) -> JobState {
        match self {
            Self::Begin | Self::AskAnew | Self::Resume | Self::Retry => JobState::Waiting,
            Self::Deploy => JobState::Deploying,
            Self::Adopt | Self::Run | Self::GoOn => JobState::Running,
            Self::Rescale => JobState::Rescaling,
            Self::Stop => JobState::Stopping,
            Self::Fail => JobState::Restarting,
            Self::GiveUp => JobState::Failing,
            Self::Cancel => JobState::Cancelling,
            Self::Conclude => JobState::Ending,
            Self::Recorded(End::Finished) => JobState::Finished,
            Self::Recorded(End::Failed) => JobState::Failed,
            Self::Recorded(End::Cancelled) => JobState::Cancelled,
            Self::Recorded(End::Stopped) => JobState::Stopped,
        }
    }
}

impl JobState {
    /// The state of a job of which this has become.
    pub fn of_end(end: &JobEnd) -> Self {
        Transition::Recorded(end.into()).to()
    }

    /// Whether nothing more will happen.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Cancelled | Self::Stopped)
    }

    /// Whether its attempt, if there is one, has been told to end.
    pub fn is_leaving(self) -> bool {
        matches!(self, Self::Rescaling | Self::Cancelling | Self::Restarting | Self::Failing)
    }
}

impl From<&JobEnd> for End {
    fn from(end: &JobEnd) -> Self {
        match end {
            JobEnd::Finished => Self::Finished,
            JobEnd::Failed { .. } => Self::Failed,
            JobEnd::Cancelled => Self::Cancelled,
            JobEnd::Stopped { .. } => Self::Stopped,
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "CREATED",
            Self::Waiting => "WAITING",
            Self::Deploying => "DEPLOYING",
            Self::Running => "RUNNING",
            Self::Rescaling => "RESCALING",
            Self::Stopping => "STOPPING",
            Self::Cancelling => "CANCELLING",
            Self::Restarting => "RESTARTING",
            Self::Failing => "FAILING",
            Self::Ending => "ENDING",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Stopped => "STOPPED",
        })
    }
}
