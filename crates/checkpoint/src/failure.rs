//! Why an attempt or a checkpoint has failed.

use std::fmt;

use dipper_types::{Error, ErrorKind};

use crate::TaskId;

/// Why an attempt ends without having finished the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A newer attempt, or a newer leader of this one, has gone on with the log: stop without writing or removing anything.
    Fenced,
    /// A task has failed, or nothing has been heard of it for too long.
    TaskLost(TaskId),
    /// One checkpoint after another has failed; the last for this reason.
    TooManyFailedCheckpoints(AbortReason),
    /// The store does not say in time whether it holds the manifest.
    ManifestInDoubt,
    /// The store refuses the opening manifest, or the log cannot be read.
    StoreRefuses,
    /// A sink cannot commit what the last manifest names.
    CommitFailed,
    /// The last manifest of the log cannot be decoded.
    CorruptManifest,
}

/// Why a checkpoint has been given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortReason {
    /// Not every task has acknowledged it within the timeout.
    Timeout,
    /// A task could not take part.
    Declined(TaskId),
    /// A task has referred to a file that may have been deleted.
    StaleFile(TaskId),
    /// The store has refused the manifest.
    ManifestRefused,
    /// Whoever led the attempt has not completed it, and cannot any more. It is no failure.
    Adopted,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let kind = match failure {
            Failure::Fenced => ErrorKind::Fenced,
            Failure::CorruptManifest => ErrorKind::Corrupt,
            _ => ErrorKind::Unavailable,
        };
        let error = Error::new(kind, failure.to_string());
        match failure {
            Failure::CorruptManifest => error.with_hint("start another job from an older manifest as its savepoint"),
            Failure::TooManyFailedCheckpoints(AbortReason::Timeout) => error
                .with_hint("raise 'execution.checkpointing.timeout', or look for the task that holds back the barrier"),
            _ => error,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fenced => f.write_str("a newer attempt or leader of the job has taken over"),
            Self::TaskLost(task) => write!(f, "{task} is lost"),
            Self::TooManyFailedCheckpoints(last) => {
                write!(f, "too many checkpoints have failed, the last because {last}")
            }
            Self::ManifestInDoubt => f.write_str("the store does not say whether it holds the checkpoint's manifest"),
            Self::StoreRefuses => f.write_str("the store does not let the job's manifests be read and written"),
            Self::CommitFailed => f.write_str("a sink cannot commit what the last checkpoint holds"),
            Self::CorruptManifest => f.write_str("the last manifest of the job cannot be read"),
        }
    }
}

impl fmt::Display for AbortReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("not every task acknowledged it in time"),
            Self::Declined(task) => write!(f, "{task} declined"),
            Self::StaleFile(task) => write!(f, "{task} refers to a file that is no longer retained"),
            Self::ManifestRefused => f.write_str("the store refused its manifest"),
            Self::Adopted => f.write_str("its leader has been replaced"),
        }
    }
}
