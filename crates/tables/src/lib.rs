//! Dipper's own tables on object storage. Use it to create a table in an open format, to stage rows for it, to commit them together with
//! the epoch of the job they come from, to read what is committed, and to keep the table small. `docs/design/tables.md` is the way in.
//!
//! It knows no SQL and no query engine: who reads takes a [`Snapshot`] and plans over its files. Outside of `delta` nothing knows what the
//! log of a table looks like.

mod catalog;
mod changes;
mod clock;
mod compaction;
mod concurrent;
mod data_file;
mod delta;
mod format;
mod snapshot;
mod spec;
mod statistics;
mod upsert;

pub use catalog::{CatalogChange, CatalogVersion, DEFAULT_DATABASE, DROPPED, TableCatalog, TableEntry};
pub use changes::Changes;
pub use compaction::{Compacted, compact};
pub use data_file::{DataFile, DataFileWriter, NewFile, Staged, WatchedReader};
pub use delta::{DeletionVector, DeltaFormat};
pub use format::{AsOf, Committed, Expired, Table, TableFormat};
pub use snapshot::Snapshot;
pub use spec::{SQL_TYPE, TableOptions, TableSpec, stored_sql_type};
pub use statistics::{ColumnStatistics, FileStatistics, Value};
pub use upsert::{KeyChanges, StagedKeys, UpsertWriter};
