//! Jobs that go on behind the statement that has started them: who runs them, and how a session asks for them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use dipper_types::{Error, ErrorKind, Result};
use tokio::runtime::Handle;

use crate::listing::listing;
use crate::{JobControl, Outcome, PlannedJob, clock, dataflow};

/// Runs jobs for sessions whose statements do not wait for them.
#[async_trait]
pub trait JobService: Debug + Send + Sync {
    /// Starts a job, which is given in two forms; returns its id.
    async fn start(&self, job: PlannedJob, script: JobScript) -> Result<String>;

    /// The jobs that run and those that have ended not long ago.
    async fn list(&self) -> Result<Vec<JobStatus>>;

    /// Tells a job to stop; it may end later.
    async fn stop(&self, id: &str) -> Result<()>;
}

/// A job as another process can plan it.
#[derive(Debug, Clone)]
pub struct JobScript {
    /// The definitions of the session, and the statement.
    pub sql: String,
    /// What the session has set.
    pub settings: Vec<(String, String)>,
}

/// A line of `SHOW JOBS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStatus {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `RUNNING`, `FINISHED`, `FAILED`, `CANCELED` or another of Flink's states.
    pub state: String,
    /// Why it is in this state, if there is something to say.
    pub detail: Option<String>,
}

/// What `SHOW JOBS` answers.
pub(crate) async fn list(service: &Arc<dyn JobService>) -> Result<Outcome> {
    let row = |job: JobStatus| [Some(job.id), Some(job.name), Some(job.state), job.detail];
    listing(["id", "name", "state", "detail"], &service.list().await?.into_iter().map(row).collect::<Vec<_>>())
}

/// How many ended jobs are remembered.
const ENDED_MAX: usize = 100;

/// Runs jobs in this process. They end with it.
#[derive(Debug, Default)]
pub struct LocalJobs(Arc<Mutex<BTreeMap<u64, Known>>>);

struct Known {
    status: JobStatus,
    /// Absent once it has ended.
    control: Option<JobControl>,
}

impl Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.status.fmt(f)
    }
}

#[async_trait]
impl JobService for LocalJobs {
    async fn start(&self, job: PlannedJob, _script: JobScript) -> Result<String> {
        let name = job.graph.name.clone();
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let runs = |known: &Known| known.control.is_some() && known.status.name == name;
        if job.checkpointing.is_some() && jobs.values().any(runs) {
            // They would take each other's checkpoints over.
            let error = Error::invalid(format!("job '{name}' is running already"));
            return Err(error.with_hint("stop it first (SHOW JOBS, STOP JOB), or SET another 'pipeline.name'"));
        }
        let mut running = dataflow::insert(job, Handle::current())?;
        let mut notices = running.notices();
        let number = jobs.last_key_value().map_or(1, |(last, _)| last + 1);
        // Nobody takes a job of an earlier process for one of this one.
        let id = format!("{:08x}-{number}", clock::nonce() as u32);
        let status = JobStatus { id: id.clone(), name, state: "RUNNING".to_owned(), detail: None };
        jobs.insert(number, Known { status, control: Some(running.control()) });
        let ended: Vec<u64> =
            jobs.iter().filter(|(_, known)| known.control.is_none()).map(|(number, _)| *number).collect();
        for number in ended.iter().take(ended.len().saturating_sub(ENDED_MAX)) {
            jobs.remove(number);
        }
        let known = Arc::clone(&self.0);
        let called = id.clone();
        tokio::spawn(async move {
            // They end with the job.
            while let Some(notice) = notices.as_mut()?.recv().await {
                if notice.is_warning() {
                    tracing::warn!("job {called}: {notice}");
                } else {
                    tracing::info!("job {called}: {notice}");
                }
            }
            Some(())
        });
        tokio::spawn(async move {
            let ended = running.wait().await;
            if let Some(job) = known.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&number) {
                job.control = None;
                (job.status.state, job.status.detail) = match ended {
                    Ok(_) => ("FINISHED".to_owned(), None),
                    Err(error) if error.kind() == ErrorKind::Cancelled => ("CANCELED".to_owned(), None),
                    Err(error) => ("FAILED".to_owned(), Some(error.to_string())),
                };
            }
        });
        Ok(id)
    }

    async fn list(&self) -> Result<Vec<JobStatus>> {
        let jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(jobs.values().map(|known| known.status.clone()).collect())
    }

    async fn stop(&self, id: &str) -> Result<()> {
        let jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = jobs.values().find(|known| known.status.id == id);
        let known =
            known.ok_or_else(|| Error::invalid(format!("there is no job '{id}'")).with_hint("SHOW JOBS lists them"))?;
        let ended = || Error::invalid(format!("job '{id}' has ended: it is {}", known.status.state));
        known.control.as_ref().ok_or_else(ended)?.cancel();
        Ok(())
    }
}
