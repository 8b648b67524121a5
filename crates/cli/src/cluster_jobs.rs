//! The jobs that clients of a cluster start with SQL: it runs them.

use async_trait::async_trait;
use dipper_cluster::{Client, StartFrom};
use dipper_session::{JobScript, JobService, JobStatus, PlannedJob};
use dipper_types::Result;

/// Settings that are the cluster's, or say how queries are answered.
const NOT_THE_JOBS: [&str; 4] = ["state.checkpoints.dir", "table.warehouse", "query.timeout", "query.memory-limit"];

/// Has a cluster run jobs.
#[derive(Debug)]
pub(crate) struct ClusterJobs(pub(crate) Client);

#[async_trait]
impl JobService for ClusterJobs {
    async fn start(&self, job: PlannedJob, script: JobScript) -> Result<String> {
        let settings = script.settings.into_iter().filter(|(key, _)| !NOT_THE_JOBS.contains(&key.as_str())).collect();
        let submitted = self.0.clone().submit(script.sql, job.graph.name, settings, StartFrom::Latest).await?;
        Ok(submitted.id)
    }

    async fn list(&self) -> Result<Vec<JobStatus>> {
        let jobs = self.0.clone().list().await?.into_iter();
        let status = |job: dipper_cluster::Job| JobStatus {
            id: job.id,
            name: job.name,
            state: job.state,
            detail: Some(job.detail).filter(|detail| !detail.is_empty()),
        };
        Ok(jobs.map(status).collect())
    }

    async fn stop(&self, id: &str) -> Result<()> {
        self.0.clone().cancel(id.to_owned()).await.map(drop)
    }
}
