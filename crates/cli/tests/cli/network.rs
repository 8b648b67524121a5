//! A cluster whose network is cut: each process is in a network namespace of its own, and a cut loses packets without a word to anybody.
//! What the job of the cluster writes is what one process writes. Where the machine does not allow that, the test says why and ends.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cluster::{Process, expected, job, lines};
use crate::harness::{Ran, Workspace};

/// Who takes part: two coordinators and two workers.
const MEMBERS: [&str; 4] = ["one", "two", "ann", "bob"];
const COORDINATORS: [&str; 2] = ["one", "two"];
const WORKERS: [&str; 2] = ["ann", "bob"];

/// Where the switch is, the store, and who asks.
const MIDDLE: &str = "middle";
const STORE: &str = "http://10.77.0.1:9000";

/// Namespaces with a cable from each member to a switch in the middle. Nothing of it can be seen from outside, so that its addresses are
/// nobody else's either.
struct Network {
    /// Of the names of the namespaces.
    prefix: String,
}

impl Network {
    /// Fails if the machine does not allow it.
    fn start() -> Result<Self, String> {
        let network = Self { prefix: format!("dipper-{}", std::process::id()) };
        ip(&format!("netns add {}", network.namespace(MIDDLE)))?;
        ip(&format!("netns exec {} true", network.namespace(MIDDLE)))?;
        network.set(MIDDLE, "link set lo up")?;
        network.set(MIDDLE, "link add lan type bridge")?;
        network.set(MIDDLE, "addr add 10.77.0.1/24 dev lan")?;
        network.set(MIDDLE, "link set lan up")?;
        for member in MEMBERS {
            let namespace = network.namespace(member);
            ip(&format!("netns add {namespace}"))?;
            network.set(MIDDLE, &format!("link add {member} type veth peer name lan netns {namespace}"))?;
            network.set(MIDDLE, &format!("link set {member} master lan up"))?;
            network.set(member, &format!("addr add {}/24 dev lan", host(member)))?;
            network.set(member, "link set lo up")?;
            network.set(member, "link set lan up")?;
        }
        Ok(network)
    }

    /// Cuts a member off from all others and from the store.
    fn cut_off(&self, member: &str) {
        self.set(MIDDLE, &format!("link set {member} down")).unwrap();
    }

    fn mend(&self, member: &str) {
        self.set(MIDDLE, &format!("link set {member} up")).unwrap();
    }

    /// Cuts two members off from each other only: what one sends to the other goes where nobody is.
    fn part(&self, left: &str, right: &str) {
        for (from, to) in [(left, right), (right, left)] {
            let nobody = "lladdr 02:00:00:00:00:01 dev lan nud permanent";
            self.set(from, &format!("neigh replace {} {nobody}", host(to))).unwrap();
        }
    }

    fn join(&self, left: &str, right: &str) {
        for (from, to) in [(left, right), (right, left)] {
            self.set(from, &format!("neigh del {} dev lan", host(to))).unwrap();
        }
    }

    /// A command in the namespace of a member.
    fn within(&self, member: &str, command: &Command) -> Command {
        let mut within = Command::new("ip");
        within.args(["netns", "exec", &self.namespace(member)]).arg(command.get_program()).args(command.get_args());
        within.current_dir(command.get_current_dir().unwrap());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => within.env(name, value),
                None => within.env_remove(name),
            };
        }
        within.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        within
    }

    fn set(&self, member: &str, what: &str) -> Result<(), String> {
        ip(&format!("-n {} {what}", self.namespace(member)))
    }

    fn namespace(&self, member: &str) -> String {
        format!("{}-{member}", self.prefix)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for member in MEMBERS.iter().chain([&MIDDLE]) {
            // What has not been made cannot be deleted.
            let _ = ip(&format!("netns del {}", self.namespace(member)));
        }
    }
}

fn ip(arguments: &str) -> Result<(), String> {
    let ran = Command::new("ip").args(arguments.split(' ')).output().map_err(|error| format!("ip: {error}"))?;
    let said = String::from_utf8_lossy(&ran.stderr);
    if ran.status.success() { Ok(()) } else { Err(format!("ip {arguments}: {}", said.trim_end())) }
}

fn host(member: &str) -> String {
    format!("10.77.0.{}", 2 + MEMBERS.iter().position(|other| *other == member).unwrap())
}

fn addresses(members: &[&str]) -> String {
    members.iter().map(|member| format!("{}:7070", host(member))).collect::<Vec<_>>().join(",")
}

/// The other coordinator.
fn other(coordinator: &str) -> &'static str {
    COORDINATORS.into_iter().find(|one| *one != coordinator).unwrap()
}

