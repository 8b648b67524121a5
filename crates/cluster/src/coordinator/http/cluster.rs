//! The calls about the cluster, its workers, and this coordinator.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use dipper_types::Error;

use super::super::metrics::{self, Figures};
use super::Api;
use super::answer::{Answer, Named, Refusal};
use super::body::{Cluster, Health, Role, WorkerList};
use crate::clock::now_ms;

/// The coordinator that leads, and the workers.
#[utoipa::path(
    get,
    path = "/v1/cluster",
    tag = "cluster",
    responses((status = 200, body = Cluster, description = "The cluster"))
)]
pub(super) async fn show_cluster(State(api): State<Api>) -> Answer<Json<Cluster>> {
    api.answer(async { api.jobs.cluster() }).await.map(|cluster| Json(cluster.into()))
}

/// The workers and their slots.
#[utoipa::path(
    get,
    path = "/v1/workers",
    tag = "cluster",
    responses((status = 200, body = WorkerList, description = "The workers"))
)]
pub(super) async fn list_workers(State(api): State<Api>) -> Answer<Json<WorkerList>> {
    let cluster = Cluster::from(api.answer(async { api.jobs.cluster() }).await?);
    Ok(Json(WorkerList { workers: cluster.workers }))
}

/// Has the jobs of a worker go on elsewhere; it is given no more.
#[utoipa::path(
    post,
    path = "/v1/workers/{worker}/drain",
    tag = "cluster",
    params(("worker" = String, Path, description = "Its name")),
    responses((status = 200, body = WorkerList, description = "The workers, as they are now"))
)]
pub(super) async fn drain_worker(State(api): State<Api>, Named(worker): Named) -> Answer<Json<WorkerList>> {
    let drain = async {
        api.jobs.drain(&worker).await?;
        api.jobs.cluster()
    };
    let drained = api.answer(drain).await;
    let is_there = |cluster: &crate::rpc::ClusterStatus| cluster.workers.iter().any(|one| one.name == worker);
    let is_unknown = drained.is_err() && api.jobs.cluster().is_ok_and(|cluster| !is_there(&cluster));
    let drained = drained.map_err(|refusal| refusal.not_found_if(is_unknown))?;
    Ok(Json(WorkerList { workers: Cluster::from(drained).workers }))
}

/// What is measured of the cluster and of its jobs, as text of Prometheus. A coordinator that stands by only says that it does not lead.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "coordinator",
    responses((status = 200, body = String, content_type = "text/plain", description = "The figures"))
)]
pub(super) async fn show_metrics(State(api): State<Api>) -> Answer<impl IntoResponse> {
    let figures = Figures { leading: api.jobs.cluster().ok(), jobs: api.jobs.measured(), now_ms: now_ms() };
    let text = figures.text().map_err(|error| Error::internal(format!("figures cannot be written: {error}")));
    let text = text.map_err(|error| Refusal::from(crate::rpc::Error::from(&error)))?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text))
}

/// Whether this coordinator answers, and whether it leads.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "coordinator",
    responses((status = 200, body = Health, description = "It answers"))
)]
pub(super) async fn show_health(State(api): State<Api>) -> Json<Health> {
    let generation = api.jobs.generation();
    let role = if generation.is_some() { Role::Leader } else { Role::Standby };
    Json(Health { role, generation })
}
