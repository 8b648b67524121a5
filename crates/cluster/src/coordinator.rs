//! A coordinator: stands by or leads. While it leads it takes jobs from clients, gives their subtasks to workers, and leads them.

mod attempt;
mod deployment;
mod http;
mod hub;
mod job;
mod job_service;
mod jobs;
mod metrics;
mod plan;
mod view;
mod worker_service;

use std::net::SocketAddr;
use std::sync::Arc;

use dipper_session::{absolute, open_directory};
use dipper_state::Directory;
use dipper_types::{Error, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;

use crate::clock::{HEARTBEAT, SILENCE};
use crate::leadership::{Leadership, LeadershipChange, find_leader};
use crate::message::MESSAGE_BYTES_MAX;
use crate::rpc::jobs_server::JobsServer;
use crate::rpc::workers_server::WorkersServer;
use crate::security::Security;
use crate::worker::cannot_listen;
use crate::{CoordinatorId, ElectionOptions, Registry, Writer, rpc};
use hub::Hub;
use job_service::JobService;
use jobs::{Jobs, is_not_leading};
use worker_service::WorkerService;

pub(crate) use hub::Share;

/// How a coordinator is run.
#[derive(Debug, Clone)]
pub struct CoordinatorOptions {
    /// Its name, by which people know it; by its address, if nothing is said.
    pub name: Option<String>,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where clients and workers reach it, HOST:PORT; where it listens, if nothing is said.
    pub advertise: Option<String>,
    /// Where it answers HTTP, if it does.
    pub http: Option<SocketAddr>,
    /// The cluster directory: a path of this machine or the URL of an object store.
    pub directory: String,
    /// The build that it is of.
    pub build: String,
    /// Who may talk to it.
    pub security: Security,
}

/// A coordinator that listens.
#[derive(Debug)]
pub struct Coordinator {
    listener: TcpListener,
    http: Option<TcpListener>,
    name: CoordinatorId,
    address: String,
    /// The cluster directory, and where it is.
    directory: Directory,
    url: String,
    build: String,
    security: Security,
}

impl Coordinator {
    /// Listens. The cluster directory is made if it is missing.
    pub async fn bind(options: CoordinatorOptions) -> Result<Self> {
        let CoordinatorOptions { name, listen, advertise, http, directory, build, security } = options;
        security.check(true, false)?;
        let url = absolute(&directory)?;
        let directory = open_directory(&url).map_err(|error| of_cluster(&error, &url))?;
        let listener = TcpListener::bind(listen).await.map_err(|error| cannot_listen(listen, &error))?;
        let bound = listener.local_addr().map_err(|error| cannot_listen(listen, &error))?;
        let http = match http {
            Some(http) => Some(TcpListener::bind(http).await.map_err(|error| cannot_listen(http, &error))?),
            None => None,
        };
        let address = advertise.unwrap_or_else(|| bound.to_string());
        let name = CoordinatorId(name.unwrap_or_else(|| address.clone()));
        Ok(Self { listener, http, name, address, directory, url, build, security })
    }

    /// Where it is reached, HOST:PORT.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where it answers HTTP: http://ADDRESS:PORT, or https with TLS.
    pub fn http_url(&self) -> Option<String> {
        let address = self.http.as_ref()?.local_addr().ok()?;
        Some(format!("{}://{address}", if self.security.encrypts() { "https" } else { "http" }))
    }

    /// Serves until it is cancelled. What runs on workers goes on, for the coordinator that leads then.
    pub async fn serve(self, cancel: CancellationToken) -> Result<()> {
        let Self { listener, http, name, address, directory, url, build, security } = self;
        let hub = Arc::new(Hub::new(build, address.clone(), url));
        let mut leadership = Leadership::join(&directory, name.clone(), address, ElectionOptions::default());
        let jobs = Jobs::new(Arc::clone(&hub), Registry::new(&directory), leadership.seat());
        let leaders = Leaders { directory };
        let workers = WorkerService::new(Arc::clone(&hub), leaders.clone(), cancel.clone());
        // Connections of those that have gone without a word are closed.
        let served = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(HEARTBEAT))
            .http2_keepalive_timeout(Some(SILENCE))
            .layer(security.guard())
            .add_service(WorkersServer::new(workers).max_decoding_message_size(MESSAGE_BYTES_MAX))
            .add_service(JobsServer::new(JobService::new(jobs.clone(), leaders.clone())))
            .serve_with_incoming_shutdown(
                security.incoming(TcpIncoming::from(listener).with_nodelay(Some(true))),
                cancel.clone().cancelled_owned(),
            );
        let api = http::Api { jobs: jobs.clone(), leaders, security: security.clone() };
        let http = http::serve(http, api, cancel.clone());
        let lead = async {
            loop {
                match leadership.next().await {
                    LeadershipChange::Led { generation } => {
                        jobs.begin(Writer { coordinator: name.clone(), generation });
                    }
                    LeadershipChange::Lost => jobs.end(),
                }
            }
        };
        let ended = tokio::select! {
            served = served => served.map_err(|error| Error::unavailable(format!("the coordinator has stopped: {error}"))),
            served = http => served,
            () = cancel.cancelled() => Ok(()),
            () = lead => Ok(()),
        };
        jobs.end();
        ended
    }
}

/// Where those are sent who ask a coordinator that does not lead.
#[derive(Debug, Clone)]
struct Leaders {
    directory: Directory,
}

impl Leaders {
    /// What a call comes to. A coordinator that does not lead says who does instead of doing anything.
    async fn answer<T>(&self, jobs: &Jobs, call: impl Future<Output = Result<T>>) -> Result<T, rpc::Error> {
        if jobs.generation().is_none() {
            return Err(self.elsewhere().await);
        }
        match call.await {
            Err(error) if is_not_leading(&error) => Err(self.elsewhere().await),
            answer => answer.map_err(|error| rpc::Error::from(&error)),
        }
    }

    /// The answer of one that does not lead.
    async fn elsewhere(&self) -> rpc::Error {
        let leader = match find_leader(&self.directory).await {
            Ok(leader) => leader.map(|leader| leader.address),
            Err(error) => return rpc::Error::from(&error),
        };
        let message = match &leader {
            Some(leader) => format!("this coordinator stands by; the last to lead was {leader}"),
            None => "this coordinator stands by, and nobody leads".to_owned(),
        };
        rpc::Error { leader, stands_by: true, ..rpc::Error::from(&Error::unavailable(message)) }
    }
}

/// An error of a directory, about the cluster's.
fn of_cluster(error: &Error, url: &str) -> Error {
    let error = Error::new(error.kind(), format!("the cluster directory '{url}' cannot be used: {error}"));
    error.with_hint(
        "--directory names a directory, or the URL of an object store, that all processes of the cluster reach",
    )
}
