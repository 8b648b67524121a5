//! What Dipper writes, read by Python's `deltalake` and by DuckDB, and what `deltalake` writes, read by Dipper. `DIPPER_PYTHON` names a Python
//! that has them; `tests/run` installs one.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, ListArray, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use arrow::record_batch::RecordBatch;
use dipper_tables::{Changes, DataFileWriter, DeltaFormat, Table, TableFormat, TableOptions, TableSpec, compact};
use serde_json::{Value, json};

use crate::support::*;

/// A Python with the engines.
struct Engines {
    python: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Engines {
    fn start() -> Option<Self> {
        let Some(python) = std::env::var_os("DIPPER_PYTHON").filter(|python| !python.is_empty()) else {
            let mut stderr = std::io::stderr();
            let _ = writeln!(stderr, "DIPPER_PYTHON names no Python with deltalake and duckdb: test skipped");
            return None;
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables/readers.py");
        let mut python = Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (commands, answers) = (python.stdin.take().unwrap(), BufReader::new(python.stdout.take().unwrap()));
        Some(Self { python, commands, answers })
    }

    fn ask(&mut self, command: &Value) -> Value {
        writeln!(self.commands, "{command}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert!(!answer.is_empty(), "the engines failed at {command}; standard error says why");
        serde_json::from_str(&answer).unwrap()
    }

    /// Every engine must answer the queries as expected.
    fn check(&mut self, directory: &Path, version: u64, queries: &[(&str, Value)]) {
        let sql: Vec<&str> = queries.iter().map(|(sql, _)| *sql).collect();
        let answer = self.ask(&json!({"do": "query", "table": directory, "queries": sql}));
        assert_eq!(answer["version"], version);
        for engine in ["deltalake", "duckdb"] {
            for ((sql, expected), found) in queries.iter().zip(answer[engine].as_array().unwrap()) {
                assert_eq!(found, expected, "{engine}, version {version}: {sql}");
            }
        }
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        let _ = self.python.kill();
        let _ = self.python.wait();
    }
}

const COUNT: &str = "SELECT count(*), sum(id), count(name) FROM t";

fn count(rows: &[Change]) -> (&'static str, Value) {
    let named = rows.iter().filter(|(_, name)| name.is_some()).count();
    // A sum of nothing is NULL.
    let sum = rows.iter().map(|(id, _)| *id).reduce(|sum, id| sum + id);
    (COUNT, json!([[rows.len(), sum, named]]))
}

async fn contents(table: &dyn Table) -> Vec<Change> {
    read(&table.snapshot().await.unwrap()).await
}

#[test]
fn other_engines_read_an_append_table_in_every_state() {
    let Some(mut engines) = Engines::start() else { return };
    let home = tempfile::tempdir().unwrap();
    block_on(async {
        let directory = local(home.path());
        let table = append_table(&directory).await;
        let mut check = async |version: u64| {
            let rows = contents(&*table).await;
            engines.check(
                home.path(),
                version,
                &[
                    count(&rows),
                    (
                        "SELECT count(*) FROM t WHERE id >= 40",
                        json!([[rows.iter().filter(|(id, _)| *id >= 40).count()]]),
                    ),
                ],
            );
            if !rows.is_empty() && version < 10 {
                let answer = engines.ask(&json!({"do": "query", "table": home.path(), "queries": [], "pandas": true}));
                assert_eq!(answer["pyarrow"], rows.len());
            }
        };
        check(0).await;
        for epoch in 1..=5_i64 {
            let batch: Vec<(i64, Option<&str>)> =
                (0..10).map(|row| (epoch * 10 + row, (row % 3 == 0).then_some("ä"))).collect();
            let files = stage(&*table, &rows(&batch)).await;
            table.commit(&Changes::append(files).in_transaction("job", epoch)).await.unwrap();
        }
        check(5).await;
        compact(&*table).await.unwrap().unwrap();
        check(6).await;
        table
            .commit(&Changes::add_columns(&Schema::new(vec![Field::new("extra", DataType::Int32, true)])).unwrap())
            .await
            .unwrap();
        check(7).await;
        assert_eq!(table.expire().await.unwrap().checkpoint, Some(7));
        check(7).await;
        let path = Arc::clone(table.snapshot().await.unwrap().files().next().unwrap().path());
        table.commit(&Changes::delete_rows([(path, [0, 3].into_iter().collect())])).await.unwrap();
        let rows = contents(&*table).await;
        assert_eq!(rows.len(), 48);
        engines.check(home.path(), 8, &[count(&rows), ("SELECT count(*) FROM t WHERE extra IS NULL", json!([[48]]))]);
        let answer = engines
            .ask(&json!({"do": "query", "table": home.path(), "version": 3, "queries": [COUNT], "application": "job"}));
        assert_eq!((&answer["deltalake"][0][0][0], &answer["version"]), (&json!(30), &json!(3)));
    });
}

#[test]
fn other_engines_read_an_upsert_table_in_every_state() {
    let Some(mut engines) = Engines::start() else { return };
    let home = tempfile::tempdir().unwrap();
    block_on(async {
        let directory = local(home.path());
        let at_once = TableOptions { log_retention_ms: AT_ONCE, ..options() };
        let table = key_table(&directory, at_once).await;
        let mut check = async |version: u64| {
            let found = contents(&*table).await;
            let new = found.iter().filter(|(_, name)| name.as_deref() == Some("new")).count();
            engines.check(
                home.path(),
                version,
                &[count(&found), ("SELECT count(*) FROM t WHERE name = 'new'", json!([[new]]))],
            );
        };
        let change = |key, name: &str| (key, Some(name.to_owned()));
        let many: Vec<(i64, Option<&str>)> = (0..20_000).map(|key| (key, Some("old"))).collect();
        let mut writer = dipper_tables::UpsertWriter::new(&table.known_snapshot()).unwrap();
        writer.upsert(&rows(&many)).await.unwrap();
        table.commit(&Changes::upsert(writer.finish().await.unwrap()).in_transaction("job", 1)).await.unwrap();
        check(1).await;
        // A vector in the log.
        upsert(&*table, &[change(7, "new"), (8, None), change(30_000, "new")]).await;
        check(2).await;
        // Vectors in a file.
        let many: Vec<i64> = (0..20_000).filter(|key| key % 7 < 3).collect();
        writer.delete(&keys(&many)).await.unwrap();
        writer.upsert(&rows(&[(1, Some("new"))])).await.unwrap();
        table.commit(&Changes::upsert(writer.finish().await.unwrap()).in_transaction("job", 2)).await.unwrap();
        assert!(directory.list().await.unwrap().iter().any(|entry| entry.name.starts_with("deletion_vector_")));
        check(3).await;
        table
            .commit(&Changes::add_columns(&Schema::new(vec![Field::new("extra", DataType::Int32, true)])).unwrap())
            .await
            .unwrap();
        let expired = table.expire().await.unwrap();
        assert_eq!(expired.checkpoint, Some(4));
        assert!(expired.log_files > 0, "{expired:?}");
        check(4).await;
        while compact(&*table).await.unwrap().is_some() {}
        let version = table.snapshot().await.unwrap().version();
        assert!(table.snapshot().await.unwrap().files().all(|file| file.deleted_rows() == 0));
        check(version).await;
        // A writer that was opened after the column was added.
        let mut writer = dipper_tables::UpsertWriter::new(&table.known_snapshot()).unwrap();
        let wide = rows(&[(3, Some("new")), (40_000, Some("new"))]);
        let extra: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
        let columns = [wide.columns(), &[extra]].concat();
        let wide = RecordBatch::try_new(Arc::clone(table.known_snapshot().schema()), columns).unwrap();
        writer.upsert(&wide).await.unwrap();
        table.commit(&Changes::upsert(writer.finish().await.unwrap()).in_transaction("job", 3)).await.unwrap();
        check(version + 1).await;
        let answer = engines.ask(&json!({"do": "query", "table": home.path(), "queries": [], "application": "job"}));
        assert_eq!(answer["epoch"], 3);
    });
}

/// A batch of every type that a table can hold; the last row is NULL.
fn all_types() -> RecordBatch {
    let us = |values: [i64; 3]| values.map(Some).into_iter().chain([None]).collect::<Vec<_>>();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![Some(i64::MIN + 1), Some(0), Some(i64::MAX), None]))),
        ("tiny", Arc::new(Int8Array::from(vec![Some(-128), Some(0), Some(127), None]))),
        ("small", Arc::new(Int16Array::from(vec![Some(-32768), Some(0), Some(32767), None]))),
        ("number", Arc::new(Int32Array::from(vec![Some(i32::MIN), Some(0), Some(i32::MAX), None]))),
        ("real32", Arc::new(Float32Array::from(vec![Some(-0.5), Some(0.0), Some(1.5), None]))),
        ("real64", Arc::new(Float64Array::from(vec![Some(-0.5), Some(f64::NAN), Some(1.5), None]))),
        ("yes", Arc::new(BooleanArray::from(vec![Some(true), Some(false), Some(true), None]))),
        ("name", Arc::new(StringArray::from(vec![Some(""), Some("\"ä\\"), Some(&"z".repeat(80)), None]))),
        ("bytes", Arc::new(BinaryArray::from(vec![Some(&b"\xff"[..]), Some(b""), Some(b"b"), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(-1), Some(0), Some(20_000), None]))),
        ("ms", Arc::new(TimestampMillisecondArray::from(us([-1, 0, 1_795_820_285_743])))),
        ("us", Arc::new(TimestampMicrosecondArray::from(us([-1, 1, 1_795_820_285_743_999])))),
        (
            "zoned",
            Arc::new(TimestampMicrosecondArray::from(us([-1, 1, 1_795_820_285_743_999])).with_timezone("+01:00")),
        ),
        (
            "price",
            Arc::new(
                Decimal128Array::from(vec![Some(-5), Some(0), Some(12_345_678_901_234_567_890_123), None])
                    .with_precision_and_scale(38, 2)
                    .unwrap(),
            ),
        ),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
                Some(vec![Some(1), None]),
                Some(vec![]),
                Some(vec![Some(3)]),
                None,
            ])),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

