//! Statements with parameters: their types, the columns of their results, and what they give.

use arrow::array::Array;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::util::display::array_value_to_string;
use datafusion::common::ScalarValue;
use dipper_session::{Outcome, Session, SessionConfig};
use dipper_types::{ErrorKind, Result};
use futures::TryStreamExt;

const TICKS: &str = "(VALUES (1, 10), (2, 12), (3, 9), (4, 15)) AS ticks (n, price)";

fn session() -> (Session, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let warehouse = directory.path().join("warehouse").display().to_string();
    let batch = ("execution.runtime-mode".to_owned(), "batch".to_owned());
    let settings = vec![("table.warehouse".to_owned(), warehouse), batch];
    (Session::new(SessionConfig { settings, ..SessionConfig::default() }).unwrap(), directory)
}

async fn run(session: &mut Session, sql: &str, values: &[ScalarValue]) -> Result<Vec<Vec<String>>> {
    let types: Vec<_> = values.iter().map(|value| Some(value.data_type())).collect();
    let prepared = session.prepare(sql, &types).await?;
    let rows = match session.execute_prepared(&prepared, values).await? {
        Outcome::Rows(rows) => rows,
        Outcome::Job(job) => return job.wait().await.map(|progress| vec![vec![progress.rows_out.to_string()]]),
        Outcome::Done(text) | Outcome::Text(text) => return Ok(vec![vec![text]]),
    };
    let batches: Vec<_> = rows.stream.try_collect().await?;
    let cell = |column: &dyn Array, row| array_value_to_string(column, row).unwrap();
    let lines = batches.iter().flat_map(|batch| {
        (0..batch.num_rows()).map(move |row| batch.columns().iter().map(|column| cell(column, row)).collect())
    });
    Ok(lines.collect())
}

