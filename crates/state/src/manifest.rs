//! The manifest of a checkpoint: everything a restore needs, in one JSON object with a version and a checksum.

use std::collections::BTreeMap;

use bytes::Bytes;
use dipper_types::{AttemptId, Epoch, Error, ErrorKind, JobId, OperatorId, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::checksum::Checksum;
use crate::handle::{FileRef, StateHandle};

const FORMAT: &str = "dipper-manifest";
/// The version that this build reads and writes.
const FORMAT_VERSION: u32 = 1;

/// A committed checkpoint or a savepoint. The same manifest is always encoded into the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// One more than that of the manifest it follows, without gaps.
    pub number: u64,
    /// The job.
    pub job: JobId,
    /// The checkpoint's epoch, above that of every earlier checkpoint; an opening repeats that of the manifest before it.
    pub epoch: Epoch,
    /// The life of the job that wrote it.
    pub attempt: AttemptId,
    /// Who led that attempt; 0 if its first leader did, in manifests of builds that knew of no others.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub leader: u64,
    /// Why it was written.
    pub kind: CheckpointKind,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// How long it took, from the barrier to here.
    pub duration_ms: u64,
    /// How many key groups the job has.
    pub key_groups: u16,
    /// What the job does.
    pub query: Query,
    /// What the tasks have saved.
    pub tasks: Vec<TaskState>,
}

/// Why a manifest was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckpointKind {
    /// An attempt takes the job over. What it restores is repeated.
    Opening,
    /// For recovery. It shares files with other checkpoints, and is deleted when enough later ones exist.
    Checkpoint,
    /// For the user: it owns all its files and stays until the user deletes it.
    Savepoint,
}

/// What a job does, as text that means nothing here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// The statements.
    pub sql: String,
    /// The tables and views they refer to.
    pub catalog: String,
}

/// What one subtask of a task has saved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskState {
    /// The task in the task graph.
    pub task: usize,
    /// The subtask, from 0.
    pub subtask: usize,
    /// Its inputs had ended and it had flushed: it writes nothing any more.
    pub finished: bool,
    /// The state of its operators.
    pub operators: BTreeMap<OperatorId, StateHandle>,
    /// What its sink commits now that the checkpoint is committed.
    pub committables: Vec<Value>,
}

/// The state of one operator, of all its subtasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorState {
    /// The operator.
    pub operator: OperatorId,
    /// What its subtasks stored.
    pub subtasks: Vec<StateHandle>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_unknown(leader: &u64) -> bool {
    *leader == 0
}

#[derive(Deserialize)]
struct Envelope<'a> {
    format: String,
    version: u32,
    checksum: Checksum,
    #[serde(borrow)]
    manifest: &'a RawValue,
}

impl Manifest {
    /// The state of every operator that has any.
    pub fn operators(&self) -> Vec<OperatorState> {
        let mut operators: BTreeMap<&OperatorId, Vec<StateHandle>> = BTreeMap::new();
        for (operator, handle) in self.tasks.iter().flat_map(|task| &task.operators) {
            operators.entry(operator).or_default().push(handle.clone());
        }
        let state = |(operator, subtasks): (&OperatorId, _)| OperatorState { operator: operator.clone(), subtasks };
        operators.into_iter().map(state).collect()
    }

    /// The state of an operator, if it has any.
    pub fn operator(&self, operator: &OperatorId) -> Option<OperatorState> {
        let handles = self.tasks.iter().filter_map(|task| task.operators.get(operator));
        let subtasks: Vec<StateHandle> = handles.cloned().collect();
        (!subtasks.is_empty()).then(|| OperatorState { operator: operator.clone(), subtasks })
    }

    /// Each file once, whichever subtasks share it.
    pub fn files(&self) -> BTreeMap<&str, &FileRef> {
        let handles = self.tasks.iter().flat_map(|task| task.operators.values());
        handles.flat_map(StateHandle::files).map(|file| (file.path.as_str(), file)).collect()
    }

    /// The lowest epoch under which files for a later checkpoint may be in the making.
    pub fn open_from(&self) -> Epoch {
        let writing = self.tasks.iter().filter(|task| !task.finished).flat_map(|task| task.operators.values());
        writing.map(|handle| handle.open_from).fold(Epoch(self.epoch.0.saturating_add(1)), Epoch::min)
    }

    /// The bytes of its object.
    pub fn encode(&self) -> Result<Bytes> {
        let text = serde_json::to_string(self)
            .map_err(|error| Error::internal(format!("cannot encode a manifest: {error}")))?;
        Ok(seal(&text).into())
    }

    /// Reads the bytes of an object called `name`.
    pub fn decode(name: &str, bytes: &[u8]) -> Result<Self> {
        let envelope: Envelope<'_> = serde_json::from_slice(bytes).map_err(|error| damaged(name, &error))?;
        if envelope.format != FORMAT {
            return Err(damaged(name, &"it is not a manifest"));
        }
        if checksum(envelope.version, envelope.manifest.get()) != envelope.checksum {
            return Err(damaged(name, &"its checksum differs"));
        }
        if envelope.version != FORMAT_VERSION {
            let version = envelope.version;
            let message = format!("manifest '{name}' has format version {version}, this build reads {FORMAT_VERSION}");
            return Err(Error::invalid(message).with_hint("restore with the version of dipper that wrote it"));
        }
        serde_json::from_str(envelope.manifest.get()).map_err(|error| damaged(name, &error))
    }
}

/// Puts what verifies it around the text of a manifest.
pub(crate) fn seal(text: &str) -> String {
    let checksum = checksum(FORMAT_VERSION, text);
    format!(r#"{{"format":"{FORMAT}","version":{FORMAT_VERSION},"checksum":"{checksum}","manifest":{text}}}"#)
}

/// The version is covered as well, so that another version is told from damage.
fn checksum(version: u32, text: &str) -> Checksum {
    Checksum::of_parts(&[&version.to_le_bytes(), text.as_bytes()])
}

/// What is wrong with a manifest, and the way out.
pub(crate) fn damaged(name: &str, what: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, format!("manifest '{name}' is damaged: {what}"))
        .with_hint("restore an older checkpoint")
}

#[cfg(test)]
mod tests;
