//! A client of a cluster.

use std::collections::HashMap;

use dipper_types::{Error, Result};
use tonic::transport::Channel;
use tonic::{Response, Status};

use crate::address::{endpoint, error_text};
use crate::clock::{SILENCE, within};
use crate::message::error_of;
use crate::rpc::jobs_client::JobsClient;
use crate::rpc::{CancelRequest, ListRequest, ShowRequest, StatusRequest, SubmitRequest};

pub use crate::rpc::{ClusterStatus, Job, Worker};

/// Talks to the coordinator of a cluster.
#[derive(Debug, Clone)]
pub struct Client {
    whom: String,
    jobs: JobsClient<Channel>,
}

impl Client {
    /// Connects to a coordinator, HOST:PORT.
    pub async fn connect(address: &str) -> Result<Self> {
        let whom = format!("coordinator {address}");
        let endpoint = endpoint(address)?;
        let none = |error: &dyn std::fmt::Display| {
            let error = Error::unavailable(format!("{whom}: {error}"));
            error.with_hint("see that it runs there: dipper coordinator, or dipper cluster start")
        };
        let connected = within(SILENCE, endpoint.connect()).await.ok_or_else(|| none(&"no answer"))?;
        let channel = connected.map_err(|error| none(&error_text(&error)))?;
        Ok(Self { whom, jobs: JobsClient::new(channel) })
    }

    /// Has a job planned and run. `settings` win over what its statements set.
    pub async fn submit(&mut self, sql: String, name: String, settings: HashMap<String, String>) -> Result<Job> {
        let answer = self.jobs.submit(SubmitRequest { sql, name, settings }).await;
        self.read(answer)
    }

    /// All jobs, the newest last.
    pub async fn list(&mut self) -> Result<Vec<Job>> {
        let answer = self.jobs.list(ListRequest {}).await;
        Ok(self.read(answer)?.jobs)
    }

    /// A job by its id or name.
    pub async fn show(&mut self, job: String) -> Result<Job> {
        let answer = self.jobs.show(ShowRequest { job }).await;
        self.read(answer)
    }

    /// Ends a job by its id or name.
    pub async fn cancel(&mut self, job: String) -> Result<Job> {
        let answer = self.jobs.cancel(CancelRequest { job }).await;
        self.read(answer)
    }

    /// The workers and their slots.
    pub async fn status(&mut self) -> Result<ClusterStatus> {
        let answer = self.jobs.status(StatusRequest {}).await;
        self.read(answer)
    }

    fn read<T>(&self, answer: Result<Response<T>, Status>) -> Result<T> {
        answer.map(Response::into_inner).map_err(|status| error_of(&status, &self.whom))
    }
}
