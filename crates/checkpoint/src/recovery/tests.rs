//! One recovery, told what the log holds.

use super::*;
use crate::Snapshot;
use crate::{Found, TaskId};

const TASK: TaskId = TaskId { task: 0, subtask: 0 };
/// The attempt that has written the log.
const RUNNING: AttemptId = AttemptId { opening: ManifestNumber(1), nonce: 1 };

fn manifest(number: u64, epoch: u64, staged: &[u8]) -> Manifest {
    let committables = if staged.is_empty() { Vec::new() } else { vec![(TASK, vec![staged.to_vec()])] };
    Manifest {
        number: ManifestNumber(number),
        attempt: RUNNING,
        leader: 1,
        epoch: Epoch(epoch),
        kind: ManifestKind::Checkpoint,
        tasks: BTreeMap::from([(TASK, Snapshot { inline: vec![number as u8], ..Snapshot::default() })]),
        committables: committables.into_iter().collect(),
    }
}

/// The recovery hears what the log holds, and nothing moves meanwhile.
fn read(recovery: &mut Recovery, manifests: &[Manifest]) -> Vec<RecoveryAction> {
    let numbers: BTreeSet<_> = manifests.iter().map(|manifest| manifest.number).collect();
    assert_eq!(recovery.on_event(RecoveryEvent::Listed(numbers.clone())), [RecoveryAction::Read(numbers.clone())]);
    let read = RecoveryEvent::Read { manifests: manifests.to_vec(), corrupt: BTreeSet::new() };
    assert_eq!(recovery.on_event(read), [RecoveryAction::List]);
    recovery.on_event(RecoveryEvent::Listed(numbers))
}

fn numbers(numbers: &[u64]) -> BTreeSet<ManifestNumber> {
    numbers.iter().map(|&number| ManifestNumber(number)).collect()
}

#[track_caller]
fn opening(actions: &[RecoveryAction]) -> &Manifest {
    let [RecoveryAction::Put(opening)] = actions else { panic!("{actions:?}") };
    opening
}

#[test]
fn the_last_manifest_is_committed_again_before_the_job_is_taken_over() {
    let (mut recovery, _) = Recovery::begin(Restore::Latest, 9);
    let actions = read(&mut recovery, &[manifest(3, 7, b"a"), manifest(4, 9, b"b")]);
    let committables = BTreeMap::from([(TASK, vec![b"b".to_vec()])]);
    assert_eq!(actions, [RecoveryAction::Commit { epoch: Epoch(9), committables }]);
    let actions = recovery.on_event(RecoveryEvent::Committed);
    let opening = opening(&actions);
    assert_eq!(opening.attempt, AttemptId { opening: ManifestNumber(5), nonce: 9 });
    assert_eq!((opening.number, opening.epoch, opening.kind), (ManifestNumber(5), Epoch(9), ManifestKind::Opening));
    assert_eq!(opening.tasks[&TASK].inline, [4]);
    assert!(opening.committables.is_empty());
}

#[test]
fn whoever_is_fenced_while_opening_reads_the_log_again() {
    let (mut recovery, _) = Recovery::begin(Restore::Latest, 9);
    read(&mut recovery, &[manifest(3, 7, b"")]);
    recovery.on_event(RecoveryEvent::Store(StoreReply::Put));
    let seen = StoreReply::Inspected { found: Found::Other, head: ManifestNumber(4) };
    assert_eq!(recovery.on_event(RecoveryEvent::Store(seen)), [RecoveryAction::List]);
    let actions = read(&mut recovery, &[manifest(3, 7, b""), manifest(4, 8, b"")]);
    assert_eq!(opening(&actions).number, ManifestNumber(5));
}

