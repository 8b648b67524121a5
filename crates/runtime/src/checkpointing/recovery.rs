//! Takes a job over, as `dipper_checkpoint::Recovery` says.

use std::collections::{BTreeMap, VecDeque};

use dipper_checkpoint::{Failure, Recovery, RecoveryAction, RecoveryEvent, Restore, Start, StoreReply};
use dipper_state::{CheckpointKind, CheckpointStore, Manifest};
use dipper_types::{Error, ErrorKind, ManifestNumber, Result};

use super::log::{self, Letterhead, PAUSE, explained};
use super::outputs::{Commit, Outputs};
use crate::clock::sleep;

/// What came of it.
#[derive(Debug)]
pub(crate) enum Recovered {
    /// The job is ours.
    Start {
        start: Box<Start>,
        /// What is restored, if anything is.
        from: Option<Box<Manifest>>,
    },
    /// It had finished before.
    Finished,
}

/// What it takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Takeover<'a> {
    pub(crate) store: &'a CheckpointStore,
    pub(crate) letterhead: &'a Letterhead,
    pub(crate) outputs: &'a Outputs,
    pub(crate) retained: usize,
}

impl Takeover<'_> {
    /// Takes the job over. `check` is asked about what would be restored before anything is written. It may be dropped at any time.
    pub(crate) async fn run(
        self,
        restore: Restore,
        savepoint: Option<Manifest>,
        nonce: u64,
        check: impl Fn(&Manifest) -> Result<()>,
    ) -> Result<Recovered> {
        let is_latest = matches!(restore, Restore::Latest | Restore::Adopt(_));
        let mut known: BTreeMap<u64, Manifest> = BTreeMap::new();
        let mut opening: Option<Manifest> = None;
        let mut last_error: Option<Error> = None;
        let (mut recovery, actions) = Recovery::begin(restore, nonce);
        let mut actions = VecDeque::from(actions);
        while let Some(action) = actions.pop_front() {
            let (event, error) = match action {
                RecoveryAction::List => log::list(self.store).await,
                RecoveryAction::Read(numbers) => {
                    let (answer, manifests) = log::read(self.store, numbers).await;
                    known = manifests.into_iter().map(|manifest| (manifest.number, manifest)).collect();
                    answer
                }
                RecoveryAction::Commit { epoch, committables } => {
                    match self.outputs.commit(epoch, committables, Commit::Again).await {
                        Ok(()) => (RecoveryEvent::Committed, None),
                        Err(error) => (RecoveryEvent::CommitFailed, Some(error)),
                    }
                }
                RecoveryAction::Put(manifest) => {
                    let is_new = opening.as_ref().is_none_or(|opening| opening.number != manifest.number.0);
                    if is_new {
                        let before = if is_latest { known.get(&(manifest.number.0 - 1)) } else { savepoint.as_ref() };
                        before.map(&check).transpose()?;
                        opening = Some(self.letterhead.manifest(&manifest, 0)?);
                    } else {
                        sleep(PAUSE).await;
                    }
                    let put = opening.clone().ok_or_else(|| Error::internal("no opening"))?;
                    let (reply, error) = log::put(self.store.clone(), put).await;
                    (RecoveryEvent::Store(reply), error)
                }
                RecoveryAction::Inspect(_) => {
                    if last_error.is_some() {
                        sleep(PAUSE).await;
                    }
                    let put = opening.clone().ok_or_else(|| Error::internal("no opening"))?;
                    let (reply, error) = log::inspect(self.store.clone(), put).await;
                    if reply == StoreReply::Unreadable && error.as_ref().is_some_and(will_not_pass) {
                        return Err(error.unwrap_or_else(Error::cancelled));
                    }
                    (RecoveryEvent::Store(reply), error)
                }
                RecoveryAction::Sweep { before, .. } => {
                    // State files go when the attempt has completed a checkpoint.
                    let (outputs, job) = (self.outputs.clone(), self.letterhead.job.0.clone());
                    tokio::spawn(async move { outputs.sweep(&job, before).await });
                    continue;
                }
                RecoveryAction::Start(start) => {
                    let before = start.opening.number.0 - 1;
                    let from = if is_latest { known.remove(&before) } else { savepoint };
                    let from = from.filter(|_| !start.opening.tasks.is_empty()).map(Box::new);
                    return Ok(Recovered::Start { start, from });
                }
                RecoveryAction::Finished => {
                    // It may have been killed before it came to that.
                    if let Some((number, last)) = known.last_key_value() {
                        let all = Commit::Own { is_final: true };
                        self.outputs.commit(last.epoch, BTreeMap::new(), all).await?;
                        self.outputs.sweep(&self.letterhead.job.0, ManifestNumber(number + 1)).await;
                        if let Err(error) = self.store.collect_garbage(self.retained, &[].into()).await {
                            tracing::warn!(%error, "cannot remove what earlier attempts have left");
                        }
                    }
                    return Ok(Recovered::Finished);
                }
                RecoveryAction::Fail(Failure::CorruptManifest) => {
                    return Err(match last_error {
                        // Another version's, or not ours to read: that says itself what to do.
                        Some(error) if error.kind() != ErrorKind::Corrupt => error,
                        behind => with_way_out(explained(Failure::CorruptManifest, behind), self.store, known.values()),
                    });
                }
                RecoveryAction::Fail(failure) => return Err(explained(failure, last_error)),
            };
            // Listing the log once more says nothing about what could not be read in it.
            last_error = if matches!(event, RecoveryEvent::Listed(_)) { error.or(last_error) } else { error };
            actions.extend(recovery.on_event(event));
        }
        Err(Error::internal("the recovery does not know how to go on"))
    }
}

/// What is to be restored is damaged. An older checkpoint is not taken by itself, because sinks have gone on since.
pub(crate) fn with_way_out<'a>(
    error: Error,
    store: &CheckpointStore,
    older: impl DoubleEndedIterator<Item = &'a Manifest>,
) -> Error {
    // The error names the file that is damaged, which an older one may share.
    let message = error.to_string();
    let is_whole = |manifest: &&Manifest| {
        manifest.kind != CheckpointKind::Opening && !manifest.files().keys().any(|path| message.contains(path))
    };
    match older.rev().find(is_whole) {
        Some(older) => {
            let path = format!("{}/manifests/{:020}.json", store.directory().url(), older.number);
            error.with_hint(format!(
                "start from an older checkpoint under another name: --set pipeline.name=NAME --from-savepoint {path}"
            ))
        }
        None => error.with_hint("start over under another name: --set pipeline.name=NAME"),
    }
}

fn will_not_pass(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Unsupported)
}
