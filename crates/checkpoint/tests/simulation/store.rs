//! The object store and the sink, as one thing that takes effect call by call. What becomes of calls and answers on the
//! way is the world's matter.

use std::collections::{BTreeMap, BTreeSet};

use dipper_checkpoint::{
    Committables, Found, Garbage, History, Manifest, ManifestKind, ManifestNumber, Observation, RecoveryEvent,
    SnapshotFile, StoreReply, TaskId, Violation,
};
use dipper_types::Epoch;

use crate::workload::{KeyState, Row};

/// Something asked of the store.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    List,
    Read(BTreeSet<ManifestNumber>),
    Put(Box<Manifest>),
    Inspect(Box<Manifest>),
    /// The second half of an inspection.
    Head(Found),
    Upload {
        task: TaskId,
        epoch: Epoch,
        key: u8,
        file: SnapshotFile,
        state: KeyState,
    },
    Stage {
        task: TaskId,
        attempt: ManifestNumber,
        epoch: Epoch,
        name: String,
        rows: Vec<Row>,
    },
    Commit {
        epoch: Epoch,
        committables: Committables,
    },
    /// With how many of its manifests are gone already.
    Delete(Garbage, usize),
    Sweep {
        before: ManifestNumber,
        keep: BTreeSet<SnapshotFile>,
        others: bool,
    },
    /// A planted bug: all that this attempt has staged.
    RemoveStaged(ManifestNumber),
}

/// What the caller hears.
#[derive(Debug)]
pub(crate) enum Reply {
    Log(RecoveryEvent),
    Store(StoreReply),
    Stored {
        task: TaskId,
        epoch: Epoch,
    },
    UploadFailed {
        task: TaskId,
        epoch: Epoch,
    },
    StagingFailed(TaskId),
    Committed,
    CommitFailed,
    Deleted(Garbage),
    /// Nothing but that the next call may be made.
    Then(Call),
    Nothing,
}

#[derive(Default)]
pub(crate) struct Store {
    pub(crate) history: History,
    log: BTreeMap<ManifestNumber, Manifest>,
    pub(crate) files: BTreeMap<SnapshotFile, (u8, KeyState)>,
    /// By name: the attempt, and the rows.
    staged: BTreeMap<String, (ManifestNumber, Vec<Row>)>,
    /// By the epoch that committed them and the name under which they were staged: the sink is idempotent by epoch, and
    /// would commit the same rows again under another.
    visible: BTreeMap<(Epoch, String), Vec<Row>>,
    pub(crate) committed: Option<Epoch>,
}

impl Store {
    /// The call takes effect.
    pub(crate) fn execute(&mut self, call: &Call) -> Result<Reply, Violation> {
        Ok(match call {
            Call::List => Reply::Log(RecoveryEvent::Listed(self.log.keys().copied().collect())),
            Call::Read(numbers) => {
                let manifests = numbers.iter().filter_map(|number| self.log.get(number).cloned()).collect();
                Reply::Log(RecoveryEvent::Read { manifests, corrupt: BTreeSet::new() })
            }
            Call::Put(manifest) => self.put(manifest)?,
            Call::Inspect(manifest) => {
                let found = match self.log.get(&manifest.number) {
                    None => Found::Absent,
                    Some(found) if found == manifest.as_ref() => Found::Own,
                    Some(_) => Found::Other,
                };
                Reply::Then(Call::Head(found))
            }
            Call::Head(found) => {
                let head = self.log.keys().next_back().copied().unwrap_or(ManifestNumber::NONE);
                Reply::Store(StoreReply::Inspected { found: *found, head })
            }
            Call::Upload { task, epoch, key, file, state } => {
                self.history.observe(Observation::FileCreated(file))?;
                self.files.insert(file.clone(), (*key, state.clone()));
                Reply::Stored { task: *task, epoch: *epoch }
            }
            Call::Stage { task, attempt, epoch, name, rows } => {
                self.staged.insert(name.clone(), (*attempt, rows.clone()));
                Reply::Stored { task: *task, epoch: *epoch }
            }
            Call::Commit { epoch, committables } => self.commit(*epoch, committables, usize::MAX)?,
            Call::Delete(garbage, gone) => self.delete(garbage, *gone)?,
            Call::Sweep { before, keep, others } => self.sweep(*before, keep, *others)?,
            Call::RemoveStaged(attempt) => self.remove_staged(|of| of == *attempt)?,
        })
    }