/// What is said of a worker that runs nothing.
fn free(worker: &str) -> String {
    format!("{worker},{},2,2,false", addresses(&[worker]))
}

/// The processes, and the store that they share.
struct Cluster {
    processes: Vec<Process>,
    workspace: Workspace,
    network: Network,
}

impl Cluster {
    fn start(network: Network, store: &str) -> Self {
        let workspace = Workspace::new().with("AWS_ENDPOINT", STORE).with("AWS_ALLOW_HTTP", "true");
        let workspace = workspace.with("AWS_ACCESS_KEY_ID", "test").with("AWS_SECRET_ACCESS_KEY", "test");
        let workspace = workspace.with("AWS_REGION", "us-east-1").with("NO_PROXY", "*");
        let mut cluster = Self { processes: Vec::new(), workspace, network };
        let mut moto = Command::new(store);
        moto.args(["-H", "10.77.0.1", "-p", "9000"]).current_dir(cluster.workspace.path("."));
        cluster.processes.push(Process::of(cluster.network.within(MIDDLE, &moto), "Running on http://"));
        let mut put = Command::new("python3");
        let bucket = format!("import urllib.request as web; web.urlopen(web.Request('{STORE}/dipper', method='PUT'))");
        put.args(["-c", &bucket]).env("NO_PROXY", "*").current_dir(cluster.workspace.path("."));
        let put = Ran::of(cluster.network.within(MIDDLE, &put).output().unwrap());
        assert_eq!(put.code, 0, "{put:?}");
        for member in COORDINATORS {
            let listen = addresses(&[member]);
            let arguments = ["coordinator", "--listen", &listen, "--directory", "s3://dipper/cluster"];
            cluster.add(member, &arguments, "coordinator at ");
        }
        // The one that leads is the first that they know, and so the one that they would ask again.
        let (leader, _) = cluster.leader(&COORDINATORS);
        let coordinators = addresses(&[leader, other(leader)]);
        for member in WORKERS {
            let listen = addresses(&[member]);
            let arguments = ["worker", "--listen", &listen, "--coordinator", &coordinators, "--slots", "2"];
            cluster.add(member, &[&arguments[..], &["--name", member]].concat(), "worker '");
        }
        cluster
    }

    fn add(&mut self, member: &str, arguments: &[&str], is_up: &str) {
        let command = self.network.within(member, &self.workspace.command(arguments));
        self.processes.push(Process::of(command, is_up));
    }

