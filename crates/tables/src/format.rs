//! What every table format offers: [`TableFormat`] makes and opens tables, a [`Table`] is read by snapshots and changed by commits.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use dipper_state::Directory;
use dipper_types::{Error, Result};

use crate::changes::Changes;
use crate::snapshot::Snapshot;
use crate::spec::TableSpec;

/// A format of tables.
#[async_trait]
pub trait TableFormat: Debug + Send + Sync {
    /// Creates a table in a directory. It is an error if there is one already.
    async fn create(&self, directory: &Directory, spec: &TableSpec) -> Result<Arc<dyn Table>>;

    /// Opens the table in a directory.
    async fn open(&self, directory: &Directory) -> Result<Arc<dyn Table>>;
}

/// An open table. One of them per table and process is enough: it is shared by all who read and write; several, also in other processes,
/// see each other's commits all the same.
#[async_trait]
pub trait Table: Debug + Send + Sync {
    /// Where it is.
    fn directory(&self) -> &Directory;

    /// The table as it is now: with every commit that had succeeded when this was called, by whomever.
    async fn snapshot(&self) -> Result<Arc<Snapshot>>;

    /// The newest snapshot that is known here, without a look at the store.
    fn known_snapshot(&self) -> Arc<Snapshot>;

    /// The table as it was. It is an error, which names what there is, if the log does not reach back so far.
    async fn snapshot_at(&self, at: AsOf) -> Result<Arc<Snapshot>>;

    /// Makes changes visible, all or nothing. If it fails with [`ErrorKind::Unavailable`](dipper_types::ErrorKind), it may have been done
    /// nevertheless: changes with a transaction ([`Changes::in_transaction`]) can be committed again, and are not done twice.
    async fn commit(&self, changes: &Changes) -> Result<Committed>;

    /// Tidies up: writes a checkpoint of the log if one is due, deletes commits, data files and leftovers that are past their retention. To
    /// be called now and then; two at a time do no harm.
    async fn expire(&self) -> Result<Expired>;
}

/// A point in a table's past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// After the commit of this number.
    Version(u64),
    /// At this time, in milliseconds since 1970: after the last commit that was not later. A time to come means now.
    TimestampMs(i64),
}

/// What has become of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// They are what this version adds.
    Now(u64),
    /// Their transaction had been committed before, in this version or an earlier one.
    Earlier(u64),
    /// They do not fit what has been committed since they were prepared; the text says why. Only a rewrite ([`compact`](crate::compact)) and
    /// rows deleted by number ([`Changes::delete_rows`]) can meet with this.
    Conflict(String),
}

impl Committed {
    /// A version that has the changes; a conflict is an error.
    pub fn version(self) -> Result<u64> {
        match self {
            Self::Now(version) | Self::Earlier(version) => Ok(version),
            Self::Conflict(what) => Err(Error::unavailable(format!("not committed: {what}"))
                .with_hint("another commit came first: run the statement again")),
        }
    }
}

/// What has been tidied up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    /// The version of the checkpoint that was written.
    pub checkpoint: Option<u64>,
    /// Commits and checkpoints of the log that were deleted.
    pub log_files: usize,
    /// Data files, deletion vectors and leftovers that were deleted.
    pub data_files: usize,
    /// Their size.
    pub data_bytes: u64,
}
