//! Who may lead when: an election step by step, and what must never be seen of one.

use super::*;

const OPTIONS: ElectionOptions =
    ElectionOptions { lease_ms: 6_000, patience_ms: 4_000, renewal_ms: 2_000, look_ms: 1_000, retry_ms: 250 };

fn created(reply: CreationReply) -> ElectionEvent {
    ElectionEvent::Creation(reply)
}

fn listed(head: u64) -> ElectionEvent {
    ElectionEvent::Listed { head }
}

/// Leads since 0 under generation 1; its renewal is due at 2000.
fn leader() -> Election {
    let mut election = Election::new(OPTIONS);
    for event in [ElectionEvent::TimePassed, listed(0), created(CreationReply::Own), listed(1)] {
        election.on_event(0, event);
    }
    assert_eq!((election.generation(), election.deadline_ms()), (Some(1), Some(2_000)));
    election
}

const RENEW: ElectionAction = ElectionAction::Create { number: 2, generation: 1 };

#[test]
fn one_who_stands_by_creates_the_next_number_when_the_lease_has_run_out() {
    let mut election = Election::new(OPTIONS);
    election.on_event(0, ElectionEvent::TimePassed);
    let mut now_ms = 500;
    assert_eq!(election.on_event(now_ms, listed(7)), []);
    while now_ms < 6_500 {
        now_ms = election.deadline_ms().unwrap();
        assert_eq!(election.on_event(now_ms, ElectionEvent::TimePassed), [ElectionAction::List], "at {now_ms}");
        let create = ElectionAction::Create { number: 8, generation: 8 };
        let expected = if now_ms < 6_500 { vec![] } else { vec![create] };
        assert_eq!(election.on_event(now_ms, listed(7)), expected, "at {now_ms}");
    }
}

#[test]
fn a_head_that_moves_begins_the_lease_anew() {
    let mut election = Election::new(OPTIONS);
    for now_ms in (0..60_000).step_by(1_000) {
        assert_eq!(election.on_event(now_ms, ElectionEvent::TimePassed), [ElectionAction::List]);
        assert_eq!(election.on_event(now_ms, listed(7 + now_ms / 5_000)), []);
    }
}

#[test]
fn a_listing_that_was_under_way_for_long_says_nothing_about_now() {
    let mut election = Election::new(OPTIONS);
    election.on_event(0, ElectionEvent::TimePassed);
    election.on_event(0, listed(7));
    assert_eq!(election.on_event(1_000, ElectionEvent::TimePassed), [ElectionAction::List]);
    assert_eq!(election.on_event(60_000, listed(7)), []);
}

#[test]
fn a_leader_renews_and_deletes_what_is_older() {
    let mut election = leader();
    assert_eq!(election.on_event(2_000, ElectionEvent::TimePassed), [RENEW]);
    assert_eq!(election.on_event(2_100, created(CreationReply::Own)), [ElectionAction::List]);
    assert_eq!(election.on_event(2_200, listed(2)), [ElectionAction::DeleteBelow { number: 2 }]);
    assert_eq!((election.deadline_ms(), election.leads_until_ms()), (Some(4_000), Some(6_000)));
}

#[test]
fn a_leader_whose_creation_finds_another_object_steps_down_at_once() {
    let mut election = leader();
    election.on_event(2_000, ElectionEvent::TimePassed);
    let actions = election.on_event(2_100, created(CreationReply::Other));
    assert_eq!(actions, [ElectionAction::StepDown(StepDownReason::Succeeded), ElectionAction::List]);
    assert_eq!(election.generation(), None);
}

#[test]
fn a_success_below_the_head_is_worthless() {
    let mut election = leader();
    election.on_event(2_000, ElectionEvent::TimePassed);
    election.on_event(2_100, created(CreationReply::Own));
    let actions = election.on_event(2_200, listed(60));
    assert_eq!(actions[0], ElectionAction::StepDown(StepDownReason::Succeeded));
}

#[test]
fn a_leader_that_cannot_renew_in_time_steps_down_whatever_it_hears_then() {
    let mut election = leader();
    election.on_event(2_000, ElectionEvent::TimePassed);
    assert_eq!(election.on_event(2_100, created(CreationReply::InDoubt)), []);
    let look = ElectionAction::Look { number: 2, generation: 1 };
    assert_eq!(election.on_event(2_350, ElectionEvent::TimePassed), [look]);
    assert_eq!(election.deadline_ms(), Some(4_000));
    let actions = election.on_event(4_000, ElectionEvent::TimePassed);
    assert_eq!(actions, [ElectionAction::StepDown(StepDownReason::NotRenewed)]);
    // Only one call at a time.
    assert_eq!(election.deadline_ms(), None);
    assert_eq!(election.on_event(4_100, created(CreationReply::Own)), [ElectionAction::List]);
    assert_eq!(election.on_event(4_200, listed(2)), []);
    assert_eq!(election.generation(), None);
}

#[test]
fn a_leader_that_wakes_up_late_steps_down_before_anything_else() {
    let mut election = leader();
    let actions = election.on_event(60_000, ElectionEvent::TimePassed);
    assert_eq!(actions, [ElectionAction::StepDown(StepDownReason::NotRenewed), ElectionAction::List]);
}

#[test]
fn what_is_in_doubt_is_looked_at_and_created_again() {
    let mut election = leader();
    election.on_event(2_000, ElectionEvent::TimePassed);
    election.on_event(2_100, created(CreationReply::InDoubt));
    election.on_event(2_350, ElectionEvent::TimePassed);
    assert_eq!(election.on_event(2_400, created(CreationReply::Absent)), []);
    assert_eq!(election.on_event(2_650, ElectionEvent::TimePassed), [RENEW]);
    election.on_event(2_700, created(CreationReply::Own));
    election.on_event(2_750, listed(2));
    assert_eq!(election.leads_until_ms(), Some(6_000));
}

#[test]
fn a_refused_renewal_is_tried_again() {
    let mut election = leader();
    election.on_event(2_000, ElectionEvent::TimePassed);
    assert_eq!(election.on_event(2_100, created(CreationReply::Refused)), []);
    assert_eq!(election.deadline_ms(), Some(2_350));
    assert_eq!(election.on_event(2_350, ElectionEvent::TimePassed), [RENEW]);
}

#[test]
fn a_claim_that_took_too_long_does_not_lead() {
    let mut election = Election::new(OPTIONS);
    election.on_event(0, ElectionEvent::TimePassed);
    election.on_event(0, listed(0));
    election.on_event(3_999, created(CreationReply::Own));
    assert_eq!(election.on_event(4_000, listed(1)), [ElectionAction::List]);
    assert_eq!(election.generation(), None);
}
