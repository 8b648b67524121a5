//! The log of a job's manifests as the protocol speaks of it. The one place where its manifests and those at rest are made of each other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dipper_checkpoint as protocol;
use dipper_checkpoint::{RecoveryEvent, SnapshotFile, StoreReply, TaskId};
use dipper_state::{CheckpointKind, CheckpointStore, Found, Manifest, PutOutcome, Query, StateHandle, TaskState};
use dipper_types::{Error, ErrorKind, JobId, ManifestNumber, OperatorId, Result};
use serde_json::Value;

use crate::clock::now_us;

/// Between two questions about the same manifest.
pub(crate) const PAUSE: Duration = Duration::from_millis(200);

/// The state of a task's operators: what the protocol carries as opaque bytes.
pub(crate) type Handles = BTreeMap<OperatorId, StateHandle>;

/// What every manifest of a job says.
#[derive(Debug, Clone)]
pub(crate) struct Letterhead {
    pub(crate) job: JobId,
    pub(crate) key_groups: u16,
    pub(crate) query: Query,
}

/// What the store says, and the error behind it if there is one.
pub(crate) type Answer<T> = (T, Option<Error>);

impl Letterhead {
    /// The manifest at rest: made now, and begun so long ago.
    pub(crate) fn manifest(&self, manifest: &protocol::Manifest, duration_ms: u64) -> Result<Manifest> {
        let task = |(id, snapshot): (&TaskId, &protocol::Snapshot)| {
            let committables = manifest.committables.get(id).into_iter().flatten();
            Ok(TaskState {
                task: id.task,
                subtask: id.subtask,
                finished: snapshot.finished,
                operators: handles(snapshot)?,
                committables: committables.map(|bytes| value(bytes)).collect::<Result<_>>()?,
            })
        };
        Ok(Manifest {
            number: manifest.number.0,
            job: self.job.clone(),
            epoch: manifest.epoch,
            attempt: manifest.attempt,
            leader: manifest.leader,
            kind: match manifest.kind {
                protocol::ManifestKind::Opening => CheckpointKind::Opening,
                protocol::ManifestKind::Checkpoint => CheckpointKind::Checkpoint,
                protocol::ManifestKind::Savepoint => CheckpointKind::Savepoint,
            },
            created_ms: i64::try_from(now_us() / 1_000).unwrap_or(i64::MAX),
            duration_ms,
            key_groups: self.key_groups,
            query: self.query.clone(),
            tasks: manifest.tasks.iter().map(task).collect::<Result<_>>()?,
        })
    }
}

/// The protocol's view of a manifest.
pub(crate) fn protocol_manifest(manifest: &Manifest) -> Result<protocol::Manifest> {
    let id = |task: &TaskState| TaskId { task: task.task, subtask: task.subtask };
    let committed = manifest.tasks.iter().filter(|task| !task.committables.is_empty());
    let committables = committed.map(|task| {
        let bytes = task.committables.iter().map(|value| value.to_string().into_bytes());
        (id(task), bytes.collect())
    });
    Ok(protocol::Manifest {
        number: ManifestNumber(manifest.number),
        attempt: manifest.attempt,
        leader: manifest.leader,
        epoch: manifest.epoch,
        kind: match manifest.kind {
            CheckpointKind::Opening => protocol::ManifestKind::Opening,
            CheckpointKind::Checkpoint => protocol::ManifestKind::Checkpoint,
            CheckpointKind::Savepoint => protocol::ManifestKind::Savepoint,
        },
        tasks: manifest
            .tasks
            .iter()
            .map(|task| Ok((id(task), snapshot(&task.operators, task.finished)?)))
            .collect::<Result<_>>()?,
        committables: committables.collect(),
    })
}

