//! What the HTTP API says before any job is asked about. There is no leader: whatever needs one is refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{Response as HttpResponse, StatusCode};
use serde_json::{Value, json};
use tower_service::Service;

use super::super::hub::Hub;
use super::*;
use crate::leadership::Leadership;
use crate::{CoordinatorId, ElectionOptions, Registry};

/// A coordinator that stands by.
struct Standby {
    router: Router,
    _directory: tempfile::TempDir,
    _leadership: Leadership,
}

impl Standby {
    fn new() -> Self {
        let kept = tempfile::tempdir().unwrap();
        let directory = dipper_session::open_directory(kept.path().to_str().unwrap()).unwrap();
        let (name, address) = (CoordinatorId("one".to_owned()), "127.0.0.1:1".to_owned());
        let leadership = Leadership::join(&directory, name, address.clone(), ElectionOptions::default());
        let hub = Hub::new("build".to_owned(), address, "nowhere".to_owned());
        let jobs = Jobs::new(Arc::new(hub), Registry::new(&directory), leadership.seat());
        let router = router(Api { jobs, leaders: Leaders { directory }, security: Security::default() });
        Self { router, _directory: kept, _leadership: leadership }
    }

    async fn ask(&mut self, request: Request) -> (StatusCode, Value) {
        let answer = self.router.call(request).await.unwrap();
        read(answer).await
    }
}

async fn read(answer: HttpResponse<Body>) -> (StatusCode, Value) {
    let status = answer.status();
    let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn request(method: &str, path: &str, body: impl Into<Body>) -> Request {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    request.header("host", "here").body(body.into()).unwrap()
}

#[test]
fn each_route_is_documented_and_there_is_no_other() {
    let document = serde_json::to_value(document::document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let documented: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, calls)| calls.as_object().unwrap().keys().map(move |method| (method.clone(), path.clone())))
        .collect();
    let offered: BTreeSet<(String, String)> =
        routes().into_iter().map(|(method, path, _)| (method.to_owned(), path.to_owned())).collect();
    assert_eq!(documented, offered);
    assert_eq!(routes().len(), offered.len());
}

#[test]
fn the_document_names_only_what_it_explains() {
    fn names(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| names(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| names(value, found)),
            _ => {}
        }
    }
    let document = serde_json::to_value(document::document()).unwrap();
    let mut found = BTreeSet::new();
    names(&document, &mut found);
    assert!(found.contains("#/components/schemas/Failure"), "{found:?}");
    for name in found {
        let schema = name.strip_prefix("#/components/schemas/").unwrap();
        assert!(document["components"]["schemas"][schema].is_object(), "{schema} is not explained");
    }
    let list = &document["paths"]["/v1/jobs"]["get"];
    assert!(list["responses"]["default"].is_object(), "{list}");
}

#[tokio::test]
async fn each_route_is_answered_under_its_method() {
    let mut standby = Standby::new();
    for (method, path, _) in routes() {
        let path = path.replace("{job}", "one").replace("{worker}", "one");
        let body = match path.rsplit('/').next() {
            Some("jobs") if method == "post" => r#"{"sql": "SELECT 1"}"#,
            Some("stop" | "savepoint") => r#"{"savepoint": "there"}"#,
            Some("rescale") => r#"{"parallelism": 2}"#,
            _ => "",
        };
        let (status, said) = standby.ask(request(&method.to_uppercase(), &path, body)).await;
        if path.starts_with("/v1") {
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{method} {path}: {said}");
            assert_eq!(said["kind"], "unavailable", "{said}");
        } else {
            assert_eq!(status, StatusCode::OK, "{method} {path}: {said}");
        }
        let (status, said) = standby.ask(request("PUT", &path, body)).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(said["kind"], "invalid", "{said}");
    }
}

#[tokio::test]
async fn a_standby_is_healthy_and_says_that_it_stands_by() {
    let (status, said) = Standby::new().ask(request("GET", "/healthz", "")).await;
    assert_eq!((status, said), (StatusCode::OK, json!({ "role": "standby", "generation": null })));
}

#[tokio::test]
async fn what_is_not_understood_is_refused_in_json() {
    let mut standby = Standby::new();
    let mut refused = async |request: Request, status: StatusCode, words: &str| {
        let (answered, said) = standby.ask(request).await;
        assert_eq!(answered, status, "{said}");
        assert_eq!(said["kind"], "invalid", "{said}");
        assert!(said["message"].as_str().unwrap().contains(words), "{said}");
    };
    refused(request("GET", "/v2/jobs", ""), StatusCode::NOT_FOUND, "there is no GET /v2/jobs").await;
    refused(request("POST", "/v1/jobs", "{"), StatusCode::BAD_REQUEST, "JSON").await;
    refused(request("POST", "/v1/jobs", r#"{"sql": 1}"#), StatusCode::BAD_REQUEST, "sql").await;
    refused(request("POST", "/v1/jobs", r#"{"sql": "", "nmae": ""}"#), StatusCode::BAD_REQUEST, "nmae").await;
    refused(request("GET", "/v1/jobs/one/logs?after=x", ""), StatusCode::BAD_REQUEST, "after").await;
    refused(request("GET", "/v1/jobs/%FF", ""), StatusCode::BAD_REQUEST, "UTF-8").await;
    let large = format!(r#"{{"sql": "{}"}}"#, " ".repeat(REQUEST_BYTES_MAX));
    refused(request("POST", "/v1/jobs", large), StatusCode::PAYLOAD_TOO_LARGE, "").await;
    let untyped = Request::builder().method("POST").uri("/v1/jobs").body(Body::from("{}")).unwrap();
    refused(untyped, StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/json").await;
}

#[tokio::test]
async fn a_page_of_another_site_commands_nothing() {
    let mut standby = Standby::new();
    let from = |method: &str, origin: &str| {
        let mut request = request(method, "/v1/jobs/one/cancel", "");
        request.headers_mut().insert("origin", origin.parse().unwrap());
        request
    };
    let (status, said) = standby.ask(from("POST", "https://elsewhere.example")).await;
    assert_eq!((status, said["kind"].as_str()), (StatusCode::FORBIDDEN, Some("invalid")), "{said}");
    let (status, _) = standby.ask(from("POST", "http://here")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn what_a_job_starts_from_is_read() {
    let read = |start_from: Value| {
        let submit: body::Submit = serde_json::from_value(json!({ "sql": "", "start_from": start_from })).unwrap();
        crate::rpc::SubmitRequest::from(submit).start_from
    };
    assert_eq!(read(json!("latest")), None);
    assert_eq!(read(json!("nothing")), Some(crate::rpc::StartFrom::default()));
    let savepoint = crate::rpc::StartFrom { savepoint: "there".to_owned(), over: true, ..Default::default() };
    assert_eq!(read(json!({ "savepoint": { "url": "there", "over": true } })), Some(savepoint));
}
