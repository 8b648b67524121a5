//! Jobs on several workers: what they write is what one process writes, also when workers die.
#![cfg(target_os = "linux")]

use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;

use crate::harness::Workspace;
use crate::running::Running;

/// Triples of rows by key, at a pace that leaves time to disturb it.
pub(crate) fn job(path: &str, rows_per_second: u32) -> String {
    format!(
        "SET 'execution.checkpointing.interval' = '100 ms';
         SET 'restart-strategy.type' = 'fixed-delay';
         SET 'restart-strategy.fixed-delay.attempts' = '100';
         SET 'restart-strategy.fixed-delay.delay' = '100 ms';
         CREATE TABLE made (k BIGINT, n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen',
           'number-of-rows' = '6000', 'rows-per-second' = '{rows_per_second}', 'fields.k.min' = '0', 'fields.k.max' = '9',
           'fields.n.kind' = 'sequence', 'fields.ts.start' = '2024-01-01 00:00:00', 'fields.ts.step' = '1 ms');
         CREATE TABLE triples (k BIGINT, a BIGINT, c BIGINT, number BIGINT)
           WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv', 'csv.header' = 'false');
         INSERT INTO triples SELECT * FROM made MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts
           MEASURES A.n AS a, C.n AS c, MATCH_NUMBER() AS number PATTERN (A B C) DEFINE C AS C.n > A.n);"
    )
}