/// What a task has saved.
pub(crate) fn snapshot(handles: &Handles, finished: bool) -> Result<protocol::Snapshot> {
    let inline = serde_json::to_vec(handles).map_err(|error| Error::internal(error.to_string()))?;
    let files = handles.values().flat_map(StateHandle::files).map(|file| SnapshotFile {
        path: file.path.clone(),
        attempt: ManifestNumber(file.attempt),
        epoch: file.epoch,
    });
    Ok(protocol::Snapshot { inline, files: files.collect(), finished })
}

/// The state that a task has saved.
pub(crate) fn handles(snapshot: &protocol::Snapshot) -> Result<Handles> {
    serde_json::from_slice(&snapshot.inline).map_err(|error| Error::internal(format!("not a task's state: {error}")))
}

fn value(bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|error| Error::internal(format!("not a committable: {error}")))
}

/// The numbers in the log.
pub(crate) async fn list(store: &CheckpointStore) -> Answer<RecoveryEvent> {
    match store.manifest_numbers().await {
        Ok(numbers) => (RecoveryEvent::Listed(numbers.into_iter().map(ManifestNumber).collect()), None),
        Err(error) => (RecoveryEvent::LogUnreadable, Some(error)),
    }
}

/// Reads manifests; what has gone by now is left out, and what cannot be read is named, with the last error.
pub(crate) async fn read(
    store: &CheckpointStore,
    numbers: BTreeSet<ManifestNumber>,
) -> (Answer<RecoveryEvent>, Vec<Manifest>) {
    let (mut manifests, mut corrupt, mut at_rest, mut last_error) = (Vec::new(), BTreeSet::new(), Vec::new(), None);
    for number in numbers {
        let read = match store.find(number.0).await {
            Ok(None) => continue,
            Ok(Some(manifest)) => protocol_manifest(&manifest).map(|read| (read, manifest)),
            Err(error) => Err(error),
        };
        match read {
            Ok((manifest, rest)) => {
                manifests.push(manifest);
                at_rest.push(rest);
            }
            Err(error) if matches!(error.kind(), ErrorKind::Unavailable) => {
                return ((RecoveryEvent::LogUnreadable, Some(error)), Vec::new());
            }
            Err(error) => {
                corrupt.insert(number);
                last_error = Some(error);
            }
        }
    }
    ((RecoveryEvent::Read { manifests, corrupt }, last_error), at_rest)
}

/// Creates a manifest.
pub(crate) async fn put(store: CheckpointStore, manifest: Manifest) -> Answer<StoreReply> {
    match store.put_manifest(&manifest).await {
        PutOutcome::Put => (StoreReply::Put, None),
        PutOutcome::InDoubt(error) => (StoreReply::Put, Some(error)),
        PutOutcome::Refused(error) => (StoreReply::Refused, Some(error)),
    }
}

/// Looks what has become of a manifest.
pub(crate) async fn inspect(store: CheckpointStore, manifest: Manifest) -> Answer<StoreReply> {
    match store.inspect(&manifest).await {
        Ok(inspection) => {
            let found = match inspection.found {
                Found::Absent => protocol::Found::Absent,
                Found::Own => protocol::Found::Own,
                Found::Other => protocol::Found::Other,
            };
            (StoreReply::Inspected { found, head: ManifestNumber(inspection.head) }, None)
        }
        Err(error) => (StoreReply::Unreadable, Some(error)),
    }
}

/// The error of an attempt that has failed, with what the store said last.
pub(crate) fn explained(failure: protocol::Failure, behind: Option<Error>) -> Error {
    let error = Error::from(failure);
    match behind {
        None => error,
        Some(behind) => {
            // What the store says is more to the point: a directory that cannot be written stays so.
            let stays = matches!(behind.kind(), ErrorKind::Invalid | ErrorKind::Unsupported);
            let kind = if stays && error.kind() == ErrorKind::Unavailable { behind.kind() } else { error.kind() };
            let explained = Error::new(kind, format!("{error}: {behind}"));
            match behind.hint().or(error.hint()) {
                Some(hint) => explained.with_hint(hint),
                None => explained,
            }
        }
    }
}
