//! The life of a job: each transition of the table, late and impossible events, and lives made up at random.

use std::collections::BTreeMap;

use dipper_types::{ErrorKind, JobId};
use proptest::prelude::*;

use super::*;
use crate::Submission;

const FIXED: RestartStrategy = RestartStrategy::FixedDelay { attempts: 2, delay_ms: 10 };

fn decided(start_from: StartFrom) -> JobDecisions {
    JobDecisions::new(Submission {
        job: JobId("7".into()),
        name: "orders".into(),
        sql: String::new(),
        settings: BTreeMap::new(),
        start_from,
        submitted_ms: 0,
    })
}

/// A job that has been taken on by a leader.
fn begun(parallelism: usize) -> Lifecycle {
    let mut job = Lifecycle::new(decided(StartFrom::Latest), parallelism, FIXED);
    assert_eq!(job.on_event(Event::Begin).unwrap(), [Action::RequestSlots(parallelism)]);
    job
}

fn running(parallelism: usize) -> Lifecycle {
    let mut job = begun(parallelism);
    job.on_event(Event::SlotsGranted { slots: parallelism }).unwrap();
    job.on_event(Event::AttemptReady { attempt: 1 }).unwrap();
    assert_eq!(job.state(), JobState::Running);
    job
}

fn failed(attempt: u64, error: Error) -> Event {
    Event::AttemptFailed { attempt, failure: AttemptFailure { error, at_ms: 0, noise: 0.0 } }
}

fn gone(attempt: u64) -> Event {
    Event::AttemptEnded { attempt, end: AttemptEnd::Gone }
}

fn stop(drain: bool) -> Stop {
    Stop { savepoint: "/s".into(), drain }
}

/// What is done when the job ends like this.
fn conclusion(end: &JobEnd) -> [Action; 2] {
    [Action::ReleaseSlots, Action::Record(Record::Ended(end.clone()))]
}

fn assert_ends(job: &mut Lifecycle, last: Event, end: JobEnd) {
    assert_eq!(job.on_event(last).unwrap(), conclusion(&end));
    assert_eq!(job.state(), JobState::Ending);
    let state = JobState::of_end(&end);
    assert_eq!(job.on_event(Event::Recorded(Record::Ended(end))).unwrap(), []);
    assert_eq!(job.state(), state);
}

#[test]
fn a_job_that_has_finished_is_shown_so_when_that_is_recorded() {
    let finished = Event::AttemptEnded { attempt: 1, end: AttemptEnd::Finished };
    assert_ends(&mut running(2), finished, JobEnd::Finished);
}

#[test]
fn a_failure_leads_to_another_attempt_when_the_old_one_has_ended_and_the_delay_is_over() {
    for is_due_first in [true, false] {
        let mut job = running(2);
        let actions = job.on_event(failed(1, Error::unavailable("down"))).unwrap();
        let schedule = Action::ScheduleRestart { attempt: 1, delay_ms: 10 };
        assert_eq!(actions, [Action::CancelAttempt { attempt: 1 }, schedule]);
        assert_eq!(job.on_event(failed(1, Error::unavailable("down as well"))).unwrap(), []);
        let mut events = [gone(1), Event::RestartDue { attempt: 1 }];
        if is_due_first {
            events.reverse();
        }
        let [first, second] = events;
        assert_eq!(job.on_event(first).unwrap(), []);
        assert_eq!(job.on_event(second).unwrap(), [Action::RequestSlots(2)]);
        assert_eq!((job.state(), job.last_error()), (JobState::Waiting, Some("down")));
    }
}

#[test]
fn when_the_strategy_says_no_more_the_job_fails() {
    let mut job = running(1);
    for attempt in 1..=2 {
        job.on_event(failed(attempt, Error::unavailable("down"))).unwrap();
        job.on_event(gone(attempt)).unwrap();
        job.on_event(Event::RestartDue { attempt }).unwrap();
        job.on_event(Event::SlotsGranted { slots: 1 }).unwrap();
    }
    assert_eq!(job.on_event(failed(3, Error::unavailable("still"))).unwrap(), [Action::CancelAttempt { attempt: 3 }]);
    assert_eq!(job.state(), JobState::Failing);
    assert_ends(&mut job, gone(3), JobEnd::Failed { error: "still".into() });
}

#[test]
fn an_error_that_stays_is_not_tried_again() {
    for kind in [ErrorKind::Invalid, ErrorKind::Unsupported, ErrorKind::Corrupt, ErrorKind::Fenced] {
        let mut job = running(1);
        assert_eq!(job.on_event(failed(1, Error::new(kind, "no"))).unwrap(), [Action::CancelAttempt { attempt: 1 }]);
        assert_ends(&mut job, gone(1), JobEnd::Failed { error: "no".into() });
    }
}

