//! What is needed stays, what is not goes.

use bytes::Bytes;
use dipper_types::Epoch;
use proptest::prelude::*;

use super::*;
use crate::testing::{self, Changes, FaultyStore, Model, Subtasks, block_on, job, memory, operator, restored};
use crate::uploader::MergedRun;

/// What happens beside the collector.
#[derive(Debug, Clone)]
enum Step {
    /// A checkpoint that is committed, with the collector running during its upload or not.
    Checkpoint {
        keys: Vec<i64>,
        collect: bool,
    },
    /// One whose files are uploaded, and deleted because it is given up.
    GivenUp(Vec<i64>),
    Merge,
    Install,
    /// The attempt dies, with or without files of its own that nobody knows, and another starts.
    Restart {
        parallelism: usize,
    },
    Collect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let keys = || prop::collection::vec(0..300_i64, 0..40);
    let step = prop_oneof![
        6 => (keys(), any::<bool>()).prop_map(|(keys, collect)| Step::Checkpoint { keys, collect }),
        1 => keys().prop_map(Step::GivenUp),
        2 => Just(Step::Merge),
        2 => Just(Step::Install),
        1 => (1..5_usize).prop_map(|parallelism| Step::Restart { parallelism }),
        2 => Just(Step::Collect),
    ];
    prop::collection::vec(step, 1..60)
}

