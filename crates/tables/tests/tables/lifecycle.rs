//! One thing after the other, as a single user does them.

use std::sync::Arc;

use arrow::array::Array;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use dipper_tables::{
    AsOf, Changes, Committed, DeltaFormat, NewFile, TableFormat, TableOptions, TableSpec, Value, compact,
};
use dipper_types::ErrorKind;
use futures::TryStreamExt;

use crate::support::*;

#[test]
fn what_is_appended_is_read_by_another_process() {
    block_on(async {
        let directory = memory();
        let writer = append_table(&directory).await;
        let reader = DeltaFormat.open(&directory).await.unwrap();
        assert_eq!(append(&*writer, &rows(&[(1, Some("a")), (2, None)])).await, 1);
        assert_eq!(reader.known_snapshot().version(), 0);
        let snapshot = reader.snapshot().await.unwrap();
        assert_eq!((snapshot.version(), snapshot.rows()), (1, Some(2)));
        assert_eq!(by_key(&snapshot).await, [(1, Some("a".to_owned())), (2, None)].into());
        let file = snapshot.files().next().unwrap();
        assert_eq!(file.statistics().columns["id"].max, Some(Value::Integer(2)));
        assert_eq!(file.statistics().columns["name"].nulls, Some(1));
    });
}

#[test]
fn a_directory_holds_one_table_and_says_so() {
    block_on(async {
        let directory = memory();
        let error = DeltaFormat.open(&directory).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::Invalid, "table 'memory://': there is no table")
        );
        append_table(&directory).await;
        let error = DeltaFormat.create(&directory, &spec()).await.unwrap_err();
        assert_eq!(error.to_string(), "table 'memory://': there is a table already");
    });
}

#[test]
fn an_epoch_is_committed_once() {
    block_on(async {
        let directory = memory();
        let table = append_table(&directory).await;
        let staged = stage(&*table, &rows(&[(1, None)])).await;
        // What a sink keeps of it survives a restart.
        let staged: Vec<NewFile> = serde_json::from_slice(&serde_json::to_vec(&staged).unwrap()).unwrap();
        let changes = Changes::append(staged).in_transaction("job-1/t", 7);
        assert_eq!(table.commit(&changes).await.unwrap(), Committed::Now(1));
        assert_eq!(table.commit(&changes).await.unwrap(), Committed::Earlier(1));
        let other = DeltaFormat.open(&directory).await.unwrap();
        assert_eq!(other.commit(&changes).await.unwrap(), Committed::Earlier(1));
        assert_eq!(other.known_snapshot().epoch_of("job-1/t"), Some(7));
        assert_eq!(ids(&*table).await, [1]);
    });
}

#[test]
fn the_last_change_to_a_key_counts() {
    block_on(async {
        let table = key_table(&memory(), options()).await;
        let change = |key, name: &str| (key, Some(name.to_owned()));
        upsert(&*table, &[change(1, "a"), change(2, "b"), change(1, "c"), (2, None), (3, None)]).await;
        assert_eq!(by_key(&table.snapshot().await.unwrap()).await, [change(1, "c")].into());
        upsert(&*table, &[(1, None), change(2, "d"), change(1, "e"), change(3, "f")]).await;
        assert_eq!(
            by_key(&table.snapshot().await.unwrap()).await,
            [change(1, "e"), change(2, "d"), change(3, "f")].into()
        );
        // Of the file of the first epoch no row is left.
        assert_eq!(table.snapshot().await.unwrap().files().len(), 1);
        // The files of keys to delete are gone.
        let names = table.directory().list().await.unwrap();
        assert!(names.iter().all(|entry| !entry.name.starts_with("_dipper_keys")), "{names:?}");
    });
}

#[test]
fn steps_of_one_epoch_follow_each_other() {
    block_on(async {
        let table = key_table(&memory(), options()).await;
        let change = |key, name: &str| (key, Some(name.to_owned()));
        let mut steps = stage_keys(&*table, &[change(1, "a"), change(2, "a"), change(3, "a")]).await;
        steps.extend(stage_keys(&*table, &[change(1, "b"), (2, None)]).await);
        steps.extend(stage_keys(&*table, &[change(2, "c"), (1, None)]).await);
        table.commit(&Changes::upsert(steps)).await.unwrap();
        assert_eq!(by_key(&table.snapshot().await.unwrap()).await, [change(2, "c"), change(3, "a")].into());
        upsert(&*table, &[change(1, "d"), change(3, "d")]).await;
        assert_eq!(
            by_key(&table.snapshot().await.unwrap()).await,
            [change(1, "d"), change(2, "c"), change(3, "d")].into()
        );
    });
}

