//! What happens before an attempt's tasks start, or a leader goes on with those that run: the last manifest's commit is finished, and the job,
//! or the attempt, taken over.

use std::collections::{BTreeMap, BTreeSet};

use dipper_types::Epoch;

use crate::manifest_write::{ManifestWrite, WriteStep};
use crate::{AttemptId, Committables, Failure, Manifest, ManifestKind, ManifestNumber, SnapshotFile, StoreReply};

/// What an attempt starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restore {
    /// The last manifest of the log; nothing, if there is none.
    Latest,
    /// Nothing, whatever the log holds: the job starts over.
    Nothing,
    /// A savepoint, or a manifest of another job, whose files have been copied into this job's directory. What sinks have committed since is
    /// not taken back.
    From(Box<Manifest>),
    /// Nothing: the subtasks of this attempt run, and lack a leader. They have told this one all that they have heard, and obey no other.
    Adopt(AttemptId),
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoveryEvent {
    /// The numbers in the log: the answer to [`RecoveryAction::List`].
    Listed(BTreeSet<ManifestNumber>),
    /// The answer to [`RecoveryAction::Read`]. What is gone by now is in neither.
    Read {
        /// Those that could be decoded.
        manifests: Vec<Manifest>,
        /// Those that could not.
        corrupt: BTreeSet<ManifestNumber>,
    },
    /// The log cannot be listed or read.
    LogUnreadable,
    /// All sinks have committed.
    Committed,
    /// A sink cannot commit.
    CommitFailed,
    /// The answer to the last [`RecoveryAction::Put`] or [`RecoveryAction::Inspect`].
    Store(StoreReply),
}

/// What the shell is to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoveryAction {
    /// List the log.
    List,
    /// Read these manifests.
    Read(BTreeSet<ManifestNumber>),
    /// As [`Action::Commit`](crate::Action::Commit).
    Commit {
        /// The epoch of the manifest.
        epoch: Epoch,
        /// What it names.
        committables: Committables,
    },
    /// As [`Action::Put`](crate::Action::Put).
    Put(Box<Manifest>),
    /// As [`Action::Inspect`](crate::Action::Inspect).
    Inspect(ManifestNumber),
    /// Remove what attempts *before* this one have staged in sinks, and their snapshot files except these. It need not have ended when the
    /// attempt starts.
    Sweep {
        /// The opening with which the attempt began. An attempt that is adopted keeps its own.
        before: ManifestNumber,
        /// What manifests of the log name.
        keep: BTreeSet<SnapshotFile>,
    },
    /// Start the tasks from this, under a [`Coordinator`](crate::Coordinator); or have it [adopt](crate::Coordinator::adopt) those that run.
    Start(Box<Start>),
    /// The job had already finished.
    Finished,
    /// The attempt has failed before it began.
    Fail(Failure),
}

/// What an attempt begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// What is restored, under the attempt's own name; of an attempt that is adopted, what is known to be completed.
    pub opening: Manifest,
    /// The manifests before it.
    pub log: Vec<Manifest>,
}

/// Takes a job over. It has no deadlines: it may be dropped and begun anew at any time, and an attempt that is run again
/// after a failure begins with [`Restore::Latest`], whatever the first one was started from.
///
/// ```
/// use dipper_checkpoint::*;
///
/// let (mut recovery, actions) = Recovery::begin(Restore::Latest, 0xd1);
/// assert_eq!(actions, [RecoveryAction::List]);
/// let actions = recovery.on_event(RecoveryEvent::Listed([].into()));
/// assert!(matches!(&actions[..], [RecoveryAction::Put(opening)] if opening.number == ManifestNumber(1)));
/// recovery.on_event(RecoveryEvent::Store(StoreReply::Put));
/// let durable = StoreReply::Inspected { found: Found::Own, head: ManifestNumber(1) };
/// let actions = recovery.on_event(RecoveryEvent::Store(durable));
/// assert!(matches!(&actions[..], [RecoveryAction::Sweep { .. }, RecoveryAction::Start(_)]));
/// ```
#[derive(Debug, Clone)]
pub struct Recovery {
    restore: Restore,
    nonce: u64,
    /// What has been read.
    log: BTreeMap<ManifestNumber, Manifest>,
    corrupt: BTreeSet<ManifestNumber>,
    head: ManifestNumber,
    phase: Phase,
}

#[derive(Debug, Clone)]
enum Phase {
    Listing,
    Reading,
    /// The log is listed again: only now it is known what its head was when it was read.
    Confirming,
    Committing,
    Opening(ManifestWrite),
    Over,
}

impl Recovery {
    /// Begins. The nonce is random and no other attempt's or leader's.
    pub fn begin(restore: Restore, nonce: u64) -> (Self, Vec<RecoveryAction>) {
        let (log, corrupt) = (BTreeMap::new(), BTreeSet::new());
        let recovery = Self { restore, nonce, log, corrupt, head: ManifestNumber::NONE, phase: Phase::Listing };
        (recovery, vec![RecoveryAction::List])
    }