pub(crate) fn lines(workspace: &Workspace, path: &str) -> Vec<String> {
    let files = workspace.files_in(path);
    let mut lines: Vec<String> = files.iter().flat_map(|file| file.lines()).map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// What one process writes.
pub(crate) fn expected(workspace: &Workspace) -> Vec<String> {
    workspace.file("alone.sql", &job("alone", 0));
    let ran = workspace.run(&["run", "alone.sql", "--checkpoint-dir", "alone-checkpoints"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines = lines(workspace, "alone");
    assert!(lines.len() > 1_900, "{} lines", lines.len());
    lines
}

/// A process of a cluster; it does not outlive the test.
pub(crate) struct Process(Running);

impl Process {
    /// What it says is read up to `is_up`.
    pub(crate) fn start(workspace: &Workspace, arguments: &[&str], is_up: &str) -> Self {
        Self::of(workspace.command(arguments), is_up)
    }

    pub(crate) fn of(command: Command, is_up: &str) -> Self {
        let mut running = Running::start(command);
        running.until(|said| said.contains(is_up));
        Self(running)
    }

    /// Where a coordinator says that it listens.
    pub(crate) fn address(&self) -> String {
        let after = self.0.said.split("coordinator at ").nth(1).unwrap();
        after.split([';', '\n']).next().unwrap().to_owned()
    }

    /// Where a coordinator says that it answers HTTP.
    pub(crate) fn http_address(&self) -> SocketAddr {
        let after = self.0.said.split("HTTP API at http://").nth(1).unwrap();
        after.lines().next().unwrap().parse().unwrap()
    }

    /// Waits until something is so, given what it has said.
    pub(crate) fn until(&mut self, is_so: impl FnMut(&str) -> bool) {
        self.0.until(is_so);
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.child.id()
    }

    pub(crate) fn kill(mut self) {
        self.0.child.kill().unwrap();
        self.0.child.wait().unwrap();
    }

    /// By Ctrl-C, which is how it is meant to end.
    pub(crate) fn stop(mut self) {
        let asked = Command::new("kill").args(["-INT", &self.0.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        assert_eq!(self.0.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.child.kill();
        let _ = self.0.child.wait();
    }
}

pub(crate) fn shown(workspace: &Workspace, arguments: &[&str]) -> Value {
    let ran = workspace.run(&[arguments, &["--output", "json"]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap()
}

/// Waits until a job is as it should be.
pub(crate) fn until(workspace: &Workspace, cluster: &str, job: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let mut shown_last = Value::Null;
    // To ask takes its time.
    for _ in 0..1_500 {
        shown_last = shown(workspace, &["job", "show", job, "--cluster", cluster]);
        if is_so(&shown_last) {
            return shown_last;
        }
        let state = shown_last["state"].as_str().unwrap();
        assert!(!["FAILED", "CANCELLED", "FINISHED"].contains(&state), "{shown_last}");
    }
    panic!("nothing comes of it: {shown_last}");
}

pub(crate) fn until_state(workspace: &Workspace, cluster: &str, job: &str, state: &str) -> Value {
    until(workspace, cluster, job, |job| job["state"] == state)
}

#[test]
fn a_job_on_two_workers_writes_what_one_process_writes() {
    let workspace = Workspace::new();
    let expected = expected(&workspace);
    let arguments = ["cluster", "start", "--listen", "127.0.0.1:0", "--directory", "cluster", "--slots", "1"];
    let cluster = Process::start(&workspace, &arguments, "coordinator at ");
    let at = cluster.address();
    workspace.file("job.sql", &job("out", 0));
    let submitted = shown(&workspace, &["job", "submit", "job.sql", "--cluster", &at, "-p", "2"]);
    assert_eq!(submitted["name"], "job");
    let finished = until_state(&workspace, &at, submitted["id"].as_str().unwrap(), "FINISHED");
    assert_eq!(finished["rows_in"], 6_000, "{finished}");
    assert_eq!(finished["rows_out"], expected.len(), "{finished}");
    assert_eq!(finished["slots"], 2);
    assert_eq!(lines(&workspace, "out"), expected);
    let workers = workspace.run(&["cluster", "status", "--cluster", &at, "--output", "csv"]).stdout;
    assert_eq!(workers.lines().filter(|line| line.ends_with(",1,1,false")).count(), 2, "{workers}");
    cluster.stop();
}

#[test]
fn a_file_is_run_by_a_cluster_as_it_is_run_here() {
    let workspace = Workspace::new();
    let expected = expected(&workspace);
    let arguments = ["cluster", "start", "--listen", "127.0.0.1:0", "--directory", "cluster", "--workers", "1"];
    let cluster = Process::start(&workspace, &arguments, "coordinator at ");
    let at = cluster.address();
    workspace.file("job.sql", &job("out", 0));
    let ran = workspace.run(&["run", "job.sql", "--cluster", &at]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("job 'job' has been submitted: "), "{ran:?}");
    assert_eq!(lines(&workspace, "out"), expected);
    workspace.file(
        "bad.sql",
        "CREATE TABLE files (n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'in', 'format' = 'csv');
         CREATE TABLE out (n BIGINT) WITH ('connector' = 'blackhole');
         INSERT INTO out SELECT n FROM files;",
    );
    workspace.file("in/a.csv", "n\nno number\n");
    let failed = workspace.run(&["run", "bad.sql", "--cluster", &at]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.stderr.contains("job 'bad' has failed: ") && failed.stderr.contains("no number"), "{failed:?}");
    cluster.stop();
}

#[test]
fn a_second_worker_of_one_name_is_refused_and_the_first_one_stays() {
    let workspace = Workspace::new();
    let arguments = ["coordinator", "--listen", "127.0.0.1:0", "--directory", "cluster"];
    let coordinator = Process::start(&workspace, &arguments, "coordinator at ");
    let at = coordinator.address();
    let arguments = ["worker", "--coordinator", &at, "--slots", "1", "--name", "ann"];
    let first = Process::start(&workspace, &arguments, "worker 'ann' with 1 slot at ");
    let workers = || workspace.run(&["worker", "list", "--cluster", &at, "-o", "csv"]).stdout;
    while !workers().contains("ann") {}
    let second = Process::start(&workspace, &arguments, "there is another worker 'ann', at 127.0.0.1:");
    assert!(workers().contains(first.0.said.trim_end().rsplit(' ').next().unwrap()), "{}", workers());
    first.stop();
    second.stop();
    coordinator.stop();
}

#[test]
fn a_job_goes_on_when_a_worker_is_killed() {
    let workspace = Workspace::new();
    let expected = expected(&workspace);
    let arguments = ["coordinator", "--listen", "127.0.0.1:0", "--directory", "cluster"];
    let coordinator = Process::start(&workspace, &arguments, "coordinator at ");
    let at = coordinator.address();
    let worker = |name: &str| {
        let arguments = ["worker", "--coordinator", &at, "--slots", "1", "--name", name];
        Process::start(&workspace, &arguments, "worker '")
    };
    let (first, second) = (worker("first"), worker("second"));
    workspace.file("job.sql", &job("out", 500));
    let submitted = shown(&workspace, &["job", "submit", "job.sql", "--cluster", &at, "-p", "2"]);
    let id = submitted["id"].as_str().unwrap();
    let again = workspace.run(&["job", "submit", "job.sql", "--cluster", &at]);
    assert_eq!(again.code, 3, "{again:?}");
    assert!(again.stderr.contains("job 'job' is running already"), "{again:?}");
    until(&workspace, &at, id, |job| job["rows_in"].as_u64() > Some(1_000));
    first.kill();
    let waiting = until_state(&workspace, &at, id, "WAITING");
    // Whichever the coordinator hears of first.
    let why = waiting["detail"].as_str().unwrap().strip_prefix("lacks 1 slot; before: ").unwrap();
    assert!(why == "worker first is lost" || why.contains("the connection failed"), "{waiting}");
    let third = worker("third");
    let finished = until_state(&workspace, &at, id, "FINISHED");
    assert!(finished["attempts"].as_u64().unwrap() >= 2, "{finished}");
    assert_eq!(lines(&workspace, "out"), expected);
    second.stop();
    third.stop();
    coordinator.stop();
}

#[test]
fn what_a_cluster_cannot_do_is_said() {
    let workspace = Workspace::new();
    let nobody = workspace.run(&["job", "list", "--cluster", "127.0.0.1:1"]);
    assert_eq!(nobody.code, 1, "{nobody:?}");
    assert!(nobody.stderr.contains("error: coordinator 127.0.0.1:1: "), "{nobody:?}");
    let arguments = ["coordinator", "--listen", "127.0.0.1:0", "--directory", "cluster"];
    let coordinator = Process::start(&workspace, &arguments, "coordinator at ");
    let at = coordinator.address();
    let submit = |sql: &str| {
        workspace.file("job.sql", sql);
        workspace.run(&["job", "submit", "job.sql", "--cluster", &at])
    };
    let typo = submit("CREATE TABLE t (a BIGINT) WITH ('connector' = 'blackhole');\nINSERT INTO t SELECT b FROM t;");
    assert_eq!(typo.code, 3, "{typo:?}");
    assert!(typo.stderr.contains("job.sql:2:"), "{typo:?}");
    let nothing = submit("SET 'parallelism.default' = '1';");
    assert_eq!(nothing.code, 3, "{nothing:?}");
    assert!(nothing.stderr.contains("there is no INSERT INTO"), "{nothing:?}");
    let unknown = workspace.run(&["job", "cancel", "nobody", "--cluster", &at]);
    assert!(unknown.stderr.contains("there is no job 'nobody'"), "{unknown:?}");
    let listed = workspace.run(&["job", "list", "--cluster", &at]);
    assert!(listed.stdout.contains("(0 rows)") || listed.stderr.contains("(0 rows)"), "{listed:?}");
    coordinator.stop();
}
