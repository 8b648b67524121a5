//! The OpenAPI document of the HTTP API.

use axum::Json;
use utoipa::openapi::{ContentBuilder, OpenApi as Document, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::body::Failure;
use super::{cluster, jobs};

/// The document, before it is said that every call may fail.
#[derive(OpenApi)]
#[openapi(
    info(title = "Dipper", description = "The coordinator of a cluster."),
    paths(
        cluster::show_cluster,
        cluster::list_workers,
        cluster::drain_worker,
        jobs::list_jobs,
        jobs::submit_job,
        jobs::show_job,
        jobs::cancel_job,
        jobs::stop_job,
        jobs::save_job,
        jobs::rescale_job,
        jobs::restart_job,
        jobs::show_logs,
        cluster::show_metrics,
        show_document,
        cluster::show_health,
    ),
    components(schemas(Failure)),
    modifiers(&EveryCallMayFail)
)]
struct Api;

struct EveryCallMayFail;

impl Modify for EveryCallMayFail {
    fn modify(&self, document: &mut Document) {
        let why = ContentBuilder::new().schema(Some(Ref::from_schema_name("Failure"))).build();
        let failed = ResponseBuilder::new().description("Why it is not done").content("application/json", why).build();
        for path in document.paths.paths.values_mut() {
            for operation in [&mut path.get, &mut path.post].into_iter().flatten() {
                operation.responses.responses.insert("default".to_owned(), failed.clone().into());
            }
        }
    }
}

/// The document.
pub(super) fn document() -> Document {
    Api::openapi()
}

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "coordinator",
    responses((status = 200, body = Object, description = "The document"))
)]
pub(super) async fn show_document() -> Json<Document> {
    Json(document())
}
