//! The log itself: what stands in it, what is read of others, and that a checkpoint says the same as the commits before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use bytes::Bytes;
use dipper_state::Directory;
use dipper_types::ErrorKind;
use proptest::prelude::*;
use roaring::RoaringTreemap;

use super::action::{Line, decode};
use super::checkpoint;
use super::deletion_vector::{DeletionVector, VectorWriter};
use super::log::{Log, commit_name};
use super::state::{State, Vectors, add_of, remove_of};
use super::table::DeltaTable;
use crate::changes::Changes;
use crate::data_file::{DataFile, NewFile};
use crate::format::{AsOf, Table};
use crate::spec::{TableOptions, TableSpec};
use crate::statistics::{ColumnStatistics, FileStatistics, Value};

fn memory() -> Directory {
    Directory::open("memory://", &BTreeMap::new()).unwrap()
}

fn spec() -> TableSpec {
    TableSpec::new(&Schema::new(vec![Field::new("a", DataType::Int64, true)])).unwrap()
}

/// A file that nobody has written.
fn new_file(name: &str, rows: u64) -> NewFile {
    let column = ColumnStatistics { nulls: Some(0), min: Some(Value::Integer(1)), max: Some(Value::Integer(9)) };
    let statistics = FileStatistics { rows: Some(rows), tight: true, columns: [("a".to_owned(), column)].into() };
    NewFile { name: name.to_owned(), bytes: 100, rows, modified_ms: i64::MAX, statistics }
}

async fn lines(directory: &Directory, version: u64) -> Vec<Line> {
    decode(&directory.child("_delta_log").get(&commit_name(version)).await.unwrap().unwrap()).unwrap()
}

#[tokio::test]
async fn a_commit_holds_what_the_protocol_asks_for() {
    let directory = memory();
    let table = DeltaTable::create(&directory, &spec().with_name("t")).await.unwrap();
    let changes = Changes::append(vec![new_file("f.parquet", 3)]).in_transaction("job", 4);
    table.commit(&changes).await.unwrap();
    let first = lines(&directory, 0).await;
    assert_eq!(first[0].commit_info.as_ref().unwrap().operation.as_deref(), Some("CREATE TABLE"));
    let protocol = first[1].protocol.as_ref().unwrap();
    assert_eq!((protocol.min_reader_version, protocol.min_writer_version), (1, 2));
    let second = directory.child("_delta_log").get(&commit_name(1)).await.unwrap().unwrap();
    let second: Vec<serde_json::Value> =
        second.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let time = second[0]["commitInfo"]["timestamp"].clone();
    assert_eq!(second[0]["commitInfo"]["operation"], "WRITE");
    assert_eq!(second[0]["commitInfo"]["isBlindAppend"], true);
    assert_eq!(second[1], serde_json::json!({"txn": {"appId": "job", "version": 4, "lastUpdated": time}}));
    let stats = r#"{"numRecords":3,"minValues":{"a":1},"maxValues":{"a":9},"nullCount":{"a":0},"tightBounds":true}"#;
    assert_eq!(
        second[2],
        serde_json::json!({"add": {
            "path": "f.parquet", "partitionValues": {}, "size": 100, "modificationTime": i64::MAX,
            "dataChange": true, "stats": stats
        }})
    );
}

