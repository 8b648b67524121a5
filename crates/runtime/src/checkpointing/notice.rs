//! What becomes of a job with checkpoints, for people.

use std::fmt;
use std::time::Duration;

use dipper_types::{Error, Timestamp};

/// What has become of a job.
#[derive(Debug, Clone)]
pub enum JobNotice {
    /// It begins with nothing.
    Begun {
        /// The job.
        job: String,
        /// Where a checkpoint of it would be.
        directory: String,
        /// Whether that is what was asked for.
        over: bool,
    },
    /// It goes on from a checkpoint.
    Resumed {
        /// The checkpoint's number in the log.
        checkpoint: u64,
        /// When it was taken.
        taken: Timestamp,
    },
    /// It had finished before, and is not run again.
    AlreadyFinished {
        /// The job.
        job: String,
    },
    /// An attempt has failed, and another one begins after a while.
    Restarting {
        /// Why.
        error: Error,
        /// After how long.
        delay: Duration,
    },
    /// A savepoint that was asked for is there.
    SavepointTaken {
        /// Where.
        target: String,
    },
    /// A savepoint that was asked for cannot be written.
    SavepointFailed {
        /// Where.
        target: String,
        /// Why.
        reason: String,
    },
    /// A checkpoint has been given up; the job goes on.
    CheckpointFailed {
        /// Its epoch.
        epoch: u64,
        /// Why.
        reason: String,
    },
}

impl JobNotice {
    /// Whether something is wrong.
    pub fn is_warning(&self) -> bool {
        matches!(self, Self::Restarting { .. } | Self::CheckpointFailed { .. } | Self::SavepointFailed { .. })
    }
}

impl fmt::Display for JobNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun { job, over: true, .. } => write!(f, "job '{job}' starts over"),
            Self::Begun { job, directory, .. } => {
                write!(f, "job '{job}' begins: there is no checkpoint of it in '{directory}'")
            }
            Self::Resumed { checkpoint, taken } => {
                let time = arrow::temporal_conversions::timestamp_us_to_datetime(taken.0);
                let taken =
                    time.map_or_else(String::new, |time| format!(" of {}", time.format("%Y-%m-%d %H:%M:%S UTC")));
                write!(f, "goes on from checkpoint {checkpoint}{taken}")
            }
            Self::AlreadyFinished { job } => {
                write!(
                    f,
                    "job '{job}' has finished before and is not run again; --fresh, or another 'pipeline.name', starts it over"
                )
            }
            Self::Restarting { error, delay } => {
                write!(f, "{error}; the job is restarted in {:.1} s", delay.as_secs_f64())
            }
            Self::SavepointTaken { target } => write!(f, "savepoint '{target}' has been taken"),
            Self::SavepointFailed { target, reason } => write!(f, "savepoint '{target}' cannot be taken: {reason}"),
            Self::CheckpointFailed { epoch, reason } => {
                write!(f, "checkpoint of epoch {epoch} has been given up: {reason}")
            }
        }
    }
}
