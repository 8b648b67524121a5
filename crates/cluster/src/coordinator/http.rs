//! The HTTP API: what gRPC offers to clients, for those who speak HTTP and JSON. It is documented in `docs/reference/http.md`.
//!
//! A coordinator that stands by answers 503 and says who leads. It does not redirect: where the leader answers HTTP is not known to it, clients do
//! not take their credentials along to another host, and behind a load balancer 503 is what sends the next call to another coordinator.

mod answer;
mod body;
mod cluster;
mod document;
mod jobs;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{Method, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use dipper_types::{Error, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;

use super::Leaders;
use super::jobs::Jobs;
use crate::security::Security;
use answer::Refusal;

/// The most that a request may take.
const REQUEST_BYTES_MAX: usize = 4 << 20;

/// What answers.
#[derive(Debug, Clone)]
pub(super) struct Api {
    pub(super) jobs: Jobs,
    pub(super) leaders: Leaders,
    pub(super) security: Security,
}

/// Every route, as the document names it.
type Route = (&'static str, &'static str, MethodRouter<Api>);

fn routes() -> Vec<Route> {
    vec![
        ("get", "/v1/cluster", get(cluster::show_cluster)),
        ("get", "/v1/workers", get(cluster::list_workers)),
        ("post", "/v1/workers/{worker}/drain", post(cluster::drain_worker)),
        ("get", "/v1/jobs", get(jobs::list_jobs)),
        ("post", "/v1/jobs", post(jobs::submit_job)),
        ("get", "/v1/jobs/{job}", get(jobs::show_job)),
        ("post", "/v1/jobs/{job}/cancel", post(jobs::cancel_job)),
        ("post", "/v1/jobs/{job}/stop", post(jobs::stop_job)),
        ("post", "/v1/jobs/{job}/savepoint", post(jobs::save_job)),
        ("post", "/v1/jobs/{job}/rescale", post(jobs::rescale_job)),
        ("post", "/v1/jobs/{job}/restart", post(jobs::restart_job)),
        ("get", "/v1/jobs/{job}/logs", get(jobs::show_logs)),
        ("get", "/metrics", get(cluster::show_metrics)),
        ("get", "/openapi.json", get(document::show_document)),
        ("get", "/healthz", get(cluster::show_health)),
    ]
}

fn router(api: Api) -> Router {
    let router = routes().into_iter().fold(Router::new(), |router, (_, path, answers)| router.route(path, answers));
    router
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(from_fn_with_state(api.clone(), admit))
        .with_state(api)
}

/// Answers until it is cancelled; for ever, if nobody is to be listened to.
pub(super) async fn serve(listener: Option<TcpListener>, api: Api, cancel: CancellationToken) -> Result<()> {
    let Some(listener) = listener else { return std::future::pending().await };
    let incoming = api.security.incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
    let served = tonic::transport::Server::builder()
        .accept_http1(true)
        .add_routes(Routes::from(router(api)))
        .serve_with_incoming_shutdown(incoming, cancel.cancelled_owned());
    served.await.map_err(|error| Error::unavailable(format!("the HTTP API has stopped: {error}")))
}

/// Lets those call who may.
async fn admit(State(api): State<Api>, request: Request, next: Next) -> Result<Response, Refusal> {
    may_call(&api.security, &request)?;
    Ok(next.run(request).await)
}

/// Whether somebody may call. A page of another site, in the browser of somebody who reaches the cluster, must not command it.
fn may_call(security: &Security, request: &Request) -> Result<(), Refusal> {
    // Who watches over processes need not know the token.
    let is_watchman = request.uri().path() == "/healthz";
    let token = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes());
    if !is_watchman && !security.admits(token) {
        return Err(Refusal::stranger());
    }
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let origin = header(ORIGIN).map(|origin| origin.split_once("://").map_or(origin, |(_, host)| host));
    let reads = request.method() == Method::GET || request.method() == Method::HEAD;
    match origin {
        Some(origin) if !reads && header(HOST) != Some(origin) => Err(Refusal::foreign(origin)),
        _ => Ok(()),
    }
}

async fn unknown(method: Method, uri: Uri) -> Refusal {
    Refusal::unknown_route(&method, &uri)
}

async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    Refusal::wrong_method(&method, &uri)
}

#[cfg(test)]
mod tests;
