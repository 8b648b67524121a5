//! What an operator is restored from.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::{FieldRef, Schema};
use arrow::record_batch::RecordBatch;
use dipper_types::{Error, KeyGroupRange, OperatorId, Result, SubtaskId};

use crate::directory::Directory;
use crate::handle::tables_in;
use crate::list_state::{ListItem, ListState};
use crate::manifest::OperatorState;
use crate::merge::Deletes;
use crate::run_files::TableFiles;
use crate::table::{StateRows, TableSpec, stored_schema};

/// The state of one operator for one subtask, read and at hand: whatever parallelism wrote it, only the subtask's key groups and its items
/// of lists. An operator takes what it knows, without waiting.
#[derive(Debug)]
pub struct StateReader {
    operator: OperatorId,
    key_groups: KeyGroupRange,
    tables: BTreeMap<String, StoredTable>,
    lists: BTreeMap<String, Vec<ListItem>>,
}

/// A table as it was stored.
#[derive(Debug, Default)]
struct StoredTable {
    key_columns: usize,
    rows: Vec<RecordBatch>,
}

impl StateReader {
    /// Reads an operator's state for `subtask` of a job with `key_groups` key groups. `directory` is the manifest's.
    pub async fn load(
        directory: &Directory,
        state: &OperatorState,
        subtask: SubtaskId,
        key_groups: u16,
    ) -> Result<Self> {
        let range = KeyGroupRange::of(subtask, key_groups);
        let mut tables = BTreeMap::new();
        for (name, table) in tables_in(&state.subtasks, range) {
            let operator = state.operator.clone();
            let files = TableFiles { directory: directory.clone(), operator, table: name.clone() };
            let mut rows = Vec::new();
            for stripe in TableFiles::stripes(&table, range) {
                rows.extend(files.read(&table, stripe, Deletes::Drop).await?.rows);
            }
            rows.retain(|batch| batch.num_rows() > 0);
            tables.insert(name, StoredTable { key_columns: table.key_columns, rows });
        }
        let names: BTreeSet<&String> = state.subtasks.iter().flat_map(|handle| handle.lists.keys()).collect();
        let list = |name: &String| {
            let stored = state.subtasks.iter().filter_map(|handle| handle.lists.get(name));
            (name.clone(), ListState::redistribute(stored, subtask))
        };
        let lists = names.into_iter().map(list).collect();
        Ok(Self { operator: state.operator.clone(), key_groups: range, tables, lists })
    }

    /// Nothing has been stored: for `subtask` at the first start of a job with `key_groups` key groups.
    pub fn empty(operator: OperatorId, subtask: SubtaskId, key_groups: u16) -> Self {
        let key_groups = KeyGroupRange::of(subtask, key_groups);
        Self { operator, key_groups, tables: BTreeMap::new(), lists: BTreeMap::new() }
    }

    /// The key groups that the rows are of.
    pub fn key_groups(&self) -> KeyGroupRange {
        self.key_groups
    }

    /// The rows of a table, each key once, in no order that means anything. Empty if nothing was stored under the name.
    pub fn take_table(&mut self, table: &TableSpec) -> Result<Vec<StateRows>> {
        let stored = self.tables.remove(&table.name).unwrap_or_default();
        let expected = stored_schema(&table.schema);
        let is_other = |batch: &&RecordBatch| {
            batch.schema_ref().fields() != expected.fields() || stored.key_columns != table.key_columns
        };
        if let Some(other) = stored.rows.iter().find(is_other) {
            let message = format!(
                "table '{}' of operator {} was stored with the columns {}, and is expected with {}",
                table.name,
                self.operator,
                columns(other.schema_ref(), stored.key_columns),
                columns(&expected, table.key_columns)
            );
            let error = Error::invalid(message);
            return Err(error.with_hint("the query has changed: restore it as it was, or start fresh"));
        }
        stored.rows.iter().map(|batch| StateRows::of_stored(batch, &table.schema)).collect()
    }

    /// The subtask's items of a list, by id. Empty if nothing was stored under the name.
    pub fn take_list(&mut self, name: &str) -> Vec<ListItem> {
        self.lists.remove(name).unwrap_or_default()
    }

    /// The tables and lists that nobody has taken: state that the operator does not know.
    pub fn not_taken(&self) -> impl Iterator<Item = &str> {
        let tables = self.tables.iter().filter(|(_, table)| !table.rows.is_empty()).map(|(name, _)| name);
        let lists = self.lists.iter().filter(|(_, items)| !items.is_empty()).map(|(name, _)| name);
        tables.chain(lists).map(String::as_str)
    }
}

/// Stored columns in words: those of the key, then the others.
fn columns(stored: &Schema, key_columns: usize) -> String {
    let column = |field: &FieldRef| format!("{} {}", field.name(), field.data_type());
    let columns: Vec<String> = stored.fields().iter().skip(1).map(column).collect();
    let (key, others) = columns.split_at(key_columns.min(columns.len()));
    format!("({}; {})", key.join(", "), others.join(", "))
}