    /// Asks some of the coordinators.
    fn ask(&self, coordinators: &[&str], arguments: &[&str]) -> Ran {
        let command = self.workspace.command(&[arguments, &["--cluster", &addresses(coordinators)]].concat());
        let ran = Ran::of(self.network.within(MIDDLE, &command).output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran
    }

    /// Who leads, as some of the coordinators know it, and in which generation.
    fn leader(&self, coordinators: &[&str]) -> (&'static str, String) {
        let status = self.ask(coordinators, &["cluster", "status"]).stderr;
        let leader = COORDINATORS.into_iter().find(|one| status.contains(&format!("{} leads", addresses(&[one]))));
        let generation = status.split("generation ").nth(1).unwrap().split(';').next().unwrap();
        (leader.unwrap(), generation.to_owned())
    }

    /// The workers that are there, with their slots and how many of them are free.
    fn workers(&self, coordinators: &[&str]) -> Vec<String> {
        let listed = self.ask(coordinators, &["worker", "list", "--output", "csv"]).stdout;
        listed.lines().skip(1).map(str::to_owned).collect()
    }

    fn submit(&self, rows_per_second: u32) {
        self.workspace.file("job.sql", &job("out", rows_per_second));
        let interval = "execution.checkpointing.interval=500 ms";
        self.ask(&COORDINATORS, &["job", "submit", "job.sql", "-p", "2", "--set", interval]);
    }

    fn show(&self, coordinators: &[&str]) -> Value {
        let shown = self.ask(coordinators, &["job", "show", "job", "--output", "json"]).stdout;
        serde_json::from_str(shown.lines().next().unwrap()).unwrap()
    }

    /// Waits until the job is as it should be.
    fn until(&self, coordinators: &[&str], is_so: impl Fn(&Value) -> bool) -> Value {
        let mut shown = Value::Null;
        // To ask takes its time.
        for _ in 0..1_500 {
            shown = self.show(coordinators);
            if is_so(&shown) {
                return shown;
            }
            let state = shown["state"].as_str().unwrap();
            assert!(!["FAILED", "CANCELLED", "FINISHED"].contains(&state), "{shown}");
        }
        panic!("nothing comes of it: {shown}");
    }

    /// Waits until the job has read more rows than it has read now.
    fn until_it_goes_on(&self, coordinators: &[&str]) {
        let is_running = |job: &Value| job["state"] == "RUNNING" && job["rows_in"].as_u64() > Some(0);
        let now = self.until(coordinators, is_running)["rows_in"].as_u64();
        self.until(coordinators, |job| is_running(job) && job["rows_in"].as_u64() > now);
    }

    /// Waits until the workers are as they should be.
    fn until_workers(&self, coordinators: &[&str], are_so: impl Fn(&[String]) -> bool) {
        let mut workers = Vec::new();
        for _ in 0..1_500 {
            workers = self.workers(coordinators);
            if are_so(&workers) {
                return;
            }
        }
        panic!("nothing comes of it: {workers:?}");
    }
}

/// Everything that the test needs of the machine, or what it lacks.
fn cluster() -> Result<Cluster, String> {
    let store = std::env::var("DIPPER_MOTO").ok().filter(|program| !program.is_empty());
    let store = store.ok_or("it needs an S3 server, which tests/run installs (DIPPER_MOTO is not set)")?;
    Ok(Cluster::start(Network::start()?, &store))
}

#[test]
fn whoever_is_cut_off_from_whom_nothing_is_lost_and_nothing_is_there_twice() {
    let cluster = match cluster() {
        Ok(cluster) => cluster,
        Err(why) => {
            // Even if the test harness captures the output of tests.
            return writeln!(std::io::stderr(), "skipped: a network that can be cut: {why}").unwrap();
        }
    };
    let expected = expected(&cluster.workspace);
    let (former, _) = cluster.leader(&COORDINATORS);
    cluster.until_workers(&COORDINATORS, |workers| workers.len() == 2);
    // It would take two minutes.
    cluster.submit(50);
    cluster.until(&COORDINATORS, |job| job["rows_in"].as_u64() > Some(100));

    // The leader, from everybody and from the store: the other one leads.
    cluster.network.cut_off(former);
    let (leader, generation) = cluster.leader(&[other(former)]);
    assert_eq!(leader, other(former));
    cluster.until_workers(&[leader], |workers| workers.len() == 2);
    cluster.until_it_goes_on(&[leader]);
    let logs = cluster.ask(&[leader], &["job", "logs", "job", "--output", "json"]).stdout;
    assert!(!logs.contains("DEPLOYING"), "it has been started anew: {logs}");
    cluster.network.mend(former);
    assert_eq!(cluster.leader(&[former]), (leader, generation.clone()));

    // The workers, from each other only: what they say to each other does not arrive, and the job goes on from a checkpoint.
    let job = cluster.show(&[leader]);
    cluster.network.part("ann", "bob");
    cluster.until(&[leader], |now| now["attempts"].as_u64() > job["attempts"].as_u64());
    cluster.network.join("ann", "bob");
    cluster.until_it_goes_on(&[leader]);

    // A worker that has a part of the job: the other one runs it all. What still runs there is nobody's, and ends when it is back.
    let job = cluster.show(&[leader]);
    let workers = cluster.workers(&[leader]);
    let has_a_part = |worker: &str| !workers.contains(&free(worker));
    let worker = WORKERS.into_iter().find(|worker| has_a_part(worker)).unwrap();
    cluster.network.cut_off(worker);
    cluster.until_workers(&[leader], |workers| workers.len() == 1);
    cluster.until(&[leader], |now| now["state"] == "RUNNING" && now["attempts"].as_u64() > job["attempts"].as_u64());
    cluster.until_it_goes_on(&[leader]);
    cluster.network.mend(worker);
    cluster.until_workers(&[leader], |workers| workers.contains(&free(worker)));

    // The leader, from the workers only: it goes on leading, and waits for them.
    for worker in WORKERS {
        cluster.network.part(leader, worker);
    }
    cluster.until_workers(&[leader], <[String]>::is_empty);
    cluster.until(&[leader], |job| job["state"] == "WAITING");
    for worker in WORKERS {
        cluster.network.join(leader, worker);
    }
    cluster.until_it_goes_on(&[leader]);
    assert_eq!(cluster.leader(&COORDINATORS), (leader, generation));

    // The rest at once, from the last checkpoint.
    cluster.ask(&COORDINATORS, &["job", "cancel", "job"]);
    cluster.until(&COORDINATORS, |job| job["state"] == "CANCELLED");
    cluster.submit(0);
    cluster.until(&COORDINATORS, |job| job["state"] == "FINISHED");
    assert_eq!(lines(&cluster.workspace, "out"), expected);
}