#[test]
fn other_engines_read_every_type_and_do_not_skip_files_wrongly() {
    let Some(mut engines) = Engines::start() else { return };
    let home = tempfile::tempdir().unwrap();
    block_on(async {
        let batch = all_types();
        let table = DeltaFormat.create(&local(home.path()), &TableSpec::new(&batch.schema()).unwrap()).await.unwrap();
        let schema = Arc::clone(table.known_snapshot().schema());
        let mut files = Vec::new();
        for row in 0..batch.num_rows() {
            // A file each: a bound on the wrong side loses the row.
            let mut writer = DataFileWriter::new(table.directory().clone(), Arc::clone(&schema), 1 << 20);
            writer.write(&batch.slice(row, 1)).await.unwrap();
            files.extend(writer.finish().await.unwrap());
        }
        table.commit(&Changes::append(files)).await.unwrap();
        let condition =
            |condition: &str, rows: i64| (format!("SELECT count(*) FROM t WHERE {condition}"), json!([[rows]]));
        let queries = [
            condition("id = 9223372036854775807", 1),
            condition("tiny = -128 AND small = -32768 AND number = -2147483648", 1),
            condition("real32 = 1.5", 1),
            condition("real64 = 1.5", 1),
            condition("real64 <= -0.5", 1),
            condition("yes", 2),
            condition("name > 'zzz'", 1),
            condition("name = ''", 1),
            condition(&format!("name = '{}'", "z".repeat(80)), 1),
            condition("day = DATE '1969-12-31'", 1),
            condition("ms = TIMESTAMP '2026-11-27 22:58:05.743'", 1),
            condition("us = TIMESTAMP '2026-11-27 22:58:05.743999'", 1),
            condition("us > TIMESTAMP '2026-11-27 22:58:05.743998'", 1),
            condition("us < TIMESTAMP '1970-01-01 00:00:00'", 1),
            condition("zoned > TIMESTAMPTZ '2026-11-27 22:58:05.743998+00:00'", 1),
            condition("zoned < TIMESTAMPTZ '1970-01-01 00:00:00+00:00'", 1),
            condition("price = CAST('123456789012345678901.23' AS DECIMAL(38, 2))", 1),
            condition("price < 0", 1),
            condition("list IS NULL", 1),
            condition("id IS NULL AND bytes IS NULL AND us IS NULL", 1),
        ];
        let queries: Vec<(&str, Value)> = queries.iter().map(|(sql, found)| (sql.as_str(), found.clone())).collect();
        engines.check(home.path(), 1, &queries);
    });
}

