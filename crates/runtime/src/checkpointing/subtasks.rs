//! The subtasks of an attempt as its leader sees them, wherever they run.

use std::fmt::Debug;
use std::sync::Arc;

use dipper_checkpoint::{SourceMode, TaskId, TaskMessage};
use dipper_graph::JobGraph;
use dipper_state::Manifest;
use dipper_types::{AttemptId, Epoch, Error, JobId, Result};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::Counted;
use crate::opening::Splits;

/// One attempt of a job, as those who run its subtasks are told of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// What is to be run.
    pub graph: JobGraph,
    /// The job's name in its checkpoint directory.
    pub job: JobId,
    /// The attempt.
    pub attempt: AttemptId,
    /// The epoch of its opening.
    pub opened: Epoch,
    /// The splits of each source that no checkpoint knows.
    pub splits: Splits,
    /// What is restored.
    pub from: Option<Manifest>,
}

/// What subtasks are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// These sources are to send the barrier of a checkpoint.
    Trigger {
        /// The checkpoint.
        epoch: Epoch,
        /// What sources do then.
        mode: SourceMode,
        /// Which.
        sources: Vec<TaskId>,
    },
    /// A checkpoint is completed.
    Completed(Epoch),
    /// A checkpoint has been given up.
    Aborted(Epoch),
    /// The attempt is over: they are to end.
    Cancel,
}

/// What subtasks say.
#[derive(Debug)]
pub enum Heard {
    /// A message of the protocol, and why a checkpoint is declined if it is.
    Message(TaskId, TaskMessage, Option<Error>),
    /// A subtask has failed.
    Lost(TaskId, Error),
    /// What subtasks that run elsewhere have counted since they began.
    Counted(Counted),
}

/// The subtasks of an attempt. They end when it is dropped.
pub trait Subtasks: Send {
    /// Tells all of them.
    fn tell(&mut self, told: &Told);

    /// The next that they say; `None`, after they have been told to end, when all have. It may be dropped at any time.
    fn hear(&mut self) -> BoxFuture<'_, Option<Heard>>;
}

/// Who runs subtasks.
pub trait Deploy: Debug + Send + Sync {
    /// Brings back the state of all subtasks of an attempt, opens its sinks, and lets it run. If it is dropped before it is done, nothing is
    /// left running.
    fn deploy(&self, order: Arc<Order>) -> BoxFuture<'_, Result<Box<dyn Subtasks>>>;

    /// The subtasks of an attempt that run already.
    fn adopt(&self, attempt: AttemptId) -> Result<Box<dyn Subtasks>> {
        Err(Error::internal(format!("attempt {attempt} does not run here")))
    }
}
