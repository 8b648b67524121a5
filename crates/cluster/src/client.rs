//! A client of a cluster: finds the coordinator that leads, and asks it.

use std::collections::HashMap;
use std::time::Duration;

use dipper_types::{Error, Result};
use tonic::transport::Endpoint;
use tonic::{Response, Status};

use crate::clock::{HEARTBEAT, SILENCE, Stopwatch, sleep};
use crate::message::{error_of, leader_of, stands_by};
use crate::record::StartFrom;
use crate::rpc::jobs_client::JobsClient;
use crate::rpc::{
    self, DrainRequest, JobRequest, ListRequest, LogsRequest, RescaleRequest, SavepointRequest, StatusRequest,
    StopRequest, SubmitRequest,
};
use crate::security::{Connection, Security};

pub use crate::rpc::{ClusterStatus, Job, LogLine, Worker as WorkerStatus};

/// How long a call may look for whoever leads before it says so.
const UNTOLD: Duration = Duration::from_secs(2);
/// How long somebody is looked for who leads, if any coordinator answers at all: longer than a lease.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two attempts to find it.
const PAUSE: Duration = Duration::from_millis(500);

/// Talks to the coordinator of a cluster that leads.
#[derive(Debug, Clone)]
pub struct Client {
    coordinators: Vec<String>,
    security: Security,
    /// The one that has answered last.
    leader: Option<(String, JobsClient<Connection>)>,
}

/// Whether a call may be made again when it is not known what has come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// It changes nothing.
    May,
    /// It may have been heeded.
    MustNot,
}

impl Client {
    /// For a cluster with these coordinators, HOST:PORT. Nobody is asked yet.
    pub fn new(coordinators: Vec<String>, security: Security) -> Result<Self> {
        if coordinators.is_empty() {
            return Err(Error::invalid("a cluster is reached by the address of a coordinator"));
        }
        security.check(false, true)?;
        coordinators.iter().try_for_each(|address| security.endpoint(address).map(drop))?;
        Ok(Self { coordinators, security, leader: None })
    }

    /// Has a job planned and run. `settings` win over what its statements set.
    pub async fn submit(
        &mut self,
        sql: String,
        name: String,
        settings: HashMap<String, String>,
        start_from: StartFrom,
    ) -> Result<Job> {
        let start_from = match start_from {
            StartFrom::Latest => None,
            StartFrom::Nothing => Some(rpc::StartFrom::default()),
            StartFrom::Savepoint { url: savepoint, over, allow_non_restored_state } => {
                Some(rpc::StartFrom { savepoint, over, allow_non_restored_state })
            }
        };
        let request = SubmitRequest { sql, name, settings, start_from };
        self.call(Again::MustNot, request, |mut jobs, request| async move { jobs.submit(request).await }).await
    }

    /// All jobs, the newest last.
    pub async fn list(&mut self) -> Result<Vec<Job>> {
        Ok(self
            .call(Again::May, ListRequest {}, |mut jobs, request| async move { jobs.list(request).await })
            .await?
            .jobs)
    }

    /// A job by its id or name.
    pub async fn show(&mut self, job: String) -> Result<Job> {
        self.call(Again::May, JobRequest { job }, |mut jobs, request| async move { jobs.show(request).await }).await
    }

    /// Ends a job. What it has not committed is lost.
    pub async fn cancel(&mut self, job: String) -> Result<Job> {
        self.call(Again::MustNot, JobRequest { job }, |mut jobs, request| async move { jobs.cancel(request).await })
            .await
    }

    /// Has a job end with a savepoint; with `drain`, after its inputs have been ended.
    pub async fn stop(&mut self, job: String, savepoint: String, drain: bool) -> Result<Job> {
        let request = StopRequest { job, savepoint, drain };
        self.call(Again::MustNot, request, |mut jobs, request| async move { jobs.stop(request).await }).await
    }

    /// Takes a savepoint, and waits until it is there.
    pub async fn savepoint(&mut self, job: String, savepoint: String) -> Result<Job> {
        let request = SavepointRequest { job, savepoint };
        self.call(Again::MustNot, request, |mut jobs, request| async move { jobs.savepoint(request).await }).await
    }

    /// Has a job go on with another parallelism.
    pub async fn rescale(&mut self, job: String, parallelism: u32) -> Result<Job> {
        let request = RescaleRequest { job, parallelism };
        self.call(Again::MustNot, request, |mut jobs, request| async move { jobs.rescale(request).await }).await
    }

