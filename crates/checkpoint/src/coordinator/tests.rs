//! One coordinator, told step by step what happens.

use super::*;
use crate::{Found, Staged};

const SOURCE: TaskId = TaskId { task: 0, subtask: 0 };
const SINK: TaskId = TaskId { task: 1, subtask: 0 };

const PERIODIC: CheckpointOptions = CheckpointOptions {
    interval_ms: Some(100),
    timeout_ms: 1_000,
    min_pause_ms: 30,
    tolerable_failures: 1,
    retained: 1,
};

fn tasks() -> Tasks {
    Tasks { sources: BTreeSet::from([SOURCE]), all: BTreeSet::from([SOURCE, SINK]) }
}

/// An opening of the attempt that began with 5, at epoch 10.
fn opening(number: u64) -> Manifest {
    Manifest {
        number: ManifestNumber(number),
        attempt: AttemptId { opening: ManifestNumber(5), nonce: 1 },
        leader: 1,
        epoch: Epoch(10),
        kind: ManifestKind::Opening,
        tasks: BTreeMap::new(),
        committables: BTreeMap::new(),
    }
}

struct Fixture {
    coordinator: Coordinator,
    now_ms: u64,
}

impl Fixture {
    fn new(options: CheckpointOptions) -> Self {
        let start = Start { opening: opening(5), log: Vec::new() };
        Self { coordinator: Coordinator::new(options, tasks(), start, 0), now_ms: 0 }
    }

    /// A leader of the attempt that 5 has opened: it goes on from 8, and the tasks have been told of this epoch.
    fn adopting(passed: u64) -> (Self, Vec<Action>) {
        let start = Start { opening: Manifest { leader: 2, ..opening(8) }, log: Vec::new() };
        let (coordinator, actions) = Coordinator::adopt(PERIODIC, tasks(), start, Epoch(passed), 0);
        (Self { coordinator, now_ms: 0 }, actions)
    }

    fn periodic() -> Self {
        Self::new(PERIODIC)
    }

    fn on(&mut self, event: Event) -> Vec<Action> {
        self.coordinator.on_event(event, self.now_ms)
    }

    fn deadline(&mut self) -> Vec<Action> {
        self.now_ms = self.coordinator.deadline_ms().unwrap();
        self.on(Event::Deadline)
    }

    fn hear(&mut self, task: TaskId, message: TaskMessage) -> Vec<Action> {
        let attempt = self.coordinator.attempt;
        self.on(Event::Task { attempt, task, message })
    }

    fn acknowledge(&mut self, epoch: u64) -> Vec<Action> {
        self.hear(SOURCE, acknowledged(epoch, &[]));
        self.hear(SINK, acknowledged(epoch, &[epoch]))
    }

    /// From the put to the end of the commit.
    fn complete(&mut self) -> Vec<Action> {
        assert!(matches!(self.on(Event::Store(StoreReply::Put))[..], [Action::Inspect(_)]));
        let durable = StoreReply::Inspected { found: Found::Own, head: self.coordinator.head.next() };
        assert!(matches!(self.on(Event::Store(durable))[..], [Action::Commit { .. }]));
        self.on(Event::Committed)
    }
}

fn staged(epochs: &[u64]) -> Vec<Staged> {
    epochs.iter().map(|&epoch| Staged { epoch: Epoch(epoch), committable: vec![epoch as u8] }).collect()
}

fn acknowledged(epoch: u64, staged_at: &[u64]) -> TaskMessage {
    TaskMessage::Acknowledged { epoch: Epoch(epoch), snapshot: Snapshot::default(), staged: staged(staged_at) }
}

fn finished(passed: u64, staged_at: &[u64]) -> TaskMessage {
    let snapshot = Snapshot { finished: true, ..Snapshot::default() };
    TaskMessage::Finished { passed: Epoch(passed), snapshot, staged: staged(staged_at) }
}

fn file(epoch: u64) -> SnapshotFile {
    SnapshotFile { path: format!("{epoch}"), attempt: ManifestNumber(5), epoch: Epoch(epoch) }
}

fn acknowledged_file(epoch: u64, file: SnapshotFile) -> TaskMessage {
    let snapshot = Snapshot { files: BTreeSet::from([file]), ..Snapshot::default() };
    TaskMessage::Acknowledged { epoch: Epoch(epoch), snapshot, staged: Vec::new() }
}

#[track_caller]
fn put(actions: &[Action]) -> &Manifest {
    let [Action::Put(manifest)] = actions else { panic!("{actions:?}") };
    manifest
}

fn committables(manifest: &Manifest) -> Vec<u8> {
    manifest.committables.values().flatten().flatten().copied().collect()
}

