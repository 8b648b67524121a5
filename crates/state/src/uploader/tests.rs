//! Snapshots, merges, restores and rescales against a model.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, UInt16Array};
use arrow::record_batch::RecordBatch;
use dipper_types::ErrorKind;
use proptest::prelude::*;

use super::*;
use crate::checkpoint_store::CheckpointStore;
use crate::list_state::{ListItem, Redistribution};
use crate::reader::StateReader;
use crate::testing::{
    Changes, FaultyStore, Model, Subtasks, attempt, block_on, job, memory, operator, restored, table,
};
use crate::writer::StateWriter;

/// What happens to a job.
#[derive(Debug, Clone)]
enum Step {
    /// Read back at some parallelism, and then completed or given up.
    Snapshot {
        changes: Changes,
        parallelism: usize,
        completed: bool,
    },
    /// Merges are planned and run, but not installed yet.
    Merge,
    Install,
    Restore {
        parallelism: usize,
    },
}

fn changes() -> impl Strategy<Value = Changes> {
    let keys = 0..200_i64;
    (
        prop::bool::weighted(0.05),
        prop::collection::btree_set(keys.clone(), 0..30),
        prop::collection::btree_map(keys, "[a-z]{0,8}", 0..40),
    )
        .prop_map(|(replaces, deletes, upserts)| Changes { replaces, deletes, upserts })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (changes(), 1..=8_usize, prop::bool::weighted(0.8)).prop_map(|(changes, parallelism, completed)| {
            Step::Snapshot { changes, parallelism, completed }
        }),
        3 => Just(Step::Merge),
        3 => Just(Step::Install),
        1 => (1..=8_usize).prop_map(|parallelism| Step::Restore { parallelism }),
    ];
    prop::collection::vec(step, 1..40)
}

