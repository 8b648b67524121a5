//! How a job takes checkpoints, and what it starts from.

use dipper_checkpoint::{CheckpointOptions, RestartStrategy};
use dipper_state::{Directory, Query};
use dipper_types::JobId;
use tokio::sync::mpsc::UnboundedSender;

use super::JobNotice;

/// How a job takes checkpoints.
#[derive(Debug, Clone)]
pub struct Checkpointing {
    /// Where the checkpoints of all jobs are.
    pub directory: Directory,
    /// The job's name there.
    pub job: JobId,
    /// When checkpoints are taken, and how many are kept.
    pub options: CheckpointOptions,
    /// Whether a job that has failed is run again.
    pub restart: RestartStrategy,
    /// What the first attempt starts from; those that follow go on from the last checkpoint.
    pub start_from: StartFrom,
    /// Leave state behind that belongs to no operator of the job.
    pub allow_non_restored_state: bool,
    /// What the job does, for those who look at its checkpoints.
    pub query: Query,
    /// Who wants to know what becomes of the job.
    pub notices: Option<UnboundedSender<JobNotice>>,
}

/// What a job starts from.
#[derive(Debug, Clone)]
pub enum StartFrom {
    /// Its last checkpoint; nothing, if there is none.
    Latest,
    /// Nothing, whatever there is.
    Nothing,
    /// The savepoint in this directory.
    Savepoint(Directory),
}
