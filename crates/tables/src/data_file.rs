//! A data file of a table: as a writer has staged it, and as a snapshot lists it.

mod gone;
mod reader;
mod writer;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use gone::WatchedReader;
pub(crate) use gone::gone;
pub(crate) use reader::{kept_rows, read};
pub use writer::{DataFileWriter, Staged};
pub(crate) use writer::{all_durable, conform};

use crate::delta::DeletionVector;
use crate::statistics::FileStatistics;

/// A Parquet file that is in the table's directory and in no commit yet. It is what the committable of a sink holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewFile {
    /// Its name in the table's directory.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// When it was written, in milliseconds since 1970.
    pub modified_ms: i64,
    /// What is known of its values.
    pub statistics: FileStatistics,
}

/// A Parquet file that belongs to a snapshot.
#[derive(Debug, Clone)]
pub struct DataFile {
    pub(crate) path: Arc<str>,
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) modified_ms: i64,
    pub(crate) statistics: Arc<FileStatistics>,
    pub(crate) deleted: Option<Arc<DeletionVector>>,
}

impl DataFile {
    /// Its name in the table's directory.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What identifies it in the snapshot: its name as the log spells it.
    pub fn path(&self) -> &Arc<str> {
        &self.path
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When it was written, in milliseconds since 1970.
    pub fn modified_ms(&self) -> i64 {
        self.modified_ms
    }

    /// Its rows, deleted ones included; unknown if another engine did not say.
    pub fn rows(&self) -> Option<u64> {
        self.statistics.rows
    }

    /// Its rows without those that are deleted.
    pub fn live_rows(&self) -> Option<u64> {
        Some(self.rows()?.saturating_sub(self.deleted_rows()))
    }

    /// How many of its rows are deleted.
    pub fn deleted_rows(&self) -> u64 {
        self.deleted.as_ref().map_or(0, |deleted| deleted.cardinality())
    }

    /// What is known of its values.
    pub fn statistics(&self) -> &Arc<FileStatistics> {
        &self.statistics
    }

    /// Which of its rows are deleted; none if no row is.
    pub fn deletion_vector(&self) -> Option<&Arc<DeletionVector>> {
        self.deleted.as_ref()
    }

    /// Tells the states of one file apart: other rows of it may be deleted in another snapshot.
    pub(crate) fn deletion_id(&self) -> Option<String> {
        self.deleted.as_ref().map(|deleted| deleted.id())
    }
}
