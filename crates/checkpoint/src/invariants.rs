//! What must hold of a job's history, whatever is lost, doubled, late or dead: the predicates I1 to I9 of
//! `docs/design/checkpoints.md`.
//!
//! A history is told as it happens, by somebody who sees the store and the channels: the simulation, or a debug build, which begins with [`History::from_opening`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use dipper_types::Epoch;

use crate::{AttemptId, Committables, Manifest, ManifestKind, ManifestNumber, SnapshotFile, TaskId};

/// Something that took effect.
#[derive(Debug, Clone, Copy)]
pub enum Observation<'a> {
    /// A manifest has been created.
    ManifestCreated(&'a Manifest),
    /// A manifest has been deleted.
    ManifestDeleted(ManifestNumber),
    /// The sinks have been asked to commit.
    CommitBegun(Epoch, &'a Committables),
    /// All of it is visible.
    Committed(Epoch),
    /// A snapshot file exists.
    FileCreated(&'a SnapshotFile),
    /// A snapshot file has been deleted.
    FileDeleted(&'a SnapshotFile),
    /// Something staged and not committed has been removed.
    StagedRemoved(&'a [u8]),
    /// A task has put a mark on a channel behind this many rows.
    Sent(Channel, Mark, u64),
    /// A task has taken a mark off a channel behind this many rows.
    Taken(Channel, Mark, u64),
}

/// A channel of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Channel {
    /// Whose tasks these are.
    pub attempt: AttemptId,
    /// The sender.
    pub from: TaskId,
    /// The receiver.
    pub to: TaskId,
}

/// What divides the rows of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// A barrier.
    Barrier(Epoch),
    /// The end of the channel.
    End,
}

/// A predicate that a history must satisfy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invariant {
    /// I1.
    CommitFollowsManifest,
    /// I2.
    NumbersAreDense,
    /// I3.
    EpochsAscend,
    /// I4.
    FencedHasNoEffect,
    /// I5.
    CommittedBeforeTheNext,
    /// I6.
    BarrierDividesRows,
    /// I7.
    FilesAreThere,
    /// I8.
    StagedIsThere,
    /// I9.
    HeadStays,
}

/// A history that breaks an invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub invariant: Invariant,
    /// By what.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.what)
    }
}

impl std::error::Error for Violation {}

/// A job's history, as far as the predicates need it.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The last effective manifest. A manifest is effective if no greater number existed when it was created.
    head: Option<Manifest>,
    /// What effective manifests have named, by epoch.
    named: BTreeMap<Epoch, Committables>,
    /// The attempt and the leader of the last opening.
    opening: Option<(AttemptId, u64)>,
    committed: Option<Epoch>,
    /// The files of the effective manifests that exist.
    retained: BTreeMap<ManifestNumber, BTreeSet<SnapshotFile>>,
    files: BTreeSet<SnapshotFile>,
    /// Marks that have been sent and not taken.
    sent: BTreeMap<(Channel, Mark), u64>,
}

impl History {
    /// The history of a job that an attempt, or a leader of a running one, has taken over: what came before its opening is as the log says.
    pub fn from_opening(opening: &Manifest, log: &[Manifest]) -> Self {
        let manifests = || log.iter().chain([opening]);
        Self {
            head: Some(opening.clone()),
            named: BTreeMap::new(),
            opening: Some((opening.attempt, opening.leader)),
            committed: Some(opening.epoch),
            retained: manifests().map(|known| (known.number, known.files().cloned().collect())).collect(),
            files: manifests().flat_map(Manifest::files).cloned().collect(),
            sent: BTreeMap::new(),
        }
    }