#[test]
fn another_parallelism_is_a_new_attempt_from_a_checkpoint() {
    let rescale = |parallelism| Event::Recorded(Record::Rescale { parallelism });
    let mut job = running(2);
    assert_eq!(job.on_event(rescale(2)).unwrap(), []);
    assert_eq!(job.on_event(rescale(4)).unwrap(), [Action::SuspendAttempt { attempt: 1 }]);
    assert_eq!(job.state(), JobState::Rescaling);
    assert_eq!(job.on_event(Event::SuspendFailed { attempt: 1 }).unwrap(), [Action::CancelAttempt { attempt: 1 }]);
    assert_eq!(job.on_event(rescale(5)).unwrap(), []);
    assert_eq!(job.on_event(gone(1)).unwrap(), [Action::RequestSlots(5)]);
    assert_eq!(job.on_event(rescale(3)).unwrap(), [Action::RequestSlots(3)]);
    assert_eq!(job.on_event(Event::SlotsGranted { slots: 5 }).unwrap(), []);
    let deploy = Action::Deploy { attempt: 2, start_from: StartFrom::Latest };
    assert_eq!(job.on_event(Event::SlotsGranted { slots: 3 }).unwrap(), [deploy]);
    assert_eq!(job.on_event(rescale(1)).unwrap(), [Action::CancelAttempt { attempt: 2 }]);
    assert_eq!(job.last_error(), None);
}

#[test]
fn a_job_stops_with_its_savepoint() {
    let mut job = running(1);
    let actions = job.on_event(Event::Recorded(Record::Stop(stop(false)))).unwrap();
    assert_eq!(actions, [Action::TakeSavepoint { attempt: 1, stop: stop(false) }]);
    let stopped = Event::AttemptEnded { attempt: 1, end: AttemptEnd::Stopped { savepoint: "/s/1".into() } };
    assert_ends(&mut job, stopped, JobEnd::Stopped { savepoint: "/s/1".into() });
}

#[test]
fn the_wish_to_stop_outlives_a_failure_and_a_leader() {
    let mut job = running(1);
    job.on_event(Event::Recorded(Record::Stop(stop(false)))).unwrap();
    job.on_event(failed(1, Error::unavailable("down"))).unwrap();
    job.on_event(gone(1)).unwrap();
    job.on_event(Event::RestartDue { attempt: 1 }).unwrap();
    for (attempt, mut job) in [(2, job.clone()), (1, Lifecycle::new(job.decided().clone(), 1, FIXED))] {
        if attempt == 1 {
            job.on_event(Event::Begin).unwrap();
        }
        job.on_event(Event::SlotsGranted { slots: 1 }).unwrap();
        let actions = job.on_event(Event::AttemptReady { attempt }).unwrap();
        let take = Action::TakeSavepoint { attempt, stop: stop(false) };
        assert_eq!(actions, [Action::Start { attempt }, take]);
        assert_eq!(job.state(), JobState::Stopping);
    }
}

#[test]
fn a_job_whose_savepoint_fails_goes_on_unless_its_inputs_have_been_ended() {
    let no_room = || Event::SavepointFailed { attempt: 1, error: Error::unavailable("no room") };
    let mut job = running(1);
    job.on_event(Event::Recorded(Record::Stop(stop(false)))).unwrap();
    let given_up = Record::StopGivenUp { error: "no room".into() };
    assert_eq!(job.on_event(no_room()).unwrap(), [Action::Record(given_up.clone())]);
    assert_eq!(job.on_event(no_room()).unwrap(), []);
    assert_eq!(job.on_event(Event::Recorded(given_up)).unwrap(), []);
    assert_eq!(job.state(), JobState::Running);

    let mut job = running(1);
    job.on_event(Event::Recorded(Record::Stop(stop(true)))).unwrap();
    let again = Action::TakeSavepoint { attempt: 1, stop: stop(true) };
    assert_eq!(job.on_event(no_room()).unwrap(), [again]);
    assert_eq!(job.state(), JobState::Stopping);
}

#[test]
fn a_savepoint_that_has_been_given_up_ends_nothing() {
    let mut job = running(1);
    job.on_event(Event::Recorded(Record::Stop(stop(false)))).unwrap();
    let no_room = Event::SavepointFailed { attempt: 1, error: Error::unavailable("no room") };
    let given_up = job.on_event(no_room).unwrap();
    let stopped = Event::AttemptEnded { attempt: 1, end: AttemptEnd::Stopped { savepoint: "/s/1".into() } };
    assert!(job.on_event(stopped).is_err());
    let [Action::Record(given_up)] = &given_up[..] else { panic!("{given_up:?}") };
    assert_eq!(job.on_event(Event::Recorded(given_up.clone())).unwrap(), []);
    assert_eq!(job.state(), JobState::Running);
}

