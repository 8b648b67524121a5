//! Stores what a subtask hands over at barriers, beside the running task, and acknowledges it when it is durable.

use std::collections::BTreeMap;

use dipper_checkpoint::{TaskCheckpoints, TaskId, TaskMessage};
use dipper_operator_api::{Committable, Prepared};
use dipper_state::{MergedRun, SnapshotUploader, StateSnapshot};
use dipper_types::{Epoch, Error, OperatorId, Result};
use futures::future::try_join_all;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;

use super::log::{Handles, snapshot};
use super::outputs::StagedOutput;
use crate::task_control::HandedOver;

/// What the coordinator says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Word {
    Completed(Epoch),
    Aborted(Epoch),
}

/// What a subtask says to the coordinator.
#[derive(Debug)]
pub(crate) enum Said {
    /// A message of the protocol, and why a checkpoint is declined if it is.
    Message(TaskMessage, Option<Error>),
    /// What it has staged, or the state that it ended with, cannot be stored.
    Lost(Error),
}

/// Merges of an operator's state under way.
type Merges = JoinSet<(OperatorId, Result<MergedRun>)>;

/// One subtask's checkpoints outside of its thread.
#[derive(Debug)]
pub(crate) struct Acknowledger {
    pub(crate) task: TaskId,
    pub(crate) checkpoints: TaskCheckpoints,
    pub(crate) uploaders: BTreeMap<OperatorId, SnapshotUploader>,
    /// The sink and its table, in whose name it stages.
    pub(crate) sink: Option<(OperatorId, String)>,
    pub(crate) handed_over: UnboundedReceiver<HandedOver>,
    pub(crate) words: UnboundedReceiver<Word>,
    pub(crate) coordinator: UnboundedSender<(TaskId, Said)>,
    /// The last state has been handed over.
    pub(crate) has_ended: bool,
}

impl Acknowledger {
    /// Runs until the attempt is over.
    pub(crate) async fn run(mut self) {
        let mut merges = Merges::new();
        loop {
            tokio::select! {
                biased;
                word = self.words.recv() => match word {
                    None => return,
                    Some(word) => self.on_word(word, &mut merges),
                },
                Some(merged) = merges.join_next() => self.on_merged(merged),
                Some(handed_over) = self.handed_over.recv() => self.on_handed_over(handed_over, &mut merges).await,
            }
        }
    }

    fn say(&self, said: Said) {
        // Nobody listens when the attempt is over.
        let _ = self.coordinator.send((self.task, said));
    }

    fn on_word(&mut self, word: Word, merges: &mut Merges) {
        let answer = match word {
            Word::Aborted(epoch) => self.checkpoints.on_aborted(epoch),
            Word::Completed(epoch) => {
                for (id, uploader) in &mut self.uploaders {
                    uploader.on_completed(epoch);
                    let planned = if self.has_ended { Vec::new() } else { uploader.plan_merges() };
                    for merge in planned {
                        let id = id.clone();
                        merges.spawn(async move { (id, merge.run().await) });
                    }
                }
                self.checkpoints.on_completed(epoch)
            }
        };
        if let Some(report) = answer {
            self.say(Said::Message(report, None));
        }
    }

    /// A merge that has failed is given up: it is planned again when the next checkpoint is completed.
    fn on_merged(&mut self, merged: Result<(OperatorId, Result<MergedRun>), tokio::task::JoinError>) {
        match merged {
            Ok((id, Ok(run))) => {
                if let Some(uploader) = self.uploaders.get_mut(&id) {
                    uploader.install(run);
                }
            }
            Ok((id, Err(error))) => tracing::warn!(operator = %id, %error, "cannot merge state"),
            Err(error) => tracing::warn!(%error, "cannot merge state"),
        }
    }

    async fn on_handed_over(&mut self, handed_over: HandedOver, merges: &mut Merges) {
        let said = match handed_over {
            HandedOver::Barrier { epoch, snapshots, prepared } => {
                if !self.settle(epoch, merges).await {
                    return;
                }
                self.on_barrier(epoch, snapshots, prepared).await
            }
            HandedOver::End { snapshots, committables } => {
                self.has_ended = true;
                if !self.settle(Epoch(self.checkpoints.passed().0 + 1), merges).await {
                    return;
                }
                // What they come to is of no use any more, but they must not write when the job is over.
                while merges.join_next().await.is_some() {}
                self.on_end(snapshots, committables).await
            }
        };
        self.say(said.unwrap_or_else(Said::Lost));
    }

    /// Waits until what is handed over at the barrier of this epoch may be stored; whether the attempt goes on that long.
    async fn settle(&mut self, epoch: Epoch, merges: &mut Merges) -> bool {
        while !self.checkpoints.may_store(epoch) {
            let Some(word) = self.words.recv().await else { return false };
            self.on_word(word, merges);
        }
        true
    }

    async fn on_barrier(
        &mut self,
        epoch: Epoch,
        snapshots: Vec<(OperatorId, StateSnapshot)>,
        prepared: Prepared,
    ) -> Result<Said> {
        let Prepared { committables, durable } = prepared;
        let staged = self.staged(committables)?;
        self.checkpoints.on_barrier(epoch, staged);
        let (durable, stored) = futures::join!(durable, store(&mut self.uploaders, snapshots, false));
        durable?;
        Ok(match stored.and_then(|handles| snapshot(&handles, false)) {
            Ok(snapshot) => Said::Message(self.checkpoints.on_durable(epoch, snapshot), None),
            Err(error) => Said::Message(TaskMessage::Declined { epoch }, Some(error)),
        })
    }

    async fn on_end(
        &mut self,
        snapshots: Vec<(OperatorId, StateSnapshot)>,
        committables: Vec<Committable>,
    ) -> Result<Said> {
        let staged = self.staged(committables)?;
        let handles = store(&mut self.uploaders, snapshots, true).await?;
        let report = self.checkpoints.on_end(snapshot(&handles, true)?, staged);
        Ok(Said::Message(report, None))
    }

    fn staged(&self, committables: Vec<Committable>) -> Result<Vec<Vec<u8>>> {
        let encode = |committable| match &self.sink {
            Some((sink, table)) => StagedOutput::encode(sink, table, committable),
            None => Err(Error::internal("a task without a sink has staged something")),
        };
        committables.into_iter().map(encode).collect()
    }
}

/// Stores the snapshots of all operators side by side.
async fn store(
    uploaders: &mut BTreeMap<OperatorId, SnapshotUploader>,
    snapshots: Vec<(OperatorId, StateSnapshot)>,
    is_last: bool,
) -> Result<Handles> {
    let mut snapshots: BTreeMap<OperatorId, StateSnapshot> = snapshots.into_iter().collect();
    let mut uploads = Vec::new();
    for (id, uploader) in uploaders {
        let Some(snapshot) = snapshots.remove(id) else { continue };
        uploads.push(async move {
            let stored = if is_last { uploader.upload_last(snapshot).await } else { uploader.upload(snapshot).await };
            stored.map(|handle| (id.clone(), handle))
        });
    }
    if let Some(id) = snapshots.keys().next() {
        return Err(Error::internal(format!("nobody stores the state of operator {id}")));
    }
    Ok(try_join_all(uploads).await?.into_iter().collect())
}
