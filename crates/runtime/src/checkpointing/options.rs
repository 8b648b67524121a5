//! How a job takes checkpoints, and what it starts from.

use std::fmt;
use std::sync::Arc;

use dipper_checkpoint::{CheckpointOptions, RestartStrategy};
use dipper_state::{Directory, Query, Savepoint};
use dipper_types::{AttemptId, Epoch, JobId, Result};
use tokio::sync::mpsc::UnboundedSender;

use super::{Deploy, JobNotice};

/// Opens the directory of a savepoint by its path or URL.
pub type OpenDirectory = Arc<dyn Fn(&str) -> Result<Directory> + Send + Sync>;

/// How a job takes checkpoints.
#[derive(Clone)]
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
    /// Opens the directories of savepoints that somebody asks for.
    pub open_directory: OpenDirectory,
    /// Who runs the subtasks; this process, if nobody else does. Then requests in the job's directory are heeded as well.
    pub deploy: Option<Arc<dyn Deploy>>,
    /// Who wants to know what becomes of the job.
    pub notices: Option<UnboundedSender<JobNotice>>,
}

impl fmt::Debug for Checkpointing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { directory, job, options, restart, start_from, .. } = self;
        f.debug_struct("Checkpointing")
            .field("directory", directory)
            .field("job", job)
            .field("options", options)
            .field("restart", restart)
            .field("start_from", start_from)
            .finish_non_exhaustive()
    }
}

/// What a job starts from.
#[derive(Debug, Clone)]
pub enum StartFrom {
    /// Its last checkpoint; nothing, if there is none.
    Latest,
    /// Nothing, whatever there is.
    Nothing,
    /// A savepoint, or an earlier checkpoint of any job.
    Savepoint {
        /// Which.
        savepoint: Box<Savepoint>,
        /// Also if the job has checkpoints of its own.
        over: bool,
    },
    /// Nothing: the subtasks of an attempt run already, which another leader has started.
    Adopt {
        /// Their attempt.
        attempt: AttemptId,
        /// The greatest checkpoint that they may have been told of.
        passed: Epoch,
    },
}
