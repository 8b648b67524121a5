//! Deletes checkpoints that are no longer wanted, and files that no checkpoint needs. What may go follows from what is in the directory,
//! so that it is safe beside running uploads, merges and zombies; `docs/design/snapshots.md` says why.

use std::collections::BTreeSet;

use dipper_types::{Epoch, ErrorKind, Result};
use futures::{StreamExt, TryStreamExt, stream};

use crate::checkpoint_store::{ATTEMPTS, CheckpointStore, MANIFESTS, attempt_number, manifest_number};
use crate::manifest::Manifest;
use crate::run_files::{STATE, written_under};

/// How many deletes are under way at once.
const REQUESTS: usize = 8;

/// What has been deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Manifests.
    pub manifests: usize,
    /// State files.
    pub files: usize,
    /// The size of the state files.
    pub bytes: u64,
}

/// Which manifests stay.
struct Retained {
    /// Those that can be read, newest first; never empty.
    readable: Vec<Manifest>,
    numbers: BTreeSet<u64>,
    /// Whether all that stay can be read.
    complete: bool,
}

impl CheckpointStore {
    /// Keeps the newest `keep` checkpoints, at least one, and those with a number in `pinned`, such as one that a savepoint is being copied
    /// from; deletes the rest and the files that only it needed.
    pub async fn collect_garbage(&self, keep: usize, pinned: &BTreeSet<u64>) -> Result<Collected> {
        let manifests = self.directory.child(MANIFESTS).list().await?;
        let numbers: Vec<u64> = manifests.iter().filter_map(|entry| manifest_number(&entry.name)).collect();
        let Some(retained) = self.retained(&numbers, keep.max(1), pinned).await? else {
            return Ok(Collected::default());
        };
        let newest = &retained.readable[0];
        // Manifests first: one that is there must not name a file that is gone. What is no manifest was left behind while writing one.
        let mut old = Vec::new();
        for entry in manifests {
            let number = entry.name.get(..20).and_then(|number| number.parse::<u64>().ok());
            let stays = manifest_number(&entry.name).is_some_and(|number| retained.numbers.contains(&number));
            if !stays && number.is_some_and(|number| number <= newest.number) {
                old.push(format!("{MANIFESTS}/{}", entry.name));
            }
        }
        let mut collected = Collected { manifests: old.len(), ..Collected::default() };
        self.delete(old).await?;
        if retained.complete {
            let garbage = self.unreferenced(&retained).await?;
            collected.files = garbage.len();
            collected.bytes = garbage.iter().map(|(_, bytes)| bytes).sum();
            self.delete(garbage.into_iter().map(|(path, _)| path).collect()).await?;
        }
        let claims = self.directory.child(ATTEMPTS).list().await?.into_iter();
        let outdated =
            claims.filter(|claim| attempt_number(&claim.name).is_some_and(|number| number < newest.attempt.0));
        self.delete(outdated.map(|claim| format!("{ATTEMPTS}/{}", claim.name)).collect()).await?;
        Ok(collected)
    }

    /// The newest readable manifests, the unreadable ones among them, and the pinned ones. Nothing if no manifest can be read.
    async fn retained(&self, numbers: &[u64], keep: usize, pinned: &BTreeSet<u64>) -> Result<Option<Retained>> {
        let mut retained = Retained { readable: Vec::new(), numbers: BTreeSet::new(), complete: true };
        for number in numbers.iter().rev() {
            if retained.readable.len() >= keep && !pinned.contains(number) {
                continue;
            }
            retained.numbers.insert(*number);
            match self.load(*number).await {
                Ok(manifest) => retained.readable.push(manifest),
                // Of another version: it needs its files as well.
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Invalid) => {
                    retained.complete = false;
                }
                Err(error) => return Err(error),
            }
        }
        Ok((!retained.readable.is_empty()).then_some(retained))
    }

    /// The state files that no manifest names or can come to name.
    async fn unreferenced(&self, retained: &Retained) -> Result<Vec<(String, u64)>> {
        let named: BTreeSet<&str> =
            retained.readable.iter().flat_map(|manifest| manifest.files().into_keys()).collect();
        let open_from = retained.readable[0].open_from();
        let is_past = |epoch: Epoch| epoch < open_from;
        let files = self.directory.child(STATE).list().await?.into_iter();
        let past = files.filter(|file| written_under(&file.name).is_some_and(|(_, epoch)| is_past(epoch)));
        let paths = past.map(|file| (format!("{STATE}/{}", file.name), file.bytes));
        Ok(paths.filter(|(path, _)| !named.contains(path.as_str())).collect())
    }

    async fn delete(&self, paths: Vec<String>) -> Result<()> {
        let deletes = paths.into_iter().map(async |path| self.directory.delete(&path).await);
        stream::iter(deletes).buffer_unordered(REQUESTS).try_collect().await
    }
}

#[cfg(test)]
mod tests;