#[test]
fn a_leader_goes_on_with_what_runs_and_does_what_has_been_decided_meanwhile() {
    let adopted = |record: Option<Record>| {
        let mut decided = decided(StartFrom::Latest);
        if let Some(record) = record {
            decided.apply(&record).unwrap();
        }
        let mut job = Lifecycle::new(decided, 2, FIXED);
        let actions = job.on_event(Event::Adopt).unwrap();
        assert_eq!(actions[0], Action::Adopt { attempt: 1 });
        (job, actions[1..].to_vec())
    };
    let (mut job, actions) = adopted(None);
    assert_eq!((job.state(), actions), (JobState::Running, vec![]));
    job.on_event(failed(1, Error::unavailable("down"))).unwrap();
    assert_eq!(job.state(), JobState::Restarting);

    let (job, actions) = adopted(Some(Record::Stop(stop(false))));
    let take = Action::TakeSavepoint { attempt: 1, stop: stop(false) };
    assert_eq!((job.state(), actions), (JobState::Stopping, vec![take]));
    let (mut job, actions) = adopted(Some(Record::Cancel));
    assert_eq!(actions, [Action::CancelAttempt { attempt: 1 }]);
    assert_ends(&mut job, gone(1), JobEnd::Cancelled);
}

#[test]
fn a_job_makes_way_and_goes_on_with_as_many_slots() {
    let mut job = running(2);
    assert_eq!(job.on_event(Event::Restart).unwrap(), [Action::SuspendAttempt { attempt: 1 }]);
    assert_eq!(job.on_event(Event::Restart).unwrap(), []);
    assert_eq!(job.on_event(gone(1)).unwrap(), [Action::RequestSlots(2)]);
    assert_eq!(job.on_event(Event::Restart).unwrap(), []);
}

#[test]
fn a_job_is_cancelled_wherever_it_stands() {
    let cancel = || Event::Recorded(Record::Cancel);
    assert_ends(&mut begun(1), cancel(), JobEnd::Cancelled);

    let mut job = running(1);
    assert_eq!(job.on_event(cancel()).unwrap(), [Action::CancelAttempt { attempt: 1 }]);
    assert_eq!(job.on_event(failed(1, Error::cancelled())).unwrap(), []);
    assert_ends(&mut job, gone(1), JobEnd::Cancelled);

    let mut job = running(1);
    job.on_event(failed(1, Error::unavailable("down"))).unwrap();
    job.on_event(gone(1)).unwrap();
    assert_ends(&mut job, cancel(), JobEnd::Cancelled);
    assert_eq!(job.on_event(Event::RestartDue { attempt: 1 }).unwrap(), []);

    let mut created = Lifecycle::new(decided(StartFrom::Latest), 1, FIXED);
    assert_eq!(created.on_event(cancel()).unwrap(), []);
    assert_ends(&mut created, Event::Begin, JobEnd::Cancelled);
}

#[test]
fn what_an_attempt_has_achieved_counts_whatever_was_to_become_of_it() {
    let finished = || Event::AttemptEnded { attempt: 1, end: AttemptEnd::Finished };
    for event in [Event::Recorded(Record::Cancel), failed(1, Error::unavailable("down"))] {
        let mut job = running(1);
        job.on_event(event).unwrap();
        assert_ends(&mut job, finished(), JobEnd::Finished);
    }
}

#[test]
fn a_job_that_starts_over_does_so_once() {
    let mut job = Lifecycle::new(decided(StartFrom::Nothing), 1, FIXED);
    job.on_event(Event::Begin).unwrap();
    let deploy = Action::Deploy { attempt: 1, start_from: StartFrom::Nothing };
    assert_eq!(job.on_event(Event::SlotsGranted { slots: 1 }).unwrap(), [deploy]);
    assert_eq!(job.on_event(Event::AttemptReady { attempt: 1 }).unwrap(), [Action::Record(Record::Started)]);
    assert_eq!(job.state(), JobState::Deploying);
    assert_eq!(job.on_event(Event::Recorded(Record::Started)).unwrap(), [Action::Start { attempt: 1 }]);
    let mut successor = Lifecycle::new(job.decided().clone(), 1, FIXED);
    successor.on_event(Event::Begin).unwrap();
    let deploy = Action::Deploy { attempt: 1, start_from: StartFrom::Latest };
    assert_eq!(successor.on_event(Event::SlotsGranted { slots: 1 }).unwrap(), [deploy]);
}