#[test]
fn tables_of_other_engines_are_read_and_written_or_refused() {
    let Some(mut engines) = Engines::start() else { return };
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    block_on(async {
        // One that Dipper has begun.
        let table = append_table(&local(&path("ours"))).await;
        for id in 0..4 {
            append(&*table, &rows(&[(id, None)])).await;
        }
        let write = json!({"do": "write", "table": path("ours"), "ids": [10, 11], "compact": true, "checkpoint": true});
        engines.ask(&write);
        assert_eq!(ids(&*table).await, [0, 1, 2, 3, 10, 11]);
        let again = DeltaFormat.open(&local(&path("ours"))).await.unwrap();
        append(&*again, &rows(&[(20, None)])).await;
        assert_eq!(ids(&*again).await, [0, 1, 2, 3, 10, 11, 20]);
        let rows_now = contents(&*again).await;
        let version = again.snapshot().await.unwrap().version();
        engines.check(&path("ours"), version, &[count(&rows_now)]);

        // One that it has not.
        engines.ask(&json!({"do": "write", "table": path("theirs"), "ids": [1, 2], "checkpoint": true}));
        engines.ask(&json!({"do": "write", "table": path("theirs"), "ids": [3]}));
        let theirs = DeltaFormat.open(&local(&path("theirs"))).await.unwrap();
        assert_eq!(ids(&*theirs).await, [1, 2, 3]);
        let files = stage(&*theirs, &rows(&[(4, Some("x"))])).await;
        theirs.commit(&Changes::append(files)).await.unwrap();
        let first = Arc::clone(theirs.snapshot().await.unwrap().files().next().unwrap().path());
        theirs.commit(&Changes::delete_rows([(first, [0].into_iter().collect())])).await.unwrap();
        let left = contents(&*theirs).await;
        assert_eq!(left.len(), 3);
        let version = theirs.snapshot().await.unwrap().version();
        engines.check(&path("theirs"), version, &[count(&left)]);

        // One that it does not read.
        engines.ask(&json!({"do": "write", "table": path("parted"), "ids": [1], "partition_by": ["id"]}));
        let error = DeltaFormat.open(&local(&path("parted"))).await.unwrap_err();
        assert!(error.to_string().ends_with("it is partitioned by id"), "{error}");
    });
}
