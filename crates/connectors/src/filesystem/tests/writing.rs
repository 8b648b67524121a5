//! Writing: staged, committed once however often it is said, or gone.

use std::fs;
use std::sync::Arc;

use arrow::array::{Int8Array, Int64Array};
use arrow::datatypes::{DataType, Field};
use dipper_operator_api::ROW_KIND_COLUMN;
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::memory::InMemory;

use super::*;
use crate::filesystem::directory::Directory;
use crate::filesystem::{FilesystemSink, FilesystemTable};
use crate::options::TableOptions;

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn every_format_and_compression_is_read_back() {
    for (format, more) in [
        ("csv", vec![]),
        ("csv", vec![("compression", "gzip")]),
        ("json", vec![]),
        ("json", vec![("compression", "zstd")]),
        ("parquet", vec![]),
        ("parquet", vec![("parquet.compression", "snappy")]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let table = table(&dir.path().join("out"), format, &more);
        let sink = sink_of(&table);
        let staged = write(sink.as_ref(), "job", &[batch(0, 500), batch(500, 700)]).await;
        assert_eq!(staged.len(), 1);
        sink.commit(Epoch(1), staged).await.unwrap();
        assert_eq!(read(&table, &[0, 1, 2]).await.unwrap(), batch(0, 1200), "{format} {more:?}");
    }
}

#[tokio::test]
async fn rows_are_invisible_until_the_commit_which_may_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let table = table(dir.path(), "csv", &[]);
    let sink = sink_of(&table);
    assert!(sink.is_transactional());
    let staged = write(sink.as_ref(), "a/b", &[batch(0, 10)]).await;
    assert_eq!(numbers(&table).await.unwrap(), [0; 0]);
    for _ in 0..2 {
        sink.commit(Epoch(1), staged.clone()).await.unwrap();
        assert_eq!(names(dir.path()), ["part-a=2fb-0-0.csv"]);
        assert_eq!(numbers(&table).await.unwrap(), (0..10).collect::<Vec<_>>());
    }
    fs::remove_file(dir.path().join("part-a=2fb-0-0.csv")).unwrap();
    let error = sink.commit(Epoch(1), staged).await.unwrap_err().to_string();
    assert!(error.starts_with("table 't': cannot commit '"), "{error}");
}

#[tokio::test]
async fn an_abort_leaves_nothing_and_touches_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let sink = sink_of(&table(&out, "parquet", &[]));
    write(sink.as_ref(), "first", &[batch(0, 10)]).await;
    sink.abort("first").await.unwrap();
    sink.abort("first").await.unwrap();
    assert!(!out.exists());

    let staged = write(sink.as_ref(), "second", &[batch(0, 10)]).await;
    sink.commit(Epoch(1), staged).await.unwrap();
    write(sink.as_ref(), "third", &[batch(0, 10)]).await;
    sink.abort("third").await.unwrap();
    assert_eq!(names(&out), ["part-second-0-0.parquet"]);
}

#[tokio::test]
async fn a_job_without_rows_leaves_an_empty_table() {
    let dir = tempfile::tempdir().unwrap();
    let table = table(&dir.path().join("out"), "csv", &[]);
    let sink = sink_of(&table);
    let staged = write(sink.as_ref(), "job", &[batch(0, 0)]).await;
    assert!(staged.is_empty());
    sink.commit(Epoch(1), staged).await.unwrap();
    assert_eq!(numbers(&table).await.unwrap(), [0; 0]);
}