#[test]
fn a_checkpoint_is_written_then_committed_then_told() {
    let mut fixture = Fixture::periodic();
    assert!(matches!(fixture.deadline()[..], [Action::Trigger { epoch: Epoch(11), mode: SourceMode::ReadOn, .. }]));
    let actions = fixture.acknowledge(11);
    let manifest = put(&actions);
    assert_eq!((manifest.number, manifest.kind), (ManifestNumber(6), ManifestKind::Checkpoint));
    assert_eq!(committables(manifest), [11]);
    let actions = fixture.complete();
    let garbage = Garbage { manifests: vec![ManifestNumber(5)], files: Vec::new() };
    assert_eq!(actions, [Action::Completed(Epoch(11)), Action::Delete(garbage)]);
}

#[test]
fn what_an_aborted_checkpoint_staged_is_in_the_next_manifest_and_in_no_other() {
    let mut fixture = Fixture::periodic();
    fixture.deadline();
    // It times out, and its interval has long passed.
    assert!(matches!(fixture.deadline()[..], [Action::Aborted(Epoch(11), AbortReason::Timeout)]));
    fixture.deadline();
    fixture.hear(SOURCE, acknowledged(12, &[]));
    let actions = fixture.hear(SINK, acknowledged(12, &[11, 12]));
    assert_eq!(committables(put(&actions)), [11, 12]);
    fixture.complete();
    fixture.deadline();
    fixture.hear(SOURCE, acknowledged(13, &[]));
    // The task has not heard that 12 is completed.
    let actions = fixture.hear(SINK, acknowledged(13, &[11, 12, 13]));
    assert_eq!(committables(put(&actions)), [13]);
}

#[test]
fn the_minimum_pause_counts_from_the_end_of_a_checkpoint() {
    let mut fixture = Fixture::periodic();
    fixture.deadline();
    fixture.now_ms = 195;
    fixture.acknowledge(11);
    fixture.complete();
    assert_eq!(fixture.coordinator.deadline_ms(), Some(225));
}

#[test]
fn failures_in_a_row_are_tolerated_up_to_a_number_and_savepoints_do_not_count() {
    let mut fixture = Fixture::periodic();
    fixture.deadline();
    fixture.hear(SINK, TaskMessage::Declined { epoch: Epoch(11) });
    fixture.on(Event::Request(Request::Savepoint));
    let actions = fixture.hear(SINK, TaskMessage::Declined { epoch: Epoch(12) });
    assert!(matches!(actions[..], [Action::Aborted(Epoch(12), AbortReason::Declined(SINK))]));
    fixture.deadline();
    let actions = fixture.hear(SINK, TaskMessage::Declined { epoch: Epoch(13) });
    let failure = Failure::TooManyFailedCheckpoints(AbortReason::Declined(SINK));
    assert_eq!(actions[1..], [Action::End(Err(failure))]);
    assert_eq!(fixture.coordinator.deadline_ms(), None);
}

#[test]
fn a_manifest_in_doubt_is_not_given_up_but_fails_the_attempt_in_the_end() {
    let mut fixture = Fixture::periodic();
    fixture.deadline();
    fixture.acknowledge(11);
    fixture.on(Event::Store(StoreReply::Put));
    assert_eq!(fixture.on(Event::Store(StoreReply::Unreadable)), [Action::Inspect(ManifestNumber(6))]);
    assert_eq!(fixture.deadline(), [Action::End(Err(Failure::ManifestInDoubt))]);
}

#[test]
fn a_refused_manifest_gives_up_the_checkpoint_and_its_number_is_used_again() {
    let mut fixture = Fixture::periodic();
    fixture.deadline();
    fixture.acknowledge(11);
    let actions = fixture.on(Event::Store(StoreReply::Refused));
    assert_eq!(actions, [Action::Aborted(Epoch(11), AbortReason::ManifestRefused)]);
    fixture.deadline();
    let actions = fixture.acknowledge(12);
    assert_eq!(put(&actions).number, ManifestNumber(6));
}

#[test]
fn a_fenced_attempt_ends_without_a_commit() {
    let mut fixture = Fixture::periodic();
    fixture.deadline();
    fixture.acknowledge(11);
    fixture.on(Event::Store(StoreReply::Put));
    let seen = StoreReply::Inspected { found: Found::Other, head: ManifestNumber(6) };
    assert_eq!(fixture.on(Event::Store(seen)), [Action::End(Err(Failure::Fenced))]);
    assert_eq!(fixture.on(Event::Committed), []);
}

#[test]
fn a_report_that_overtakes_an_acknowledgement_does_not_stand_in_for_it() {
    let mut fixture = Fixture::periodic();
    fixture.deadline();
    fixture.hear(SINK, acknowledged(11, &[11]));
    assert_eq!(fixture.hear(SOURCE, finished(11, &[])), []);
    let actions = fixture.hear(SOURCE, acknowledged(11, &[]));
    assert!(!put(&actions).tasks[&SOURCE].finished);
}

