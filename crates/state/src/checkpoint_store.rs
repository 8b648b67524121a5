//! The checkpoints of a job: the log of its manifests.

use std::collections::BTreeMap;

use dipper_types::{Error, ErrorKind, JobId, Result};
use futures::FutureExt;

use crate::concurrent::concurrently;
use crate::directory::{Created, Directory, NotCreated};
use crate::manifest::{CheckpointKind, Manifest, damaged};
use crate::store_error::fenced;

pub(crate) const MANIFESTS: &str = "manifests";

/// The directory of one job. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CheckpointStore {
    pub(crate) job: JobId,
    pub(crate) directory: Directory,
}

/// What a store says to the creation of a manifest. None of it is the last word, not even a success: what has become of the manifest, only
/// [`CheckpointStore::inspect`] can tell.
#[derive(Debug)]
pub enum PutOutcome {
    /// The manifest was created, or something else stands at its number.
    Put,
    /// It was not created, and will not be.
    Refused(Error),
    /// It may have been created, or may yet be.
    InDoubt(Error),
}

/// What stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inspection {
    /// At the manifest's number.
    pub found: Found,
    /// The greatest number, 0 if there is none.
    pub head: u64,
}

/// What stands at a manifest's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Absent,
    /// The manifest, byte for byte.
    Own,
    /// Another one.
    Other,
}

/// The log as it was read.
#[derive(Debug, Default)]
pub struct ManifestLog {
    /// The greatest number after everything had been read, 0 if there is none. If it is not among what was read, the log has moved on, and
    /// the greatest of what was read may be a zombie's.
    pub head: u64,
    /// What could be read.
    pub manifests: BTreeMap<u64, Manifest>,
    /// What could not: damaged, or of another version.
    pub unreadable: BTreeMap<u64, Error>,
}

impl CheckpointStore {
    /// The job's part of a directory of checkpoints.
    pub fn new(checkpoints: &Directory, job: JobId) -> Self {
        Self { directory: checkpoints.child(&job.0), job }
    }

    /// The directory that the paths of the job's manifests are relative to.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The directories in `checkpoints`: of a job each, by name.
    pub async fn jobs(checkpoints: &Directory) -> Result<Vec<String>> {
        checkpoints.children().await
    }

    /// The numbers of the manifests, ascending, readable or not.
    pub async fn manifest_numbers(&self) -> Result<Vec<u64>> {
        let entries = self.directory.child(MANIFESTS).list_settled().await?;
        Ok(entries.iter().filter_map(|entry| manifest_number(&entry.name)).collect())
    }

    /// Lists the log, reads it, and lists it again for its head.
    pub async fn read_log(&self) -> Result<ManifestLog> {
        let numbers = self.manifest_numbers().await?;
        let read = async |number| match self.find(number).await {
            Err(error) if is_unreadable(&error) => Ok((number, Err(error))),
            read => Ok((number, Ok(read?))),
        };
        let reads = numbers.iter().map(|number| read(*number).boxed()).collect();
        let mut log = ManifestLog::default();
        for (number, manifest) in concurrently(reads).await? {
            match manifest {
                Ok(Some(manifest)) => drop(log.manifests.insert(number, manifest)),
                Ok(None) => {}
                Err(error) => drop(log.unreadable.insert(number, error)),
            }
        }
        log.head = self.head().await?;
        Ok(log)
    }

    /// The newest manifest, if there is any. If it cannot be read, that is an error and no reason to take an older one: what has been
    /// committed since would be committed again.
    pub async fn latest(&self) -> Result<Option<Manifest>> {
        loop {
            let mut log = self.read_log().await?;
            if let Some(error) = log.unreadable.remove(&log.head) {
                let older = log.manifests.iter().rev().find(|(_, older)| older.kind != CheckpointKind::Opening);
                return Err(match older {
                    Some((number, _)) => error.with_hint(format!("restore an older checkpoint, such as {number}")),
                    None => error,
                });
            }
            match log.manifests.remove(&log.head) {
                // Else it has moved on.
                None if log.head > 0 => {}
                latest => return Ok(latest),
            }
        }
    }

