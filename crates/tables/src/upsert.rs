//! Changes by key: a writer stages them, and an index finds the rows they replace.

mod index;
mod writer;

use serde::{Deserialize, Serialize};

pub(crate) use index::{KeyEncoder, KeyIndex, Replaced, Step};
pub(crate) use writer::KEYS;
pub use writer::{StagedKeys, UpsertWriter};

use crate::data_file::NewFile;

/// Rows that replace those with the same keys, and keys whose rows are deleted. No key is in both, nor twice.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyChanges {
    /// Rows of the table.
    pub rows: Vec<NewFile>,
    /// The key columns only, of rows that are to go. These files do not become part of the table.
    pub deletes: Vec<NewFile>,
}
