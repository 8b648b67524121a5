//! The calls about jobs.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;

use super::Api;
use super::answer::{Answer, Asked, Named, Sent};
use super::body::{After, Job, JobDetails, JobList, Log, Rescale, Save, Stop, Submit};

/// What has been decided, and is being done.
type Accepted = (StatusCode, Json<Job>);

fn accepted(job: crate::rpc::Job) -> Accepted {
    (StatusCode::ACCEPTED, Json(job.into()))
}

/// All jobs of the cluster.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", responses((status = 200, body = JobList, description = "All jobs")))]
pub(super) async fn list_jobs(State(api): State<Api>) -> Answer<Json<JobList>> {
    let jobs = api.answer(api.jobs.list()).await?;
    Ok(Json(JobList { jobs: jobs.into_iter().map(Into::into).collect() }))
}

/// Has a job planned and run.
#[utoipa::path(
    post,
    path = "/v1/jobs",
    tag = "jobs",
    request_body = Submit,
    responses((
        status = 201,
        body = Job,
        description = "It has been submitted",
        headers(("location" = String, description = "Where the job is shown"))
    ))
)]
pub(super) async fn submit_job(State(api): State<Api>, Sent(submit): Sent<Submit>) -> Answer<impl IntoResponse> {
    let job = Box::pin(api.answer(api.jobs.submit(submit.into()))).await?;
    let location = format!("/v1/jobs/{}", job.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(Job::from(job))))
}

/// A job, and what has been measured of it.
#[utoipa::path(
    get,
    path = "/v1/jobs/{job}",
    tag = "jobs",
    params(("job" = String, Path, description = "Its id, or its name if no other running job has it")),
    responses((status = 200, body = JobDetails, description = "The job"))
)]
pub(super) async fn show_job(State(api): State<Api>, Named(job): Named) -> Answer<Json<JobDetails>> {
    let (job, measured) = api.answer_about(&job, api.jobs.inspect(&job)).await?;
    Ok(Json(JobDetails { job: job.into(), progress: measured.progress.map(Into::into) }))
}

/// Ends a job: what has not been committed is lost.
#[utoipa::path(
    post,
    path = "/v1/jobs/{job}/cancel",
    tag = "jobs",
    params(("job" = String, Path, description = "Its id, or its name if no other running job has it")),
    responses((status = 202, body = Job, description = "That has been decided"))
)]
pub(super) async fn cancel_job(State(api): State<Api>, Named(job): Named) -> Answer<Accepted> {
    api.answer_about(&job, api.jobs.cancel(&job)).await.map(accepted)
}

/// Ends a job with a savepoint.
#[utoipa::path(
    post,
    path = "/v1/jobs/{job}/stop",
    tag = "jobs",
    params(("job" = String, Path, description = "Its id, or its name if no other running job has it")),
    request_body = Stop,
    responses((status = 202, body = Job, description = "That has been decided"))
)]
pub(super) async fn stop_job(State(api): State<Api>, Named(job): Named, Sent(stop): Sent<Stop>) -> Answer<Accepted> {
    let stopped = api.jobs.stop(&job, &stop.savepoint, stop.drain);
    api.answer_about(&job, stopped).await.map(accepted)
}

/// Takes a savepoint of a job that goes on, and waits until it is there.
#[utoipa::path(
    post,
    path = "/v1/jobs/{job}/savepoint",
    tag = "jobs",
    params(("job" = String, Path, description = "Its id, or its name if no other running job has it")),
    request_body = Save,
    responses((status = 200, body = Job, description = "The savepoint is there"))
)]
pub(super) async fn save_job(State(api): State<Api>, Named(job): Named, Sent(save): Sent<Save>) -> Answer<Json<Job>> {
    let saved = api.jobs.savepoint(&job, &save.savepoint);
    api.answer_about(&job, saved).await.map(|job| Json(job.into()))
}

/// Has a job go on with another parallelism.
#[utoipa::path(
    post,
    path = "/v1/jobs/{job}/rescale",
    tag = "jobs",
    params(("job" = String, Path, description = "Its id, or its name if no other running job has it")),
    request_body = Rescale,
    responses((status = 202, body = Job, description = "That has been decided"))
)]
pub(super) async fn rescale_job(
    State(api): State<Api>,
    Named(job): Named,
    Sent(rescale): Sent<Rescale>,
) -> Answer<Accepted> {
    let rescaled = api.jobs.rescale(&job, rescale.parallelism);
    api.answer_about(&job, rescaled).await.map(accepted)
}

/// Has a job go on from a checkpoint, on slots that it asks for anew.
#[utoipa::path(
    post,
    path = "/v1/jobs/{job}/restart",
    tag = "jobs",
    params(("job" = String, Path, description = "Its id, or its name if no other running job has it")),
    responses((status = 202, body = Job, description = "It is being restarted"))
)]
pub(super) async fn restart_job(State(api): State<Api>, Named(job): Named) -> Answer<Accepted> {
    api.answer_about(&job, api.jobs.restart(&job)).await.map(accepted)
}

/// What has been said about a job since this leader leads it.
#[utoipa::path(
    get,
    path = "/v1/jobs/{job}/logs",
    tag = "jobs",
    params(("job" = String, Path, description = "Its id, or its name if no other running job has it"), After),
    responses((status = 200, body = Log, description = "What has been said"))
)]
pub(super) async fn show_logs(
    State(api): State<Api>,
    Named(job): Named,
    Asked(asked): Asked<After>,
) -> Answer<Json<Log>> {
    let lines = api.answer_about(&job, api.jobs.lines(&job, asked.after)).await?;
    Ok(Json(Log { lines: lines.into_iter().map(Into::into).collect() }))
}