#[tokio::test]
async fn a_feature_is_asked_for_when_it_is_needed() {
    let directory = memory();
    let table = DeltaTable::create(&directory, &spec()).await.unwrap();
    table.commit(&Changes::append(vec![new_file("f.parquet", 3)])).await.unwrap();
    let at = DataType::Timestamp(TimeUnit::Millisecond, None);
    table.commit(&Changes::add_columns(&Schema::new(vec![Field::new("at", at, true)])).unwrap()).await.unwrap();
    let protocol = lines(&directory, 2).await.into_iter().find_map(|line| line.protocol).unwrap();
    assert_eq!(protocol.reader_features.unwrap(), ["timestampNtz"]);
    let rows = [1_u64].into_iter().collect::<RoaringTreemap>();
    table.commit(&Changes::delete_rows([("f.parquet".into(), rows)])).await.unwrap();
    let lines = lines(&directory, 3).await;
    let protocol = lines.iter().find_map(|line| line.protocol.as_ref()).unwrap();
    assert_eq!(protocol.reader_features.as_ref().unwrap(), &["timestampNtz", "deletionVectors"]);
    let metadata = lines.iter().find_map(|line| line.meta_data.as_ref()).unwrap();
    assert_eq!(metadata.configuration["delta.enableDeletionVectors"], "true");
    let add = lines.iter().find_map(|line| line.add.as_ref()).unwrap();
    assert!(add.stats.as_ref().unwrap().contains(r#""tightBounds":false"#));
    let reopened = DeltaTable::open(&directory).await.unwrap().snapshot().await.unwrap();
    assert_eq!((reopened.rows(), reopened.schema().fields().len()), (Some(2), 2));
}

/// Writes a log of others; the protocol and metadata are those of the first line.
async fn foreign(commits: &[&str]) -> Directory {
    let directory = memory();
    for (version, lines) in commits.iter().enumerate() {
        let bytes = Bytes::from((*lines).to_owned());
        directory.child("_delta_log").put(&commit_name(version as u64), &bytes).await.unwrap();
    }
    directory
}

const KIND: &str = r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}
{"metaData":{"id":"x","format":{"provider":"parquet","options":{}},"schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}}]}","partitionColumns":[],"configuration":{}}}
"#;

#[tokio::test]
async fn what_others_have_written_is_read_or_refused_by_name() {
    let add =
        r#"{"add":{"path":"a%20b.parquet","partitionValues":{},"size":1,"modificationTime":1,"dataChange":true}}"#;
    let strange = r#"{"commitInfo":{"timestamp":5,"operationParameters":{"x":{"y":1}}}}
{"cdc":{"path":"c"}}
{"domainMetadata":{"domain":"d"}}"#;
    let directory = foreign(&[KIND, &format!("{add}\n{strange}\n")]).await;
    let snapshot = DeltaTable::open(&directory).await.unwrap().snapshot().await.unwrap();
    let file = snapshot.files().next().unwrap();
    assert_eq!((file.name(), &**file.path(), file.rows()), ("a b.parquet", "a%20b.parquet", None));
    assert_eq!(snapshot.timestamp_ms(), 5);

    let with = |from: &str, to: &str| KIND.replace(from, to);
    let absolute = add.replace("a%20b", "s3://b/f");
    let vector = add.replace(
        "\"size\"",
        r#""deletionVector":{"storageType":"p","pathOrInlineDv":"s3://x","offset":1,"sizeInBytes":3,"cardinality":1},"size""#,
    );
    for (log, message) in [
        (vec![with("\"minReaderVersion\":1", "\"minReaderVersion\":9")], "it asks of a reader: version 9"),
        (vec![with("[],", "[\"a\"],")], "it is partitioned by a"),
        (vec![with("\\\"long\\\"", "\\\"interval\\\"")], "column 'a' has the type interval"),
        (vec![with("\"provider\":\"parquet\"", "\"provider\":\"orc\"")], "its files are in the format 'orc'"),
        (vec![KIND.to_owned(), absolute], "the file 's3://b/f.parquet' has an absolute path"),
        (vec!["{\"add\":".to_owned()], "version 0: line 1: "),
        (vec![strange.to_owned()], "version 0 does not say what kind of table it is"),
    ] {
        let log: Vec<&str> = log.iter().map(String::as_str).collect();
        let error = DeltaTable::open(&foreign(&log).await).await.unwrap_err();
        assert!(error.to_string().starts_with("table 'memory://'") && error.to_string().contains(message), "{error}");
    }
    let directory = foreign(&[KIND, &vector]).await;
    let snapshot = DeltaTable::open(&directory).await.unwrap().snapshot().await.unwrap();
    let file = snapshot.files().next().unwrap();
    let error = snapshot.read(file, &[0]).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("a deletion vector has an absolute path"), "{error}");
}