#[test]
fn what_is_not_legal_is_refused_and_changes_nothing() {
    let mut job = running(1);
    let before = job.clone();
    for (event, message) in [
        (Event::Begin, "job '7' is RUNNING: 'Begin' is not legal"),
        (Event::AttemptReady { attempt: 1 }, "job '7' is RUNNING: 'ready' is not legal"),
        (gone(1), "job '7' is RUNNING: 'ended' is not legal"),
        (Event::Recorded(Record::Ended(JobEnd::Finished)), "job '7' is RUNNING: 'end recorded' is not legal"),
        (Event::Recorded(Record::Ended(JobEnd::Cancelled)), "job '7' is not being cancelled"),
    ] {
        assert_eq!(job.on_event(event).unwrap_err().to_string(), message);
        assert_eq!(job, before);
    }
    // Slots that were asked for before something else was may be granted late.
    assert_eq!(job.on_event(Event::SlotsGranted { slots: 1 }).unwrap(), []);
    assert_eq!(job, before);
}

/// Of the current attempt, or of one that is gone.
fn event() -> impl Strategy<Value = fn(u64) -> Event> {
    let events: Vec<fn(u64) -> Event> = vec![
        |_| Event::Begin,
        |_| Event::Adopt,
        |_| Event::Restart,
        |_| Event::SlotsGranted { slots: 1 },
        |_| Event::SlotsGranted { slots: 2 },
        |attempt| Event::AttemptReady { attempt },
        |attempt| failed(attempt, Error::unavailable("down")),
        |attempt| failed(attempt, Error::invalid("wrong")),
        |attempt| Event::AttemptEnded { attempt, end: AttemptEnd::Finished },
        |attempt| Event::AttemptEnded { attempt, end: AttemptEnd::Stopped { savepoint: "/s/1".into() } },
        gone,
        |attempt| Event::SavepointFailed { attempt, error: Error::unavailable("no room") },
        |attempt| Event::SuspendFailed { attempt },
        |attempt| Event::RestartDue { attempt },
        |_| Event::Recorded(Record::Rescale { parallelism: 1 }),
        |_| Event::Recorded(Record::Rescale { parallelism: 2 }),
        |_| Event::Recorded(Record::Stop(stop(false))),
        |_| Event::Recorded(Record::Stop(stop(true))),
        |_| Event::Recorded(Record::Cancel),
    ];
    prop::sample::select(events)
}

/// What the shell owes the job: the answers to its actions that have not been given.
#[derive(Default)]
struct Owed {
    records: Vec<Record>,
    slots: Option<usize>,
    due: Option<u64>,
}

impl Owed {
    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Record(record) => self.records.push(record),
                Action::RequestSlots(slots) => self.slots = Some(slots),
                Action::ReleaseSlots => self.slots = None,
                Action::ScheduleRestart { attempt, .. } => self.due = Some(attempt),
                _ => {}
            }
        }
    }
}

fn has_way(from: JobState, to: JobState) -> bool {
    let step = |from| Transition::ALL.iter().filter(move |way| way.is_from(from)).map(|way| way.to());
    // An event takes two ways at most.
    from == to || step(from).any(|middle| middle == to || step(middle).any(|end| end == to))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_happens_one_attempt_lives_and_a_cancelled_job_ends(
        events in prop::collection::vec((event(), any::<bool>(), any::<bool>()), 1..60), start_over in any::<bool>(), adopted in any::<bool>(),
    ) {
        let start_from = if start_over { StartFrom::Nothing } else { StartFrom::Latest };
        let mut job = Lifecycle::new(decided(start_from), 1, FIXED);
        let mut owed = Owed::default();
        let first = if adopted { Event::Adopt } else { Event::Begin };
        owed.take(job.on_event(first).unwrap());
        for (event, is_old, records) in events {
            if records {
                for record in std::mem::take(&mut owed.records) {
                    owed.take(job.on_event(Event::Recorded(record)).unwrap());
                }
            }
            let before = job.clone();
            let event = event(job.attempt().saturating_sub(u64::from(is_old)));
            match job.on_event(event) {
                Err(_) => prop_assert_eq!(&job, &before),
                Ok(actions) => {
                    prop_assert!(has_way(before.state, job.state), "{} to {}", before.state, job.state);
                    let deploys = actions.iter().any(|action| matches!(action, Action::Deploy { .. }));
                    prop_assert!(!deploys || !before.is_live);
                    prop_assert!(actions.is_empty() || !before.state.is_end());
                    owed.take(actions);
                }
            }
        }
        // Somebody cancels it, and everything that is owed happens.
        if job.decided().check(&Record::Cancel).is_ok() {
            owed.take(job.on_event(Event::Recorded(Record::Cancel)).unwrap());
        }
        for record in std::mem::take(&mut owed.records) {
            owed.take(job.on_event(Event::Recorded(record)).unwrap());
        }
        if job.is_live {
            owed.take(job.on_event(gone(job.attempt())).unwrap());
        }
        for record in std::mem::take(&mut owed.records) {
            owed.take(job.on_event(Event::Recorded(record)).unwrap());
        }
        prop_assert!(job.state().is_end(), "{}", job.state());
    }
}
