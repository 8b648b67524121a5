//! Each predicate has a history that breaks it.

use super::*;
use crate::Snapshot;

const TASK: TaskId = TaskId { task: 0, subtask: 0 };
const ATTEMPT: AttemptId = AttemptId { opening: ManifestNumber(1), nonce: 1 };

fn file(path: &str) -> SnapshotFile {
    SnapshotFile { path: path.to_owned(), attempt: ManifestNumber(1), epoch: Epoch(1) }
}

fn staged(name: &str) -> Committables {
    Committables::from([(TASK, vec![name.as_bytes().to_vec()])])
}

fn opening(number: u64, epoch: u64) -> Manifest {
    Manifest {
        number: ManifestNumber(number),
        attempt: AttemptId { opening: ManifestNumber(number), nonce: 1 },
        leader: 1,
        epoch: Epoch(epoch),
        kind: ManifestKind::Opening,
        tasks: BTreeMap::new(),
        committables: Committables::new(),
    }
}

fn checkpoint(number: u64, epoch: u64, name: &str) -> Manifest {
    let snapshot = Snapshot { files: BTreeSet::from([file(name)]), ..Snapshot::default() };
    Manifest {
        attempt: ATTEMPT,
        kind: ManifestKind::Checkpoint,
        tasks: BTreeMap::from([(TASK, snapshot)]),
        committables: staged(name),
        ..opening(number, epoch)
    }
}

/// An opening and a checkpoint of epoch 1, which is not committed yet.
fn begun() -> History {
    let mut history = History::default();
    history.observe(Observation::ManifestCreated(&opening(1, 0))).unwrap();
    for name in ["a", "b"] {
        history.observe(Observation::FileCreated(&file(name))).unwrap();
    }
    history.observe(Observation::ManifestCreated(&checkpoint(2, 1, "a"))).unwrap();
    history
}

/// The same, committed.
fn committed() -> History {
    let mut history = begun();
    history.observe(Observation::CommitBegun(Epoch(1), &staged("a"))).unwrap();
    history.observe(Observation::Committed(Epoch(1))).unwrap();
    history
}

#[track_caller]
fn breaks(mut history: History, observation: Observation<'_>, invariant: Invariant) {
    let violation = history.observe(observation).unwrap_err();
    assert_eq!(violation.invariant, invariant, "{violation}");
}

#[test]
fn a_history_in_order_breaks_nothing() {
    let mut history = committed();
    history.observe(Observation::ManifestCreated(&checkpoint(3, 2, "b"))).unwrap();
    history.observe(Observation::ManifestDeleted(ManifestNumber(2))).unwrap();
    history.observe(Observation::FileDeleted(&file("a"))).unwrap();
    // Below the head: without effect, whatever it says.
    history.observe(Observation::ManifestCreated(&checkpoint(2, 9, "c"))).unwrap();
    assert_eq!(history.head().unwrap().number, ManifestNumber(3));
    assert_eq!(history.committed(), Some(Epoch(1)));
}

#[test]
fn i1_a_commit_without_a_manifest_or_of_something_else() {
    breaks(begun(), Observation::CommitBegun(Epoch(2), &staged("a")), Invariant::CommitFollowsManifest);
    breaks(begun(), Observation::CommitBegun(Epoch(1), &staged("b")), Invariant::CommitFollowsManifest);
}

#[test]
fn i2_a_gap_in_the_numbers() {
    breaks(committed(), Observation::ManifestCreated(&checkpoint(4, 2, "b")), Invariant::NumbersAreDense);
}

#[test]
fn i3_an_epoch_that_comes_back() {
    breaks(committed(), Observation::ManifestCreated(&checkpoint(3, 1, "b")), Invariant::EpochsAscend);
    breaks(committed(), Observation::ManifestCreated(&opening(3, 0)), Invariant::EpochsAscend);
}

#[test]
fn i4_a_checkpoint_of_a_fenced_attempt() {
    let mut history = committed();
    history.observe(Observation::ManifestCreated(&opening(3, 1))).unwrap();
    breaks(history, Observation::ManifestCreated(&checkpoint(4, 2, "b")), Invariant::FencedHasNoEffect);
}

