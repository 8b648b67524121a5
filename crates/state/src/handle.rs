//! What comes back once state is stored: which files of which runs make up the tables of a subtask.

use std::collections::BTreeMap;

use dipper_types::{Epoch, KeyGroupRange, SubtaskId};
use serde::{Deserialize, Serialize};

use crate::checksum::Checksum;
use crate::list_state::ListState;

/// The stored state of one operator of one subtask as of a checkpoint: what a task acknowledges a barrier with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateHandle {
    /// Whose state it is.
    pub subtask: SubtaskId,
    /// The key groups of the subtask.
    pub key_groups: KeyGroupRange,
    /// The lowest epoch under which this subtask may still be writing files for a later checkpoint.
    pub open_from: Epoch,
    /// Keyed state.
    pub tables: BTreeMap<String, TableHandle>,
    /// Un-keyed state.
    pub lists: BTreeMap<String, ListState>,
}

/// One table: the runs that it consists of, oldest first. A later run's word about a key outranks an earlier one's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableHandle {
    /// How many leading columns form the key.
    pub key_columns: usize,
    /// The runs.
    pub runs: Vec<Run>,
}

/// What one snapshot, or a merge of several, has stored of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Its files. They differ in keys, so their order means nothing.
    pub files: Vec<FileRef>,
}

/// A state file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRef {
    /// Where it is, relative to the directory of the manifest.
    pub path: String,
    /// The opening of the attempt that wrote it; 0 if it comes from a savepoint.
    pub attempt: u64,
    /// The epoch of the first checkpoint that it belongs to.
    pub epoch: Epoch,
    /// Its size.
    pub bytes: u64,
    /// How many of these bytes are the header.
    pub header_bytes: u64,
    /// The checksum of the header, which holds the checksums of the rest.
    pub checksum: Checksum,
    /// How many rows it holds.
    pub rows: u64,
    /// How many deletes it holds.
    pub deletes: u64,
    /// The key groups of the file that count here; it may hold more.
    pub key_groups: KeyGroupRange,
}

impl StateHandle {
    /// All files of all tables. After a rescale a file may occur in the handles of several subtasks.
    pub fn files(&self) -> impl Iterator<Item = &FileRef> {
        self.tables.values().flat_map(TableHandle::files)
    }
}

impl TableHandle {
    /// The files of all runs.
    pub fn files(&self) -> impl Iterator<Item = &FileRef> {
        self.runs.iter().flat_map(|run| &run.files)
    }
}

impl Run {
    /// The size of all files.
    pub fn bytes(&self) -> u64 {
        total(self.files.iter().map(|file| file.bytes))
    }

    /// The part of the run that lies in a range of key groups, if any does.
    fn clipped(&self, range: KeyGroupRange) -> Option<Self> {
        let clip = |file: &FileRef| {
            let key_groups = intersection(file.key_groups, range)?;
            Some(FileRef { key_groups, ..file.clone() })
        };
        let files: Vec<FileRef> = self.files.iter().filter_map(clip).collect();
        (!files.is_empty()).then_some(Self { files })
    }
}

/// The tables of a subtask that owns `range`, put together from what all subtasks of an earlier parallelism stored. The runs of one follow
/// those of another: their key groups differ, so they have nothing to say about each other.
pub(crate) fn tables_in(handles: &[StateHandle], range: KeyGroupRange) -> BTreeMap<String, TableHandle> {
    let mut tables: BTreeMap<String, TableHandle> = BTreeMap::new();
    for (name, table) in handles.iter().flat_map(|handle| &handle.tables) {
        let known = tables.entry(name.clone());
        let known = known.or_insert_with(|| TableHandle { key_columns: table.key_columns, runs: Vec::new() });
        known.runs.extend(table.runs.iter().filter_map(|run| run.clipped(range)));
    }
    tables
}

/// A sum of what manifests say, which may be anything.
pub(crate) fn total(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

/// The key groups that are in both ranges.
pub(crate) fn intersection(a: KeyGroupRange, b: KeyGroupRange) -> Option<KeyGroupRange> {
    let common = KeyGroupRange { start: a.start.max(b.start), end: a.end.min(b.end) };
    (common.start < common.end).then_some(common)
}