#[test]
fn when_every_task_has_finished_the_final_checkpoint_ends_the_job() {
    let mut fixture = Fixture::new(CheckpointOptions::default());
    assert_eq!(fixture.coordinator.deadline_ms(), None);
    assert_eq!(fixture.hear(SOURCE, finished(10, &[])), []);
    let actions = fixture.hear(SINK, finished(10, &[11]));
    let [Action::Trigger { sources, .. }, Action::Put(manifest)] = &actions[..] else { panic!("{actions:?}") };
    assert!(sources.is_empty() && manifest.is_final());
    assert_eq!(committables(manifest), [11]);
    assert_eq!(fixture.complete().last(), Some(&Action::End(Ok(Outcome::Finished))));
}

#[test]
fn a_finished_source_is_not_triggered_and_counts_as_delivered() {
    let mut fixture = Fixture::periodic();
    fixture.hear(SOURCE, finished(10, &[]));
    assert!(matches!(&fixture.deadline()[..], [Action::Trigger { sources, .. }] if sources.is_empty()));
    let actions = fixture.hear(SINK, acknowledged(11, &[11]));
    assert!(put(&actions).tasks[&SOURCE].finished && !put(&actions).is_final());
}

#[test]
fn stopping_waits_for_the_checkpoint_under_way_and_ends_with_the_savepoint() {
    let mut fixture = Fixture::periodic();
    fixture.deadline();
    assert_eq!(fixture.on(Event::Request(Request::Stop)), []);
    fixture.acknowledge(11);
    let actions = fixture.complete();
    let trigger = actions.last().unwrap();
    assert!(matches!(trigger, Action::Trigger { mode: SourceMode::Wait, is_savepoint: true, .. }), "{trigger:?}");
    fixture.acknowledge(12);
    assert_eq!(fixture.complete().last(), Some(&Action::End(Ok(Outcome::Stopped))));
}

#[test]
fn a_drain_ends_the_sources_and_is_tried_until_it_succeeds() {
    let mut fixture = Fixture::new(CheckpointOptions::default());
    let actions = fixture.on(Event::Request(Request::Drain));
    assert!(matches!(actions[..], [Action::Trigger { mode: SourceMode::End, is_savepoint: true, .. }]));
    assert!(matches!(fixture.deadline()[..], [Action::Aborted(..), Action::Trigger { mode: SourceMode::End, .. }]));
    fixture.hear(SOURCE, finished(10, &[]));
    let actions = fixture.hear(SINK, finished(10, &[11]));
    assert!(put(&actions).is_final());
    assert_eq!(put(&actions).kind, ManifestKind::Savepoint);
    assert_eq!(fixture.complete().last(), Some(&Action::End(Ok(Outcome::Finished))));
}

#[test]
fn files_of_a_checkpoint_given_up_are_deleted_whenever_they_are_heard_of() {
    let mut fixture = Fixture::periodic();
    fixture.deadline();
    fixture.hear(SOURCE, acknowledged_file(11, file(11)));
    let garbage = || Action::Delete(Garbage { manifests: Vec::new(), files: vec![file(11)] });
    assert_eq!(fixture.deadline()[1..], [garbage()]);
    assert_eq!(fixture.hear(SINK, acknowledged_file(11, file(11))), [garbage()]);
}

#[test]
fn the_double_of_an_acknowledgement_that_counted_deletes_nothing() {
    let mut fixture = Fixture::periodic();
    fixture.deadline();
    fixture.hear(SOURCE, acknowledged_file(11, file(11)));
    fixture.hear(SINK, acknowledged(11, &[]));
    fixture.complete();
    assert_eq!(fixture.hear(SOURCE, acknowledged_file(11, file(11))), []);
}

#[test]
fn a_snapshot_may_refer_to_what_is_retained_and_to_nothing_else() {
    let mut fixture = Fixture::periodic();
    for epoch in [11, 12, 13] {
        fixture.deadline();
        // 13 was based on 11 by a task that has not heard that 12 is completed, which dropped the file.
        let name = if epoch == 12 { file(12) } else { file(11) };
        let actions = fixture.hear(SOURCE, acknowledged_file(epoch, name));
        if epoch == 13 {
            assert_eq!(actions, [Action::Aborted(Epoch(13), AbortReason::StaleFile(SOURCE))]);
            return;
        }
        fixture.hear(SINK, acknowledged(epoch, &[]));
        fixture.complete();
    }
}

#[test]
fn a_task_of_another_attempt_is_not_listened_to() {
    let mut fixture = Fixture::periodic();
    fixture.deadline();
    let zombie = AttemptId { opening: ManifestNumber(4), nonce: 1 };
    fixture.hear(SOURCE, acknowledged(11, &[]));
    let event = Event::Task { attempt: zombie, task: SINK, message: acknowledged(11, &[11]) };
    assert_eq!(fixture.on(event), []);
}

