//! What a manifest says, added up for people.

use std::collections::{BTreeMap, BTreeSet};

use dipper_types::OperatorId;

use crate::handle::{FileRef, total};
use crate::manifest::Manifest;

/// The state of an operator in a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorSummary {
    /// The operator.
    pub operator: OperatorId,
    /// How many subtasks it had.
    pub parallelism: usize,
    /// Its tables, by name.
    pub tables: Vec<TableSummary>,
    /// How many items its lists hold.
    pub list_items: usize,
}

/// The stored state of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSummary {
    /// The table.
    pub name: String,
    /// The most runs that a subtask has of it: what a restore merges.
    pub runs: usize,
    /// How many files.
    pub files: usize,
    /// The size of the files.
    pub bytes: u64,
    /// How much of that an earlier checkpoint had already stored.
    pub shared_bytes: u64,
    /// How many rows are in the files, those that later ones outrank included.
    pub rows: u64,
    /// How many deletes are in the files.
    pub deletes: u64,
}

/// Adds a manifest up; `before` is the manifest before it, if it is still there.
pub fn summarise(manifest: &Manifest, before: Option<&Manifest>) -> Vec<OperatorSummary> {
    let stored: BTreeSet<&str> = before.iter().flat_map(|before| before.files().into_keys()).collect();
    let operators = manifest.operators().into_iter().map(|state| {
        let mut tables: BTreeMap<&str, (usize, BTreeMap<&str, &FileRef>)> = BTreeMap::new();
        for (name, table) in state.subtasks.iter().flat_map(|handle| &handle.tables) {
            let (runs, files) = tables.entry(name).or_default();
            *runs = table.runs.len().max(*runs);
            files.extend(table.files().map(|file| (file.path.as_str(), file)));
        }
        let tables = tables.into_iter().map(|(name, (runs, files))| table(name, runs, &files, &stored)).collect();
        let lists = state.subtasks.iter().flat_map(|handle| handle.lists.values());
        let list_items = lists.map(|list| list.items.len()).sum();
        OperatorSummary { parallelism: state.subtasks.len(), tables, list_items, operator: state.operator }
    });
    operators.collect()
}

fn table(name: &str, runs: usize, files: &BTreeMap<&str, &FileRef>, stored: &BTreeSet<&str>) -> TableSummary {
    let shared = files.iter().filter(|(path, _)| stored.contains(*path));
    TableSummary {
        name: name.to_owned(),
        runs,
        files: files.len(),
        bytes: total(files.values().map(|file| file.bytes)),
        shared_bytes: total(shared.map(|(_, file)| file.bytes)),
        rows: total(files.values().map(|file| file.rows)),
        deletes: total(files.values().map(|file| file.deletes)),
    }
}