#[test]
fn a_column_is_added_and_is_null_in_the_rows_before() {
    block_on(async {
        let directory = memory();
        let table = append_table(&directory).await;
        append(&*table, &rows(&[(1, None)])).await;
        let at = DataType::Timestamp(TimeUnit::Millisecond, None);
        let added = Schema::new(vec![Field::new("at", at, true)]);
        table.commit(&Changes::add_columns(&added).unwrap()).await.unwrap();
        let snapshot = DeltaFormat.open(&directory).await.unwrap().snapshot().await.unwrap();
        assert_eq!(snapshot.schema().field(2).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, None));
        let file = snapshot.files().next().unwrap();
        let read: Vec<_> = snapshot.read(file, &[2, 0]).await.unwrap().try_collect().await.unwrap();
        assert_eq!(read[0].column(0).null_count(), 1);
        let before = table.snapshot_at(AsOf::Version(1)).await.unwrap();
        assert_eq!(before.schema().fields().len(), 2);
        assert_eq!(before.with_columns_of(&snapshot).schema(), snapshot.schema());

        let again = table.commit(&Changes::add_columns(&added).unwrap()).await.unwrap_err();
        assert_eq!(again.to_string(), "table 'memory://': column 'at': there is another one of this name");
        let strict = Schema::new(vec![Field::new("b", DataType::Int32, false)]);
        assert_eq!(Changes::add_columns(&strict).unwrap_err().kind(), ErrorKind::Invalid);
    });
}

#[test]
fn changes_that_do_not_fit_the_table_are_refused() {
    block_on(async {
        let with_key = key_table(&memory(), options()).await;
        let files = stage(&*with_key, &rows(&[(1, None)])).await;
        let error = with_key.commit(&Changes::append(files)).await.unwrap_err();
        assert_eq!(error.to_string(), "table 'memory://': rows cannot be appended to a table with a primary key");
        let without = append_table(&memory()).await;
        let error = without.commit(&Changes::upsert(Vec::new())).await.unwrap_err();
        assert_eq!(error.to_string(), "table 'memory://': the table has no primary key");
        let strict = TableSpec::new(&Schema::new(vec![Field::new("id", DataType::Int64, false)])).unwrap();
        let strict = DeltaFormat.create(&memory(), &strict).await.unwrap();
        let schema = Arc::clone(strict.known_snapshot().schema());
        let mut writer = dipper_tables::DataFileWriter::new(strict.directory().clone(), schema, 1 << 20);
        let null = arrow::array::new_null_array(&DataType::Int32, 1);
        let null = arrow::record_batch::RecordBatch::try_from_iter([("id", null)]).unwrap();
        let error = writer.write(&null).await.unwrap_err();
        assert_eq!(error.to_string(), "column 'id': a value is NULL, but the column is NOT NULL");
    });
}

#[test]
fn rows_are_deleted_by_number_even_after_others_have_been() {
    block_on(async {
        let table = append_table(&memory()).await;
        append(&*table, &rows(&[(0, None), (1, None), (2, None), (3, None)])).await;
        let snapshot = table.snapshot().await.unwrap();
        let path = Arc::clone(snapshot.files().next().unwrap().path());
        let delete = |rows: &[u64]| Changes::delete_rows([(Arc::clone(&path), rows.iter().copied().collect())]);
        table.commit(&delete(&[1])).await.unwrap();
        table.commit(&delete(&[1, 3])).await.unwrap();
        assert_eq!(ids(&*table).await, [0, 2]);
        assert_eq!(read(&snapshot).await.len(), 4, "an older snapshot stays as it is");
        table.commit(&delete(&[0, 2])).await.unwrap();
        assert_eq!(table.snapshot().await.unwrap().files().len(), 0);
        let gone = table.commit(&delete(&[0])).await.unwrap();
        assert!(matches!(&gone, Committed::Conflict(what) if what.contains("no longer part")), "{gone:?}");
        assert_eq!(gone.version().unwrap_err().kind(), ErrorKind::Unavailable);
    });
}

