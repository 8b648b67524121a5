//! Slots: by example, and whatever comes, goes and asks.

use proptest::prelude::*;

use super::*;

fn job(name: &str) -> JobId {
    JobId(name.to_owned())
}

fn worker(name: &str) -> WorkerId {
    WorkerId(name.to_owned())
}

fn slots(workers: &[(&str, usize)]) -> Slots {
    let mut slots = Slots::default();
    for (name, count) in workers {
        slots.add_worker(worker(name), *count).unwrap();
    }
    slots
}

/// Workers and numbers of what has been given, by job.
fn shown(grants: &[Grant]) -> Vec<String> {
    let slots = |grant: &Grant| {
        grant.slots.iter().map(|slot| format!("{}{}", slot.worker, slot.number)).collect::<Vec<_>>().join(" ")
    };
    grants.iter().map(|grant| format!("{}: {}", grant.job.0, slots(grant))).collect()
}

#[test]
fn a_job_spreads_over_the_workers_with_the_most_free_slots() {
    let mut slots = slots(&[("a", 1), ("b", 3), ("c", 3)]);
    assert_eq!(shown(&slots.request(&job("x"), 5).unwrap()), ["x: b0 c0 b1 c1 a0"]);
    assert_eq!(shown(&slots.request(&job("y"), 2).unwrap()), ["y: b2 c2"]);
}

#[test]
fn who_waits_says_how_many_slots_it_lacks_with_those_before_it() {
    let mut slots = slots(&[("a", 2)]);
    assert!(slots.request(&job("x"), 3).unwrap().is_empty());
    assert!(slots.request(&job("y"), 1).unwrap().is_empty());
    assert_eq!(slots.lack(&job("x")), Some(Lack { slots: 1, jobs_ahead: 0 }));
    assert_eq!(slots.lack(&job("y")), Some(Lack { slots: 2, jobs_ahead: 1 }));
    assert_eq!(slots.lack(&job("z")), None);
    assert_eq!(shown(&slots.add_worker(worker("b"), 1).unwrap()), ["x: a0 a1 b0"]);
    assert_eq!(slots.lack(&job("x")), None);
    assert_eq!(shown(&slots.release(&job("x"))), ["y: a0"]);
}

#[test]
fn the_loss_of_a_worker_hits_the_jobs_that_run_on_it() {
    let mut slots = slots(&[("a", 2), ("b", 2)]);
    slots.request(&job("x"), 2).unwrap();
    slots.request(&job("y"), 1).unwrap();
    assert_eq!(slots.lose_worker(&worker("b")), [job("x")]);
    assert_eq!(slots.lose_worker(&worker("b")), []);
    assert_eq!(slots.held(&job("x")).len(), 1);
    assert_eq!(slots.free(), 0);
}

#[test]
fn a_job_that_starts_anew_is_served_before_those_that_came_later() {
    let mut slots = slots(&[("a", 1), ("b", 1)]);
    slots.request(&job("x"), 2).unwrap();
    assert!(slots.request(&job("y"), 1).unwrap().is_empty());
    slots.lose_worker(&worker("b"));
    assert!(slots.request(&job("x"), 2).unwrap().is_empty());
    assert_eq!(slots.lack(&job("y")), Some(Lack { slots: 2, jobs_ahead: 1 }));
    assert_eq!(shown(&slots.add_worker(worker("c"), 1).unwrap()), ["x: a0 c0"]);
}

#[test]
fn a_worker_that_is_drained_gives_none() {
    let mut slots = slots(&[("a", 4), ("b", 1)]);
    slots.request(&job("x"), 1).unwrap();
    assert_eq!(slots.drain_worker(&worker("a")).unwrap(), [job("x")]);
    assert_eq!(slots.free(), 1);
    assert_eq!(slots.would_lack(&job("x"), 2), 1);
    assert_eq!(shown(&slots.request(&job("x"), 1).unwrap()), ["x: b0"]);
    assert!(slots.drain_worker(&worker("z")).is_err());
}

