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
    assert_snapshot!(run(Some(&ticks), AS_IT_IS), @"
    exit code 1
    error: ticks.csv, line 4, column 'price': cannot parse 'dear' as DOUBLE
     |
     = help: mend the file, or leave bad records out with 'csv.on-error' = 'skip'
    ");
}

#[test]
fn a_missing_column() {
    assert_snapshot!(run(Some(&GOOD.replace("price", "prize")), AS_IT_IS), @"
    exit code 1
    error: ticks.csv: no column 'price' in the header: symbol, ts, prize
     |
     = help: if the file has no header line, set 'csv.header' = 'false'
    ");
}

#[test]
fn a_missing_file() {
    assert_snapshot!(run(None, AS_IT_IS), @"
    exit code 1
    error: table 'ticks': cannot read 'ticks.csv': No such file or directory (os error 2)
     |
     = help: a relative path counts from the directory in which dipper runs
    ");
}

#[test]
fn a_directory_that_is_not_one() {
    assert_snapshot!(run(Some(GOOD), ("'path' = 'ticks.csv'", "'path' = 'ticks.csv/2024'")), @"
    exit code 1
    error: table 'ticks': cannot read 'ticks.csv/2024': Not a directory (os error 20)
     |
     = help: a relative path counts from the directory in which dipper runs
    ");
}

#[test]
fn an_unknown_option() {
    assert_snapshot!(run(Some(GOOD), ("'format' = 'csv'", "'format' = 'csv', 'csv.field-delimeter' = ';'")), @"
    exit code 3
    error: table 'ticks': unknown option 'csv.field-delimeter'
     --> job.sql:6:77
      |
    6 | ) WITH ('connector' = 'filesystem', 'path' = 'ticks.csv', 'format' = 'csv', 'csv.field-delimeter' = ';');
      |                                                                             ^^^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean 'csv.field-delimiter'?
    ");
}

#[test]
fn an_unknown_connector() {
    assert_snapshot!(run(Some(GOOD), ("'filesystem'", "'filesytem'")), @"
    exit code 3
    error: table 'ticks': option 'connector': 'filesytem' is not one of filesystem, delta, datagen, print, blackhole
     --> job.sql:6:23
      |
    6 | ) WITH ('connector' = 'filesytem', 'path' = 'ticks.csv', 'format' = 'csv');
      |                       ^^^^^^^^^^^
      |
      = help: did you mean 'filesystem'?
    ");
}

#[test]
fn a_syntax_error_in_the_pattern() {
    assert_snapshot!(run(Some(GOOD), ("PATTERN (A B)", "PATTERN (A | * B)")), @"
    exit code 3
    error: the quantifier `*` has no pattern before it
      --> job.sql:12:16
       |
    12 |   PATTERN (A | * B)
       |                ^
    ");
}

#[test]
fn a_watermark_on_text() {
    assert_snapshot!(run(Some(GOOD), ("WATERMARK FOR ts AS ts", "WATERMARK FOR symbol AS ts")), @"
    exit code 3
    error: watermark on column 'symbol' of type STRING: it must be a TIMESTAMP
     --> job.sql:5:17
      |
    5 |   WATERMARK FOR symbol AS ts - INTERVAL '2' SECOND
      |                 ^^^^^^
      |
      = help: declare it TIMESTAMP(3), or add a computed column, such as event_time AS TO_TIMESTAMP(symbol)
    ");
}

#[test]
fn an_unknown_column_in_a_condition() {
    assert_snapshot!(run(Some(GOOD), ("B.price > A.price", "B.price > A.prize")), @"
    exit code 3
    error: column 'prize' not found
      --> job.sql:13:27
       |
    13 |   DEFINE B AS B.price > A.prize
       |                           ^^^^^
       |
       = help: did you mean price?
    ");
}

#[test]
fn columns_that_do_not_fit_the_sink() {
    assert_snapshot!(run(Some(GOOD), ("B.price AS b", "B.symbol AS b, B.ts AS c")), @"
    exit code 3
    error: the query has 3 columns, but 2 go into 'found'
     --> job.sql:9:1
      |
    9 | SELECT * FROM ticks MATCH_RECOGNIZE (
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: they are a, b
    ");
}

#[test]
fn a_sql_file_that_does_not_exist() {
    assert_snapshot!(Workspace::new().run(&["run", "no/such.sql"]).failure(), @"
    exit code 2
    error: cannot read SQL file 'no/such.sql': no such file
    ");
}

#[test]
fn a_sql_file_that_is_not_text() {
    let workspace = Workspace::new();
    std::fs::write(workspace.path("job.sql"), b"SELECT 1;\nSELECT '\xff';\n").unwrap();
    assert_snapshot!(workspace.run(&["run", "job.sql"]).failure(), @"
    exit code 2
    error: cannot read SQL file 'job.sql': line 2 is not UTF-8
     |
     = help: save the file as UTF-8
    ");
}

#[test]
fn an_unknown_setting() {
    let workspace = Workspace::new();
    workspace.file("job.sql", "SELECT 1;");
    assert_snapshot!(workspace.run(&["run", "job.sql", "--set", "paralelism.default=2"]).failure(), @"
    exit code 2
    error: unknown setting 'paralelism.default'
     |
     = help: did you mean 'parallelism.default'?
    ");
}

#[test]
fn a_wrong_command_line_has_exit_code_2() {
    assert_eq!(Workspace::new().run(&["run"]).code, 2);
}

#[test]
fn a_sink_below_a_file() {
    for mode in ["automatic", "batch"] {
        let workspace = Workspace::new();
        workspace.file("taken", "");
        let sql = "CREATE TABLE o (a INT) WITH ('connector' = 'filesystem', 'path' = 'taken/out', 'format' = 'csv');
            INSERT INTO o VALUES (1);";
        let mode = format!("execution.runtime-mode={mode}");
        let ran = workspace.run_with_input(&["run", "-", "--set", &mode], sql);
        assert_eq!((ran.code, ran.stderr.lines().count()), (1, 1), "{}", ran.failure());
        assert!(ran.stderr.starts_with("error: table 'o': cannot write 'taken/out/"), "{}", ran.stderr);
    }
}
