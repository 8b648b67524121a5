//! Deletes checkpoints that are no longer wanted, and files that no checkpoint needs. What may go follows from what is in the directory,
//! so that it is safe beside running uploads, merges and zombies; `docs/design/snapshots.md` says why.

use std::collections::BTreeSet;

use dipper_types::Result;

use crate::checkpoint_store::{CheckpointStore, MANIFESTS, is_unreadable, manifest_number};
use crate::manifest::{CheckpointKind, Manifest};
use crate::run_files::{STATE, written_under};

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
    /// Keeps the newest `keep` checkpoints, at least one, and the manifests with a number in `pinned`, such as one that a savepoint is being
    /// copied from; deletes the rest and the files that only it needed. An opening stays only as long as it is the newest of all.
    pub async fn collect_garbage(&self, keep: usize, pinned: &BTreeSet<u64>) -> Result<Collected> {
        let manifests = self.directory.child(MANIFESTS).list().await?;
        let numbers: Vec<u64> = manifests.iter().filter_map(|entry| manifest_number(&entry.name)).collect();
        let Some(retained) = self.retained(&numbers, keep.max(1), pinned).await? else {
            return Ok(Collected::default());
        };
        // If the log has moved on meanwhile, what was read may be a zombie's. The next call will do.
        if numbers.last() != Some(&self.head().await?) {
            return Ok(Collected::default());
        }
        // Manifests first: one that is there must not name a file that is gone. What is no manifest was left behind while writing one.
        let newest = retained.readable[0].number;
        let is_old = |name: &str| {
            let number = name.get(..20).and_then(|number| number.parse::<u64>().ok());
            let stays = manifest_number(name).is_some_and(|number| retained.numbers.contains(&number));
            !stays && number.is_some_and(|number| number <= newest)
        };
        let old = manifests.iter().filter(|entry| is_old(&entry.name));
        let old: Vec<String> = old.map(|entry| format!("{MANIFESTS}/{}", entry.name)).collect();
        let mut collected = Collected { manifests: old.len(), ..Collected::default() };
        self.delete_all(old).await?;
        if retained.complete {
            let garbage = self.unreferenced(&retained).await?;
            collected.files = garbage.len();
            collected.bytes = garbage.iter().map(|(_, bytes)| bytes).sum();
            self.delete_all(garbage.into_iter().map(|(path, _)| path).collect()).await?;
        }
        Ok(collected)
    }

    /// The manifests that stay. Nothing if none can be read.
    async fn retained(&self, numbers: &[u64], keep: usize, pinned: &BTreeSet<u64>) -> Result<Option<Retained>> {
        let mut retained = Retained { readable: Vec::new(), numbers: BTreeSet::new(), complete: true };
        let mut checkpoints = 0;
        for number in numbers.iter().rev() {
            let is_bound = pinned.contains(number) || numbers.last() == Some(number);
            if checkpoints >= keep && !is_bound {
                continue;
            }
            match self.find(*number).await {
                Ok(Some(manifest)) if manifest.kind == CheckpointKind::Opening && !is_bound => continue,
                Ok(Some(manifest)) => {
                    checkpoints += usize::from(manifest.kind != CheckpointKind::Opening);
                    retained.readable.push(manifest);
                }
                Ok(None) => continue,
                // It may need its files as well.
                Err(error) if is_unreadable(&error) => retained.complete = false,
                Err(error) => return Err(error),
            }
            retained.numbers.insert(*number);
        }
        Ok((!retained.readable.is_empty()).then_some(retained))
    }

    /// The state files that no manifest names or can come to name, and their sizes.
    async fn unreferenced(&self, retained: &Retained) -> Result<Vec<(String, u64)>> {
        let named: BTreeSet<&str> =
            retained.readable.iter().flat_map(|manifest| manifest.files().into_keys()).collect();
        let open_from = retained.readable[0].open_from();
        let files = self.directory.child(STATE).list().await?.into_iter();
        let past = files.filter(|file| written_under(&file.name).is_some_and(|epoch| epoch < open_from));
        let paths = past.map(|file| (format!("{STATE}/{}", file.name), file.bytes));
        Ok(paths.filter(|(path, _)| !named.contains(path.as_str())).collect())
    }
}

#[cfg(test)]
mod tests;
