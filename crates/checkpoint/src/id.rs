//! Names of what the protocol speaks about: manifests, attempts, tasks and files.

use std::fmt;

use dipper_types::Epoch;
use serde::{Deserialize, Serialize};

/// Where a manifest stands in the log of its job, from 1, without gaps.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ManifestNumber(pub u64);

impl ManifestNumber {
    /// Before the first manifest.
    pub const NONE: Self = Self(0);

    /// The number that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for ManifestNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "manifest {}", self.0)
    }
}

/// One run of a job's tasks under one coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// The number of its opening manifest: a later attempt's is greater.
    pub opening: ManifestNumber,
    /// Random. Tells two attempts apart that want the same opening at the same time.
    pub nonce: u64,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {}-{:x}", self.opening.0, self.nonce)
    }
}

/// A subtask of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId {
    /// The task in the task graph.
    pub task: usize,
    /// The subtask, from 0.
    pub subtask: usize,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}.{}", self.task, self.subtask)
    }
}

/// A file of a snapshot. Its path is never used twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SnapshotFile {
    /// Where it stands in the checkpoint directory, or in the savepoint's.
    pub path: String,
    /// The opening of the attempt that wrote it.
    pub attempt: ManifestNumber,
    /// The checkpoint that it was written for.
    pub epoch: Epoch,
    /// It belongs to a savepoint and so to the user: it is never collected, and no other checkpoint refers to it.
    pub savepoint: bool,
}