#[tokio::test]
async fn forms_of_checkpoints_that_we_do_not_know_are_refused_by_name() {
    for name in [
        "00000000000000000003.checkpoint.0000000001.0000000002.parquet",
        "00000000000000000003.checkpoint.2f0c9a3e-6a0e-4d5c-9a77-0d7c3a1b9b11.parquet",
    ] {
        let directory = memory();
        directory.child("_delta_log").put(name, &Bytes::from_static(b"x")).await.unwrap();
        let error = DeltaTable::open(&directory).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(&format!("the checkpoint '{name}'")), "{error}");
    }
}

#[tokio::test]
async fn a_log_with_a_gap_is_damaged() {
    let directory = foreign(&[KIND, "", ""]).await;
    directory.child("_delta_log").delete(&commit_name(1)).await.unwrap();
    let error = DeltaTable::open(&directory).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(error.to_string(), "table 'memory://': the log has gaps before version 2");
}

#[tokio::test]
async fn a_hint_that_is_behind_or_lost_does_no_harm() {
    let directory = memory();
    let options = TableOptions { checkpoint_interval: 2, ..TableOptions::default() };
    let table = DeltaTable::create(&directory, &spec().with_options(options)).await.unwrap();
    let mut hints = Vec::new();
    for number in 0..5 {
        table.commit(&Changes::append(vec![new_file(&format!("{number}.parquet"), 1)])).await.unwrap();
        table.expire().await.unwrap();
        hints.push(directory.child("_delta_log").get("_last_checkpoint").await.unwrap());
    }
    let log = directory.child("_delta_log");
    assert!(hints[0].is_none() && hints[1].is_some() && hints[1] != hints[4]);
    log.put("_last_checkpoint", hints[1].as_ref().unwrap()).await.unwrap();
    assert_eq!(DeltaTable::open(&directory).await.unwrap().known_snapshot().rows(), Some(5));
    log.put("_last_checkpoint", &Bytes::from_static(b"no json")).await.unwrap();
    assert_eq!(DeltaTable::open(&directory).await.unwrap().known_snapshot().rows(), Some(5));
    log.delete(&commit_name(0)).await.unwrap();
    log.delete("_last_checkpoint").await.unwrap();
    assert_eq!(DeltaTable::open(&directory).await.unwrap().known_snapshot().rows(), Some(5));
}

#[tokio::test]
async fn who_has_slept_for_longer_than_the_log_is_kept_wakes_up_at_its_end() {
    let directory = memory();
    let options = TableOptions { checkpoint_interval: 1, log_retention_ms: -60_000, ..TableOptions::default() };
    let table = DeltaTable::create(&directory, &spec().with_options(options)).await.unwrap();
    let sleeper = DeltaTable::open(&directory).await.unwrap();
    for number in 0..3 {
        table.commit(&Changes::append(vec![new_file(&format!("{number}.parquet"), 1)])).await.unwrap();
        table.expire().await.unwrap();
    }
    assert_eq!(directory.child("_delta_log").get(&commit_name(1)).await.unwrap(), None);
    let changes = Changes::append(vec![new_file("late.parquet", 1)]);
    assert_eq!(sleeper.commit(&changes).await.unwrap().version().unwrap(), 4);
    assert_eq!(sleeper.snapshot().await.unwrap().rows(), Some(4));
    assert_eq!(sleeper.snapshot_at(AsOf::Version(1)).await.unwrap_err().hint(), Some("there are versions 3 to 4"));
}