    /// Takes note of an observation. Fails if it breaks an invariant.
    pub fn observe(&mut self, observation: Observation<'_>) -> Result<(), Violation> {
        match observation {
            Observation::ManifestCreated(manifest) => self.on_manifest(manifest),
            Observation::ManifestDeleted(number) => {
                self.retained.remove(&number);
                let is_head = self.head.as_ref().is_some_and(|head| head.number == number);
                holds(!is_head, Invariant::HeadStays, || format!("{number} has been deleted"))
            }
            Observation::CommitBegun(epoch, committables) => {
                let is_named = self.named.get(&epoch) == Some(committables);
                let what = || format!("epoch {} is committed, and no manifest names the same", epoch.0);
                holds(is_named, Invariant::CommitFollowsManifest, what)
            }
            Observation::Committed(epoch) => {
                self.committed = self.committed.max(Some(epoch));
                Ok(())
            }
            Observation::FileCreated(file) => {
                self.files.insert(file.clone());
                Ok(())
            }
            Observation::FileDeleted(file) => {
                self.files.remove(file);
                let holder = self.retained.iter().find(|(_, files)| files.contains(file));
                let what = || format!("{} has been deleted, which a retained manifest names", file.path);
                holds(holder.is_none(), Invariant::FilesAreThere, what)
            }
            Observation::StagedRemoved(committable) => self.on_staged_removed(committable),
            Observation::Sent(channel, mark, rows) => {
                self.sent.insert((channel, mark), rows);
                Ok(())
            }
            Observation::Taken(channel, mark, rows) => {
                let sent = self.sent.remove(&(channel, mark));
                let what =
                    || format!("from {} to {}: {sent:?} rows before {mark:?}, {rows} taken", channel.from, channel.to);
                holds(sent == Some(rows), Invariant::BarrierDividesRows, what)
            }
        }
    }

    /// The last effective manifest.
    pub fn head(&self) -> Option<&Manifest> {
        self.head.as_ref()
    }

    /// The epoch up to which sinks have committed.
    pub fn committed(&self) -> Option<Epoch> {
        self.committed
    }

    fn on_manifest(&mut self, manifest: &Manifest) -> Result<(), Violation> {
        let number = manifest.number;
        let (last, last_epoch) =
            self.head.as_ref().map_or((ManifestNumber::NONE, Epoch(0)), |head| (head.number, head.epoch));
        if number < last {
            return Ok(());
        }
        holds(number == last.next(), Invariant::NumbersAreDense, || format!("{number} follows {last}"))?;
        if let Some(head) = &self.head {
            let what = || format!("{number} is written while epoch {} is not committed", head.epoch.0);
            let is_committed = head.committables.is_empty() || Some(head.epoch) <= self.committed;
            holds(is_committed, Invariant::CommittedBeforeTheNext, what)?;
        }
        let what = || format!("{number} holds epoch {} after {}", manifest.epoch.0, last_epoch.0);
        if manifest.kind == ManifestKind::Opening {
            holds(manifest.epoch == last_epoch, Invariant::EpochsAscend, what)?;
            let begins = manifest.attempt.opening == number;
            let adopts = manifest.adopts() && self.opening.is_some_and(|(last, _)| last == manifest.attempt);
            let what = || format!("{number} adopts {}", manifest.attempt);
            holds(begins || adopts, Invariant::FencedHasNoEffect, what)?;
            self.opening = Some((manifest.attempt, manifest.leader));
        } else {
            holds(manifest.epoch > last_epoch, Invariant::EpochsAscend, what)?;
            self.named.insert(manifest.epoch, manifest.committables.clone());
            let what = || format!("{number} is written by {} of {}", manifest.leader, manifest.attempt);
            let is_last = self.opening == Some((manifest.attempt, manifest.leader));
            holds(is_last, Invariant::FencedHasNoEffect, what)?;
        }
        if let Some(file) = manifest.files().find(|file| !self.files.contains(file)) {
            return holds(false, Invariant::FilesAreThere, || format!("{number} names {}, which is gone", file.path));
        }
        self.retained.insert(number, manifest.files().cloned().collect());
        self.head = Some(manifest.clone());
        Ok(())
    }

    fn on_staged_removed(&self, committable: &[u8]) -> Result<(), Violation> {
        let uncommitted = self.named.iter().filter(|(epoch, _)| Some(**epoch) > self.committed);
        let is_needed = uncommitted.flat_map(|(_, named)| named.values().flatten()).any(|named| named == committable);
        let what = || format!("{} is removed before it is committed", String::from_utf8_lossy(committable));
        holds(!is_needed, Invariant::StagedIsThere, what)
    }
}

fn holds(holds: bool, invariant: Invariant, what: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { invariant, what: what() }) }
}

#[cfg(test)]
mod tests;