#[test]
fn starting_from_something_else_is_refused_when_somebody_was_faster() {
    let (mut recovery, _) = Recovery::begin(Restore::Nothing, 9);
    read(&mut recovery, &[manifest(3, 7, b"")]);
    recovery.on_event(RecoveryEvent::Store(StoreReply::Put));
    let seen = StoreReply::Inspected { found: Found::Other, head: ManifestNumber(4) };
    assert_eq!(recovery.on_event(RecoveryEvent::Store(seen)), [RecoveryAction::Fail(Failure::Fenced)]);
}

#[test]
fn a_head_that_was_created_again_by_a_zombie_is_not_taken_for_the_head() {
    let (mut recovery, _) = Recovery::begin(Restore::Latest, 9);
    recovery.on_event(RecoveryEvent::Listed(numbers(&[3, 4])));
    // Meanwhile 5 is written, 4 is deleted, and a zombie creates its 4.
    let manifests = vec![manifest(3, 6, b""), manifest(4, 7, b"zombie")];
    recovery.on_event(RecoveryEvent::Read { manifests, corrupt: BTreeSet::new() });
    let actions = recovery.on_event(RecoveryEvent::Listed(numbers(&[4, 5])));
    assert_eq!(actions, [RecoveryAction::Read(numbers(&[4, 5]))]);
}

#[test]
fn a_corrupt_head_is_not_passed_over_in_silence() {
    let (mut recovery, _) = Recovery::begin(Restore::Latest, 9);
    recovery.on_event(RecoveryEvent::Listed(numbers(&[2, 3])));
    recovery.on_event(RecoveryEvent::Read { manifests: vec![manifest(2, 5, b"")], corrupt: numbers(&[3]) });
    let actions = recovery.on_event(RecoveryEvent::Listed(numbers(&[2, 3])));
    assert_eq!(actions, [RecoveryAction::Fail(Failure::CorruptManifest)]);
}

#[test]
fn a_job_that_starts_over_keeps_counting() {
    let (mut recovery, _) = Recovery::begin(Restore::Nothing, 9);
    let actions = read(&mut recovery, &[manifest(3, 7, b"")]);
    let opening = opening(&actions);
    assert_eq!((opening.number, opening.epoch), (ManifestNumber(4), Epoch(7)));
    assert!(opening.tasks.is_empty());
}

#[test]
fn a_savepoint_is_restored_under_the_epoch_of_the_log() {
    let (mut recovery, _) = Recovery::begin(Restore::From(Box::new(manifest(40, 99, b"old"))), 9);
    let actions = read(&mut recovery, &[manifest(3, 7, b"")]);
    let opening = opening(&actions);
    assert_eq!((opening.epoch, &opening.tasks[&TASK].inline), (Epoch(7), &vec![40]));
}

#[test]
fn a_job_that_has_finished_is_committed_again_and_not_run() {
    let (mut recovery, _) = Recovery::begin(Restore::Latest, 9);
    let mut last = manifest(3, 7, b"a");
    last.tasks.insert(TASK, Snapshot { finished: true, ..Snapshot::default() });
    assert!(matches!(read(&mut recovery, &[last])[..], [RecoveryAction::Commit { .. }]));
    assert_eq!(recovery.on_event(RecoveryEvent::Committed), [RecoveryAction::Finished]);
}

#[test]
fn only_earlier_attempts_are_swept_and_what_manifests_name_is_kept() {
    let (mut recovery, _) = Recovery::begin(Restore::Latest, 9);
    let file = SnapshotFile { path: "f".to_owned(), attempt: ManifestNumber(1), epoch: Epoch(7) };
    let mut last = manifest(3, 7, b"");
    last.tasks.insert(TASK, Snapshot { files: BTreeSet::from([file.clone()]), ..Snapshot::default() });
    read(&mut recovery, &[last]);
    recovery.on_event(RecoveryEvent::Store(StoreReply::Put));
    let durable = StoreReply::Inspected { found: Found::Own, head: ManifestNumber(4) };
    let actions = recovery.on_event(RecoveryEvent::Store(durable));
    let sweep = RecoveryAction::Sweep { before: ManifestNumber(4), keep: BTreeSet::from([file]) };
    assert_eq!(actions[0], sweep);
    assert!(matches!(&actions[1], RecoveryAction::Start(start) if start.opening.number == ManifestNumber(4)));
}