#[test]
fn waiting_for_tasks_to_finish_is_no_failure() {
    let mut fixture = Fixture::new(CheckpointOptions { interval_ms: Some(100), ..CheckpointOptions::default() });
    fixture.hear(SOURCE, finished(10, &[]));
    fixture.deadline();
    assert!(matches!(fixture.deadline()[..], [Action::Aborted(Epoch(11), AbortReason::Timeout), ..]));
    assert!(put(&fixture.hear(SINK, finished(10, &[11]))).is_final());
}

#[test]
fn a_commit_that_does_not_come_to_an_end_fails_the_attempt() {
    let mut fixture = Fixture::periodic();
    assert_eq!(fixture.on(Event::CommitFailed), []);
    fixture.deadline();
    assert_eq!(fixture.on(Event::Committed), []);
    fixture.acknowledge(11);
    fixture.on(Event::Store(StoreReply::Put));
    fixture.on(Event::Store(StoreReply::Inspected { found: Found::Own, head: ManifestNumber(6) }));
    assert_eq!(fixture.deadline(), [Action::End(Err(Failure::CommitFailed))]);
}

#[test]
fn the_files_of_a_finished_task_outlive_a_refused_manifest() {
    let mut fixture = Fixture::periodic();
    let snapshot = Snapshot { files: BTreeSet::from([file(11)]), finished: true, ..Snapshot::default() };
    fixture.hear(SOURCE, TaskMessage::Finished { passed: Epoch(10), snapshot, staged: Vec::new() });
    fixture.deadline();
    fixture.hear(SINK, acknowledged(11, &[]));
    let actions = fixture.on(Event::Store(StoreReply::Refused));
    assert_eq!(actions, [Action::Aborted(Epoch(11), AbortReason::ManifestRefused)]);
}

#[test]
fn whoever_adopts_first_says_what_has_become_of_the_checkpoints_before() {
    let (_, actions) = Fixture::adopting(12);
    let expected = [Action::Completed(Epoch(10)), Action::Aborted(Epoch(12), AbortReason::Adopted)];
    assert_eq!(actions, expected);
    // A source may be waiting behind the barrier of a savepoint with which the job was to stop.
    let (_, actions) = Fixture::adopting(10);
    assert_eq!(actions[1], Action::Aborted(Epoch(10), AbortReason::Adopted));
}

#[test]
fn what_was_staged_under_a_former_leader_is_in_the_next_manifest() {
    let (mut fixture, _) = Fixture::adopting(12);
    assert!(matches!(fixture.deadline()[..], [Action::Trigger { epoch: Epoch(13), .. }]));
    fixture.hear(SOURCE, acknowledged(13, &[]));
    let actions = fixture.hear(SINK, acknowledged(13, &[10, 11, 12, 13]));
    let manifest = put(&actions);
    assert_eq!((manifest.number, manifest.leader), (ManifestNumber(9), 2));
    assert_eq!(committables(manifest), [11, 12, 13]);
}

#[test]
fn a_checkpoint_given_up_by_adoption_is_no_failure() {
    let (mut fixture, _) = Fixture::adopting(12);
    fixture.deadline();
    let actions = fixture.hear(SINK, TaskMessage::Declined { epoch: Epoch(13) });
    assert!(matches!(actions[..], [Action::Aborted(Epoch(13), AbortReason::Declined(SINK))]));
}

#[test]
fn what_is_acknowledged_of_a_checkpoint_that_was_not_adopted_is_discarded() {
    let (mut fixture, _) = Fixture::adopting(12);
    fixture.deadline();
    let garbage = Garbage { manifests: Vec::new(), files: vec![file(12)] };
    assert_eq!(fixture.hear(SOURCE, acknowledged_file(12, file(12))), [Action::Delete(garbage)]);
    assert_eq!(fixture.hear(SOURCE, TaskMessage::Declined { epoch: Epoch(12) }), []);
}

#[test]
fn a_snapshot_may_refer_to_what_the_attempt_stored_under_its_former_leader() {
    let opening = Manifest {
        tasks: BTreeMap::from([(SOURCE, Snapshot { files: BTreeSet::from([file(10)]), ..Snapshot::default() })]),
        ..opening(8)
    };
    let start = Start { opening, log: Vec::new() };
    let (coordinator, _) = Coordinator::adopt(PERIODIC, tasks(), start, Epoch(12), 0);
    let mut fixture = Fixture { coordinator, now_ms: 0 };
    fixture.deadline();
    fixture.hear(SINK, acknowledged(13, &[]));
    assert!(put(&fixture.hear(SOURCE, acknowledged_file(13, file(10)))).files().eq([&file(10)]));
}