/// Runs the steps on a store, trying again what fails, and compares with the model after every snapshot.
async fn check(directory: Directory, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let store = CheckpointStore::new(&directory, job());
    let mut subtasks = Subtasks::start(&store, 1, 3, Epoch(0), None);
    let (mut attempt, mut epoch, mut model) = (1, 0, Model::new());
    let mut latest = None;
    let mut merged: Vec<(usize, MergedRun)> = Vec::new();
    for step in steps {
        match step {
            Step::Snapshot { changes, parallelism, completed } => {
                changes.apply(&mut model);
                epoch += 1;
                let mut uploaded = subtasks.upload(epoch, &changes).await;
                while uploaded.is_err() {
                    // Given up; the next checkpoint has nothing new, and takes along what failed.
                    epoch += 1;
                    uploaded = subtasks.upload(epoch, &Changes::default()).await;
                }
                let state = uploaded.unwrap();
                let stored = loop {
                    match restored(store.directory(), &state, parallelism).await {
                        Err(error) if error.kind() == ErrorKind::Unavailable => {}
                        stored => break stored.unwrap(),
                    }
                };
                prop_assert_eq!(&stored, &model);
                if completed {
                    subtasks.on_completed(epoch);
                    latest = Some((state, model.clone()));
                } else {
                    let new = state.subtasks.iter().flat_map(StateHandle::files).filter(|file| file.epoch.0 == epoch);
                    let new: Vec<String> = new.map(|file| file.path.clone()).collect();
                    // A deletion that fails changes nothing.
                    let _ = store.delete(&[], &new).await;
                }
            }
            Step::Merge => {
                for (index, uploader) in subtasks.0.iter_mut().enumerate() {
                    for task in uploader.plan_merges() {
                        // One that fails is given up.
                        if let Ok(run) = task.run().await {
                            merged.push((index, run));
                        }
                    }
                }
            }
            Step::Install => merged.drain(..).for_each(|(index, run)| subtasks.0[index].install(run)),
            Step::Restore { parallelism } => {
                let Some((state, stored)) = &latest else { continue };
                model.clone_from(stored);
                merged.clear();
                attempt += 1;
                subtasks = Subtasks::start(&store, attempt, parallelism, Epoch(epoch), Some(state));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn deltas_merges_and_rescales_restore_exactly_what_was_there(steps in steps()) {
        block_on(check(memory(), steps))?;
    }

    #[test]
    fn uploads_that_fail_lose_nothing(steps in steps(), seed: u64, percent in 5..20_u64) {
        block_on(check(FaultyStore::new(seed, percent).directory(3), steps))?;
    }
}

fn spec() -> UploaderSpec {
    UploaderSpec {
        job: job(),
        attempt: attempt(1),
        opened: Epoch(0),
        operator: operator(),
        subtask: SubtaskId { index: 0, parallelism: 1 },
        key_groups: 128,
        compression: Compression::None,
    }
}

/// Rows `first..first + count` with a text of 20 bytes each, and how many bytes that is: key, offset, text and key group.
fn rows(first: i64, count: i64) -> (UInt16Array, RecordBatch, u64) {
    let groups = (first..first + count).map(|key| Some((key % 128) as u16)).collect();
    let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + count));
    let texts: ArrayRef =
        Arc::new(StringArray::from_iter_values((first..first + count).map(|key| format!("{key:020}"))));
    let batch = RecordBatch::try_new(table().schema, vec![keys, texts]).unwrap();
    (groups, batch, count as u64 * (8 + 4 + 20 + 2))
}

/// The runtime spawns what waits here.
#[test]
fn everything_that_waits_may_move_between_threads() {
    fn check<T: Send>(_: &T) {}
    let store = CheckpointStore::new(&memory(), job());
    let mut uploader = SnapshotUploader::new(memory(), spec());
    let state = OperatorState { operator: operator(), subtasks: Vec::new() };
    let manifest = crate::testing::manifest(1, 1, 1, None);
    let none = std::collections::BTreeSet::new();
    check(&uploader.upload(StateWriter::new(Epoch(1)).finish()));
    check(&uploader.upload_last(StateWriter::new(Epoch(1)).finish()));
    check(&uploader.plan_merges().pop().map(MergeTask::run));
    check(&StateReader::load(store.directory(), &state, SubtaskId { index: 0, parallelism: 1 }, 128));
    check(&(store.create_manifest(&manifest), store.latest(), store.collect_garbage(1, &none), store.delete(&[], &[])));
    check(&crate::savepoint::create_savepoint(&store, &manifest, store.directory()));
}

#[test]
fn a_delta_takes_at_most_twice_the_bytes_that_changed() {
    for compression in [Compression::None, Compression::Zstd] {
        block_on(async {
            let mut uploader = SnapshotUploader::new(memory(), UploaderSpec { compression, ..spec() });
            let mut stored = 0;
            for (epoch, changed) in [(1, 100_000), (2, 100), (3, 1_000), (4, 10_000)] {
                let mut state = StateWriter::new(Epoch(epoch));
                let (groups, batch, mut bytes) = rows(0, changed);
                state.upsert(&table(), groups, batch).unwrap();
                let (groups, gone, _) = rows(200_000, changed);
                state.delete(&table(), groups, gone.project(&[0]).unwrap()).unwrap();
                bytes += changed as u64 * (8 + 2);
                let handle = uploader.upload(state.finish()).await.unwrap();
                let all: u64 = handle.files().map(|file| file.bytes).sum();
                assert!(all - stored <= 2 * bytes, "{} bytes for {bytes}", all - stored);
                uploader.on_completed(Epoch(epoch));
                stored = all;
            }
        });
    }
}

/// A snapshot of ten rows, and its checkpoint completed or not.
async fn upload(uploader: &mut SnapshotUploader, epoch: u64, completed: bool) -> StateHandle {
    let mut state = StateWriter::new(Epoch(epoch));
    let (groups, batch, _) = rows(0, 10);
    state.upsert(&table(), groups, batch).unwrap();
    let handle = uploader.upload(state.finish()).await.unwrap();
    if completed {
        uploader.on_completed(Epoch(epoch));
    }
    handle
}

#[test]
fn what_is_left_for_later_is_done_before_a_snapshot_is_stored() {
    block_on(async {
        let mut uploader = SnapshotUploader::new(memory(), spec());
        let mut state = StateWriter::new(Epoch(1));
        state.later(|state| {
            let (groups, batch, _) = rows(0, 10);
            state.upsert(&table(), groups, batch)
        });
        let handle = uploader.upload(state.finish()).await.unwrap();
        assert_eq!(handle.files().map(|file| file.rows).sum::<u64>(), 10);
        let mut state = StateWriter::new(Epoch(2));
        state.later(|_| Err(Error::internal("not found")));
        assert!(uploader.upload(state.finish()).await.is_err());
    });
}

fn epochs(handle: &StateHandle) -> Vec<u64> {
    handle.files().map(|file| file.epoch.0).collect()
}

#[test]
fn a_snapshot_refers_only_to_completed_checkpoints_and_to_new_files() {
    block_on(async {
        let mut uploader = SnapshotUploader::new(memory(), spec());
        assert_eq!(epochs(&upload(&mut uploader, 1, true).await), [1]);
        assert_eq!(epochs(&upload(&mut uploader, 2, false).await), [1, 2]);
        assert_eq!(epochs(&upload(&mut uploader, 3, false).await), [1, 3, 3]);
        assert_eq!(epochs(&upload(&mut uploader, 4, false).await), [1, 4, 4, 4]);
        // Word of a completed checkpoint may come late.
        uploader.on_completed(Epoch(3));
        assert_eq!(epochs(&upload(&mut uploader, 5, true).await), [1, 3, 3, 5, 5]);
        uploader.on_completed(Epoch(2));
        assert_eq!(epochs(&upload(&mut uploader, 6, true).await), [1, 3, 3, 5, 5, 6]);
    });
}

#[test]
fn the_last_snapshot_consists_of_new_files_only() {
    block_on(async {
        let directory = memory();
        let mut uploader = SnapshotUploader::new(directory.clone(), spec());
        upload(&mut uploader, 1, true).await;
        let mut state = StateWriter::new(Epoch(2));
        let (groups, gone, _) = rows(3, 7);
        state.delete(&table(), groups, gone.project(&[0]).unwrap()).unwrap();
        let handle = uploader.upload_last(state.finish()).await.unwrap();
        assert_eq!(epochs(&handle), [2]);
        assert_eq!(handle.files().map(|file| (file.rows, file.deletes)).collect::<Vec<_>>(), [(3, 0)]);
    });
}

#[test]
fn a_merge_does_not_hold_up_snapshots_and_its_result_follows_later() {
    block_on(async {
        let mut uploader = SnapshotUploader::new(memory(), spec());
        upload(&mut uploader, 1, true).await;
        assert_eq!(upload(&mut uploader, 2, true).await.open_from, Epoch(3));
        let task = uploader.plan_merges().pop().unwrap();
        assert!(uploader.plan_merges().is_empty(), "a merge of the table is under way");
        let meanwhile = upload(&mut uploader, 3, true).await;
        assert_eq!((epochs(&meanwhile), meanwhile.open_from), (vec![1, 2, 3], Epoch(3)));
        uploader.install(task.run().await.unwrap());
        let after = upload(&mut uploader, 4, true).await;
        assert_eq!((epochs(&after), after.open_from), (vec![4, 3, 4], Epoch(5)));
        drop(uploader.plan_merges());
        assert_eq!(upload(&mut uploader, 5, true).await.open_from, Epoch(6), "a merge that was dropped is forgotten");
    });
}

#[test]
fn a_merge_of_deltas_alone_keeps_what_they_delete() {
    block_on(async {
        let store = CheckpointStore::new(&memory(), job());
        let mut subtasks = Subtasks::start(&store, 1, 1, Epoch(0), None);
        let mut model = Model::new();
        let mut epoch = 0;
        // A base, so many deltas that they are merged, and one more that takes the merged run along.
        let base = Changes::upserts((0..20_000).map(|key| (key, format!("{key:x}"))));
        let delta = |key: i64| Changes { deletes: [key].into(), ..Changes::upserts([(key + 100, "new".to_owned())]) };
        let mut state = None;
        for changes in std::iter::once(base).chain((0..9).map(delta)) {
            epoch += 1;
            changes.apply(&mut model);
            state = Some(subtasks.upload(epoch, &changes).await.unwrap());
            subtasks.on_completed(epoch);
            for task in subtasks.0[0].plan_merges() {
                assert_eq!(task.deletes, Deletes::Keep);
                let run = task.run().await.unwrap();
                subtasks.0[0].install(run);
            }
        }
        let state = state.unwrap();
        let runs = &state.subtasks[0].tables["open"].runs;
        assert_eq!(runs.iter().map(|run| run.files[0].deletes).collect::<Vec<_>>(), [0, 8, 1]);
        assert_eq!(restored(store.directory(), &state, 2).await.unwrap(), model);
    });
}

#[test]
fn a_merge_whose_runs_were_replaced_meanwhile_is_ignored() {
    block_on(async {
        let mut uploader = SnapshotUploader::new(memory(), spec());
        upload(&mut uploader, 1, true).await;
        upload(&mut uploader, 2, true).await;
        let task = uploader.plan_merges().pop().unwrap();
        let mut state = StateWriter::new(Epoch(3));
        state.replace(&table());
        assert_eq!(uploader.upload(state.finish()).await.unwrap().files().count(), 0);
        uploader.on_completed(Epoch(3));
        uploader.install(task.run().await.unwrap());
        assert_eq!(epochs(&upload(&mut uploader, 4, true).await), [4]);
    });
}

#[test]
fn mistakes_of_an_operator_are_named() {
    block_on(async {
        let mut uploader =
            SnapshotUploader::new(memory(), UploaderSpec { subtask: SubtaskId { index: 1, parallelism: 2 }, ..spec() });
        let mut state = StateWriter::new(Epoch(1));
        let (groups, batch, _) = rows(3, 1);
        state.upsert(&table(), groups, batch).unwrap();
        let error = uploader.upload(state.finish()).await.unwrap_err();
        let expected = "state table 'open' of operator match-1: key group 3 is not among those of the subtask, 64..128";
        assert_eq!(error.to_string(), expected);

        let mut uploader = SnapshotUploader::new(memory(), spec());
        let mut state = StateWriter::new(Epoch(1));
        for _ in 0..2 {
            let (groups, batch, _) = rows(3, 1);
            state.upsert(&table(), groups, batch).unwrap();
        }
        let error = uploader.upload(state.finish()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "state table 'open' of operator match-1: a snapshot has two rows with the same key"
        );

        let mut state = StateWriter::new(Epoch(1));
        let (groups, batch, _) = rows(3, 1);
        let error = state.upsert(&table(), groups, batch.project(&[1, 0]).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "the rows for state table 'open' have other columns than the table");
    });
}

#[test]
fn lists_come_back_by_split_and_what_nobody_takes_is_known() {
    block_on(async {
        let directory = memory();
        let mut subtasks = Vec::new();
        for index in 0..2 {
            let subtask = SubtaskId { index, parallelism: 2 };
            let mut uploader = SnapshotUploader::new(directory.clone(), UploaderSpec { subtask, ..spec() });
            let mut state = StateWriter::new(Epoch(1));
            let item = |id: &str| ListItem { id: id.to_owned(), state: serde_json::json!({"offset": index}) };
            state.put_list("offsets", Redistribution::BySplit, vec![item(&format!("file-{index}"))]);
            state.put_list("watermarks", Redistribution::Union, vec![item(&format!("w-{index}"))]);
            subtasks.push(uploader.upload(state.finish()).await.unwrap());
        }
        let state = OperatorState { operator: operator(), subtasks };
        let mut reader =
            StateReader::load(&directory, &state, SubtaskId { index: 0, parallelism: 1 }, 128).await.unwrap();
        let offsets: Vec<String> = reader.take_list("offsets").into_iter().map(|item| item.id).collect();
        assert_eq!(offsets, ["file-0", "file-1"]);
        assert_eq!(reader.not_taken().collect::<Vec<_>>(), ["watermarks"]);
        let mut reader =
            StateReader::load(&directory, &state, SubtaskId { index: 2, parallelism: 3 }, 128).await.unwrap();
        assert!(reader.take_list("offsets").is_empty());
        assert_eq!(reader.take_list("watermarks").len(), 2);
    });
}

#[test]
fn a_rescale_reads_only_the_sections_that_it_needs() {
    block_on(async {
        let store = FaultyStore::new(0, 0);
        let directory = store.directory(1);
        let mut uploader = SnapshotUploader::new(directory.clone(), spec());
        let mut state = StateWriter::new(Epoch(1));
        let (groups, batch, bytes) = rows(0, 500_000);
        state.upsert(&table(), groups, batch).unwrap();
        let handle = uploader.upload(state.finish()).await.unwrap();
        let state = OperatorState { operator: operator(), subtasks: vec![handle] };
        let before = store.bytes_read();
        let mut reader =
            StateReader::load(&directory, &state, SubtaskId { index: 3, parallelism: 8 }, 128).await.unwrap();
        let rows: usize = reader.take_table(&table()).unwrap().iter().map(|part| part.rows.num_rows()).sum();
        assert_eq!(rows, (0..500_000).filter(|key| (48..64).contains(&(key % 128))).count());
        let read = store.bytes_read() - before;
        assert!(read < bytes / 8 + (3 << 20), "{read} of {bytes} bytes read");
    });
}

#[test]
fn state_of_other_columns_or_another_operator_is_refused() {
    block_on(async {
        let directory = memory();
        let mut uploader = SnapshotUploader::new(directory.clone(), spec());
        let mut state = StateWriter::new(Epoch(1));
        let (groups, batch, _) = rows(0, 10);
        state.upsert(&table(), groups, batch).unwrap();
        let handle = uploader.upload(state.finish()).await.unwrap();
        let mut state = OperatorState { operator: operator(), subtasks: vec![handle] };
        let subtask = SubtaskId { index: 0, parallelism: 1 };
        let mut reader = StateReader::load(&directory, &state, subtask, 128).await.unwrap();
        let other = crate::table::TableSpec { schema: table().key_schema(), ..table() };
        let error = reader.take_table(&other).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let expected = "table 'open' of operator match-1 was stored with the columns (key Int64; text Utf8), and is expected with (key Int64; )";
        assert_eq!(error.to_string(), expected);

        state.operator = OperatorId("match-2".to_owned());
        let error = StateReader::load(&directory, &state, subtask, 128).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("it belongs to table 'open' of operator match-1, not to"), "{error}");
    });
}