    /// Has a job go on from a checkpoint, on slots that it asks for anew.
    pub async fn restart(&mut self, job: String) -> Result<Job> {
        self.call(Again::MustNot, JobRequest { job }, |mut jobs, request| async move { jobs.restart(request).await })
            .await
    }

    /// What has been said about a job after a line.
    pub async fn logs(&mut self, job: String, after: u64) -> Result<Vec<LogLine>> {
        let request = LogsRequest { job, after };
        Ok(self.call(Again::May, request, |mut jobs, request| async move { jobs.logs(request).await }).await?.lines)
    }

    /// The leading coordinator, and the workers with their slots.
    pub async fn status(&mut self) -> Result<ClusterStatus> {
        self.call(Again::May, StatusRequest {}, |mut jobs, request| async move { jobs.status(request).await }).await
    }

    /// Has the jobs of a worker go on elsewhere.
    pub async fn drain(&mut self, worker: String) -> Result<ClusterStatus> {
        self.call(Again::May, DrainRequest { worker }, |mut jobs, request| async move { jobs.drain(request).await })
            .await
    }

    /// Asks whoever leads. If nobody can be reached at all it fails at once.
    async fn call<R: Clone, T, F: Future<Output = Result<Response<T>, Status>>>(
        &mut self,
        again: Again,
        request: R,
        ask: impl Fn(JobsClient<Connection>, R) -> F,
    ) -> Result<T> {
        let looking = Stopwatch::start();
        let mut next = self.leader.take();
        let mut candidates: Vec<String> = Vec::new();
        let mut somebody_answers = next.is_some();
        let (mut last, mut told) = (None, false);
        loop {
            if let Some(error) =
                last.as_ref().filter(|_| !told && u128::from(looking.elapsed_ms()) > UNTOLD.as_millis())
            {
                told = true;
                tracing::warn!("nobody leads the cluster, waiting for up to {} s: {error}", PATIENCE.as_secs());
            }
            let connected = match next.take() {
                Some(known) => Ok(known),
                None => {
                    if candidates.is_empty() {
                        if last.is_some() {
                            if !somebody_answers || u128::from(looking.elapsed_ms()) > PATIENCE.as_millis() {
                                return Err(last.unwrap_or_else(Error::cancelled));
                            }
                            sleep(PAUSE).await;
                        }
                        candidates = self.coordinators.iter().rev().cloned().collect();
                    }
                    let address = candidates.pop().unwrap_or_default();
                    self.connect(&address).await.map(|jobs| (address, jobs))
                }
            };
            let (address, jobs) = match connected {
                Ok(connected) => connected,
                Err(error) => {
                    // Who stands by says more.
                    last = last.or(Some(error));
                    continue;
                }
            };
            match ask(jobs.clone(), request.clone()).await {
                Ok(answer) => {
                    self.leader = Some((address, jobs));
                    return Ok(answer.into_inner());
                }
                Err(status) => {
                    let error = error_of(&status, &format!("coordinator {address}"));
                    let stands_by = stands_by(&status);
                    let is_lost = status.details().is_empty();
                    if !stands_by && (!is_lost || again == Again::MustNot) {
                        return Err(if is_lost {
                            error.with_hint("it may have been done all the same")
                        } else {
                            error
                        });
                    }
                    somebody_answers = true;
                    let leader = leader_of(&status).filter(|leader| *leader != address);
                    last = Some(error);
                    if let Some(leader) = leader
                        && let Ok(jobs) = self.connect(&leader).await
                    {
                        next = Some((leader, jobs));
                        // It may be that the two send us to each other.
                        sleep(PAUSE / 10).await;
                    }
                    if u128::from(looking.elapsed_ms()) > PATIENCE.as_millis() {
                        return Err(last.unwrap_or_else(Error::cancelled));
                    }
                }
            }
        }
    }

    /// One that does not answer any more is noticed while a call is waited for.
    async fn connect(&self, address: &str) -> Result<JobsClient<Connection>> {
        let tune = |endpoint: Endpoint| endpoint.http2_keep_alive_interval(HEARTBEAT).keep_alive_timeout(SILENCE);
        let none = |error: Error| match error.hint() {
            Some(_) => error,
            None => error.with_hint("see that it runs there: dipper coordinator, or dipper cluster start"),
        };
        let connected = self.security.connect(address, tune).await;
        Ok(JobsClient::new(connected.map_err(|error| none(error.context(format!("coordinator {address}"))))?))
    }
}
