//! The calls of clients.

use dipper_types::Result;
use tonic::{Request, Response, Status};

use super::Leaders;
use super::jobs::Jobs;
use crate::message::status_of;
use crate::rpc::{
    ClusterStatus, DrainRequest, Job, JobRequest, ListRequest, ListResponse, LogsRequest, LogsResponse, RescaleRequest,
    SavepointRequest, StatusRequest, StopRequest, SubmitRequest, jobs_server,
};

/// Answers clients.
#[derive(Debug)]
pub(super) struct JobService {
    jobs: Jobs,
    leaders: Leaders,
}

type Answer<T> = std::result::Result<Response<T>, Status>;

impl JobService {
    pub(super) fn new(jobs: Jobs, leaders: Leaders) -> Self {
        Self { jobs, leaders }
    }

    async fn answer<T>(&self, call: impl Future<Output = Result<T>>) -> Answer<T> {
        let answer = self.leaders.answer(&self.jobs, call).await;
        answer.map(Response::new).map_err(|error| status_of(&error))
    }
}

#[tonic::async_trait]
impl jobs_server::Jobs for JobService {
    async fn submit(&self, request: Request<SubmitRequest>) -> Answer<Job> {
        Box::pin(self.answer(self.jobs.submit(request.into_inner()))).await
    }

    async fn list(&self, _: Request<ListRequest>) -> Answer<ListResponse> {
        self.answer(async { Ok(ListResponse { jobs: self.jobs.list().await? }) }).await
    }

    async fn show(&self, request: Request<JobRequest>) -> Answer<Job> {
        self.answer(self.jobs.show(&request.into_inner().job)).await
    }

    async fn cancel(&self, request: Request<JobRequest>) -> Answer<Job> {
        self.answer(self.jobs.cancel(&request.into_inner().job)).await
    }

    async fn stop(&self, request: Request<StopRequest>) -> Answer<Job> {
        let StopRequest { job, savepoint, drain } = request.into_inner();
        self.answer(self.jobs.stop(&job, &savepoint, drain)).await
    }

    async fn savepoint(&self, request: Request<SavepointRequest>) -> Answer<Job> {
        let SavepointRequest { job, savepoint } = request.into_inner();
        self.answer(self.jobs.savepoint(&job, &savepoint)).await
    }

    async fn rescale(&self, request: Request<RescaleRequest>) -> Answer<Job> {
        let RescaleRequest { job, parallelism } = request.into_inner();
        self.answer(self.jobs.rescale(&job, parallelism)).await
    }

    async fn restart(&self, request: Request<JobRequest>) -> Answer<Job> {
        self.answer(self.jobs.restart(&request.into_inner().job)).await
    }

    async fn logs(&self, request: Request<LogsRequest>) -> Answer<LogsResponse> {
        let LogsRequest { job, after } = request.into_inner();
        self.answer(async { Ok(LogsResponse { lines: self.jobs.lines(&job, after).await? }) }).await
    }

    async fn status(&self, _: Request<StatusRequest>) -> Answer<ClusterStatus> {
        self.answer(async { self.jobs.cluster() }).await
    }

    async fn drain(&self, request: Request<DrainRequest>) -> Answer<ClusterStatus> {
        let DrainRequest { worker } = request.into_inner();
        let drain = async {
            self.jobs.drain(&worker).await?;
            self.jobs.cluster()
        };
        self.answer(drain).await
    }
}
