//! Savepoints: committed checkpoints with files of their own, in a directory that can be moved.

use dipper_types::{AttemptId, Epoch, Error, ManifestNumber, Result};
use futures::FutureExt;

use crate::checkpoint_store::CheckpointStore;
use crate::concurrent::concurrently;
use crate::directory::{Created, Directory};
use crate::handle::FileRef;
use crate::manifest::{CheckpointKind, Manifest};
use crate::offload::offload;
use crate::run_files::renamed;
use crate::state_file::{corrupt, verify};

const MANIFEST: &str = "manifest.json";

/// A savepoint.
#[derive(Debug, Clone)]
pub struct Savepoint {
    /// Where it is.
    pub directory: Directory,
    /// What it holds.
    pub manifest: Manifest,
}

/// Copies a committed checkpoint to `target`, a directory of its own, and verifies what it copies. Keep the collector from the checkpoint
/// meanwhile by pinning its number.
pub async fn create_savepoint(source: &CheckpointStore, manifest: &Manifest, target: &Directory) -> Result<Savepoint> {
    let is_taken = || {
        let error = Error::invalid(format!("there is another savepoint in '{}'", target.url()));
        error.with_hint("choose another directory, or delete it")
    };
    if Savepoint::is_in(target).await? {
        return Err(is_taken());
    }
    copy(source.directory(), manifest, target, str::to_owned).await?;
    let manifest = Manifest { kind: CheckpointKind::Savepoint, ..manifest.clone() };
    match target.create(MANIFEST, &manifest.encode()?).await? {
        Created::Own => Ok(Savepoint { directory: target.clone(), manifest }),
        Created::Other => Err(is_taken()),
    }
}

impl Savepoint {
    /// Whether there is one in a directory.
    pub async fn is_in(directory: &Directory) -> Result<bool> {
        Ok(directory.get(MANIFEST).await?.is_some())
    }

    /// Reads the savepoint in a directory.
    pub async fn open(directory: Directory) -> Result<Self> {
        let name = format!("{}/{MANIFEST}", directory.url());
        let bytes = directory.get(MANIFEST).await?;
        let bytes = bytes.ok_or_else(|| Error::invalid(format!("there is no savepoint in '{}'", directory.url())))?;
        let manifest = Manifest::decode(&name, &bytes)?;
        Ok(Self { directory, manifest })
    }

    /// The names of the savepoints in a directory of savepoints.
    pub async fn list(savepoints: &Directory) -> Result<Vec<String>> {
        let entries = savepoints.list().await?.into_iter();
        Ok(entries.filter_map(|entry| entry.name.strip_suffix(&format!("/{MANIFEST}")).map(str::to_owned)).collect())
    }

    /// Copies the files into a job's directory, so that its checkpoints may refer to them: what the opening of an attempt then repeats.
    /// `epoch` is one above that of the job's newest manifest; the nonce is the attempt's, whose number is not known yet.
    pub async fn adopt(&self, job: &CheckpointStore, nonce: u64, epoch: Epoch) -> Result<Manifest> {
        let attempt = AttemptId { opening: ManifestNumber::NONE, nonce };
        let new_path = |path: &str| renamed(path, attempt, epoch);
        copy(&self.directory, &self.manifest, job.directory(), new_path).await?;
        let mut manifest = self.manifest.clone();
        let handles = manifest.tasks.iter_mut().flat_map(|task| task.operators.values_mut());
        let runs = handles.flat_map(|handle| handle.tables.values_mut()).flat_map(|table| &mut table.runs);
        for file in runs.flat_map(|run| &mut run.files) {
            *file = FileRef { path: new_path(&file.path), attempt: attempt.opening.0, epoch, ..file.clone() };
        }
        Ok(manifest)
    }

    /// Deletes it: the manifest first, so that there is never half a savepoint.
    pub async fn delete(self) -> Result<()> {
        self.directory.delete(MANIFEST).await?;
        for file in self.manifest.files().into_keys() {
            self.directory.delete(file).await?;
        }
        Ok(())
    }
}

async fn copy(
    source: &Directory,
    manifest: &Manifest,
    target: &Directory,
    new_path: impl Fn(&str) -> String,
) -> Result<()> {
    let files = manifest.files();
    let copies = files.values().map(|file| copy_file(source, file, target, new_path(&file.path)).boxed()).collect();
    concurrently(copies).await.map(drop)
}

async fn copy_file(source: &Directory, file: &FileRef, target: &Directory, path: String) -> Result<()> {
    let name = format!("{}/{}", source.url(), file.path);
    let bytes = source.get(&file.path).await?.ok_or_else(|| corrupt(&name, "it is gone"))?;
    let (read, expected) = (bytes.clone(), file.checksum);
    offload(move || match verify(&name, &read)? {
        verified if verified.checksum == expected => Ok(()),
        _ => Err(corrupt(&name, "it is not the file that the manifest means")),
    })
    .await?;
    match target.create(&path, &bytes).await? {
        Created::Own => Ok(()),
        Created::Other => Err(Error::invalid(format!("'{path}' in '{}' belongs to something else", target.url()))
            .with_hint("choose an empty directory")),
    }
}

#[cfg(test)]
mod tests;
