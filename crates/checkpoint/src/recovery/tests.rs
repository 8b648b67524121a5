//! One recovery, told what the log holds.

use super::*;
use crate::Found;

const TASK: TaskId = TaskId { task: 0, subtask: 0 };

fn manifest(number: u64, epoch: u64, staged: &[u8]) -> Manifest {
    let committables = if staged.is_empty() { Vec::new() } else { vec![(TASK, vec![staged.to_vec()])] };
    Manifest {
        number: ManifestNumber(number),
        attempt: AttemptId { opening: ManifestNumber(1), nonce: 1 },
        epoch: Epoch(epoch),
        kind: ManifestKind::Checkpoint,
        tasks: BTreeMap::from([(TASK, Snapshot { inline: vec![number as u8], ..Snapshot::default() })]),
        committables: committables.into_iter().collect(),
    }
}

fn log(manifests: &[Manifest]) -> RecoveryEvent {
    let manifests: BTreeMap<_, _> = manifests.iter().map(|manifest| (manifest.number, manifest.clone())).collect();
    let head = manifests.keys().next_back().copied().unwrap_or_default();
    RecoveryEvent::Log(Log { head, is_head_corrupt: false, manifests })
}

#[track_caller]
fn opening(actions: &[RecoveryAction]) -> &Manifest {
    let [RecoveryAction::Put(opening)] = actions else { panic!("{actions:?}") };
    opening
}

#[test]
fn the_last_manifest_is_committed_again_before_the_job_is_taken_over() {
    let (mut recovery, _) = Recovery::begin(Restore::Latest, 9);
    let actions = recovery.on_event(log(&[manifest(3, 7, b"a"), manifest(4, 9, b"b")]));
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
    recovery.on_event(log(&[manifest(3, 7, b"")]));
    recovery.on_event(RecoveryEvent::Store(StoreReply::Put));
    let seen = StoreReply::Inspected { found: Found::Other, head: ManifestNumber(4) };
    assert_eq!(recovery.on_event(RecoveryEvent::Store(seen)), [RecoveryAction::ReadLog]);
    let actions = recovery.on_event(log(&[manifest(3, 7, b""), manifest(4, 8, b"")]));
    assert_eq!(opening(&actions).number, ManifestNumber(5));
}

#[test]
fn without_its_head_the_log_is_read_again() {
    let (mut recovery, _) = Recovery::begin(Restore::Latest, 9);
    // Number 2 is a zombie's: it had been deleted before it was created.
    let manifests = BTreeMap::from([(ManifestNumber(2), manifest(2, 5, b"zombie"))]);
    let log = Log { head: ManifestNumber(60), is_head_corrupt: false, manifests };
    assert_eq!(recovery.on_event(RecoveryEvent::Log(log)), [RecoveryAction::ReadLog]);
}

#[test]
fn a_corrupt_head_is_not_passed_over_in_silence() {
    let (mut recovery, _) = Recovery::begin(Restore::Latest, 9);
    let manifests = BTreeMap::from([(ManifestNumber(2), manifest(2, 5, b""))]);
    let log = Log { head: ManifestNumber(3), is_head_corrupt: true, manifests };
    assert_eq!(recovery.on_event(RecoveryEvent::Log(log)), [RecoveryAction::Fail(Failure::CorruptManifest)]);
}

#[test]
fn a_job_that_starts_over_keeps_counting() {
    let (mut recovery, _) = Recovery::begin(Restore::Nothing, 9);
    let actions = recovery.on_event(log(&[manifest(3, 7, b"")]));
    let opening = opening(&actions);
    assert_eq!((opening.number, opening.epoch), (ManifestNumber(4), Epoch(7)));
    assert!(opening.tasks.is_empty());
}

#[test]
fn a_savepoint_is_restored_under_the_epoch_of_the_log() {
    let (mut recovery, _) = Recovery::begin(Restore::From(Box::new(manifest(40, 99, b"old"))), 9);
    let actions = recovery.on_event(log(&[manifest(3, 7, b"")]));
    let opening = opening(&actions);
    assert_eq!((opening.epoch, &opening.tasks[&TASK].inline), (Epoch(7), &vec![40]));
}

#[test]
fn a_job_that_has_finished_is_committed_again_and_not_run() {
    let (mut recovery, _) = Recovery::begin(Restore::Latest, 9);
    let mut last = manifest(3, 7, b"a");
    last.tasks.insert(TASK, Snapshot { finished: true, ..Snapshot::default() });
    assert!(matches!(recovery.on_event(log(&[last]))[..], [RecoveryAction::Commit { .. }]));
    assert_eq!(recovery.on_event(RecoveryEvent::Committed), [RecoveryAction::Finished]);
}

#[test]
fn only_earlier_attempts_are_swept_and_what_manifests_name_is_kept() {
    let (mut recovery, _) = Recovery::begin(Restore::Latest, 9);
    let file = SnapshotFile { path: "f".to_owned(), attempt: ManifestNumber(1), epoch: Epoch(7), savepoint: false };
    let mut last = manifest(3, 7, b"");
    last.tasks.insert(TASK, Snapshot { files: BTreeSet::from([file.clone()]), ..Snapshot::default() });
    recovery.on_event(log(&[last]));
    recovery.on_event(RecoveryEvent::Store(StoreReply::Put));
    let durable = StoreReply::Inspected { found: Found::Own, head: ManifestNumber(4) };
    let actions = recovery.on_event(RecoveryEvent::Store(durable));
    let sweep = RecoveryAction::Sweep { before: ManifestNumber(4), keep: BTreeSet::from([file]) };
    assert_eq!(actions[0], sweep);
    assert!(matches!(&actions[1], RecoveryAction::Start(start) if start.opening.number == ManifestNumber(4)));
}
