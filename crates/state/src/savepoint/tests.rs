//! Savepoints own what they need.

use std::collections::{BTreeMap, BTreeSet};

use dipper_types::{ErrorKind, JobId};

use super::*;
use crate::testing::{self, Changes, Model, Subtasks, block_on, job, memory, operator, restored};

/// A job with one checkpoint of several runs, the last attempt at another parallelism than the first.
async fn job_with_state() -> (CheckpointStore, Manifest, Model) {
    let store = CheckpointStore::new(&memory(), job());
    let mut model = Model::new();
    let mut latest = None;
    for (attempt, parallelism) in [(1, 3), (2, 2)] {
        let (number, state) = (attempt, latest.as_ref().and_then(|manifest: &Manifest| manifest.operator(&operator())));
        let mut subtasks = Subtasks::start(&store, attempt, parallelism, Epoch(number - 1), state.as_ref());
        let changes = Changes::upserts((0..50 * number as i64).map(|key| (key * 7, format!("{attempt} {key}"))));
        changes.apply(&mut model);
        let state = subtasks.upload(number, &changes).await.unwrap();
        let manifest = testing::manifest(number, number, attempt, Some(state));
        store.create_manifest(&manifest).await.unwrap();
        latest = Some(manifest);
    }
    (store, latest.unwrap(), model)
}

#[test]
fn a_savepoint_can_be_moved_and_outlives_its_job() {
    let root = tempfile::tempdir().unwrap();
    block_on(async {
        let (store, manifest, model) = job_with_state().await;
        let open = |name: &str| Directory::open(root.path().join(name).to_str().unwrap(), &BTreeMap::new()).unwrap();
        let savepoint = create_savepoint(&store, &manifest, &open("all").child("first")).await.unwrap();
        assert_eq!(savepoint.manifest.kind, CheckpointKind::Savepoint);
        assert_eq!(Savepoint::list(&open("all")).await.unwrap(), ["first"]);
        drop((store, savepoint));
        std::fs::rename(root.path().join("all/first"), root.path().join("moved")).unwrap();
        let moved = Savepoint::open(open("moved")).await.unwrap();
        let state = moved.manifest.operator(&operator()).unwrap();
        assert_eq!(restored(&moved.directory, &state, 5).await.unwrap(), model);
        moved.delete().await.unwrap();
        assert!(open("moved").list().await.unwrap().is_empty());
    });
}

#[test]
fn an_adopted_savepoint_belongs_to_the_job() {
    block_on(async {
        let (store, manifest, mut model) = job_with_state().await;
        let savepoint = create_savepoint(&store, &manifest, &memory()).await.unwrap();
        let other = CheckpointStore::new(&memory(), JobId("other".to_owned()));
        // Twice over: adopted again from a savepoint of itself, names stay different and of bounded length.
        let adopted = savepoint.adopt(&other, 1, Epoch(1)).await.unwrap();
        let again = create_savepoint(&other, &adopted, &memory()).await.unwrap();
        let store = CheckpointStore::new(&memory(), job());
        let adopted = again.adopt(&store, 2, Epoch(1)).await.unwrap();
        assert_eq!(adopted.files().len(), manifest.files().len());
        again.delete().await.unwrap();

        let mut subtasks = Subtasks::start(&store, 1, 4, Epoch(0), adopted.operator(&operator()).as_ref());
        let changes = Changes::upserts([(7, "changed".to_owned())]);
        changes.apply(&mut model);
        let state = subtasks.upload(1, &changes).await.unwrap();
        store.create_manifest(&testing::manifest(1, 1, 1, Some(state))).await.unwrap();
        store.collect_garbage(1, &BTreeSet::new()).await.unwrap();
        let latest = store.latest().await.unwrap().unwrap();
        assert_eq!(restored(store.directory(), &latest.operator(&operator()).unwrap(), 1).await.unwrap(), model);
    });
}

#[test]
fn a_savepoint_is_not_written_over_another_nor_from_damaged_files() {
    block_on(async {
        let (store, manifest, _) = job_with_state().await;
        let target = memory();
        create_savepoint(&store, &manifest, &target).await.unwrap();
        let later = Manifest { created_ms: 1, ..manifest.clone() };
        let error = create_savepoint(&store, &later, &target).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().starts_with("there is another savepoint in 'memory://"), "{error}");

        let file = manifest.files().into_keys().next().unwrap().to_owned();
        let mut bytes = store.directory().get(&file).await.unwrap().unwrap().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        store.directory().delete(&file).await.unwrap();
        store.directory().create(&file, &bytes.into()).await.unwrap();
        let target = memory();
        let error = create_savepoint(&store, &manifest, &target).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(Savepoint::open(target).await.unwrap_err().kind(), ErrorKind::Invalid);
    });
}