#[test]
fn i4_a_checkpoint_of_a_former_leader() {
    let mut history = committed();
    let adoption = Manifest { attempt: ATTEMPT, leader: 2, ..opening(3, 1) };
    history.observe(Observation::ManifestCreated(&adoption)).unwrap();
    let next = Manifest { leader: 2, ..checkpoint(4, 2, "b") };
    history.clone().observe(Observation::ManifestCreated(&next)).unwrap();
    breaks(history, Observation::ManifestCreated(&checkpoint(4, 2, "b")), Invariant::FencedHasNoEffect);
}

#[test]
fn i4_an_adoption_of_a_fenced_attempt() {
    let mut history = committed();
    history.observe(Observation::ManifestCreated(&opening(3, 1))).unwrap();
    let adoption = Manifest { attempt: ATTEMPT, leader: 2, ..opening(4, 1) };
    breaks(history, Observation::ManifestCreated(&adoption), Invariant::FencedHasNoEffect);
}

#[test]
fn i5_a_manifest_while_the_last_is_not_committed() {
    breaks(begun(), Observation::ManifestCreated(&checkpoint(3, 2, "b")), Invariant::CommittedBeforeTheNext);
}

#[test]
fn i6_a_row_on_the_other_side_of_a_barrier() {
    let channel = Channel { attempt: ATTEMPT, from: TASK, to: TaskId { task: 1, subtask: 0 } };
    let mut history = begun();
    history.observe(Observation::Sent(channel, Mark::Barrier(Epoch(2)), 7)).unwrap();
    let taken = Observation::Taken(channel, Mark::Barrier(Epoch(2)), 6);
    breaks(history, taken, Invariant::BarrierDividesRows);
}

#[test]
fn i7_a_file_that_is_needed_and_gone() {
    breaks(committed(), Observation::FileDeleted(&file("a")), Invariant::FilesAreThere);
    breaks(committed(), Observation::ManifestCreated(&checkpoint(3, 2, "c")), Invariant::FilesAreThere);
}

#[test]
fn i8_staged_output_that_is_needed_and_gone() {
    breaks(begun(), Observation::StagedRemoved(b"a"), Invariant::StagedIsThere);
    committed().observe(Observation::StagedRemoved(b"a")).unwrap();
    begun().observe(Observation::StagedRemoved(b"b")).unwrap();
}

#[test]
fn i9_the_head_is_deleted() {
    breaks(committed(), Observation::ManifestDeleted(ManifestNumber(2)), Invariant::HeadStays);
}

#[test]
fn a_history_that_begins_with_an_opening_holds_what_follows_against_what_came_before() {
    let log = [checkpoint(2, 1, "a")];
    let opening = Manifest { tasks: log[0].tasks.clone(), ..opening(3, 1) };
    let begun = History::from_opening(&opening, &log);
    let next = |number, epoch, name| Manifest { attempt: opening.attempt, ..checkpoint(number, epoch, name) };
    breaks(begun.clone(), Observation::ManifestCreated(&next(5, 2, "a")), Invariant::NumbersAreDense);
    breaks(begun.clone(), Observation::ManifestCreated(&next(4, 1, "a")), Invariant::EpochsAscend);
    breaks(begun.clone(), Observation::ManifestCreated(&checkpoint(4, 2, "a")), Invariant::FencedHasNoEffect);
    breaks(begun.clone(), Observation::ManifestCreated(&next(4, 2, "b")), Invariant::FilesAreThere);
    breaks(begun.clone(), Observation::FileDeleted(&file("a")), Invariant::FilesAreThere);
    let mut history = begun;
    history.observe(Observation::ManifestDeleted(ManifestNumber(2))).unwrap();
    history.observe(Observation::ManifestCreated(&next(4, 2, "a"))).unwrap();
}

#[test]
fn a_history_that_begins_with_an_adoption_knows_its_leader() {
    let log = [checkpoint(2, 1, "a")];
    let adoption = Manifest { attempt: ATTEMPT, leader: 2, tasks: log[0].tasks.clone(), ..opening(3, 1) };
    let begun = History::from_opening(&adoption, &log);
    let next = Manifest { leader: 2, ..checkpoint(4, 2, "a") };
    begun.clone().observe(Observation::ManifestCreated(&next)).unwrap();
    breaks(begun, Observation::ManifestCreated(&checkpoint(4, 2, "a")), Invariant::FencedHasNoEffect);
}
