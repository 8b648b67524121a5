//! Commits: ambiguous answers, races, zombies.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use dipper_types::Epoch;
use proptest::prelude::*;

use super::*;
use crate::testing::{self, Changes, FaultyStore, Subtasks, block_on, job, memory, operator, restored};

fn manifest(number: u64, attempt: u64) -> Manifest {
    testing::manifest(number, number, attempt, None)
}

#[test]
fn the_latest_manifest_is_the_one_with_the_highest_number() {
    block_on(async {
        let directory = memory();
        let store = CheckpointStore::new(&directory, job());
        assert_eq!(store.latest().await.unwrap(), None);
        for number in [1, 2, 10] {
            store.create_manifest(&manifest(number, 1)).await.unwrap();
        }
        assert_eq!(store.latest().await.unwrap(), Some(manifest(10, 1)));
        assert_eq!(store.manifest_numbers().await.unwrap(), [1, 2, 10]);
        assert_eq!(store.load(2).await.unwrap(), manifest(2, 1));
        assert_eq!(store.load(3).await.unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(CheckpointStore::jobs(&directory).await.unwrap(), ["carts"]);
    });
}

#[test]
fn a_damaged_latest_manifest_is_an_error_that_names_an_older_one() {
    block_on(async {
        let store = CheckpointStore::new(&memory(), job());
        store.create_manifest(&manifest(1, 1)).await.unwrap();
        store.directory.create(&manifest_path(2), &Bytes::from("{}")).await.unwrap();
        let error = store.latest().await.unwrap_err();
        assert_eq!((error.kind(), error.hint()), (ErrorKind::Corrupt, Some("restore an older checkpoint, such as 1")));
        let expected = "manifest 'memory://carts/manifests/00000000000000000002.json' is damaged: ";
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!(store.load(1).await.unwrap(), manifest(1, 1));
    });
}

#[test]
fn a_manifest_under_the_wrong_name_is_refused() {
    block_on(async {
        let store = CheckpointStore::new(&memory(), job());
        store.directory.create(&manifest_path(7), &manifest(3, 1).encode().unwrap()).await.unwrap();
        let error = store.load(7).await.unwrap_err();
        assert!(error.to_string().ends_with("is damaged: it is manifest 3 of job 'carts'"), "{error}");
    });
}

#[test]
fn a_zombie_is_fenced_even_where_its_number_has_been_collected() {
    block_on(async {
        let store = CheckpointStore::new(&memory(), job());
        for number in 1..=9 {
            store.create_manifest(&manifest(number, if number < 5 { 1 } else { 2 })).await.unwrap();
        }
        store.collect_garbage(2, &BTreeSet::new()).await.unwrap();
        assert_eq!(store.manifest_numbers().await.unwrap(), [8, 9]);
        // It was asleep since manifest 4, and knows nothing of what came after.
        assert_eq!(store.create_manifest(&manifest(5, 1)).await.unwrap_err().kind(), ErrorKind::Fenced);
        assert_eq!(store.inspect(&manifest(5, 1)).await.unwrap(), Inspection { found: Found::Own, head: 9 });
        assert_eq!(store.inspect(&manifest(4, 1)).await.unwrap(), Inspection { found: Found::Absent, head: 9 });
        assert_eq!(store.inspect(&manifest(9, 1)).await.unwrap(), Inspection { found: Found::Other, head: 9 });
        assert_eq!(store.latest().await.unwrap(), Some(manifest(9, 2)));
    });
}

#[test]
fn a_log_that_moves_while_it_is_read_is_read_again() {
    block_on(async {
        let store = CheckpointStore::new(&FaultyStore::new(1, 0).directory(1), job());
        for number in 1..30 {
            let manifest = manifest(number, 1);
            let (created, latest) = futures::join!(store.create_manifest(&manifest), store.latest());
            created.unwrap();
            let latest = latest.unwrap().map_or(0, |latest| latest.number);
            assert!(latest == number || latest + 1 == number);
            store.collect_garbage(1, &BTreeSet::new()).await.unwrap();
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn of_two_writers_of_a_number_exactly_one_wins(seed: u64, percent in 0..20_u64) {
        block_on(async {
            let faulty = FaultyStore::new(seed, percent);
            let store = CheckpointStore::new(&faulty.directory(4), job());
            let mut number = 1;
            while number <= 10 {
                let write = async |attempt: u64| {
                    let manifest = manifest(number, attempt);
                    loop {
                        match store.create_manifest(&manifest).await {
                            Ok(()) => break true,
                            Err(error) if error.kind() == ErrorKind::Fenced => break false,
                            // The outcome is open: whoever does not know goes on asking.
                            Err(_) => match store.inspect(&manifest).await {
                                Ok(seen) if seen.head > number || seen.found == Found::Other => break false,
                                Ok(seen) if seen.found == Found::Own => break true,
                                _ => {}
                            },
                        }
                    }
                };
                let (one, two) = futures::join!(write(1), write(2));
                prop_assert_ne!(one, two);
                let winner = if one { 1 } else { 2 };
                faulty.failing.store(false, std::sync::atomic::Ordering::Relaxed);
                prop_assert_eq!(store.latest().await.unwrap().unwrap().attempt.opening.0, winner);
                faulty.failing.store(true, std::sync::atomic::Ordering::Relaxed);
                number += 1;
            }
            Ok(())
        })?;
    }
}

#[test]
fn a_damaged_state_file_is_named_and_an_older_checkpoint_still_restores() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::open(root.path().to_str().unwrap(), &BTreeMap::new()).unwrap();
    block_on(async {
        let store = CheckpointStore::new(&directory, job());
        let mut subtasks = Subtasks::start(&store, 1, 1, Epoch(0), None);
        let old = Changes::upserts((0..100).map(|key| (key, format!("old {key}"))));
        let state = subtasks.upload(1, &old).await.unwrap();
        store.create_manifest(&testing::manifest(1, 1, 1, Some(state))).await.unwrap();
        subtasks.on_completed(1);
        let new = Changes::upserts((0..10).map(|key| (key, format!("new {key}"))));
        let state = subtasks.upload(2, &new).await.unwrap();
        store.create_manifest(&testing::manifest(2, 2, 1, Some(state))).await.unwrap();

        let manifest = store.latest().await.unwrap().unwrap();
        let newest = manifest.files().into_values().max_by_key(|file| file.epoch).unwrap().path.clone();
        let path = root.path().join("carts").join(&newest);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            std::fs::write(&path, &damaged).unwrap();
            let state = manifest.operator(&operator()).unwrap();
            let error = restored(store.directory(), &state, 1).await.unwrap_err();
            assert_eq!((error.kind(), error.hint()), (ErrorKind::Corrupt, Some("restore an older checkpoint")));
            assert!(error.to_string().contains(&newest), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        let error = restored(store.directory(), &manifest.operator(&operator()).unwrap(), 1).await.unwrap_err();
        assert!(error.to_string().ends_with("is damaged: it is gone"), "{error}");

        let older = store.load(1).await.unwrap();
        let model = restored(store.directory(), &older.operator(&operator()).unwrap(), 3).await.unwrap();
        assert_eq!(model, old.upserts);
    });
}
