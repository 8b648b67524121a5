//! What an operator hands over at a barrier.

use std::collections::BTreeMap;
use std::fmt;

use arrow::array::UInt16Array;
use arrow::record_batch::RecordBatch;
use dipper_types::{DEFAULT_KEY_GROUPS, Epoch, Error, Result};
use serde_json::Value;

use crate::list_state::{ListItem, ListState, Redistribution};
use crate::table::{StateRows, TableSpec};

/// Takes over an operator's changes since its last snapshot. Nothing is copied or encoded here: what it keeps are clones of batches,
/// which nobody can change any more, and what is left to do ([`StateWriter::later`]).
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array, UInt16Array};
/// use arrow::record_batch::RecordBatch;
/// use dipper_state::{StateWriter, TableSpec};
/// use dipper_types::Epoch;
///
/// # fn main() -> dipper_types::Result<()> {
/// let id: ArrayRef = Arc::new(Int64Array::from(vec![7, 8]));
/// let sum: ArrayRef = Arc::new(Int64Array::from(vec![70, 80]));
/// let rows = RecordBatch::try_from_iter([("id", ArrayRef::clone(&id)), ("sum", sum)])?;
/// let sums = TableSpec::new("sums", rows.schema(), 1);
///
/// let mut state = StateWriter::new(Epoch(1));
/// state.upsert(&sums, UInt16Array::from(vec![3, 101]), rows)?;
/// let gone = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![6])) as ArrayRef)])?;
/// state.delete(&sums, UInt16Array::from(vec![3]), gone)?;
/// assert_eq!(state.finish().epoch(), Epoch(1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct StateWriter {
    snapshot: StateSnapshot,
}

/// What one operator of one subtask has handed over for one checkpoint.
#[derive(Debug)]
pub struct StateSnapshot {
    pub(crate) epoch: Epoch,
    pub(crate) tables: BTreeMap<String, TableChanges>,
    pub(crate) lists: BTreeMap<String, ListState>,
    pub(crate) committables: Vec<Value>,
    key_groups: u16,
    later: Vec<Later>,
}

/// What is left to do of a snapshot.
struct Later(Box<Work>);

type Work = dyn FnOnce(&mut StateWriter) -> Result<()> + Send;

/// The changes of one table.
#[derive(Debug, Clone)]
pub(crate) struct TableChanges {
    pub(crate) spec: TableSpec,
    /// Whether nothing of what was there before counts any more.
    pub(crate) replaces: bool,
    pub(crate) deletes: Vec<StateRows>,
    pub(crate) upserts: Vec<StateRows>,
}

impl StateWriter {
    /// For the checkpoint of an epoch, in a job of [`DEFAULT_KEY_GROUPS`].
    pub fn new(epoch: Epoch) -> Self {
        let (tables, lists, committables) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let (key_groups, later) = (DEFAULT_KEY_GROUPS, Vec::new());
        Self { snapshot: StateSnapshot { epoch, tables, lists, committables, key_groups, later } }
    }

    /// In a job of so many key groups.
    #[must_use]
    pub fn with_key_groups(mut self, key_groups: u16) -> Self {
        self.snapshot.key_groups = key_groups;
        self
    }

    /// The checkpoint that the snapshot belongs to.
    pub fn epoch(&self) -> Epoch {
        self.snapshot.epoch
    }

    /// How many key groups the job has: what an operator needs in order to say which one a row is of.
    pub fn key_groups(&self) -> u16 {
        self.snapshot.key_groups
    }

    /// Rows that are new or have changed. A key may occur once among all upserts of a snapshot.
    pub fn upsert(&mut self, table: &TableSpec, key_groups: UInt16Array, rows: RecordBatch) -> Result<()> {
        if rows.schema_ref().fields() != table.schema.fields() {
            return Err(wrong_columns(table, "rows"));
        }
        self.changes(table).upserts.push(StateRows { key_groups, rows });
        Ok(())
    }

    /// Keys whose rows are gone. They apply before the upserts of the same snapshot, whatever the order of the calls.
    pub fn delete(&mut self, table: &TableSpec, key_groups: UInt16Array, keys: RecordBatch) -> Result<()> {
        if keys.schema_ref().fields()[..] != table.schema.fields()[..table.key_columns] {
            return Err(wrong_columns(table, "keys"));
        }
        self.changes(table).deletes.push(StateRows { key_groups, rows: keys });
        Ok(())
    }

    /// The table is what this snapshot upserts and nothing else.
    pub fn replace(&mut self, table: &TableSpec) {
        self.changes(table).replaces = true;
    }

    /// Un-keyed state, whole every time.
    pub fn put_list(&mut self, name: impl Into<String>, redistribution: Redistribution, items: Vec<ListItem>) {
        self.snapshot.lists.insert(name.into(), ListState { redistribution, items });
    }

    /// Something that a sink has staged before this barrier, and commits once the checkpoint is committed.
    pub fn commit_later(&mut self, committable: Value) {
        self.snapshot.committables.push(committable);
    }

    /// The changes are found by `work`, beside the running task. What is left to do of the snapshots of one operator is done in their order;
    /// if it fails the checkpoint is declined, and so must all later ones be.
    pub fn later(&mut self, work: impl FnOnce(&mut Self) -> Result<()> + Send + 'static) {
        self.snapshot.later.push(Later(Box::new(work)));
    }

    /// What has been handed over.
    pub fn finish(self) -> StateSnapshot {
        self.snapshot
    }

    fn changes(&mut self, table: &TableSpec) -> &mut TableChanges {
        self.snapshot.tables.entry(table.name.clone()).or_insert_with(|| TableChanges {
            spec: table.clone(),
            replaces: false,
            deletes: Vec::new(),
            upserts: Vec::new(),
        })
    }
}

impl StateSnapshot {
    /// The checkpoint that it belongs to.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Does what is left to do.
    pub fn resolve(mut self) -> Result<Self> {
        let later = std::mem::take(&mut self.later);
        let mut writer = StateWriter { snapshot: self };
        for Later(work) in later {
            work(&mut writer)?;
        }
        Ok(writer.finish())
    }

    /// How many rows and how many deletes have been handed over, table by table, what is left to do apart.
    ///
    /// ```
    /// # use dipper_state::StateWriter;
    /// # use dipper_types::Epoch;
    /// assert_eq!(StateWriter::new(Epoch(1)).finish().changes().count(), 0);
    /// ```
    pub fn changes(&self) -> impl Iterator<Item = (&str, usize, usize)> {
        let rows = |parts: &[StateRows]| parts.iter().map(|part| part.rows.num_rows()).sum();
        self.tables.iter().map(move |(name, table)| (name.as_str(), rows(&table.upserts), rows(&table.deletes)))
    }

    /// What a sink commits later. The protocol says in which manifest it comes to stand.
    pub fn take_committables(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.committables)
    }
}

impl fmt::Debug for Later {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Later")
    }
}

fn wrong_columns(table: &TableSpec, what: &str) -> Error {
    Error::internal(format!("the {what} for state table '{}' have other columns than the table", table.name))
}
