//! The files of the log: their names, and how they are found, read and created.

use std::sync::Arc;

use bytes::Bytes;
use dipper_state::{Directory, Entry};
use dipper_types::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::action::{Line, decode};

/// The directory of the log in the table's.
const LOG: &str = "_delta_log";

/// The name of a hint at the newest checkpoint.
const LAST_CHECKPOINT: &str = "_last_checkpoint";

/// The log of a table.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) table: Arc<Directory>,
    pub(crate) directory: Directory,
}

/// What the log consists of at a moment, versions in ascending order.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Versions of commits, and when the store says they were written.
    pub(crate) commits: Vec<(u64, i64)>,
    /// Versions of checkpoints that we can read, likewise.
    pub(crate) checkpoints: Vec<(u64, i64)>,
    /// Checkpoints of forms that we cannot read: version and name.
    pub(crate) foreign: Vec<(u64, String)>,
    /// Names of files that a crash has left behind, and when they were written.
    pub(crate) leftovers: Vec<(String, i64)>,
}

/// Where reading of the log begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Base {
    Checkpoint(u64),
    FirstCommit,
}

/// A hint at the newest checkpoint; it may be behind.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Hint {
    pub(crate) version: u64,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parts: Option<u64>,
}

pub(crate) fn commit_name(version: u64) -> String {
    format!("{version:020}.json")
}

pub(crate) fn checkpoint_name(version: u64) -> String {
    format!("{version:020}.checkpoint.parquet")
}

impl Log {
    pub(crate) fn new(table: Directory) -> Self {
        let directory = table.child(LOG);
        Self { table: Arc::new(table), directory }
    }

    /// The table, and what the error is about.
    pub(crate) fn about(&self, error: Error) -> Error {
        error.context(format!("table '{}'", self.table.url()))
    }

    pub(crate) fn corrupt(&self, what: impl std::fmt::Display) -> Error {
        self.about(Error::new(ErrorKind::Corrupt, what.to_string()))
    }

    /// The lines of a commit; none if it does not exist.
    pub(crate) async fn read(&self, version: u64) -> Result<Option<Vec<Line>>> {
        let Some(bytes) = self.directory.get(&commit_name(version)).await? else { return Ok(None) };
        let lines = decode(&bytes).map_err(|error| self.about(error.context(format!("version {version}"))))?;
        Ok(Some(lines))
    }

    /// When a commit was made; none if it does not exist, or does not say.
    pub(crate) async fn timestamp_ms(&self, version: u64) -> Result<Option<i64>> {
        let lines = self.read(version).await?.unwrap_or_default();
        Ok(timestamp_ms(&lines))
    }

    /// The hint at the newest checkpoint; none if there is none that can be read.
    pub(crate) async fn hint(&self) -> Result<Option<Hint>> {
        let bytes = self.directory.get(LAST_CHECKPOINT).await?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    pub(crate) async fn put_hint(&self, version: u64, size: u64) -> Result<()> {
        let hint = Hint { version, size, parts: None };
        let bytes = serde_json::to_vec(&hint).map_err(|error| Error::internal(error.to_string()))?;
        self.directory.put(LAST_CHECKPOINT, &Bytes::from(bytes)).await
    }

    /// What there is, from a version on.
    pub(crate) async fn list(&self, from: u64) -> Result<Listing> {
        // Before every name of this version.
        let after = (from > 0).then(|| format!("{from:020}"));
        let entries = self.directory.list_after(after.as_deref()).await?;
        let mut listing = Listing::default();
        for entry in entries {
            listing.take(entry);
        }
        Ok(listing)
    }
}

impl Listing {
    fn take(&mut self, entry: Entry) {
        let Entry { name, modified_ms, .. } = entry;
        let Some((version, kind)) = name.split_once('.') else { return };
        if kind.rsplit('.').next() == Some("tmp") {
            self.leftovers.push((name, modified_ms));
            return;
        }
        let Some(version) = version.parse().ok().filter(|_| version.len() == 20) else { return };
        match kind {
            "json" => self.commits.push((version, modified_ms)),
            "checkpoint.parquet" => self.checkpoints.push((version, modified_ms)),
            _ if kind.starts_with("checkpoint.") => self.foreign.push((version, name)),
            _ => {}
        }
    }

    /// Where to begin to read up to `version`; none if commits are missing.
    pub(crate) fn base(&self, version: u64) -> Option<Base> {
        let complete = |first: u64| {
            let there = self.commits.iter().filter(|(commit, _)| (first..=version).contains(commit)).count();
            there as u64 == (version + 1).saturating_sub(first)
        };
        let checkpoints = self.checkpoints.iter().rev().map(|(checkpoint, _)| *checkpoint);
        let mut reachable = checkpoints.filter(|checkpoint| *checkpoint <= version && complete(checkpoint + 1));
        match reachable.next() {
            Some(checkpoint) => Some(Base::Checkpoint(checkpoint)),
            None => complete(0).then_some(Base::FirstCommit),
        }
    }

    /// The newest version.
    pub(crate) fn newest(&self) -> Option<u64> {
        let last = |versions: &[(u64, i64)]| versions.last().map(|(version, _)| *version);
        last(&self.commits).max(last(&self.checkpoints)).max(self.foreign.last().map(|(version, _)| *version))
    }

    /// The oldest version that can be read.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let checkpoint = self.checkpoints.first().map(|(version, _)| *version);
        if self.commits.first().is_some_and(|(version, _)| *version == 0) { Some(0) } else { checkpoint }
    }
}

/// When the commit of these lines was made.
pub(crate) fn timestamp_ms(lines: &[Line]) -> Option<i64> {
    lines.iter().find_map(|line| line.commit_info.as_ref()).and_then(|info| info.timestamp)
}
