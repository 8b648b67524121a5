//! Names of what the protocol speaks about beside manifests and attempts: tasks and files.

use std::fmt;

use dipper_types::{Epoch, ManifestNumber};
use serde::{Deserialize, Serialize};

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
    /// Where it stands in the checkpoint directory.
    pub path: String,
    /// The opening of the attempt that wrote it.
    pub attempt: ManifestNumber,
    /// The checkpoint that it was written for.
    pub epoch: Epoch,
}