#[tokio::test]
async fn files_roll_at_their_size() {
    let dir = tempfile::tempdir().unwrap();
    let table = table(dir.path(), "csv", &[("sink.rolling-policy.file-size", "1kb")]);
    let sink = sink_of(&table);
    let batches: Vec<_> = (0..10).map(|n| batch(n * 20, 20)).collect();
    let staged = write(sink.as_ref(), "job", &batches).await;
    sink.commit(Epoch(1), staged).await.unwrap();
    assert!(names(dir.path()).len() > 3, "{:?}", names(dir.path()));
    let mut read = numbers(&table).await.unwrap();
    read.sort_unstable();
    assert_eq!(read, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_sink_refuses_what_it_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("out.csv");
    fs::write(&file, "kept").unwrap();
    let error = sink_of(&table(&file, "csv", &[])).open("job", SubtaskId { index: 0, parallelism: 1 }).await.err();
    let expected = format!("table 't': '{}' is a file, but a sink writes into a directory", file.display());
    assert_eq!(error.unwrap().to_string(), expected);
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");

    let glob = sink(&table(&dir.path().join("*.csv"), "csv", &[])).unwrap_err().to_string();
    assert!(glob.ends_with("is a glob, which can only be read"), "{glob}");

    let sink = sink_of(&table(&dir.path().join("out"), "csv", &[]));
    let mut writer = sink.open("job", SubtaskId { index: 0, parallelism: 1 }).await.unwrap();
    let mut fields = schema().fields().to_vec();
    fields.push(Arc::new(Field::new(ROW_KIND_COLUMN, DataType::Int8, false)));
    let mut columns = batch(0, 2).columns().to_vec();
    columns.push(Arc::new(Int8Array::from(vec![0, 3])));
    let changes = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let error = writer.write(changes).await.unwrap_err().to_string();
    assert_eq!(error, "table 't': the connector appends rows and cannot take updates or deletions");

    let nullable = Schema::new(
        schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>(),
    );
    let mut columns = batch(0, 2).columns().to_vec();
    columns[1] = Arc::new(Int64Array::from(vec![None, Some(1)]));
    let nulls = RecordBatch::try_new(Arc::new(nullable), columns).unwrap();
    let error = writer.write(nulls).await.unwrap_err().to_string();
    assert_eq!(error, "table 't': column 'n': a NULL was to be written, but the column is NOT NULL");
}

#[tokio::test]
async fn an_object_store_is_written_and_read_like_a_disk() {
    let definition = table(
        Path::new("s3://bucket/dir"),
        "csv",
        &[("compression", "gzip"), ("s3.region", "eu-west-1"), ("s3.access-key", "k"), ("s3.secret-key", "s")],
    );
    let new_table = || {
        let mut options = TableOptions::new("t", &definition.options);
        options.take("connector");
        FilesystemTable::new(&definition, options).unwrap()
    };
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let base = object_store::path::Path::from("dir");
    let directory =
        Directory::Remote { text: "s3://bucket/dir".to_owned(), store: Arc::clone(&store), base: base.clone() };
    let sink = FilesystemSink::new("t".to_owned(), directory, new_table());
    let mut source = new_table().into_source(&definition).unwrap();
    source.store.store = Arc::clone(&store);

    write(&sink, "aborted", &[batch(0, 10)]).await;
    sink.abort("aborted").await.unwrap();
    let nothing = source.splits().await.unwrap_err().to_string();
    assert_eq!(nothing, "table 't': nothing is stored at 'path' = 's3://bucket/dir'");

    let staged = write(&sink, "job", &[batch(0, 10_000)]).await;
    for _ in 0..2 {
        sink.commit(Epoch(1), staged.clone()).await.unwrap();
        let objects: Vec<_> =
            store.list(Some(&base)).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap();
        assert_eq!(objects, ["dir/part-job-0-0.csv.gz"]);
    }
    assert_eq!(source.splits().await.unwrap()[0].id, "s3://bucket/dir/part-job-0-0.csv.gz");
    assert_eq!(read_source(&source, &[0, 1, 2]).await.unwrap(), batch(0, 10_000));
}

#[tokio::test]
async fn rows_before_a_barrier_are_committed_apart_from_those_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let table = table(dir.path(), "csv", &[]);
    let sink = sink_of(&table);
    let mut writer = sink.open("job.1-a", SubtaskId { index: 0, parallelism: 1 }).await.unwrap();
    writer.write(batch(0, 10)).await.unwrap();
    let first = writer.prepare(Epoch(1)).await.unwrap();
    writer.write(batch(10, 10)).await.unwrap();
    first.durable.await.unwrap();
    assert!(writer.prepare(Epoch(2)).await.unwrap().committables.len() == 1);
    assert!(writer.prepare(Epoch(3)).await.unwrap().committables.is_empty());
    for _ in 0..2 {
        sink.commit_again(Epoch(1), first.committables.clone()).await.unwrap();
        assert_eq!(numbers(&table).await.unwrap(), (0..10).collect::<Vec<_>>());
    }
    // Somebody has processed the file and taken it away.
    fs::remove_file(dir.path().join("part-job.1-a-0-0.csv")).unwrap();
    sink.commit_again(Epoch(1), first.committables).await.unwrap();
    assert_eq!(names(dir.path()), ["_staging-job.1-a"]);
}

#[tokio::test]
async fn only_what_earlier_attempts_have_staged_is_swept() {
    let dir = tempfile::tempdir().unwrap();
    let sink = sink_of(&table(dir.path(), "csv", &[]));
    for run in ["a/b.1-ff", "a/b.2-ff", "other.1-ff"] {
        write(sink.as_ref(), run, &[batch(0, 10)]).await;
    }
    sink.sweep(&|run: &str| run == "a/b.1-ff").await.unwrap();
    assert_eq!(names(dir.path()), ["_staging-a=2fb.2-ff", "_staging-other.1-ff"]);
    sink_of(&table(&dir.path().join("none"), "csv", &[])).sweep(&|_: &str| true).await.unwrap();
}
