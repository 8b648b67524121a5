//! What a commit is to change. A change says what is meant, not which lines of a log: the table finds those for the version that it is
//! committed upon, and again if another commit comes first.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema};
use dipper_types::{Error, Result};
use roaring::RoaringTreemap;

use crate::data_file::{DataFile, NewFile};
use crate::spec::stored_field;
use crate::upsert::KeyChanges;

/// Changes to a table that become visible together.
#[derive(Debug, Clone)]
pub struct Changes {
    pub(crate) kind: Kind,
    pub(crate) transaction: Option<(String, i64)>,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Append(Vec<NewFile>),
    /// In order.
    Upsert(Vec<KeyChanges>),
    /// In the place of all that is there.
    Overwrite(Vec<NewFile>),
    /// Rows to delete, by path.
    DeleteRows(BTreeMap<Arc<str>, RoaringTreemap>),
    AddColumns(Vec<FieldRef>),
    Rewrite(Rewrite),
}

/// The same rows in other files.
#[derive(Debug, Clone)]
pub(crate) struct Rewrite {
    /// The files as they were read, in the order in which their rows follow each other, and which of their rows were left out.
    pub(crate) from: Vec<(Arc<DataFile>, Arc<RoaringTreemap>)>,
    /// The files that their rows are in now, one after the other.
    pub(crate) to: Vec<NewFile>,
}

impl Changes {
    /// Adds rows. A table with a primary key takes [`Changes::upsert`] instead.
    pub fn append(files: Vec<NewFile>) -> Self {
        Self::of(Kind::Append(files))
    }

    /// Replaces and deletes rows by key, as an [`UpsertWriter`](crate::UpsertWriter) has staged them: of several changes to one key, the last
    /// one counts. Only for tables with a primary key.
    pub fn upsert(changes: Vec<KeyChanges>) -> Self {
        Self::of(Kind::Upsert(changes))
    }

    /// Puts rows in the place of all that are there. Keys of the rows must differ, if the table has a primary key.
    pub fn overwrite(files: Vec<NewFile>) -> Self {
        Self::of(Kind::Overwrite(files))
    }

    /// Takes all rows out.
    pub fn truncate() -> Self {
        Self::overwrite(Vec::new())
    }

    /// Deletes rows by their numbers in the files of a snapshot; a row that is deleted already stays so. If one of the files has been
    /// rewritten since, this is [`Committed::Conflict`](crate::Committed).
    pub fn delete_rows(rows: impl IntoIterator<Item = (Arc<str>, RoaringTreemap)>) -> Self {
        Self::of(Kind::DeleteRows(rows.into_iter().collect()))
    }

    /// Adds columns at the end, which are NULL in the rows that are there. Types are those that [`TableSpec`](crate::TableSpec) takes.
    pub fn add_columns(columns: &Schema) -> Result<Self> {
        let columns = columns.fields().iter().map(|field| {
            if field.is_nullable() {
                stored_field(field)
            } else {
                let message = format!("column '{}': a column that is added cannot be NOT NULL", field.name());
                Err(Error::invalid(message).with_hint("the rows that are there have no value for it"))
            }
        });
        Ok(Self::of(Kind::AddColumns(columns.collect::<Result<_>>()?)))
    }

    pub(crate) fn rewrite(rewrite: Rewrite) -> Self {
        Self::of(Kind::Rewrite(rewrite))
    }

    /// Makes it safe to commit the changes again: an epoch of an application is committed once, and none after a later one. Epochs of an
    /// application ascend.
    #[must_use]
    pub fn in_transaction(mut self, application: impl Into<String>, epoch: i64) -> Self {
        self.transaction = Some((application.into(), epoch));
        self
    }

    fn of(kind: Kind) -> Self {
        Self { kind, transaction: None }
    }
}

impl Kind {
    /// As the history of the table calls it; the words are those of other engines.
    pub(crate) fn operation(&self) -> &'static str {
        match self {
            Self::Append(_) | Self::Overwrite(_) => "WRITE",
            Self::Upsert(_) => "MERGE",
            Self::DeleteRows(_) => "DELETE",
            Self::AddColumns(_) => "ADD COLUMNS",
            Self::Rewrite(_) => "OPTIMIZE",
        }
    }

    /// The files that are to become part of the table.
    pub(crate) fn new_files(&self) -> Vec<&NewFile> {
        match self {
            Self::Append(files) | Self::Overwrite(files) => files.iter().collect(),
            Self::Upsert(changes) => changes.iter().flat_map(|changes| &changes.rows).collect(),
            Self::Rewrite(rewrite) => rewrite.to.iter().collect(),
            Self::DeleteRows(_) | Self::AddColumns(_) => Vec::new(),
        }
    }

    /// The files that a commit names or reads.
    pub(crate) fn staged_files(&self) -> Vec<&NewFile> {
        let mut files = self.new_files();
        if let Self::Upsert(changes) = self {
            files.extend(changes.iter().flat_map(|changes| &changes.deletes));
        }
        files
    }
}
