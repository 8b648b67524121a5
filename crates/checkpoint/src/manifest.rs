//! What a manifest says. How it is encoded is the state layer's matter.

use std::collections::{BTreeMap, BTreeSet};

use dipper_types::Epoch;
use serde::{Deserialize, Serialize};

use crate::{AttemptId, ManifestNumber, SnapshotFile, TaskId};

/// What sinks have staged, by task, in the order of staging. The bytes are opaque to everyone but the sink.
pub type Committables = BTreeMap<TaskId, Vec<Vec<u8>>>;

/// One entry of a job's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its place in the log.
    pub number: ManifestNumber,
    /// Whose checkpoint it is.
    pub attempt: AttemptId,
    /// Who led the attempt, and has written it: the nonce of the attempt, or of the leader that has adopted it since.
    pub leader: u64,
    /// The checkpoint that it holds. An opening repeats the last epoch of the log, 0 if there is none.
    pub epoch: Epoch,
    /// Why it was written.
    pub kind: ManifestKind,
    /// The snapshot of every task; empty if the job starts from nothing.
    pub tasks: BTreeMap<TaskId, Snapshot>,
    /// What the sinks are to make visible.
    pub committables: Committables,
}

/// Why a manifest was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ManifestKind {
    /// An attempt takes the job over, or a leader a running attempt. What came before is repeated; nothing is to be committed.
    Opening,
    /// A checkpoint.
    Checkpoint,
    /// A checkpoint that somebody has asked for, to be copied into a savepoint.
    Savepoint,
}

/// What one task has saved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// What is small enough to stand in the manifest: source offsets, the description of the files.
    pub inline: Vec<u8>,
    /// The files that it consists of.
    pub files: BTreeSet<SnapshotFile>,
    /// The task's inputs had ended and it had flushed: restored, it flushes nothing again.
    pub finished: bool,
}

/// A committable and the epoch at whose barrier it was staged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    /// The rows before this epoch's barrier, and after the barrier of the one before.
    pub epoch: Epoch,
    /// Opaque to everyone but the sink.
    pub committable: Vec<u8>,
}

impl Manifest {
    /// Every file that it names.
    pub fn files(&self) -> impl Iterator<Item = &SnapshotFile> {
        self.tasks.values().flat_map(|snapshot| &snapshot.files)
    }

    /// Whether a leader goes on with a running attempt from here.
    pub fn adopts(&self) -> bool {
        self.kind == ManifestKind::Opening && self.attempt.opening < self.number
    }

    /// Whether every task had finished: nothing is left to run.
    pub fn is_final(&self) -> bool {
        !self.tasks.is_empty() && self.tasks.values().all(|snapshot| snapshot.finished)
    }
}
