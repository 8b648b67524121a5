//! The checkpoints of a job: their manifests, and who may write the next one.

use dipper_types::{Attempt, Error, ErrorKind, JobId, Result};

use crate::directory::{Created, Directory};
use crate::manifest::{Manifest, damaged};
use crate::store_error::fenced;

pub(crate) const MANIFESTS: &str = "manifests";
pub(crate) const ATTEMPTS: &str = "attempts";

/// The directory of one job. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CheckpointStore {
    pub(crate) job: JobId,
    pub(crate) directory: Directory,
}

/// What has become of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitState {
    /// It is not there: it may be created, or given up.
    Absent,
    /// It is there: the checkpoint is committed.
    Committed,
    /// Another attempt has gone on: this one is to stop.
    Fenced,
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

    /// Takes a number that no other attempt has, above all that have been taken. `claimant` tells this call from every other one, of this
    /// process or another: a host, a process and a time, or something random.
    pub async fn claim_attempt(&self, claimant: &str) -> Result<Attempt> {
        let attempts = self.directory.child(ATTEMPTS);
        let claim = bytes::Bytes::copy_from_slice(claimant.as_bytes());
        let mut highest = self.highest_attempt().await?;
        loop {
            let attempt = highest + 1;
            let created = attempts.create(&attempt_name(attempt), &claim).await?;
            highest = self.highest_attempt().await?;
            // A higher one means that ours may have been taken, and its claim collected, before.
            if created == Created::Own && highest == attempt {
                return Ok(Attempt(attempt));
            }
        }
    }

    /// The numbers of the manifests, ascending, readable or not.
    pub async fn manifest_numbers(&self) -> Result<Vec<u64>> {
        let entries = self.directory.child(MANIFESTS).list().await?;
        Ok(entries.iter().filter_map(|entry| manifest_number(&entry.name)).collect())
    }

    /// The manifest with a number.
    pub async fn load(&self, number: u64) -> Result<Manifest> {
        let path = manifest_path(number);
        let name = format!("{}/{path}", self.directory.url());
        let bytes = self.directory.get(&path).await?;
        let bytes = bytes.ok_or_else(|| Error::invalid(format!("there is no manifest '{name}'")))?;
        let manifest = Manifest::decode(&name, &bytes)?;
        if manifest.number != number || manifest.job != self.job {
            let (number, job) = (manifest.number, &manifest.job.0);
            return Err(damaged(&name, &format_args!("it is manifest {number} of job '{job}'")));
        }
        Ok(manifest)
    }

    /// The newest manifest, if there is any. If it cannot be read, that is an error, not a reason to take an older one: what has been
    /// committed since would be committed again.
    pub async fn latest(&self) -> Result<Option<Manifest>> {
        match self.manifest_numbers().await?.as_slice() {
            [] => Ok(None),
            [number] => self.load(*number).await.map(Some),
            [.., before, number] => {
                let loaded = self.load(*number).await;
                loaded.map(Some).map_err(|error| match error.kind() {
                    ErrorKind::Corrupt => error.with_hint(format!("restore an older checkpoint, such as {before}")),
                    _ => error,
                })
            }
        }
    }

    /// Commits a checkpoint by creating its manifest. `Fenced`: another attempt has gone on, stop. After any other error the outcome is
    /// open until [`CheckpointStore::commit_state`] tells.
    pub async fn create_manifest(&self, manifest: &Manifest) -> Result<()> {
        let created = self.directory.create(&manifest_path(manifest.number), &manifest.encode()?).await?;
        match self.outcome(manifest.number, Some(created)).await? {
            CommitState::Committed => Ok(()),
            _ => Err(fenced(&self.job.0, manifest.number)),
        }
    }

    /// What has become of a manifest whose creation ended with an error. `Absent` is no promise: a request that is still under way may
    /// create it later, so whoever gives it up must take its number for another one.
    pub async fn commit_state(&self, manifest: &Manifest) -> Result<CommitState> {
        let owner = self.directory.owner(&manifest_path(manifest.number), &manifest.encode()?).await?;
        self.outcome(manifest.number, owner).await
    }

    /// The newest manifest is never collected. So a number that was free although a higher one is taken was taken once, and collected.
    async fn outcome(&self, number: u64, owner: Option<Created>) -> Result<CommitState> {
        let newest = self.manifest_numbers().await?.last().copied();
        Ok(match owner {
            _ if newest > Some(number) => CommitState::Fenced,
            Some(Created::Own) => CommitState::Committed,
            Some(Created::Other) => CommitState::Fenced,
            None => CommitState::Absent,
        })
    }

    async fn highest_attempt(&self) -> Result<u64> {
        let claims = self.directory.child(ATTEMPTS).list().await?;
        Ok(claims.iter().filter_map(|entry| attempt_number(&entry.name)).max().unwrap_or(0))
    }
}

pub(crate) fn manifest_path(number: u64) -> String {
    format!("{MANIFESTS}/{number:020}.json")
}

fn attempt_name(attempt: u64) -> String {
    format!("{attempt:08}")
}

/// The number in the name of a manifest; `None` for any other file.
pub(crate) fn manifest_number(name: &str) -> Option<u64> {
    name.strip_suffix(".json")?.parse().ok()
}

/// The number of a claim.
pub(crate) fn attempt_number(name: &str) -> Option<u64> {
    name.parse().ok()
}

#[cfg(test)]
mod tests;
