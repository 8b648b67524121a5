//! Elections and logs of jobs against a store that loses, delays and doubles calls, and coordinators that crash, are paused, and whose clocks
//! differ, seed by seed. A failure names its seed; to run that seed alone:
//! `SIMULATION_SEEDS=<seed>..<seed + 1> cargo test -p dipper-cluster --test simulation`.

#[path = "../../../checkpoint/tests/simulation/chance.rs"]
mod chance;
mod coordinator;
mod store;
mod world;

use std::ops::Range;

use world::{Summary, World};

/// Unless `SIMULATION_SEEDS` says otherwise.
const SEEDS: u64 = 4_000;

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
fn one_coordinator_decides_and_no_job_is_lost_whatever_happens() {
    let mut total = Summary::default();
    for seed in seeds() {
        total.add(&World::new(seed).run().unwrap_or_else(|error| panic!("seed {seed}: {error}")));
    }
    report(&format!("seeds {:?} are clean: {total:?}", seeds()));
}

#[test]
fn the_adversary_brings_about_everything_that_is_to_be_survived() {
    let mut total = Summary::default();
    (0..300).filter_map(|seed| World::new(seed).run().ok()).for_each(|summary| total.add(&summary));
    let Summary { terms, succeeded, not_renewed, takeovers, fenced, accepted, unconfirmed, appended, stale, overlaps } =
        total;
    for (what, count) in [
        ("terms", terms),
        ("leaders that find another's object", succeeded),
        ("leaders that cannot renew", not_renewed),
        ("jobs taken over", takeovers),
        ("appends of former leaders that are fenced", fenced),
        ("jobs accepted", accepted),
        ("jobs submitted to a former leader", unconfirmed),
        ("records appended", appended),
        ("numbers created below the head", stale),
        ("times when two believe that they lead", overlaps),
    ] {
        assert!(count > 0, "there are no {what}");
    }
}

#[expect(clippy::print_stderr, reason = "what the seeds have shown is the point of the test")]
fn report(what: &str) {
    eprintln!("{what}");
}
