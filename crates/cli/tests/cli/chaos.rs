//! A cluster whose processes are killed, and cut off for a while, again and again: what its job writes is what one process writes.
//! `DIPPER_CHAOS_SECONDS=1200` goes on longer.
#![cfg(target_os = "linux")]

use std::process::Command;

use crate::cluster::{Process, shown};
use crate::dice::Dice;
use crate::harness::Workspace;
use crate::recovery::{PATTERN_TABLES, lines, patterns};

/// How many rows come in a second.
const PACE: usize = 200;

/// What happens from time to time.
#[derive(Debug, Default)]
struct Story {
    leaders_killed: usize,
    standbys_killed: usize,
    workers_killed: usize,
    leaders_cut_off: usize,
    workers_cut_off: usize,
    /// How often a new leader has gone on with what ran.
    leaders: usize,
}

/// A process that is started again when it has been killed, at the address that it had.
struct Member {
    process: Option<Process>,
    arguments: Vec<String>,
}

impl Member {
    fn start(workspace: &Workspace, arguments: &[&str]) -> Self {
        let mut member =
            Self { process: None, arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect() };
        member.again(workspace);
        member
    }

    fn again(&mut self, workspace: &Workspace) {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let is_up = if arguments[0] == "coordinator" { "coordinator at " } else { "worker '" };
        self.process = Some(Process::start(workspace, &arguments, is_up));
    }

    fn kill(&mut self) {
        self.process.take().unwrap().kill();
    }

    /// Nobody hears of it until something is so in the eyes of somebody else, and then it goes on where it was.
    fn cut_off(&self, witness: &mut Self, is_over: impl FnMut(&str) -> bool) {
        let id = self.process.as_ref().unwrap().id().to_string();
        let signal = |name: &str| assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
        signal("-STOP");
        witness.until(is_over);
        signal("-CONT");
    }

    /// How much it has said.
    fn said(&mut self) -> usize {
        let mut length = 0;
        self.until(|said| {
            length = said.len();
            true
        });
        length
    }

    fn until(&mut self, is_so: impl FnMut(&str) -> bool) {
        self.process.as_mut().unwrap().until(is_so);
    }
}

/// The greatest number of the leadership: whoever leads creates one every two seconds, which is the clock of this test.
fn head(workspace: &Workspace) -> u64 {
    let entries = std::fs::read_dir(workspace.path("cluster/leadership")).unwrap();
    let number = |name: &str| name.strip_suffix(".json").and_then(|number| number.parse().ok());
    entries.filter_map(|entry| number(entry.unwrap().file_name().to_str().unwrap())).max().unwrap_or(0)
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
#[allow(clippy::print_stdout, reason = "what has happened is what one wants to know of a long run")]
fn whatever_dies_and_comes_back_nothing_is_lost_and_nothing_is_there_twice() {
    let seconds = std::env::var("DIPPER_CHAOS_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(40);
    let undisturbed = Workspace::new();
    undisturbed.file("job.sql", &patterns(PACE * seconds, 0));
    let ran = undisturbed.run(&["run", "job.sql", "--set", "execution.checkpointing.interval=0"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);

    let workspace = Workspace::new();
    let addresses = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    let both = addresses.join(",");
    let coordinator =
        |address: &String| Member::start(&workspace, &["coordinator", "--listen", address, "--directory", "cluster"]);
    let mut coordinators: Vec<Member> = addresses.iter().map(coordinator).collect();
    let worker =
        |name: &str| Member::start(&workspace, &["worker", "--coordinator", &both, "--slots", "1", "--name", name]);
    let mut workers: Vec<Member> = ["ann", "bob", "cid"].map(worker).into();
    workspace.file("job.sql", &patterns(PACE * seconds, PACE));
    let settings = [
        "execution.checkpointing.interval=500 ms",
        "restart-strategy.type=fixed-delay",
        "restart-strategy.fixed-delay.attempts=1000000",
        "restart-strategy.fixed-delay.delay=100 ms",
    ];
    let mut submit = vec!["job", "submit", "job.sql", "-p", "2", "--cluster", &both];
    submit.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    shown(&workspace, &submit);

    let (mut dice, mut story) = (Dice(seconds as u64), Story::default());
    let mut generations = std::collections::BTreeSet::new();
    let job = loop {
        let next = head(&workspace) + 1 + dice.roll(4);
        workers[0].until(|_| head(&workspace) >= next);
        let job = shown(&workspace, &["job", "show", "job", "--cluster", &both]);
        let state = job["state"].as_str().unwrap();
        assert!(!["FAILED", "CANCELLED"].contains(&state), "{story:?}: {job}");
        if state == "FINISHED" {
            break job;
        }
        let status = workspace.run(&["cluster", "status", "--cluster", &both]).stderr;
        let leader = addresses.iter().position(|address| status.contains(&format!("at {address} leads"))).unwrap();
        generations.insert(status.split("generation ").nth(1).unwrap().split(';').next().unwrap().to_owned());
        let now = head(&workspace);
        match dice.roll(8) {
            0 | 1 => {
                coordinators[leader].kill();
                coordinators[leader].again(&workspace);
                story.leaders_killed += 1;
            }
            2 => {
                coordinators[1 - leader].kill();
                coordinators[1 - leader].again(&workspace);
                story.standbys_killed += 1;
            }
            3 => {
                // Not at all, until a worker has given it up, or until somebody else leads.
                let (length, known) = (dice.roll(3), workers[0].said());
                let is_over = |said: &str| match length {
                    0 => true,
                    1 => said.len() > known || head(&workspace) > now,
                    _ => head(&workspace) > now,
                };
                coordinators[leader].cut_off(&mut workers[0], is_over);
                story.leaders_cut_off += 1;
            }
            4 => {
                let index = dice.roll(3) as usize;
                let until = now + dice.roll(5);
                workers[index].cut_off(&mut coordinators[leader], |_| head(&workspace) >= until);
                story.workers_cut_off += 1;
            }
            _ => {
                let index = dice.roll(3) as usize;
                workers[index].kill();
                workers[index].again(&workspace);
                story.workers_killed += 1;
            }
        }
    };
    story.leaders = generations.len();
    println!("{seconds} s: {story:?}; {job}");
    for table in PATTERN_TABLES {
        let (found, expected) = (lines(&workspace, table), lines(&undisturbed, table));
        assert!(expected.len() > 20, "{table}");
        assert_eq!(found, expected, "{table}: {story:?}");
    }
}
