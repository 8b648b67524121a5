//! Keeps a table small: checkpoints of the log, and deletion of what is past its retention.

use std::collections::HashSet;
use std::sync::Arc;

use dipper_state::Entry;
use dipper_types::Result;
use futures::FutureExt;

use super::checkpoint;
use super::log::{Log, checkpoint_name, commit_name};
use super::state::{State, file_name};
use super::table::DeltaTable;
use crate::clock::now_ms;
use crate::concurrent::concurrently;
use crate::format::Expired;
use crate::upsert::KEYS;

/// See [`Table::expire`](crate::Table::expire).
pub(crate) async fn expire(log: &Log, table: &DeltaTable) -> Result<Expired> {
    let state = table.refresh().await?.state.clone();
    // To clean up is to write: a feature that we do not know may have a say in it.
    state.view.protocol.check_writable(&state.view.metadata).map_err(|error| log.about(error))?;
    let (now, options) = (now_ms(), Arc::clone(&state.view.snapshot.options));
    let mut expired = Expired::default();
    collect(log, &state, now, &mut expired).await?;
    let last = log.hint().await?.map(|hint| hint.version);
    let since = state.view.snapshot.version - last.unwrap_or(0).min(state.view.snapshot.version);
    if since >= options.checkpoint_interval {
        let cutoff = now.saturating_sub(options.file_retention_ms);
        table.refresh().await?.state.drop_tombstones_before(cutoff);
        let mut state = state;
        state.drop_tombstones_before(cutoff);
        checkpoint::write(log, &state).await?;
        expired.checkpoint = Some(state.view.snapshot.version);
        let cutoff = now.saturating_sub(options.log_retention_ms);
        expired.log_files = clean_log(log, cutoff, now.saturating_sub(options.leftover_retention_ms)).await?;
    }
    Ok(expired)
}

/// Deletes data files and vectors that are not part of the table: those that a commit has taken out, after their retention; those that no
/// commit is known to have named, after a longer one.
async fn collect(log: &Log, state: &State, now: i64, expired: &mut Expired) -> Result<()> {
    let options = &state.view.snapshot.options;
    let mut needed = HashSet::new();
    for file in state.view.snapshot.files() {
        needed.insert(file.name.clone());
        if let Some(deleted) = &file.deleted {
            needed.extend(deleted.descriptor().file()?);
        }
    }
    let mut past = HashSet::new();
    for ((path, _), remove) in &state.tombstones {
        let is_past = remove.deletion_timestamp.unwrap_or(0) < now.saturating_sub(options.file_retention_ms);
        let names = if is_past { &mut past } else { &mut needed };
        names.insert(file_name(path)?);
        if let Some(vector) = &remove.deletion_vector {
            names.extend(vector.file()?);
        }
    }
    let leftover_ms = now.saturating_sub(options.leftover_retention_ms);
    let is_garbage = |entry: &Entry| {
        is_ours(&entry.name)
            && !needed.contains(&entry.name)
            && (past.contains(&entry.name) || entry.modified_ms < leftover_ms)
    };
    let garbage: Vec<Entry> = log.table.list().await?.into_iter().filter(is_garbage).collect();
    expired.data_files = garbage.len();
    expired.data_bytes = garbage.iter().map(|entry| entry.bytes).sum();
    concurrently(garbage.iter().map(|entry| log.table.delete(&entry.name).boxed()).collect()).await.map(drop)
}

/// Whether tables have files of such a name: what else somebody keeps in the directory is not for us to delete, nor is the log.
fn is_ours(name: &str) -> bool {
    let hidden = name.starts_with(['_', '.']) && !name.starts_with(KEYS);
    !hidden && [".parquet", ".bin", ".tmp"].iter().any(|extension| name.ends_with(extension))
}

/// Deletes what is not needed to read any version since `cutoff_ms`. What is left is all commits and checkpoints from a checkpoint on.
async fn clean_log(log: &Log, cutoff_ms: i64, leftover_ms: i64) -> Result<usize> {
    let Some(hint) = log.hint().await? else { return Ok(0) };
    let listing = log.list(0).await?;
    // Who opens the table begins at the hint: everything from there on stays.
    let old =
        listing.checkpoints.iter().filter(|(version, modified)| *version <= hint.version && *modified <= cutoff_ms);
    let keep = old.map(|(version, _)| *version).max().unwrap_or(0);
    let commits = listing.commits.iter().map(|(version, _)| (*version, commit_name(*version)));
    let checkpoints = listing.checkpoints.iter().map(|(version, _)| (*version, checkpoint_name(*version)));
    // Oldest first: if this ends half-way, nothing lacks its beginning.
    let mut names: Vec<(u64, String)> = commits.chain(checkpoints).filter(|(version, _)| *version < keep).collect();
    names.sort_unstable();
    let leftovers = listing.leftovers.into_iter().filter(|(_, modified)| *modified < leftover_ms);
    let names: Vec<String> =
        names.into_iter().chain(leftovers.map(|(name, _)| (0, name))).map(|(_, name)| name).collect();
    concurrently(names.iter().map(|name| log.directory.delete(name).boxed()).collect()).await?;
    Ok(names.len())
}
