//! Tables that Dipper keeps, when others write to them, change them, or take them away meanwhile.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Float64Array, Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use dipper_session::{Outcome, Rows};
use dipper_state::Directory;
use dipper_tables::{Changes, ColumnStatistics, DeltaFormat, FileStatistics, NewFile, Table, TableFormat, Value};
use dipper_types::{Error, ErrorKind};
use futures::TryStreamExt;

use crate::database::{Database, Placed};

/// Where the rows of the only table are.
fn directory(database: &Database) -> PathBuf {
    let mut tables = std::fs::read_dir(database.warehouse.path().join("tables")).unwrap();
    let table = tables.next().unwrap().unwrap().path();
    assert!(tables.next().is_none());
    table
}

/// The only table, as another process opens it.
async fn opened(database: &Database) -> Arc<dyn Table> {
    let directory = Directory::open(directory(database).to_str().unwrap(), &BTreeMap::new()).unwrap();
    DeltaFormat.open(&directory).await.unwrap()
}

async fn one_column(database: &mut Database, sql: &str) -> Vec<String> {
    database.lines(sql).await.unwrap().into_iter().map(|row| row.join(" ")).collect()
}

/// Starts a query.
async fn begun(database: &mut Database, sql: &str) -> Rows {
    let statement = database.session.parse(sql).unwrap().remove(0);
    let Outcome::Rows(rows) = database.session.execute(&statement).await.unwrap() else { panic!("no rows: {sql}") };
    rows
}

async fn failure(rows: Rows) -> Error {
    rows.stream.try_collect::<Vec<_>>().await.unwrap_err()
}

/// Has a NaN in a row group of its own, and bounds that do not know of it, as other engines write them.
async fn append_with_a_nan(table: &dyn Table) {
    let (ids, reals) = (Int32Array::from(vec![1, 2, 3, 4]), Float64Array::from(vec![1.0, 2.0, f64::NAN, 0.5]));
    let fields = vec![Field::new("id", DataType::Int32, true), Field::new("d", DataType::Float64, true)];
    let schema = Arc::new(Schema::new(fields));
    let rows = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(ids), Arc::new(reals)]).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(2)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).unwrap();
    writer.write(&rows).unwrap();
    let bytes = writer.into_inner().unwrap();
    let bounds = ColumnStatistics { nulls: Some(0), min: Some(Value::Float(0.5)), max: Some(Value::Float(2.0)) };
    let file = NewFile {
        name: "part-of-others.parquet".to_owned(),
        bytes: bytes.len() as u64,
        rows: 4,
        modified_ms: i64::MAX,
        statistics: FileStatistics { rows: Some(4), tight: true, columns: [("d".to_owned(), bounds)].into() },
    };
    table.directory().put(&file.name, &bytes.into()).await.unwrap();
    table.commit(&Changes::append(vec![file])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nan_is_found_though_bounds_do_not_know_of_it() {
    let mut database = Database::new(&[]).unwrap();
    database.lines("CREATE TABLE readings (id INT, d DOUBLE)").await.unwrap();
    append_with_a_nan(&*opened(&database).await).await;
    for (sql, expected) in [
        ("SELECT id FROM readings WHERE d > 5", "3"),
        ("SELECT id FROM readings WHERE d > 5 AND id > 2", "3"),
        ("SELECT COUNT(*) FROM readings WHERE d > 5", "1"),
        ("SELECT MAX(d) FROM readings", "NaN"),
        ("SELECT id FROM readings ORDER BY d DESC LIMIT 1", "3"),
        ("SELECT id FROM readings WHERE d < 1 ORDER BY id LIMIT 1", "4"),
        ("SELECT r.id FROM readings AS r JOIN (SELECT MAX(d) AS d FROM readings) AS top ON r.d = top.d", "3"),
    ] {
        assert_eq!(one_column(&mut database, sql).await, [expected], "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_that_several_add_at_the_same_time_may_stand_in_any_order() {
    let mut database = Database::new(&[]).unwrap();
    database.lines("CREATE TABLE t (k INT)").await.unwrap();
    // The first half of another session's ALTER TABLE t ADD b INT.
    let b = Schema::new(vec![Field::new("b", DataType::Int32, true)]);
    opened(&database).await.commit(&Changes::add_columns(&b).unwrap()).await.unwrap();
    database.lines("INSERT INTO t VALUES (1)").await.unwrap();
    database.lines("ALTER TABLE t ADD a INT; INSERT INTO t VALUES (2, 20)").await.unwrap();
    let Placed(error) = database.lines("ALTER TABLE t ADD b STRING").await.unwrap_err();
    assert_eq!(error.to_string(), "the table has a column 'b' of type INT already");
    database.lines("ALTER TABLE t ADD (b INT, c INT); INSERT INTO t VALUES (3, 30, 31, 32)").await.unwrap();
    let found = one_column(&mut database, "SELECT * FROM t ORDER BY k").await;
    assert_eq!(found, ["1 NULL NULL NULL", "2 20 NULL NULL", "3 30 31 32"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_whose_table_is_dropped_meanwhile_says_so() {
    for sql in ["SELECT a FROM t", "SELECT COUNT(*) FROM t WHERE a > 1", "SELECT a FROM t ORDER BY a LIMIT 1"] {
        let mut database = Database::new(&[]).unwrap();
        database.lines("CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2)").await.unwrap();
        let rows = begun(&mut database, sql).await;
        database.lines("DROP TABLE t").await.unwrap();
        let error = failure(rows).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        let message = error.to_string();
        assert!(message.starts_with("table 't': the file 'part-"), "{message}");
        assert!(message.contains("is gone: the table was dropped or replaced meanwhile"), "{message}");
        assert!(error.hint().unwrap().starts_with("run the query again"), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_whose_files_are_past_their_retention_says_so_in_both_hosts() {
    for mode in ["batch", "streaming"] {
        let mut database = Database::new(&[("execution.runtime-mode", mode)]).unwrap();
        database.lines("CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2)").await.unwrap();
        // Its footer is known by now.
        assert_eq!(one_column(&mut database, "SELECT a FROM t").await, ["1", "2"]);
        let files = std::fs::read_dir(directory(&database)).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|file| file.is_file()).for_each(|file| std::fs::remove_file(file).unwrap());
        let error = failure(begun(&mut database, "SELECT a FROM t").await).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{mode}: {error}");
        assert!(error.to_string().contains("removed after 'file.retention'"), "{mode}: {error}");
    }
}
