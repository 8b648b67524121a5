//! Several coordinators of one cluster: jobs go on when the one that leads dies.
#![cfg(target_os = "linux")]

use serde_json::Value;

use crate::cluster::{Process, expected, job, lines, shown, until, until_state};
use crate::harness::Workspace;

/// Two coordinators and two workers with two slots each.
struct Cluster {
    coordinators: Vec<Process>,
    workers: Vec<Process>,
    /// For workers and clients.
    addresses: String,
}

impl Cluster {
    fn start(workspace: &Workspace) -> Self {
        let arguments = ["coordinator", "--listen", "127.0.0.1:0", "--directory", "cluster"];
        let coordinator = || Process::start(workspace, &arguments, "coordinator at ");
        let coordinators = vec![coordinator(), coordinator()];
        let addresses = coordinators.iter().map(Process::address).collect::<Vec<_>>().join(",");
        let mut cluster = Self { coordinators, workers: Vec::new(), addresses };
        cluster.workers = vec![cluster.worker(workspace, "ann"), cluster.worker(workspace, "bob")];
        cluster
    }

    fn worker(&self, workspace: &Workspace, name: &str) -> Process {
        let arguments = ["worker", "--coordinator", &self.addresses, "--slots", "2", "--name", name];
        Process::start(workspace, &arguments, "worker '")
    }

    /// Kills the coordinator that leads, and starts another one in its place, with its address.
    fn kill_leader(&mut self, workspace: &Workspace) {
        let leader = self.leader(workspace);
        let index = self.coordinators.iter().position(|coordinator| coordinator.address() == leader).unwrap();
        self.coordinators.remove(index).kill();
        let arguments = ["coordinator", "--listen", &leader, "--directory", "cluster"];
        self.coordinators.push(Process::start(workspace, &arguments, "coordinator at "));
    }

    fn leader(&self, workspace: &Workspace) -> String {
        let status = workspace.run(&["cluster", "status", "--cluster", &self.addresses]);
        let leader = status.stderr.split("coordinator at ").nth(1).expect(&status.stderr);
        leader.split(' ').next().unwrap().to_owned()
    }

    fn logs(&self, workspace: &Workspace, job: &str) -> Vec<String> {
        let logs = workspace.run(&["job", "logs", job, "--cluster", &self.addresses, "--output", "json"]);
        assert_eq!(logs.code, 0, "{logs:?}");
        let message = |line: &str| serde_json::from_str::<Value>(line).unwrap()["message"].as_str().unwrap().to_owned();
        logs.stdout.lines().map(message).collect()
    }
}

#[test]
fn jobs_that_have_lost_no_worker_run_on_under_a_new_leader() {
    let workspace = Workspace::new();
    let expected = expected(&workspace);
    let mut cluster = Cluster::start(&workspace);
    let at = cluster.addresses.clone();
    workspace.file("job.sql", &job("out", 400));
    let submitted = shown(&workspace, &["job", "submit", "job.sql", "--cluster", &at, "-p", "2"]);
    let id = submitted["id"].as_str().unwrap();
    let before = until(&workspace, &at, id, |job| job["rows_in"].as_u64() > Some(500));
    cluster.kill_leader(&workspace);
    // What has been counted under the former leader counts.
    until(&workspace, &at, id, |job| job["rows_in"].as_u64() > before["rows_in"].as_u64());
    let finished = until_state(&workspace, &at, id, "FINISHED");
    assert_eq!(finished["rows_in"], 6_000, "{finished}");
    let logs = cluster.logs(&workspace, id);
    assert!(!logs.iter().any(|line| line.starts_with("DEPLOYING")), "it has been started anew: {logs:?}");
    assert_eq!(lines(&workspace, "out"), expected);
}

#[test]
fn a_job_goes_on_when_the_leader_and_a_worker_die() {
    let workspace = Workspace::new();
    let expected = expected(&workspace);
    let mut cluster = Cluster::start(&workspace);
    let at = cluster.addresses.clone();
    workspace.file("job.sql", &job("out", 400));
    let submitted = shown(&workspace, &["job", "submit", "job.sql", "--cluster", &at, "-p", "3"]);
    let id = submitted["id"].as_str().unwrap();
    until(&workspace, &at, id, |job| job["rows_in"].as_u64() > Some(500));
    cluster.workers.remove(0).kill();
    cluster.kill_leader(&workspace);
    cluster.workers.push(cluster.worker(&workspace, "cid"));
    until_state(&workspace, &at, id, "FINISHED");
    assert_eq!(lines(&workspace, "out"), expected);
}

