//! The calls of clients.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::hub::Hub;
use super::jobs::Jobs;
use crate::message::status;
use crate::rpc::{
    CancelRequest, ClusterStatus, Job, ListRequest, ListResponse, ShowRequest, StatusRequest, SubmitRequest,
    jobs_server,
};

/// Answers clients.
#[derive(Debug)]
pub(super) struct JobService {
    jobs: Arc<Jobs>,
    hub: Arc<Hub>,
    address: String,
}

impl JobService {
    pub(super) fn new(jobs: Arc<Jobs>, hub: Arc<Hub>, address: String) -> Self {
        Self { jobs, hub, address }
    }
}

#[tonic::async_trait]
impl jobs_server::Jobs for JobService {
    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<Job>, Status> {
        self.jobs.submit(request.into_inner()).await.map(Response::new).map_err(|error| status(&error))
    }

    async fn list(&self, _: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        Ok(Response::new(ListResponse { jobs: self.jobs.list() }))
    }

    async fn show(&self, request: Request<ShowRequest>) -> Result<Response<Job>, Status> {
        self.jobs.show(&request.into_inner().job).map(Response::new).map_err(|error| status(&error))
    }

    async fn cancel(&self, request: Request<CancelRequest>) -> Result<Response<Job>, Status> {
        self.jobs.cancel(&request.into_inner().job).map(Response::new).map_err(|error| status(&error))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<ClusterStatus>, Status> {
        let directory = self.hub.directory().to_owned();
        Ok(Response::new(ClusterStatus { leader: self.address.clone(), directory, workers: self.hub.workers() }))
    }
}
