//! What can be wrong with a file, and what the user is told: the place, the reason, the remedy, and no rows in the sink.

use insta::assert_snapshot;

use crate::harness::Workspace;

/// A job over `ticks.csv` that inserts into `out`, with one thing changed.
fn run(ticks: Option<&str>, change: (&str, &str)) -> String {
    const JOB: &str = "\
CREATE TABLE ticks (
  symbol STRING,
  ts     TIMESTAMP(3),
  price  DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'ticks.csv', 'format' = 'csv');
CREATE TABLE found (a DOUBLE, b DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'csv');
INSERT INTO found
SELECT * FROM ticks MATCH_RECOGNIZE (
  ORDER BY ts
  MEASURES A.price AS a, B.price AS b
  PATTERN (A B)
  DEFINE B AS B.price > A.price
);
";
    assert!(JOB.contains(change.0));
    let workspace = Workspace::new();
    workspace.file("job.sql", &JOB.replacen(change.0, change.1, 1));
    if let Some(ticks) = ticks {
        workspace.file("ticks.csv", ticks);
    }
    let ran = workspace.run(&["run", "job.sql"]);
    assert_eq!(workspace.files_in("out"), Vec::<String>::new(), "rows in the sink of a failed job");
    assert_ne!(ran.code, 0);
    ran.failure()
}

const GOOD: &str = "symbol,ts,price\na,2024-01-01 09:30:00,1\na,2024-01-01 09:30:01,2\n";
const AS_IT_IS: (&str, &str) = ("A", "A");

#[test]
fn a_bad_row() {
    let ticks = format!("{GOOD}a,2024-01-01 09:30:02,dear\n");
    assert_snapshot!(run(Some(&ticks), AS_IT_IS), @"");
}

#[test]
fn a_missing_column() {
    assert_snapshot!(run(Some(&GOOD.replace("price", "prize")), AS_IT_IS), @"");
}

#[test]
fn a_missing_file() {
    assert_snapshot!(run(None, AS_IT_IS), @"");
}

#[test]
fn a_directory_that_is_not_one() {
    assert_snapshot!(run(Some(GOOD), ("'path' = 'ticks.csv'", "'path' = 'ticks.csv/2024'")), @"");
}

#[test]
fn an_unknown_option() {
    assert_snapshot!(run(Some(GOOD), ("'format' = 'csv'", "'format' = 'csv', 'csv.field-delimeter' = ';'")), @"");
}

#[test]
fn an_unknown_connector() {
    assert_snapshot!(run(Some(GOOD), ("'filesystem'", "'filesytem'")), @"");
}

#[test]
fn a_syntax_error_in_the_pattern() {
    assert_snapshot!(run(Some(GOOD), ("PATTERN (A B)", "PATTERN (A | * B)")), @"");
}

#[test]
fn a_watermark_on_text() {
    assert_snapshot!(run(Some(GOOD), ("WATERMARK FOR ts AS ts", "WATERMARK FOR symbol AS ts")), @"");
}

#[test]
fn an_unknown_column_in_a_condition() {
    assert_snapshot!(run(Some(GOOD), ("B.price > A.price", "B.price > A.prize")), @"");
}

#[test]
fn columns_that_do_not_fit_the_sink() {
    assert_snapshot!(run(Some(GOOD), ("B.price AS b", "B.symbol AS b, B.ts AS c")), @"");
}

#[test]
fn a_sql_file_that_does_not_exist() {
    assert_snapshot!(Workspace::new().run(&["run", "no/such.sql"]).failure(), @"");
}

#[test]
fn a_sql_file_that_is_not_text() {
    let workspace = Workspace::new();
    std::fs::write(workspace.path("job.sql"), b"SELECT 1;\nSELECT '\xff';\n").unwrap();
    assert_snapshot!(workspace.run(&["run", "job.sql"]).failure(), @"");
}

#[test]
fn an_unknown_setting() {
    let workspace = Workspace::new();
    workspace.file("job.sql", "SELECT 1;");
    assert_snapshot!(workspace.run(&["run", "job.sql", "--set", "paralelism.default=2"]).failure(), @"");
}

#[test]
fn a_wrong_command_line_has_exit_code_2() {
    assert_eq!(Workspace::new().run(&["run"]).code, 2);
}