    /// What the caller hears when nothing is known, or when the call has been `refused` for certain.
    pub(crate) fn failure(call: &Call, refused: bool) -> Reply {
        match call {
            Call::List | Call::Read(_) => Reply::Log(RecoveryEvent::LogUnreadable),
            Call::Put(_) if refused => Reply::Store(StoreReply::Refused),
            Call::Put(_) => Reply::Store(StoreReply::Put),
            Call::Inspect(_) | Call::Head(_) => Reply::Store(StoreReply::Unreadable),
            Call::Upload { task, epoch, .. } => Reply::UploadFailed { task: *task, epoch: *epoch },
            Call::Stage { task, .. } => Reply::StagingFailed(*task),
            Call::Commit { .. } => Reply::CommitFailed,
            Call::Delete(..) | Call::Sweep { .. } | Call::RemoveStaged(_) => Reply::Nothing,
        }
    }

    /// Makes visible what was staged under the first `parts` names; the epoch counts as committed if that is all.
    pub(crate) fn commit(
        &mut self,
        epoch: Epoch,
        committables: &Committables,
        parts: usize,
    ) -> Result<Reply, Violation> {
        self.history.observe(Observation::CommitBegun(epoch, committables))?;
        if self.committed >= Some(epoch) {
            return Ok(Reply::Committed);
        }
        let names = committables.values().flatten().map(|name| String::from_utf8_lossy(name).into_owned());
        let names: Vec<String> = names.collect();
        for name in names.iter().take(parts) {
            if let Some((_, rows)) = self.staged.get(name) {
                self.visible.insert((epoch, name.clone()), rows.clone());
            }
        }
        if parts < names.len() {
            return Ok(Reply::CommitFailed);
        }
        self.committed = Some(epoch);
        self.history.observe(Observation::Committed(epoch))?;
        Ok(Reply::Committed)
    }

    /// What readers of the sink see, in order of rows.
    pub(crate) fn visible_rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.visible.values().flatten().copied().collect();
        rows.sort_unstable();
        rows
    }

    fn put(&mut self, manifest: &Manifest) -> Result<Reply, Violation> {
        if !self.log.contains_key(&manifest.number) {
            self.history.observe(Observation::ManifestCreated(manifest))?;
            self.log.insert(manifest.number, manifest.clone());
        }
        Ok(Reply::Store(StoreReply::Put))
    }

    /// One manifest at a time, then the files.
    fn delete(&mut self, garbage: &Garbage, gone: usize) -> Result<Reply, Violation> {
        if let Some(number) = garbage.manifests.get(gone) {
            self.history.observe(Observation::ManifestDeleted(*number))?;
            self.log.remove(number);
            return Ok(Reply::Then(Call::Delete(garbage.clone(), gone + 1)));
        }
        for file in &garbage.files {
            self.delete_file(file)?;
        }
        Ok(Reply::Deleted(garbage.clone()))
    }

    fn delete_file(&mut self, file: &SnapshotFile) -> Result<(), Violation> {
        if self.files.remove(file).is_some() {
            self.history.observe(Observation::FileDeleted(file))?;
        }
        Ok(())
    }

    /// With `others`, a planted bug, not only earlier attempts are swept.
    fn sweep(
        &mut self,
        before: ManifestNumber,
        keep: &BTreeSet<SnapshotFile>,
        others: bool,
    ) -> Result<Reply, Violation> {
        let is_swept = |attempt: ManifestNumber| attempt < before || (others && attempt > before);
        self.remove_staged(is_swept)?;
        let is_orphan = |file: &&SnapshotFile| is_swept(file.attempt) && !keep.contains(*file);
        let orphans: Vec<SnapshotFile> = self.files.keys().filter(is_orphan).cloned().collect();
        for file in orphans {
            self.delete_file(&file)?;
        }
        Ok(Reply::Nothing)
    }

    fn remove_staged(&mut self, of: impl Fn(ManifestNumber) -> bool) -> Result<Reply, Violation> {
        let staged: Vec<String> =
            self.staged.iter().filter(|(_, (attempt, _))| of(*attempt)).map(|(name, _)| name.clone()).collect();
        for name in staged {
            self.staged.remove(&name);
            self.history.observe(Observation::StagedRemoved(name.as_bytes()))?;
        }
        Ok(Reply::Nothing)
    }

    /// The last manifest of the log, unless it is an opening.
    pub(crate) fn last_checkpoint(&self) -> Option<&Manifest> {
        self.history.head().filter(|head| head.kind != ManifestKind::Opening)
    }
}