#[test]
fn a_job_is_rescaled_moved_stopped_and_started_again() {
    let workspace = Workspace::new();
    let expected = expected(&workspace);
    let cluster = Cluster::start(&workspace);
    let at = cluster.addresses.clone();
    let ask = |arguments: &[&str]| shown(&workspace, &[arguments, &["--cluster", &at]].concat());
    workspace.file("job.sql", &job("out", 400));
    ask(&["job", "submit", "job.sql", "-p", "2"]);
    until(&workspace, &at, "job", |job| job["rows_in"].as_u64() > Some(200));
    assert_eq!(ask(&["job", "rescale", "job", "4"])["slots"], 4);
    assert_eq!(ask(&["job", "rescale", "job", "1"])["slots"], 1);
    let saved = workspace.run(&["job", "savepoint", "job", "saved", "--cluster", &at]);
    assert!(saved.stderr.contains("savepoint 'saved' has been taken"), "{saved:?}");
    let holder = |drained: &str| {
        let listed = workspace.run(&["worker", "list", "--cluster", &at, "--output", "csv"]).stdout;
        let taken = listed.lines().find(|line| line.contains(",2,1,")).map(|line| line.split(',').next().unwrap());
        taken.filter(|name| *name != drained).map(str::to_owned)
    };
    let first = holder("").expect("a worker runs the job");
    let drained = workspace.run(&["worker", "drain", &first, "--cluster", &at, "--output", "csv"]);
    assert!(drained.stdout.contains(&format!("{first},127.0.0.1:")), "{drained:?}");
    assert!(drained.stdout.contains(",0,true"), "{drained:?}");
    until(&workspace, &at, "job", |job| job["state"] == "RUNNING" && holder(&first).is_some());
    let second = holder(&first).unwrap();
    let refused = workspace.run(&["worker", "drain", &second, "--cluster", &at]);
    assert!(refused.stderr.contains(&format!("what runs on worker '{second}' lacks 1 slots elsewhere")), "{refused:?}");
    let stopped = ask(&["job", "stop", "job", "stopped"]);
    assert_eq!(stopped["state"], "STOPPED", "{stopped}");
    assert!(stopped["detail"].as_str().unwrap().ends_with("stopped'"), "{stopped}");
    let again =
        ask(&["job", "submit", "job.sql", "--from-savepoint", "stopped", "--fresh", "--set", "pipeline.name=on"]);
    assert_eq!(again["name"], "on");
    until_state(&workspace, &at, "on", "FINISHED");
    assert_eq!(lines(&workspace, "out"), expected);
    let over = workspace.run(&["job", "cancel", "on", "--cluster", &at]);
    assert!(over.stderr.contains("job 'on' has ended already: it is FINISHED"), "{over:?}");
}

#[test]
fn a_worker_stays_drained_under_the_next_leader_and_a_drained_job_says_where_its_savepoint_is() {
    let workspace = Workspace::new();
    let mut cluster = Cluster::start(&workspace);
    let at = cluster.addresses.clone();
    let drained = workspace.run(&["worker", "drain", "ann", "--cluster", &at]);
    assert_eq!(drained.code, 0, "{drained:?}");
    cluster.kill_leader(&workspace);
    workspace.file("job.sql", &job("out", 400));
    let submitted = shown(&workspace, &["job", "submit", "job.sql", "--cluster", &at]);
    let id = submitted["id"].as_str().unwrap();
    until(&workspace, &at, id, |job| job["rows_in"].as_u64() > Some(200));
    let listed = workspace.run(&["worker", "list", "--cluster", &at, "--output", "csv"]).stdout;
    assert!(listed.lines().any(|line| line.starts_with("ann,") && line.ends_with(",2,0,true")), "{listed}");
    let stopped = shown(&workspace, &["job", "stop", id, "saved", "--drain", "--cluster", &at]);
    assert_eq!(stopped["state"], "STOPPED", "{stopped}");
    assert!(stopped["detail"].as_str().unwrap().ends_with("saved'"), "{stopped}");
    let late = workspace.run(&["job", "stop", id, "again", "--cluster", &at]);
    assert!(late.stderr.contains("has ended already: it is STOPPED"), "{late:?}");
}