fn text(value: &str) -> ScalarValue {
    ScalarValue::Utf8(Some(value.to_owned()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_type_of_a_parameter_follows_from_where_it_stands() {
    let (mut session, _directory) = session();
    let cases: &[(&str, &[DataType])] = &[
        (&format!("SELECT n FROM {TICKS} WHERE price > $1"), &[DataType::Int64]),
        ("SELECT CAST($1 AS DATE), $2", &[DataType::Date32, DataType::Utf8]),
        ("SELECT $2 + 1, $1 || 'x'", &[DataType::Utf8, DataType::Int64]),
        ("SELECT 1", &[]),
    ];
    for (sql, types) in cases {
        assert_eq!(session.prepare(sql, &[]).await.unwrap().parameter_types(), *types, "{sql}");
    }
    let declared =
        session.prepare("SELECT $1", &[Some(DataType::Timestamp(TimeUnit::Microsecond, None))]).await.unwrap();
    assert_eq!(declared.schema().unwrap().field(0).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parameter_that_is_inserted_has_the_type_of_its_column() {
    let (mut session, _directory) = session();
    run(&mut session, "CREATE TABLE kept (i INT, st STRING, b BYTES, d DATE)", &[]).await.unwrap();
    let cases: &[(&str, &[DataType])] = &[
        ("INSERT INTO kept (b) VALUES ($1)", &[DataType::Binary]),
        ("INSERT INTO kept (i, st) SELECT $1, $2", &[DataType::Int32, DataType::Utf8]),
        ("INSERT INTO kept (d, b) SELECT $2, $1 LIMIT 1", &[DataType::Binary, DataType::Date32]),
        ("INSERT INTO kept (i, d) VALUES (1, $1), ($2, NULL)", &[DataType::Date32, DataType::Int32]),
    ];
    for (sql, types) in cases {
        assert_eq!(session.prepare(sql, &[]).await.unwrap().parameter_types(), *types, "{sql}");
    }
    let insert = "INSERT INTO kept (i, b) SELECT $1, $2";
    let prepared = session.prepare(insert, &[]).await.unwrap();
    let values = [ScalarValue::Int32(Some(7)), ScalarValue::Binary(Some(vec![0, 255]))];
    let Outcome::Job(job) = session.execute_prepared(&prepared, &values).await.unwrap() else { panic!("{insert}") };
    job.wait().await.unwrap();
    assert_eq!(run(&mut session, "SELECT i, b FROM kept", &[]).await.unwrap(), [["7", "00ff"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_every_type_arrive_as_they_are() {
    let (mut session, _directory) = session();
    let list = ScalarValue::List(ScalarValue::new_list_nullable(
        &[ScalarValue::Int64(Some(1)), ScalarValue::Int64(None)],
        &DataType::Int64,
    ));
    for (value, printed) in [
        (ScalarValue::Int16(Some(-3)), "-3"),
        (ScalarValue::Int64(Some(i64::MIN)), "-9223372036854775808"),
        (ScalarValue::Int64(Some(i64::MAX)), "9223372036854775807"),
        (ScalarValue::Float64(Some(f64::NAN)), "NaN"),
        (ScalarValue::Float64(Some(1e-300)), "1e-300"),
        (ScalarValue::Decimal128(Some(-12_345), 12, 4), "-1.2345"),
        (ScalarValue::Boolean(Some(false)), "false"),
        (text("it's; -- $1 \\ \n"), "it's; -- $1 \\ \n"),
        (ScalarValue::Binary(Some(vec![0, 255])), "00ff"),
        (ScalarValue::Date32(Some(20_000)), "2024-10-04"),
        (ScalarValue::TimestampMicrosecond(Some(1_000_001), None), "1970-01-01T00:00:01.000001"),
        (ScalarValue::Int32(None), ""),
        (list, "[1, ]"),
    ] {
        let data_type = value.data_type();
        let prepared = session.prepare("SELECT $1", &[Some(data_type.clone())]).await.unwrap();
        assert_eq!(prepared.schema().unwrap().field(0).data_type(), &data_type, "{value}");
        assert_eq!(run(&mut session, "SELECT $1", &[value]).await.unwrap(), [[printed]]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_stand_wherever_a_literal_may() {
    let (mut session, _directory) = session();
    let pattern = format!(
        "SELECT * FROM {TICKS} MATCH_RECOGNIZE (ORDER BY n MEASURES B.price - $1 AS gain PATTERN (A B) DEFINE B AS B.price > A.price + $2)"
    );
    let values = [ScalarValue::Int64(Some(1)), ScalarValue::Int64(Some(3))];
    assert_eq!(run(&mut session, &pattern, &values).await.unwrap(), [["14"]]);
    let limited = format!("SELECT n FROM {TICKS} ORDER BY n DESC LIMIT $1 OFFSET $2");
    assert_eq!(run(&mut session, &limited, &values).await.unwrap(), [["1"]]);

    run(&mut session, "CREATE TABLE kept (n BIGINT, note STRING)", &[]).await.unwrap();
    let insert = "INSERT INTO kept VALUES ($1, $2), (2, $3)";
    let values = [ScalarValue::Int64(Some(1)), text("a"), ScalarValue::Utf8(None)];
    assert_eq!(run(&mut session, insert, &values).await.unwrap(), [["2"]]);
    let select = "SELECT n FROM public.kept WHERE note = $1";
    assert_eq!(run(&mut session, select, &[text("a")]).await.unwrap(), [["1"]]);
    assert_eq!(session.prepare(select, &[]).await.unwrap().parameter_types(), [DataType::Utf8]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_prepared_is_refused() {
    let (mut session, _directory) = session();
    for (sql, reason) in [
        ("SELECT 1; SELECT 2", "one statement can be prepared, not 2"),
        ("", "one statement can be prepared, not 0"),
        ("CREATE VIEW v AS SELECT $1 AS a", "CREATE VIEW takes no parameters"),
        ("SELECT $0", "'$0' is no parameter"),
        ("SELECT $70000", "'$70000' is no parameter"),
    ] {
        assert_eq!(session.prepare(sql, &[]).await.unwrap_err().to_string(), reason);
    }
    let prepared = session.prepare("SELECT $1", &[]).await.unwrap();
    let Err(error) = session.execute_prepared(&prepared, &[]).await else { panic!("a value is missing") };
    assert_eq!(error.to_string(), "the statement has 1 parameters, and 0 values are given");
    let error = run(&mut session, "SELECT 1 FROM $1", &[text("t")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_that_has_changed_since_is_refused() {
    let (mut session, _directory) = session();
    run(&mut session, "CREATE TABLE kept (n BIGINT)", &[]).await.unwrap();
    let prepared = session.prepare("SELECT * FROM kept", &[]).await.unwrap();
    run(&mut session, "DROP TABLE kept", &[]).await.unwrap();
    run(&mut session, "CREATE TABLE kept (n STRING)", &[]).await.unwrap();
    let Err(error) = session.execute_prepared(&prepared, &[]).await else { panic!("it has other columns") };
    assert_eq!(error.hint(), Some("prepare it again"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_ends_when_its_time_is_over() {
    let (mut session, _directory) = session();
    run(&mut session, "SET 'query.timeout' = '50 ms'", &[]).await.unwrap();
    let endless = "SELECT COUNT(*) FROM generate_series(1, 100000000000) AS s (n) WHERE n % 7 = $1";
    let error = run(&mut session, endless, &[ScalarValue::Int64(Some(3))]).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Cancelled, "the statement has taken longer than it may")
    );
    run(&mut session, "RESET 'query.timeout'", &[]).await.unwrap();
    let counted = run(&mut session, "SELECT COUNT(*) FROM generate_series(1, 5) AS s (n)", &[]).await.unwrap();
    assert_eq!(counted, [["5"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_and_filters_of_a_kept_table_are_those_of_its_rows() {
    let (mut session, _directory) = session();
    run(&mut session, "CREATE TABLE kept (k BIGINT, v BIGINT, PRIMARY KEY (k) NOT ENFORCED)", &[]).await.unwrap();
    for shift in 0..3 {
        // Each insert replaces half of the rows of the one before.
        let insert = format!(
            "INSERT INTO kept SELECT n, n * {shift} FROM generate_series({0}, {0} + 999) AS s (n)",
            shift * 500
        );
        run(&mut session, &insert, &[]).await.unwrap();
    }
    for (query, wanted) in [
        ("SELECT COUNT(*), MIN(k), MAX(k) FROM kept", vec!["2000", "0", "1999"]),
        ("SELECT COUNT(*) FROM kept WHERE v = k AND k >= 500", vec!["500"]),
        ("SELECT COUNT(*), SUM(v) FROM kept WHERE k BETWEEN 1000 AND 1009", vec!["10", "20090"]),
        ("SELECT COUNT(*) FROM kept AS a JOIN kept AS b ON a.k = b.k", vec!["2000"]),
    ] {
        assert_eq!(run(&mut session, query, &[]).await.unwrap(), [wanted], "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arithmetic_with_a_parameter_fails_on_overflow() {
    let (mut session, _directory) = session();
    let error = run(&mut session, "SELECT $1 + 1", &[ScalarValue::Int64(Some(i64::MAX))]).await.unwrap_err();
    assert!(error.to_string().starts_with("arithmetic overflow"), "{error}");
    let least = run(&mut session, "SELECT $1 - 1", &[ScalarValue::Int64(Some(i64::MIN + 1))]).await.unwrap();
    assert_eq!(least, [["-9223372036854775808"]]);
}