/// One change to a log.
#[derive(Debug, Clone)]
enum Step {
    Add(u8),
    Remove(u8),
    /// More rows of a file are deleted.
    Delete(u8, Vec<u16>),
    Txn(u8, i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<u8>().prop_map(Step::Add),
        1 => (0..20_u8).prop_map(Step::Remove),
        2 => (0..20_u8, proptest::collection::vec(any::<u16>(), 1..800)).prop_map(|(file, rows)| Step::Delete(file, rows)),
        1 => (0..3_u8, any::<i64>()).prop_map(|(application, epoch)| Step::Txn(application, epoch)),
    ]
}

/// The lines of a commit of these steps.
fn commit(state: &State, steps: &[Step], time: i64) -> Vec<Line> {
    let info = super::action::CommitInfo { timestamp: Some(time), ..Default::default() };
    let mut lines = vec![Line { commit_info: Some(info), ..Line::default() }];
    let snapshot = &state.view.snapshot;
    let mut touched = std::collections::BTreeSet::new();
    let mut vectors = VectorWriter::new();
    for step in steps {
        let nth = |file: u8| snapshot.files().nth(usize::from(file) % snapshot.files().len().max(1));
        match step {
            Step::Add(file) => {
                let path = format!("{time}-{file}.parquet");
                if touched.insert(path.clone()) {
                    let file = DataFile {
                        path: path.as_str().into(),
                        name: path,
                        bytes: 7,
                        modified_ms: time,
                        statistics: Arc::new(new_file("", 1 << 16).statistics),
                        deleted: None,
                    };
                    lines.push(Line::add(add_of(&file, &snapshot.schema, true)));
                }
            }
            Step::Remove(file) => {
                if let Some(file) = nth(*file).filter(|file| touched.insert(file.path.to_string())) {
                    lines.push(Line::remove(remove_of(file, time, true)));
                }
            }
            Step::Delete(file, rows) => {
                if let Some(file) = nth(*file).filter(|file| touched.insert(file.path.to_string())) {
                    let rows: RoaringTreemap = rows.iter().map(|row| u64::from(*row)).collect();
                    let vector = DeletionVector::new(vectors.write(&rows).unwrap());
                    lines.push(Line::remove(remove_of(file, time, true)));
                    let file = DataFile { deleted: Some(Arc::new(vector)), ..file.as_ref().clone() };
                    lines.push(Line::add(add_of(&file, &snapshot.schema, true)));
                }
            }
            Step::Txn(application, version) => {
                if touched.insert(format!("txn {application}")) {
                    let app_id = application.to_string();
                    let txn = super::action::Txn { app_id, version: *version, last_updated: Some(time) };
                    lines.push(Line { txn: Some(txn), ..Line::default() });
                }
            }
        }
    }
    lines
}

/// All that a state says.
fn text(state: &State) -> Vec<String> {
    state.lines().iter().map(|line| serde_json::to_string(line).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn a_checkpoint_and_the_commits_after_it_say_what_all_commits_say(
        commits in proptest::collection::vec(proptest::collection::vec(step(), 0..6), 1..12),
        at in any::<proptest::sample::Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let directory = memory();
            DeltaTable::create(&directory, &spec()).await.unwrap();
            let log = Log::new(directory.clone());
            let mut state = State::begin(&log, 0, 0, lines(&directory, 0).await).unwrap();
            let checkpoint_at = at.index(commits.len()) as u64 + 1;
            for (version, steps) in (1..).zip(&commits) {
                let lines = commit(&state, steps, version as i64 * 10);
                let bytes = Bytes::from(super::action::encode(&lines).unwrap());
                log.directory.put(&commit_name(version), &bytes).await.unwrap();
                state.apply(&log, version, lines, &Vectors::new()).unwrap();
                if version == checkpoint_at {
                    checkpoint::write(&log, &state).await.unwrap();
                }
            }
            let opened = DeltaTable::open(&directory).await.unwrap();
            let found = opened.refresh().await.unwrap();
            assert_eq!(text(&found.state), text(&state));
            assert_eq!(found.state.view.snapshot.timestamp_ms(), state.view.snapshot.timestamp_ms());
        });
    }
}