    /// Takes note of what has happened and says what is to be done.
    pub fn on_event(&mut self, event: RecoveryEvent) -> Vec<RecoveryAction> {
        match (&mut self.phase, event) {
            (Phase::Listing, RecoveryEvent::Listed(numbers)) => self.read(numbers),
            (Phase::Reading, RecoveryEvent::Read { manifests, corrupt }) => {
                self.log = manifests.into_iter().map(|manifest| (manifest.number, manifest)).collect();
                self.corrupt = corrupt;
                self.phase = Phase::Confirming;
                vec![RecoveryAction::List]
            }
            (Phase::Confirming, RecoveryEvent::Listed(numbers)) => self.confirm(numbers),
            (Phase::Listing | Phase::Reading | Phase::Confirming, RecoveryEvent::LogUnreadable) => {
                self.end([RecoveryAction::Fail(Failure::StoreRefuses)])
            }
            (Phase::Committing, RecoveryEvent::Committed) => self.open(),
            (Phase::Committing, RecoveryEvent::CommitFailed) => self.end([RecoveryAction::Fail(Failure::CommitFailed)]),
            (Phase::Opening(write), RecoveryEvent::Store(reply)) => match write.on_reply(reply) {
                WriteStep::Put => vec![RecoveryAction::Put(write.manifest.clone())],
                WriteStep::Inspect => vec![RecoveryAction::Inspect(write.manifest.number)],
                WriteStep::Durable => self.start(),
                WriteStep::Fenced => self.on_fenced(),
                WriteStep::Refused => self.end([RecoveryAction::Fail(Failure::StoreRefuses)]),
            },
            _ => Vec::new(),
        }
    }

    /// Somebody was faster, and what they have written is what is to be continued. Whoever wanted to start from something
    /// else did not know of them.
    fn on_fenced(&mut self) -> Vec<RecoveryAction> {
        match self.restore {
            Restore::Latest | Restore::Adopt(_) => {
                self.phase = Phase::Listing;
                vec![RecoveryAction::List]
            }
            Restore::Nothing | Restore::From(_) => self.end([RecoveryAction::Fail(Failure::Fenced)]),
        }
    }

    fn read(&mut self, numbers: BTreeSet<ManifestNumber>) -> Vec<RecoveryAction> {
        if numbers.is_empty() {
            return self.open();
        }
        self.phase = Phase::Reading;
        vec![RecoveryAction::Read(numbers)]
    }

    /// What was read at the head's number is the head only if no greater number exists now: between the first listing and
    /// the reading the log may have moved on, the number may have been deleted, and a zombie may have created its own.
    fn confirm(&mut self, numbers: BTreeSet<ManifestNumber>) -> Vec<RecoveryAction> {
        self.head = numbers.last().copied().unwrap_or_default();
        if self.corrupt.contains(&self.head) {
            return self.end([RecoveryAction::Fail(Failure::CorruptManifest)]);
        }
        let Some(last) = self.log.get(&self.head) else { return self.read(numbers) };
        if last.committables.is_empty() {
            return self.open();
        }
        let (epoch, committables) = (last.epoch, last.committables.clone());
        self.phase = Phase::Committing;
        vec![RecoveryAction::Commit { epoch, committables }]
    }

    fn open(&mut self) -> Vec<RecoveryAction> {
        let last = self.log.get(&self.head);
        let restored = match &self.restore {
            Restore::Latest | Restore::Adopt(_) => last,
            Restore::Nothing => None,
            Restore::From(manifest) => Some(manifest.as_ref()),
        };
        if restored.is_some_and(Manifest::is_final) {
            return self.end([RecoveryAction::Finished]);
        }
        let tasks = restored.map_or_else(BTreeMap::new, |restored| restored.tasks.clone());
        let number = self.head.next();
        let attempt = match self.restore {
            Restore::Adopt(running) if last.is_some_and(|last| last.attempt == running) => running,
            // The subtasks are zombies.
            Restore::Adopt(_) => return self.end([RecoveryAction::Fail(Failure::Fenced)]),
            _ => AttemptId { opening: number, nonce: self.nonce },
        };
        let opening = Manifest {
            number,
            attempt,
            leader: self.nonce,
            epoch: last.map_or(Epoch(0), |last| last.epoch),
            kind: ManifestKind::Opening,
            tasks,
            committables: Committables::new(),
        };
        self.phase = Phase::Opening(ManifestWrite::new(opening.clone()));
        vec![RecoveryAction::Put(Box::new(opening))]
    }

    fn start(&mut self) -> Vec<RecoveryAction> {
        let Phase::Opening(write) = std::mem::replace(&mut self.phase, Phase::Over) else { return Vec::new() };
        let opening = *write.manifest;
        let log: Vec<Manifest> = std::mem::take(&mut self.log).into_values().collect();
        let keep = log.iter().chain([&opening]).flat_map(Manifest::files).cloned().collect();
        let before = opening.attempt.opening;
        vec![RecoveryAction::Sweep { before, keep }, RecoveryAction::Start(Box::new(Start { opening, log }))]
    }

    fn end<const N: usize>(&mut self, actions: [RecoveryAction; N]) -> Vec<RecoveryAction> {
        self.phase = Phase::Over;
        actions.into()
    }
}

#[cfg(test)]
mod tests;