#[test]
fn a_running_attempt_is_adopted_under_its_own_name_and_swept_from_its_own_opening() {
    let (mut recovery, _) = Recovery::begin(Restore::Adopt(RUNNING), 9);
    assert!(matches!(read(&mut recovery, &[manifest(3, 7, b"a")])[..], [RecoveryAction::Commit { .. }]));
    let actions = recovery.on_event(RecoveryEvent::Committed);
    let adoption = opening(&actions).clone();
    assert_eq!((adoption.attempt, adoption.leader, adoption.number), (RUNNING, 9, ManifestNumber(4)));
    assert_eq!((adoption.epoch, &adoption.tasks[&TASK].inline), (Epoch(7), &vec![3]));
    assert!(adoption.adopts() && adoption.committables.is_empty());
    recovery.on_event(RecoveryEvent::Store(StoreReply::Put));
    let durable = StoreReply::Inspected { found: Found::Own, head: ManifestNumber(4) };
    let actions = recovery.on_event(RecoveryEvent::Store(durable));
    let [RecoveryAction::Sweep { before, .. }, RecoveryAction::Start(start)] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!((*before, &start.opening), (RUNNING.opening, &adoption));
}

#[test]
fn an_adoption_goes_on_from_what_the_former_leader_has_written_meanwhile() {
    let (mut recovery, _) = Recovery::begin(Restore::Adopt(RUNNING), 9);
    read(&mut recovery, &[manifest(3, 7, b"")]);
    recovery.on_event(RecoveryEvent::Store(StoreReply::Put));
    let seen = StoreReply::Inspected { found: Found::Other, head: ManifestNumber(4) };
    assert_eq!(recovery.on_event(RecoveryEvent::Store(seen)), [RecoveryAction::List]);
    let actions = read(&mut recovery, &[manifest(3, 7, b""), manifest(4, 8, b"")]);
    assert_eq!((opening(&actions).number, opening(&actions).epoch), (ManifestNumber(5), Epoch(8)));
}

#[test]
fn what_a_newer_attempt_has_fenced_is_not_adopted() {
    let (mut recovery, _) = Recovery::begin(Restore::Adopt(RUNNING), 9);
    read(&mut recovery, &[manifest(3, 7, b"")]);
    recovery.on_event(RecoveryEvent::Store(StoreReply::Put));
    let seen = StoreReply::Inspected { found: Found::Other, head: ManifestNumber(4) };
    recovery.on_event(RecoveryEvent::Store(seen));
    let newer = AttemptId { opening: ManifestNumber(4), nonce: 2 };
    let last = Manifest { attempt: newer, kind: ManifestKind::Opening, ..manifest(4, 7, b"") };
    assert_eq!(read(&mut recovery, &[last]), [RecoveryAction::Fail(Failure::Fenced)]);
}

#[test]
fn an_attempt_without_a_log_is_not_adopted() {
    let (mut recovery, _) = Recovery::begin(Restore::Adopt(RUNNING), 9);
    let actions = recovery.on_event(RecoveryEvent::Listed(numbers(&[])));
    assert_eq!(actions, [RecoveryAction::Fail(Failure::Fenced)]);
}

#[test]
fn an_attempt_whose_former_leader_has_finished_it_is_not_adopted() {
    let (mut recovery, _) = Recovery::begin(Restore::Adopt(RUNNING), 9);
    let mut last = manifest(3, 7, b"");
    last.tasks.insert(TASK, Snapshot { finished: true, ..Snapshot::default() });
    assert_eq!(read(&mut recovery, &[last]), [RecoveryAction::Finished]);
}