#[test]
fn small_files_become_one_and_deletions_meanwhile_are_kept() {
    block_on(async {
        let directory = memory();
        let table = key_table(&directory, options()).await;
        for key in 0..6 {
            let changes: Vec<Change> = (0..10).map(|row| (key * 10 + row, Some("a".to_owned()))).collect();
            upsert(&*table, &changes).await;
        }
        // A snapshot that the compaction is to begin with; a writer of another process comes in between.
        let late = DelayedCommit { table: Arc::clone(&table), first: DeltaFormat.open(&directory).await.unwrap() };
        let done = compact(&late).await.unwrap().unwrap();
        assert_eq!((done.files_before, done.files_after), (6, 1));
        let rows = by_key(&table.snapshot().await.unwrap()).await;
        let expected: Rows = (0..60)
            .filter(|key| *key != 17)
            .map(|key| (key, Some(if key == 3 || key == 59 { "b" } else { "a" }.to_owned())))
            .collect();
        assert_eq!(rows, expected);
        // The index follows.
        upsert(&*table, &[(3, Some("c".to_owned())), (4, None), (17, Some("c".to_owned()))]).await;
        let rows = by_key(&table.snapshot().await.unwrap()).await;
        assert_eq!(
            (&rows[&3], rows.get(&4), &rows[&17], rows.len()),
            (&Some("c".to_owned()), None, &Some("c".to_owned()), 59)
        );
    });
}

/// Somebody else commits before this one does.
#[derive(Debug)]
struct DelayedCommit {
    table: Arc<dyn dipper_tables::Table>,
    first: Arc<dyn dipper_tables::Table>,
}

#[async_trait::async_trait]
impl dipper_tables::Table for DelayedCommit {
    fn directory(&self) -> &dipper_state::Directory {
        self.table.directory()
    }
    async fn snapshot(&self) -> dipper_types::Result<Arc<dipper_tables::Snapshot>> {
        self.table.snapshot().await
    }
    fn known_snapshot(&self) -> Arc<dipper_tables::Snapshot> {
        self.table.known_snapshot()
    }
    async fn snapshot_at(&self, at: AsOf) -> dipper_types::Result<Arc<dipper_tables::Snapshot>> {
        self.table.snapshot_at(at).await
    }
    async fn commit(&self, changes: &Changes) -> dipper_types::Result<Committed> {
        let change = |key, name: &str| (key, Some(name.to_owned()));
        upsert(&*self.first, &[change(3, "b"), (17, None), change(59, "b")]).await;
        self.table.commit(changes).await
    }
    async fn expire(&self) -> dipper_types::Result<dipper_tables::Expired> {
        self.table.expire().await
    }
}

#[test]
fn a_compaction_gives_up_when_its_files_are_gone() {
    block_on(async {
        let table = append_table(&memory()).await;
        for id in 0..5 {
            append(&*table, &rows(&[(id, None)])).await;
        }
        let truncated = Truncating(Arc::clone(&table));
        let done = compact(&truncated).await.unwrap().unwrap();
        assert!(matches!(done.committed, Committed::Conflict(_)), "{done:?}");
        assert_eq!(ids(&*table).await, [0_i64; 0]);
        assert_eq!(compact(&*table).await.unwrap(), None);
    });
}

/// The table is emptied before a commit.
#[derive(Debug)]
struct Truncating(Arc<dyn dipper_tables::Table>);

#[async_trait::async_trait]
impl dipper_tables::Table for Truncating {
    fn directory(&self) -> &dipper_state::Directory {
        self.0.directory()
    }
    async fn snapshot(&self) -> dipper_types::Result<Arc<dipper_tables::Snapshot>> {
        self.0.snapshot().await
    }
    fn known_snapshot(&self) -> Arc<dipper_tables::Snapshot> {
        self.0.known_snapshot()
    }
    async fn snapshot_at(&self, at: AsOf) -> dipper_types::Result<Arc<dipper_tables::Snapshot>> {
        self.0.snapshot_at(at).await
    }
    async fn commit(&self, changes: &Changes) -> dipper_types::Result<Committed> {
        self.0.commit(&Changes::truncate()).await?;
        self.0.commit(changes).await
    }
    async fn expire(&self) -> dipper_types::Result<dipper_tables::Expired> {
        self.0.expire().await
    }
}

