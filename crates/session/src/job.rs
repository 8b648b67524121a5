//! A handle on what runs, whichever host runs it.

use std::fmt;
use std::sync::Arc;

use dipper_runtime::JobNotice;
use dipper_types::{Result, Timestamp};
use futures::future::BoxFuture;
use tokio::sync::mpsc::UnboundedReceiver;

/// How far a job has come. Counts only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Rows read from tables.
    pub rows_in: u64,
    /// Rows written to sinks or handed out as results.
    pub rows_out: u64,
    /// Row pattern matches.
    pub matches: u64,
    /// Rows that came behind the watermark and were left out.
    pub late_rows: u64,
    /// Records that could not be decoded and were skipped.
    pub skipped_records: u64,
    /// Matches whose AFTER MATCH SKIP had no place to go.
    pub skip_errors: u64,
    /// The least watermark of the sources; `None` before the first and after the last.
    pub watermark: Option<Timestamp>,
}

/// What a host offers about a job of its own.
pub(crate) trait Control: Send + Sync {
    /// Asks the job to end; it ends with a `Cancelled` error.
    fn cancel(&self);
    /// How far it has come.
    fn progress(&self) -> Progress;
}

/// Looks at a job and stops it. Cheap to clone.
#[derive(Clone)]
pub struct JobControl(Arc<dyn Control>);

impl JobControl {
    /// Asks the job to end: its sinks are aborted and it ends with a `Cancelled` error.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        self.0.progress()
    }
}

/// A running job.
pub struct JobHandle {
    name: String,
    control: JobControl,
    end: BoxFuture<'static, Result<()>>,
    warnings: Vec<String>,
    notices: Option<UnboundedReceiver<JobNotice>>,
}

impl JobHandle {
    /// A job of a host: `end` resolves when everything is committed or aborted.
    pub(crate) fn new(name: impl Into<String>, control: Arc<dyn Control>, end: BoxFuture<'static, Result<()>>) -> Self {
        Self { name: name.into(), control: JobControl(control), end, warnings: Vec::new(), notices: None }
    }

    /// The job's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// With what its owner should know before it runs for long.
    pub(crate) fn with_warnings(mut self, warnings: Vec<String>) -> Self {
        self.warnings = warnings;
        self
    }

    /// With what is said while it runs.
    pub(crate) fn with_notices(mut self, notices: UnboundedReceiver<JobNotice>) -> Self {
        self.notices = Some(notices);
        self
    }

    /// What becomes of a job with checkpoints while it runs, once.
    pub fn notices(&mut self) -> Option<UnboundedReceiver<JobNotice>> {
        self.notices.take()
    }

    /// What the owner should know before it runs for long, such as state that nothing bounds.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// For looking on while someone else waits.
    pub fn control(&self) -> JobControl {
        self.control.clone()
    }

    /// Waits until the job has ended and its sinks are committed or aborted.
    pub async fn wait(self) -> Result<Progress> {
        self.end.await?;
        Ok(self.control.progress())
    }
}

impl fmt::Debug for JobHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("name", &self.name).finish_non_exhaustive()
    }
}
