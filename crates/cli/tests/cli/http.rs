//! The HTTP API of a coordinator: jobs are submitted and looked after, and Prometheus reads what they count.
#![cfg(target_os = "linux")]
#![expect(clippy::float_cmp, reason = "counts are whole numbers")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::{Process, expected, job, lines};
use crate::failing_proxy::exchange;
use crate::harness::Workspace;

/// Whoever answers HTTP at an address.
#[derive(Clone, Copy)]
struct Api(SocketAddr);

/// An answer: the status, the head and the body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Api {
    fn ask(self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}",
            self.0
        );
        let answer = String::from_utf8(exchange(self.0, request.as_bytes()).unwrap()).unwrap();
        let (head, body) =
            answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {method} {path}: {answer}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    fn get(self, path: &str) -> (u16, Value) {
        self.ask("GET", path, "", "").json()
    }

    fn post(self, path: &str, body: &Value) -> (u16, Value) {
        self.ask("POST", path, "Content-Type: application/json\r\n", &body.to_string()).json()
    }

    /// Asks again and again until something is so.
    fn until(self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..3_000 {
            last = self.get(path).1;
            if is_so(&last) {
                return last;
            }
            pause();
        }
        panic!("nothing comes of it: {last}");
    }

    /// By series, with their labels.
    fn figures(self) -> BTreeMap<String, f64> {
        let answer = self.ask("GET", "/metrics", "", "");
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
        let mut figures = BTreeMap::new();
        for line in answer.body.lines() {
            if line.starts_with("# HELP dipper_") || line.starts_with("# TYPE dipper_") {
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("not a figure: {line}"));
            assert!(series.starts_with("dipper_"), "{line}");
            let value = value.parse().unwrap_or_else(|_| panic!("not a number: {line}"));
            assert!(figures.insert(series.to_owned(), value).is_none(), "twice: {line}");
        }
        figures
    }
}

impl Answer {
    fn json(self) -> (u16, Value) {
        let body =
            serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}{}", self.head, self.body));
        (self.status, body)
    }
}

/// Between two questions.
fn pause() {
    std::thread::park_timeout(Duration::from_millis(20));
}

/// A coordinator that answers HTTP, and leads.
fn coordinator(workspace: &Workspace) -> (Process, Api) {
    let (process, api) = another_coordinator(workspace);
    api.until("/healthz", |health| health["role"] == "leader");
    (process, api)
}