#[test]
fn the_past_can_be_read_as_far_as_the_log_reaches() {
    block_on(async {
        let table = append_table(&memory()).await;
        for id in 0..7 {
            append(&*table, &rows(&[(id, None)])).await;
        }
        let mut times = Vec::new();
        for version in 0..=7 {
            let then = table.snapshot_at(AsOf::Version(version)).await.unwrap();
            assert_eq!((then.version(), then.rows()), (version, Some(version)));
            times.push(then.timestamp_ms());
        }
        assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
        for (version, time) in times.iter().enumerate() {
            let then = table.snapshot_at(AsOf::TimestampMs(*time)).await.unwrap();
            assert_eq!(then.version(), version as u64);
        }
        let later = table.snapshot_at(AsOf::TimestampMs(i64::MAX)).await.unwrap();
        assert_eq!(later.version(), 7);
        let error = table.snapshot_at(AsOf::Version(9)).await.unwrap_err();
        assert_eq!(error.to_string(), "table 'memory://': there is no version 9");
        assert_eq!(error.hint(), Some("there are versions 0 to 7"));
        let error = table.snapshot_at(AsOf::TimestampMs(0)).await.unwrap_err();
        assert_eq!(error.to_string(), "table 'memory://': the table cannot be read as of 1970-01-01 00:00:00.000 UTC");
        assert!(error.hint().unwrap().starts_with("there are versions from 20"), "{error:?}");
    });
}

#[test]
fn what_is_past_its_retention_goes() {
    block_on(async {
        let directory = memory();
        let at_once = TableOptions {
            file_retention_ms: AT_ONCE,
            log_retention_ms: AT_ONCE,
            leftover_retention_ms: AT_ONCE,
            ..options()
        };
        let table = key_table(&directory, at_once).await;
        for round in 0..4 {
            upsert(&*table, &[(1, Some(format!("{round}"))), (round + 10, None)]).await;
        }
        stage(&*table, &rows(&[(9, None)])).await;
        let expired = table.expire().await.unwrap();
        assert_eq!((expired.checkpoint, expired.data_files), (Some(4), 4), "{expired:?}");
        let names: Vec<String> = directory.list().await.unwrap().into_iter().map(|entry| entry.name).collect();
        let log = names.iter().filter(|name| name.starts_with("_delta_log")).collect::<Vec<_>>();
        assert_eq!(
            log,
            [
                "_delta_log/00000000000000000004.checkpoint.parquet",
                "_delta_log/00000000000000000004.json",
                "_delta_log/_last_checkpoint"
            ]
        );
        assert_eq!(names.len(), log.len() + 1, "{names:?}");
        let again = DeltaFormat.open(&directory).await.unwrap();
        assert_eq!(by_key(&again.snapshot().await.unwrap()).await, [(1, Some("3".to_owned()))].into());
        let error = again.snapshot_at(AsOf::Version(2)).await.unwrap_err();
        assert_eq!(error.hint(), Some("there are versions 4 to 4"));
        // Who has slept meanwhile does not commit in the place of what has been cleaned up.
        upsert(&*again, &[(2, Some("x".to_owned()))]).await;
        upsert(&*table, &[(3, Some("y".to_owned()))]).await;
        assert_eq!(by_key(&again.snapshot().await.unwrap()).await.len(), 3);
    });
}

#[test]
fn a_file_that_was_taken_for_a_leftover_is_not_committed() {
    block_on(async {
        let at_once = TableOptions { leftover_retention_ms: AT_ONCE, ..options() };
        let table = append_table_with(at_once).await;
        let staged = stage(&*table, &rows(&[(1, None)])).await;
        table.directory().delete(&staged[0].name).await.unwrap();
        let error = table.commit(&Changes::append(staged)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("taken for a leftover"), "{error}");
    });
}

async fn append_table_with(options: TableOptions) -> Arc<dyn dipper_tables::Table> {
    DeltaFormat.create(&memory(), &spec().with_options(options)).await.unwrap()
}