async fn check(steps: Vec<Step>, keep: usize, seed: u64) -> Result<(), TestCaseError> {
    let faulty = FaultyStore::new(seed, 20);
    let may_fail = |fails: bool| faulty.failing.store(fails, std::sync::atomic::Ordering::Relaxed);
    may_fail(false);
    let store = CheckpointStore::new(&faulty.directory(1), job());
    let none = BTreeSet::new();
    let (mut attempt, mut number, mut epoch) = (1, 0, 0);
    let mut subtasks = Subtasks::start(&store, attempt, 2, Epoch(0), None);
    let (mut model, mut committed) = (Model::new(), Model::new());
    let mut merged: Vec<(usize, MergedRun)> = Vec::new();
    for step in steps {
        match step {
            Step::Checkpoint { keys, collect } => {
                epoch += 1;
                let changes = Changes::upserts(keys.into_iter().map(|key| (key, format!("at {epoch}"))));
                changes.apply(&mut model);
                let state = if collect {
                    let (state, collected) =
                        futures::join!(subtasks.upload(epoch, &changes), store.collect_garbage(keep, &none));
                    collected.unwrap();
                    state.unwrap()
                } else {
                    subtasks.upload(epoch, &changes).await.unwrap()
                };
                number += 1;
                let manifest = testing::manifest(number, epoch, attempt, Some(state));
                if collect {
                    let (created, collected) =
                        futures::join!(store.create_manifest(&manifest), store.collect_garbage(keep, &none));
                    created.unwrap();
                    collected.unwrap();
                } else {
                    store.create_manifest(&manifest).await.unwrap();
                }
                subtasks.on_completed(epoch);
                committed = model.clone();
            }
            Step::GivenUp(keys) => {
                epoch += 1;
                let changes = Changes::upserts(keys.into_iter().map(|key| (key, format!("at {epoch}"))));
                changes.apply(&mut model);
                let state = subtasks.upload(epoch, &changes).await.unwrap();
                let files =
                    state.subtasks.iter().flat_map(|handle| handle.files()).filter(|file| file.epoch.0 == epoch);
                store.delete(&[], &files.map(|file| file.path.clone()).collect::<Vec<_>>()).await.unwrap();
            }
            Step::Merge => {
                for (index, uploader) in subtasks.0.iter_mut().enumerate() {
                    for task in uploader.plan_merges() {
                        let (run, collected) = futures::join!(task.run(), store.collect_garbage(keep, &none));
                        collected.unwrap();
                        merged.push((index, run.unwrap()));
                    }
                }
            }
            Step::Install => merged.drain(..).for_each(|(index, run)| subtasks.0[index].install(run)),
            Step::Restart { parallelism } => {
                merged.clear();
                attempt += 1;
                let latest = store.latest().await.unwrap();
                let state = latest.as_ref().and_then(|manifest| manifest.operator(&operator()));
                // The epochs of the dead attempt are not known to the new one.
                epoch = latest.as_ref().map_or(0, |manifest| manifest.epoch.0);
                subtasks = Subtasks::start(&store, attempt, parallelism, Epoch(epoch), state.as_ref());
                if let Some(latest) = latest {
                    number += 1;
                    let attempt = testing::attempt(attempt);
                    let opening = Manifest { number, attempt, kind: CheckpointKind::Opening, ..latest };
                    store.create_manifest(&opening).await.unwrap();
                }
                model = committed.clone();
            }
            Step::Collect => {
                may_fail(true);
                // Wherever it is broken off.
                let _ = store.collect_garbage(keep, &none).await;
                may_fail(false);
            }
        }
        let there = store.directory.list().await.unwrap();
        let there: BTreeSet<&str> = there.iter().map(|entry| entry.name.as_str()).collect();
        for number in store.manifest_numbers().await.unwrap() {
            let manifest = store.load(number).await.unwrap();
            let missing: Vec<&str> = manifest.files().into_keys().filter(|file| !there.contains(file)).collect();
            prop_assert!(missing.is_empty(), "manifest {} misses {:?}", number, missing);
        }
    }
    if let Some(manifest) = store.latest().await.unwrap() {
        let stored = restored(store.directory(), &manifest.operator(&operator()).unwrap(), 1).await.unwrap();
        prop_assert_eq!(&stored, &committed);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_file_that_a_checkpoint_needs_is_ever_collected(steps in steps(), keep in 1..4_usize, seed: u64) {
        block_on(check(steps, keep, seed))?;
    }
}

#[test]
fn much_writing_leaves_what_retained_manifests_refer_to() {
    block_on(async {
        let store = CheckpointStore::new(&memory(), job());
        let mut written = 0;
        let mut number = 0;
        for attempt in 1..=4 {
            let latest = store.latest().await.unwrap();
            let state = latest.as_ref().and_then(|manifest| manifest.operator(&operator()));
            let mut subtasks = Subtasks::start(&store, attempt, attempt as usize, Epoch(number), state.as_ref());
            for _ in 0..100 {
                number += 1;
                let keys = (0..2000).filter(|key| key % 50 == (number % 50) as i64);
                let changes = Changes::upserts(keys.map(|key| (key, format!("{number:0>100}"))));
                let state = subtasks.upload(number, &changes).await.unwrap();
                let new = state.subtasks.iter().flat_map(|handle| handle.files()).filter(|file| file.epoch.0 == number);
                written += new.map(|file| file.bytes).sum::<u64>();
                store.create_manifest(&testing::manifest(number, number, attempt, Some(state))).await.unwrap();
                subtasks.on_completed(number);
                for uploader in &mut subtasks.0 {
                    for task in uploader.plan_merges() {
                        let run = task.run().await.unwrap();
                        uploader.install(run);
                    }
                }
                store.collect_garbage(3, &BTreeSet::new()).await.unwrap();
            }
        }
        // Once merges have come to an end and been committed nothing is in the making.
        let mut needed = BTreeSet::new();
        for number in store.manifest_numbers().await.unwrap() {
            needed.extend(store.load(number).await.unwrap().files().into_keys().map(str::to_owned));
        }
        let left = store.directory.list().await.unwrap();
        let files: Vec<&str> =
            left.iter().map(|entry| entry.name.as_str()).filter(|name| name.starts_with("state/")).collect();
        let making = files.iter().filter(|file| !needed.contains(**file)).count();
        assert!(making <= 4, "{making} files that nothing refers to");
        assert_eq!(left.iter().filter(|entry| entry.name.starts_with("manifests/")).count(), 3);
        let bytes: u64 = left.iter().map(|entry| entry.bytes).sum();
        assert!(bytes * 3 < written, "{bytes} of {written} bytes are left");
    });
}

#[test]
fn beside_a_manifest_that_cannot_be_read_no_state_file_goes_and_older_checkpoints_stay() {
    block_on(async {
        let store = CheckpointStore::new(&memory(), job());
        let mut subtasks = Subtasks::start(&store, 1, 1, Epoch(0), None);
        for number in 1..=4 {
            let changes = Changes { replaces: true, ..Changes::upserts([(1, number.to_string())]) };
            let state = subtasks.upload(number, &changes).await.unwrap();
            if number == 4 {
                store.directory.create("manifests/00000000000000000004.json", &Bytes::from("{")).await.unwrap();
            } else {
                store.create_manifest(&testing::manifest(number, number, 1, Some(state))).await.unwrap();
                subtasks.on_completed(number);
            }
        }
        let collected = store.collect_garbage(1, &BTreeSet::new()).await.unwrap();
        assert_eq!(collected, Collected { manifests: 2, files: 0, bytes: 0 });
        assert_eq!(store.manifest_numbers().await.unwrap(), [3, 4]);
        let state = subtasks.upload(5, &Changes::default()).await.unwrap();
        store.create_manifest(&testing::manifest(5, 5, 1, Some(state))).await.unwrap();
        let collected = store.collect_garbage(1, &BTreeSet::new()).await.unwrap();
        // Nobody has heard of the fourth checkpoint's completion, so the fifth has written its changes again.
        assert_eq!((collected.manifests, collected.files), (2, 4));
    });
}

#[test]
fn a_pinned_checkpoint_and_files_that_are_not_ours_stay() {
    block_on(async {
        let store = CheckpointStore::new(&memory(), job());
        let mut subtasks = Subtasks::start(&store, 1, 1, Epoch(0), None);
        store.directory.create("state/README", &Bytes::from("hello")).await.unwrap();
        store.directory.create("manifests/00000000000000000001.json.77-0.tmp", &Bytes::from("{")).await.unwrap();
        for number in 1..=4 {
            let changes = Changes { replaces: true, ..Changes::upserts([(1, number.to_string())]) };
            let state = subtasks.upload(number, &changes).await.unwrap();
            store.create_manifest(&testing::manifest(number, number, 1, Some(state))).await.unwrap();
        }
        store.collect_garbage(1, &BTreeSet::from([2])).await.unwrap();
        let pinned = store.load(2).await.unwrap();
        let model = restored(store.directory(), &pinned.operator(&operator()).unwrap(), 1).await.unwrap();
        assert_eq!(model, Model::from([(1, "2".to_owned())]));
        let names: Vec<String> = store.directory.list().await.unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), 5, "{names:?}");
        assert!(names.contains(&"state/README".to_owned()));
    });
}