    /// The manifest with a number.
    pub async fn load(&self, number: u64) -> Result<Manifest> {
        let missing = || Error::invalid(format!("there is no manifest '{}'", self.shown(number)));
        self.find(number).await?.ok_or_else(missing)
    }

    /// Creates a manifest.
    pub async fn put_manifest(&self, manifest: &Manifest) -> PutOutcome {
        let bytes = match manifest.encode() {
            Ok(bytes) => bytes,
            Err(error) => return PutOutcome::Refused(error),
        };
        match self.directory.create(&manifest_path(manifest.number), &bytes).await {
            Ok(_) => PutOutcome::Put,
            Err(NotCreated { error, in_doubt: true }) => PutOutcome::InDoubt(error),
            Err(NotCreated { error, in_doubt: false }) => PutOutcome::Refused(error),
        }
    }

    /// Looks what has become of a manifest. A head above its number means that the log has gone on without it, whatever is found: the head
    /// is never collected, so if the number was free all the same, it was taken once and has been collected.
    pub async fn inspect(&self, manifest: &Manifest) -> Result<Inspection> {
        let found = match self.directory.owner(&manifest_path(manifest.number), &manifest.encode()?).await? {
            None => Found::Absent,
            Some(Created::Own) => Found::Own,
            Some(Created::Other) => Found::Other,
        };
        // After the look at the number, and so after the put.
        Ok(Inspection { found, head: self.head().await? })
    }

    /// Creates a manifest and looks what has become of it. `Fenced`: another attempt has gone on. After any other error the outcome is open,
    /// until [`CheckpointStore::inspect`] tells.
    pub async fn create_manifest(&self, manifest: &Manifest) -> Result<()> {
        let put = self.put_manifest(manifest).await;
        let Inspection { found, head } = self.inspect(manifest).await?;
        match (found, put) {
            (Found::Own, _) if head <= manifest.number => Ok(()),
            (Found::Absent, PutOutcome::Refused(error) | PutOutcome::InDoubt(error)) if head <= manifest.number => {
                Err(error)
            }
            _ => Err(fenced(&self.job.0, manifest.number)),
        }
    }

    /// Deletes manifests and, when they are gone, files.
    pub async fn delete(&self, manifests: &[u64], files: &[String]) -> Result<()> {
        self.delete_all(manifests.iter().map(|number| manifest_path(*number)).collect()).await?;
        self.delete_all(files.to_vec()).await
    }

    pub(crate) async fn delete_all(&self, paths: Vec<String>) -> Result<()> {
        concurrently(paths.iter().map(|path| self.directory.delete(path).boxed()).collect()).await.map(drop)
    }

    /// The manifest with a number; `None` if there is none.
    pub async fn find(&self, number: u64) -> Result<Option<Manifest>> {
        let Some(bytes) = self.directory.get(&manifest_path(number)).await? else { return Ok(None) };
        let name = self.shown(number);
        let manifest = Manifest::decode(&name, &bytes)?;
        if manifest.number != number || manifest.job != self.job {
            let (number, job) = (manifest.number, &manifest.job.0);
            return Err(damaged(&name, &format_args!("it is manifest {number} of job '{job}'")));
        }
        Ok(Some(manifest))
    }

    /// The greatest number, 0 if there is none.
    pub(crate) async fn head(&self) -> Result<u64> {
        Ok(self.manifest_numbers().await?.last().copied().unwrap_or(0))
    }

    fn shown(&self, number: u64) -> String {
        format!("{}/{}", self.directory.url(), manifest_path(number))
    }
}

/// Whether a manifest is there and says nothing to this build.
pub(crate) fn is_unreadable(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Invalid)
}

fn manifest_path(number: u64) -> String {
    format!("{MANIFESTS}/{number:020}.json")
}

/// The number in the name of a manifest; `None` for any other file.
pub(crate) fn manifest_number(name: &str) -> Option<u64> {
    name.strip_suffix(".json")?.parse().ok()
}

#[cfg(test)]
mod tests;