#[test]
fn a_worker_registers_once_and_a_job_asks_for_something() {
    let mut slots = slots(&[("a", 1)]);
    assert_eq!(slots.add_worker(worker("a"), 1).unwrap_err().to_string(), "worker 'a' has registered already");
    assert_eq!(slots.request(&job("x"), 0).unwrap_err().to_string(), "job 'x' asks for no slots");
}

#[derive(Debug, Clone)]
enum Step {
    Add(usize),
    Drain(usize),
    Lose(usize),
    Request(u8, usize),
    Release(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..5usize).prop_map(Step::Add),
        1 => (0..20usize).prop_map(Step::Drain),
        1 => (0..20usize).prop_map(Step::Lose),
        4 => (0..8u8, 1..7usize).prop_map(|(job, slots)| Step::Request(job, slots)),
        2 => (0..8u8).prop_map(Step::Release),
    ]
}

proptest! {
    #[test]
    fn slots_belong_to_one_job_none_leaks_and_nobody_overtakes(steps in prop::collection::vec(step(), 1..80)) {
        let mut slots = Slots::default();
        // Who has asked and not been released, in order, with what it wants.
        let mut waiting: Vec<(JobId, Option<usize>)> = Vec::new();
        let mut workers = 0;
        let named = |id: usize| worker(&id.to_string());
        for step in steps {
            let grants = match step {
                Step::Add(count) => {
                    workers += 1;
                    slots.add_worker(named(workers), count).unwrap()
                }
                Step::Drain(id) => { let _ = slots.drain_worker(&named(id)); Vec::new() }
                Step::Lose(id) => {
                    let before: Vec<JobId> = waiting.iter().map(|(id, _)| id.clone())
                        .filter(|job| slots.held(job).iter().any(|slot| slot.worker == named(id))).collect();
                    prop_assert_eq!(slots.lose_worker(&named(id)), before);
                    Vec::new()
                }
                Step::Request(id, count) => {
                    let id = job(&id.to_string());
                    match waiting.iter_mut().find(|(known, _)| *known == id) {
                        Some((_, wants)) => *wants = Some(count),
                        None => waiting.push((id.clone(), Some(count))),
                    }
                    slots.request(&id, count).unwrap()
                }
                Step::Release(id) => {
                    let id = job(&id.to_string());
                    waiting.retain(|(known, _)| *known != id);
                    slots.release(&id)
                }
            };
            for grant in grants {
                let first = waiting.iter_mut().find(|(_, wants)| wants.is_some()).unwrap();
                prop_assert_eq!((&first.0, first.1.take()), (&grant.job, Some(grant.slots.len())));
                prop_assert_eq!(slots.held(&grant.job), &grant.slots[..]);
            }
            prop_assert_eq!(slots.check(), Ok(()));
            for (id, wants) in &waiting {
                prop_assert_eq!(slots.lack(id).is_some(), wants.is_some());
                prop_assert!(slots.lack(id).is_none_or(|lack| lack.slots > 0));
            }
        }
        // When all who are before it end, everybody is served who can be.
        slots.add_worker(worker("large"), 6).unwrap();
        while let Some((id, _)) = waiting.first().cloned() {
            prop_assert!(slots.lack(&id).is_none());
            waiting.remove(0);
            slots.release(&id);
        }
        prop_assert!(slots.workers().all(|(_, _, taken)| taken == 0));
    }

    #[test]
    fn free_slots_are_taken_evenly(counts in prop::collection::vec(0..6usize, 1..6), wants in 1..20usize) {
        let mut slots = Slots::default();
        for (id, count) in counts.iter().enumerate() {
            slots.add_worker(worker(&id.to_string()), *count).unwrap();
        }
        let grants = slots.request(&job("x"), wants).unwrap();
        prop_assert_eq!(grants.is_empty(), wants > counts.iter().sum());
        if !grants.is_empty() {
            // What is left differs by one among those that have given any, and nobody has more left than they.
            let left: Vec<(usize, bool)> = slots.workers().map(|(_, all, taken)| (all - taken, taken > 0)).collect();
            let most = left.iter().map(|(left, _)| *left).max().unwrap();
            prop_assert!(left.iter().all(|(left, gave)| !gave || left + 1 >= most), "{left:?}");
        }
    }
}
