//! A coordinator: takes jobs from clients, gives their subtasks to workers, and leads them.

mod deployment;
mod hub;
mod job_service;
mod jobs;
mod worker_service;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use dipper_session::open_directory;
use dipper_types::{Error, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;

use crate::message::MESSAGE_BYTES_MAX;
use crate::rpc::jobs_server::JobsServer;
use crate::rpc::workers_server::WorkersServer;
use crate::worker::cannot_listen;
use hub::Hub;
use job_service::JobService;
use jobs::Jobs;
use worker_service::WorkerService;

/// How a coordinator is run.
#[derive(Debug, Clone)]
pub struct CoordinatorOptions {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where clients and workers reach it, HOST:PORT; where it listens, if nothing is said.
    pub advertise: Option<String>,
    /// The cluster directory: a path of this machine or the URL of an object store.
    pub directory: String,
    /// The build that it is of.
    pub build: String,
}

/// A coordinator that listens.
#[derive(Debug)]
pub struct Coordinator {
    listener: TcpListener,
    address: String,
    hub: Arc<Hub>,
    jobs: Arc<Jobs>,
}

impl Coordinator {
    /// Listens. The cluster directory is made if it is missing.
    pub async fn bind(options: CoordinatorOptions) -> Result<Self> {
        let CoordinatorOptions { listen, advertise, directory, build } = options;
        let directory = absolute(&directory)?;
        open_directory(&directory)?;
        let listener = TcpListener::bind(listen).await.map_err(|error| cannot_listen(listen, &error))?;
        let bound = listener.local_addr().map_err(|error| cannot_listen(listen, &error))?;
        let address = advertise.unwrap_or_else(|| bound.to_string());
        let hub = Arc::new(Hub::new(build, directory.clone()));
        let jobs = Arc::new(Jobs::new(directory, Arc::clone(&hub)));
        Ok(Self { listener, address, hub, jobs })
    }

    /// Where it is reached, HOST:PORT.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Serves until it is cancelled.
    pub async fn serve(self, cancel: CancellationToken) -> Result<()> {
        let Self { listener, address, hub, jobs } = self;
        let workers = WorkerService::new(Arc::clone(&hub), cancel.clone());
        let served = tonic::transport::Server::builder()
            .add_service(WorkersServer::new(workers).max_decoding_message_size(MESSAGE_BYTES_MAX))
            .add_service(JobsServer::new(JobService::new(jobs, hub, address)))
            .serve_with_incoming_shutdown(
                TcpIncoming::from(listener).with_nodelay(Some(true)),
                cancel.cancelled_owned(),
            )
            .await;
        served.map_err(|error| Error::unavailable(format!("the coordinator has stopped: {error}")))
    }
}

/// Workers have working directories of their own.
fn absolute(directory: &str) -> Result<String> {
    if directory.contains("://") {
        return Ok(directory.to_owned());
    }
    let path: PathBuf = std::path::absolute(directory)
        .map_err(|error| Error::invalid(format!("the cluster directory '{directory}' is not a path: {error}")))?;
    path.into_os_string().into_string().map_err(|path| Error::invalid(format!("{} is not text", path.display())))
}
