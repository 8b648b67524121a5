//! The protocol's machines in a simulated job against an adversary, seed by seed. A failure names its seed; to run that
//! seed alone: `SIMULATION_SEEDS=<seed>..<seed + 1> cargo test -p dipper-checkpoint --test simulation`.

mod chance;
mod job;
mod leader;
mod store;
mod task;
mod workload;
mod world;

use std::ops::Range;

use world::{Summary, World};

/// Unless `SIMULATION_SEEDS` says otherwise.
const SEEDS: u64 = 5_000;

/// A mistake that an implementation could make. The simulation must find every one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    /// The sinks commit when the manifest is put, not when it is known to be durable.
    CommitsBeforeManifest,
    /// A barrier overtakes a row on a channel.
    BarrierOvertakesRow,
    /// A fenced attempt takes what stands in the log for its own, and commits.
    ZombieCommits,
    /// A put that succeeds below the head of the log counts.
    IgnoresHead,
    /// Two attempts have the same name, and so have two leaders.
    SameNonce,
    /// Staged output of earlier attempts is removed before they are fenced.
    SweepsBeforeOpening,
    /// A late sweep removes what later attempts have staged.
    SweepsOthers,
    /// What was staged for a checkpoint that was given up is not committed with the next.
    ForgetsAborted,
    /// The report of a finished task counts for barriers that it has passed.
    ReportOvertakes,
    /// A task stores its snapshot before it knows what has become of the checkpoint before.
    StoresUnsettled,
    /// A leader adopts an attempt without an opening of its own.
    AdoptsUnopened,
    /// It takes every checkpoint that the tasks have been told of for completed.
    CoversPassed,
    /// It removes what the attempt itself has staged so far.
    SweepsAdopted,
    /// A former leader removes what its attempt has staged.
    AbortsStaged,
}

/// From `SIMULATION_SEEDS`: a number of seeds, or a range of them.
fn seeds() -> Range<u64> {
    let Ok(seeds) = std::env::var("SIMULATION_SEEDS") else { return 0..SEEDS };
    let parse = |seed: &str| seed.parse().unwrap_or_else(|_| panic!("SIMULATION_SEEDS: '{seed}' is no number"));
    match seeds.split_once("..") {
        Some((start, end)) => parse(start)..parse(end),
        None => 0..parse(&seeds),
    }
}

#[test]
fn output_is_exactly_once_whatever_happens() {
    let mut total = Summary::default();
    for seed in seeds() {
        let summary = World::new(seed, None).run().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        total.add(summary);
    }
    report(&format!("seeds {:?} are clean: {total:#?}", seeds()));
}

#[test]
fn the_adversary_brings_leaders_to_every_end() {
    let mut total = Summary::default();
    (0..500).filter_map(|seed| World::new(seed, None).run().ok()).for_each(|summary| total.add(summary));
    for end in [
        "Finished",
        "Stopped",
        "Fenced",
        "TaskLost",
        "TooManyFailedCheckpoints",
        "ManifestInDoubt",
        "CommitFailed",
        "StoreRefuses",
    ] {
        assert!(total.ends.contains_key(end), "no leader ends with {end}: {total:?}");
    }
    assert!(total.adopted > 0, "no attempt is adopted: {total:?}");
}

#[test]
fn a_sink_that_commits_before_the_manifest_is_caught() {
    is_caught(Bug::CommitsBeforeManifest, 10);
}

#[test]
fn a_barrier_that_overtakes_a_row_is_caught() {
    is_caught(Bug::BarrierOvertakesRow, 10);
}

#[test]
fn a_zombie_that_commits_is_caught() {
    is_caught(Bug::ZombieCommits, 10);
}

#[test]
fn a_task_that_stores_before_it_knows_of_the_checkpoint_before_is_caught() {
    is_caught(Bug::StoresUnsettled, 500);
}

#[test]
fn a_leader_that_adopts_wrongly_is_caught() {
    for (bug, seeds) in
        [(Bug::AdoptsUnopened, 10), (Bug::CoversPassed, 100), (Bug::SweepsAdopted, 100), (Bug::AbortsStaged, 100)]
    {
        is_caught(bug, seeds);
    }
}

#[test]
fn every_other_bug_is_caught() {
    for (bug, seeds) in [
        (Bug::IgnoresHead, 100),
        (Bug::SameNonce, 100),
        (Bug::SweepsBeforeOpening, 100),
        (Bug::SweepsOthers, 3_000),
        (Bug::ForgetsAborted, 200),
        (Bug::ReportOvertakes, 10),
    ] {
        is_caught(bug, seeds);
    }
}

/// Fails unless one of so many seeds catches the bug.
fn is_caught(bug: Bug, seeds: u64) {
    let caught = (0..seeds).find_map(|seed| Some((seed, World::new(seed, Some(bug)).run().err()?)));
    let (seed, error) = caught.unwrap_or_else(|| panic!("{bug:?} is not caught within {seeds} seeds"));
    report(&format!("{bug:?} is caught by seed {seed}: {error}"));
}

/// The variant's name alone.
fn name_of(variant: &impl std::fmt::Debug) -> String {
    format!("{variant:?}").split('(').next().unwrap_or_default().to_owned()
}

#[expect(clippy::print_stderr, reason = "what the seeds have shown is the point of the test")]
fn report(what: &str) {
    eprintln!("{what}");
}
