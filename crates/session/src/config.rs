//! How a session starts.

use std::sync::Arc;

use crate::JobService;

/// How a session starts.
#[derive(Debug, Clone, Default)]
pub struct SessionConfig {
    /// Who runs the jobs that never end; without one, whoever executes the statement.
    pub jobs: Option<Arc<dyn JobService>>,
    /// Settings, as `SET 'key' = 'value'` would make them, in this order.
    pub settings: Vec<(String, String)>,
    /// Whether these settings win over what a script sets: so with `dipper run --set`.
    pub fixed: bool,
    /// How jobs with checkpoints are called and what they start from.
    pub job: JobConfig,
}

/// How jobs with checkpoints are called and what they start from.
#[derive(Debug, Clone, Default)]
pub struct JobConfig {
    /// The name of a job that has no `pipeline.name`; those that follow the first are numbered.
    pub name: Option<String>,
    /// What jobs start from.
    pub start_from: StartFrom,
    /// Whether state may be left behind that belongs to no operator of the job.
    pub allow_non_restored_state: bool,
}

/// What a job starts from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum StartFrom {
    /// Its last checkpoint; nothing, if there is none.
    #[default]
    Latest,
    /// Nothing, whatever there is.
    Nothing,
    /// A savepoint, or the manifest of a checkpoint; with `over` even if the job has checkpoints of its own.
    Savepoint {
        /// Its path or URL.
        url: String,
        /// Start over from it.
        over: bool,
    },
}