fn another_coordinator(workspace: &Workspace) -> (Process, Api) {
    let arguments =
        ["coordinator", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--directory", "cluster", "--name"];
    let arguments = [&arguments[..], &["it"]].concat();
    let process = Process::start(workspace, &arguments, "coordinator at ");
    let api = Api(process.http_address());
    (process, api)
}

#[test]
fn a_job_that_is_submitted_by_http_is_seen_by_http_and_by_prometheus() {
    let workspace = Workspace::new();
    let expected = expected(&workspace);
    let (coordinator, api) = coordinator(&workspace);
    let arguments = ["worker", "--coordinator", &coordinator.address(), "--slots", "2", "--name", "first"];
    let worker = Process::start(&workspace, &arguments, "worker '");
    let workers = api.until("/v1/workers", |workers| workers["workers"][0]["free"] == 2);
    assert_eq!(workers["workers"][0]["name"], "first");
    let (status, cluster) = api.get("/v1/cluster");
    assert_eq!((status, &cluster["leader"]), (200, &json!(coordinator.address())), "{cluster}");

    let submit = json!({ "sql": job("out", 0), "name": "by-http", "settings": { "parallelism.default": "2" } });
    let answer = api.ask("POST", "/v1/jobs", "Content-Type: application/json\r\n", &submit.to_string());
    let head = answer.head.clone();
    let (status, submitted) = answer.json();
    assert_eq!((status, &submitted["name"]), (201, &json!("by-http")), "{submitted}");
    let id = submitted["id"].as_str().unwrap();
    let path = format!("/v1/jobs/{id}");
    assert!(head.contains(&format!("location: {path}")), "{head}");
    let finished = api.until(&path, |job| job["state"] == "FINISHED" || job["state"] == "FAILED");
    assert_eq!(finished["state"], "FINISHED", "{finished}");
    assert_eq!((&finished["rows_in"], &finished["slots"]), (&json!(6_000), &json!(2)), "{finished}");
    assert_eq!(lines(&workspace, "out"), expected);
    let progress = &finished["progress"];
    assert_eq!(progress["operators"][0]["rows_in"], 6_000, "{progress}");
    assert!(progress["tasks"].as_array().unwrap().iter().all(|task| task["busy_ms"].is_u64()), "{progress}");
    assert!(progress["checkpoints"]["completed"].as_u64() > Some(0), "{progress}");
    assert_eq!(api.get("/v1/jobs").1["jobs"][0]["id"], id);
    let all = api.get(&format!("{path}/logs")).1;
    let first = &all["lines"][0]["number"];
    let said = api.get(&format!("{path}/logs?after={first}")).1;
    assert_eq!(said["lines"][0], all["lines"][1], "{said}");

    let figures = api.figures();
    let of_job = |name: &str| figures[&format!(r#"dipper_job_{name}{{job_id="{id}",job_name="by-http"}}"#)];
    assert_eq!(of_job("rows_in_total"), 6_000.0);
    assert_eq!(of_job("rows_out_total"), expected.len() as f64);
    assert_eq!(of_job("matches_total"), expected.len() as f64);
    assert_eq!((of_job("open_matches"), of_job("late_rows_total"), of_job("restarts_total")), (0.0, 0.0, 0.0));
    assert!(of_job("in_bytes_total") > 6_000.0 && of_job("out_bytes_total") > 0.0);
    assert!(of_job("match_latency_seconds_count") > 0.0);
    assert!(of_job("checkpoints_completed_total") >= 1.0);
    assert!(of_job("last_checkpoint_duration_seconds") >= 0.0);
    let of_tasks = |name: &str| {
        let of_name = figures.iter().filter(|(series, _)| series.starts_with(&format!("dipper_task_{name}{{")));
        of_name.map(|(_, value)| value).sum::<f64>()
    };
    assert!(of_tasks("busy_seconds_total") > 0.0, "{figures:?}");
    assert!(of_tasks("idle_seconds_total") > 0.0, "{figures:?}");
    assert_eq!(figures["dipper_cluster_workers"], 1.0);
    assert_eq!(figures["dipper_cluster_slots"], 2.0);
    assert_eq!(figures[r#"dipper_cluster_jobs{state="FINISHED"}"#], 1.0);
    assert_eq!(figures["dipper_coordinator_leading"], 1.0);
    worker.stop();
    coordinator.stop();
}

#[test]
fn a_job_is_cancelled_and_a_worker_drained_by_http() {
    let workspace = Workspace::new();
    let (coordinator, api) = coordinator(&workspace);
    let arguments = ["worker", "--coordinator", &coordinator.address(), "--slots", "1", "--name", "first"];
    let worker = Process::start(&workspace, &arguments, "worker '");
    let (status, submitted) = api.post("/v1/jobs", &json!({ "sql": job("out", 500), "name": "slow" }));
    assert_eq!(status, 201, "{submitted}");
    api.until("/v1/jobs/slow", |job| job["state"] == "RUNNING" && job["rows_in"].as_u64() > Some(0));
    let savepoint = json!({ "savepoint": workspace.path("savepoint") });
    let (status, saved) = api.post("/v1/jobs/slow/savepoint", &savepoint);
    assert_eq!((status, &saved["state"]), (200, &json!("RUNNING")), "{saved}");
    let (status, cancelled) = api.post("/v1/jobs/slow/cancel", &Value::Null);
    assert_eq!(status, 202, "{cancelled}");
    api.until("/v1/jobs/slow", |job| job["state"] == "CANCELLED");
    let (status, again) = api.post("/v1/jobs/slow/cancel", &Value::Null);
    assert_eq!((status, &again["kind"]), (400, &json!("invalid")), "{again}");
    assert!(again["message"].as_str().unwrap().contains("has ended already"), "{again}");
    let (status, drained) = api.post("/v1/workers/first/drain", &Value::Null);
    assert_eq!((status, &drained["workers"][0]["drains"]), (200, &json!(true)), "{drained}");
    assert_eq!(api.post("/v1/workers/second/drain", &Value::Null).0, 404);
    assert_eq!(api.figures()["dipper_cluster_free_slots"], 0.0);
    worker.stop();
    coordinator.stop();
}

#[test]
fn what_http_cannot_do_is_said_in_json() {
    let workspace = Workspace::new();
    let (coordinator, api) = coordinator(&workspace);
    let failed = |(status, failure): (u16, Value), expected: u16, kind: &str, words: &str| {
        assert_eq!((status, &failure["kind"]), (expected, &json!(kind)), "{failure}");
        assert!(failure["message"].as_str().unwrap().contains(words), "{failure}");
        failure
    };
    failed(api.get("/v1/nothing"), 404, "invalid", "there is no GET /v1/nothing");
    failed(api.get("/v1/jobs/nobody"), 404, "invalid", "there is no job 'nobody'");
    failed(api.ask("DELETE", "/v1/jobs", "", "").json(), 405, "invalid", "DELETE");
    failed(api.post("/v1/jobs", &json!({ "sql": 7 })), 400, "invalid", "sql");
    failed(api.ask("POST", "/v1/jobs", "", "{}").json(), 415, "invalid", "application/json");
    let foreign = "Origin: https://elsewhere.example\r\n";
    failed(api.ask("POST", "/v1/jobs/one/cancel", foreign, "").json(), 403, "invalid", "elsewhere.example");
    let sql = "CREATE TABLE t (a BIGINT) WITH ('connector' = 'blackhole');\nINSERT INTO t SELECT b FROM t;";
    let typo = failed(api.post("/v1/jobs", &json!({ "sql": sql })), 400, "invalid", "b");
    assert_eq!(typo["span"]["start_line"], 2, "{typo}");
    let (status, document) = api.get("/openapi.json");
    assert_eq!((status, document["paths"]["/v1/jobs"]["post"].is_object()), (200, true));

    let (standby, its_api) = another_coordinator(&workspace);
    assert_eq!(its_api.get("/healthz"), (200, json!({ "role": "standby", "generation": null })));
    let elsewhere = failed(its_api.get("/v1/jobs"), 503, "unavailable", "stands by");
    assert_eq!(elsewhere["leader"], coordinator.address(), "{elsewhere}");
    assert_eq!(its_api.figures(), BTreeMap::from([("dipper_coordinator_leading".to_owned(), 0.0)]));
    standby.stop();
    coordinator.stop();
}
