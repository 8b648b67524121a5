//! Identifiers of jobs, operators, subtasks, epochs, manifests and attempts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A job, by its name: unique among the jobs of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub String);

/// A node of a dataflow graph. It is derived from the plan's structure, so an unrelated edit of the SQL leaves it as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OperatorId(pub String);

/// One of the parallel instances of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SubtaskId {
    /// Which instance, from 0.
    pub index: usize,
    /// How many instances the task has.
    pub parallelism: usize,
}

/// The number of a checkpoint, ascending from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u64);

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

/// One run of a job's tasks under one coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// The number of the manifest with which it took the job over: a later attempt's is greater.
    pub opening: ManifestNumber,
    /// Random. Tells two attempts apart that want the same opening at the same time.
    pub nonce: u64,
}

impl fmt::Display for OperatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SubtaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.parallelism)
    }
}

impl fmt::Display for ManifestNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "manifest {}", self.0)
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {}-{:x}", self.opening.0, self.nonce)
    }
}
