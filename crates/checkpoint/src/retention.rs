//! Which manifests stay, and which files nothing needs any more.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Manifest, ManifestKind, ManifestNumber, SnapshotFile};

/// The part of the log that is retained, with the files that it names.
///
/// The last manifest stays always, because it is what tells a zombie that the log has gone on; besides it the last
/// `retained` checkpoints and savepoints do. An opening only repeats what stands before it.
#[derive(Debug, Clone)]
pub struct Retention {
    retained: usize,
    log: BTreeMap<ManifestNumber, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    is_opening: bool,
    /// It is to be deleted. Its files must not go before it, and what fails is tried again.
    is_subsumed: bool,
    files: BTreeSet<SnapshotFile>,
}

/// What is to be deleted: the manifests first, then the files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Garbage {
    /// Manifests that are subsumed.
    pub manifests: Vec<ManifestNumber>,
    /// Files that no retained manifest names.
    pub files: Vec<SnapshotFile>,
}

impl Garbage {
    /// Whether there is nothing to delete.
    pub fn is_empty(&self) -> bool {
        self.manifests.is_empty() && self.files.is_empty()
    }
}

impl Retention {
    /// The log as it stands; `retained` is `state.checkpoints.num-retained`, and 0 means 1. What is superfluous in it is
    /// not retained: whoever led before may be deleting it.
    pub fn new<'a>(retained: usize, log: impl IntoIterator<Item = &'a Manifest>) -> Self {
        let log = log.into_iter().map(|manifest| (manifest.number, Entry::of(manifest))).collect();
        let mut retention = Self { retained: retained.max(1), log };
        retention.subsume();
        retention
    }

    /// A manifest has been committed: what is superfluous now, including what was so before and is not known to be gone.
    pub fn on_completed(&mut self, manifest: &Manifest) -> Garbage {
        self.log.insert(manifest.number, Entry::of(manifest));
        self.subsume();
        let subsumed = || self.log.iter().filter(|(_, entry)| entry.is_subsumed);
        let files: BTreeSet<&SnapshotFile> = subsumed().flat_map(|(_, entry)| &entry.files).collect();
        let is_garbage = |file: &&&SnapshotFile| !self.names(file);
        Garbage {
            manifests: subsumed().map(|(&number, _)| number).collect(),
            files: files.iter().filter(is_garbage).map(|file| (*file).clone()).collect(),
        }
    }

    fn subsume(&mut self) {
        let head = self.log.keys().next_back().copied();
        let mut room = self.retained;
        for (&number, entry) in self.log.iter_mut().rev() {
            entry.is_subsumed = Some(number) != head && (entry.is_opening || room == 0);
            if !entry.is_opening {
                room = room.saturating_sub(1);
            }
        }
    }

    /// Everything of it has been deleted.
    pub fn on_deleted(&mut self, garbage: &Garbage) {
        for number in &garbage.manifests {
            self.log.remove(number);
        }
    }

    /// Whether a retained manifest names the file.
    pub fn names(&self, file: &SnapshotFile) -> bool {
        self.log.values().any(|entry| !entry.is_subsumed && entry.files.contains(file))
    }
}

impl Entry {
    fn of(manifest: &Manifest) -> Self {
        let is_opening = manifest.kind == ManifestKind::Opening;
        Self { is_opening, is_subsumed: false, files: manifest.files().cloned().collect() }
    }
}

#[cfg(test)]
mod tests {
    use dipper_types::Epoch;

    use super::*;
    use crate::{AttemptId, Snapshot, TaskId};

    fn manifest(number: u64, kind: ManifestKind, files: &[&str]) -> Manifest {
        let file =
            |path: &&str| SnapshotFile { path: (*path).to_owned(), attempt: ManifestNumber(1), epoch: Epoch(number) };
        // A file keeps the epoch that it was written for.
        let files = files.iter().map(file).map(|file| SnapshotFile { epoch: Epoch(0), ..file }).collect();
        let snapshot = Snapshot { files, ..Snapshot::default() };
        Manifest {
            number: ManifestNumber(number),
            attempt: AttemptId { opening: ManifestNumber(1), nonce: 0 },
            leader: 0,
            epoch: Epoch(number),
            kind,
            tasks: BTreeMap::from([(TaskId { task: 0, subtask: 0 }, snapshot)]),
            committables: BTreeMap::new(),
        }
    }

    /// What is to be deleted, and then is.
    fn deleted(retention: &mut Retention, manifest: &Manifest) -> (Vec<u64>, Vec<String>) {
        let garbage = retention.on_completed(manifest);
        retention.on_deleted(&garbage);
        let numbers = garbage.manifests.iter().map(|number| number.0).collect();
        (numbers, garbage.files.into_iter().map(|file| file.path).collect())
    }

    fn gone(numbers: &[u64], paths: &[&str]) -> (Vec<u64>, Vec<String>) {
        (numbers.to_vec(), paths.iter().map(|&path| path.to_owned()).collect())
    }

    #[test]
    fn a_file_goes_with_the_last_manifest_that_names_it() {
        use ManifestKind::{Checkpoint, Opening};
        let mut retention = Retention::new(2, &[manifest(1, Opening, &[])]);
        for (number, files, expected) in [
            (2, &["a", "b"][..], gone(&[1], &[])),
            (3, &["b", "c"], gone(&[], &[])),
            (4, &["c"], gone(&[2], &["a"])),
            (5, &["d"], gone(&[3], &["b"])),
            (6, &["d"], gone(&[4], &["c"])),
        ] {
            assert_eq!(deleted(&mut retention, &manifest(number, Checkpoint, files)), expected, "manifest {number}");
        }
    }

    #[test]
    fn an_opening_stays_while_it_is_the_last_and_takes_no_room() {
        use ManifestKind::{Checkpoint, Opening};
        let log = [manifest(4, Checkpoint, &["a"]), manifest(5, Opening, &["a"])];
        let mut retention = Retention::new(1, &log);
        assert_eq!(deleted(&mut retention, &manifest(6, Opening, &["a"])), gone(&[5], &[]));
        assert_eq!(deleted(&mut retention, &manifest(7, Checkpoint, &["b"])), gone(&[4, 6], &["a"]));
    }

    #[test]
    fn what_a_former_leader_may_be_deleting_is_not_retained() {
        use ManifestKind::{Checkpoint, Opening};
        let log = [manifest(4, Checkpoint, &["a"]), manifest(5, Checkpoint, &["b"]), manifest(6, Opening, &["b"])];
        let retention = Retention::new(1, &log);
        let names = |path: &str| {
            let file = manifest(1, Opening, &[path]).files().next().cloned();
            file.is_some_and(|file| retention.names(&file))
        };
        assert!(names("b") && !names("a"));
    }

    #[test]
    fn what_could_not_be_deleted_is_deleted_the_next_time() {
        use ManifestKind::Checkpoint;
        let mut retention = Retention::new(1, &[manifest(1, Checkpoint, &["a"])]);
        retention.on_completed(&manifest(2, Checkpoint, &["b"]));
        assert_eq!(deleted(&mut retention, &manifest(3, Checkpoint, &["c"])), gone(&[1, 2], &["a", "b"]));
    }
}
