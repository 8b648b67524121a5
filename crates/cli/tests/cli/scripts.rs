//! Files that run from end to end.

use insta::assert_snapshot;

use crate::harness::Workspace;

const TICKS: &str = "\
symbol,ts,price
a,2024-01-01 09:30:00.000,10
b,2024-01-01 09:30:00.500,50
a,2024-01-01 09:30:02.000,7
a,2024-01-01 09:30:01.000,8
b,2024-01-01 09:30:01.500,40
a,2024-01-01 09:30:03.000,9
b,2024-01-01 09:30:02.500,45
a,2024-01-01 09:30:04.000,9
b,2024-01-01 09:30:03.500,44
";

const TABLE: &str = "
CREATE TABLE ticks (
  symbol STRING, ts TIMESTAMP(3), price DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'ticks.csv', 'format' = 'csv');
";

const V_SHAPE: &str = "
SELECT symbol, start_ts, bottom, end_ts FROM ticks MATCH_RECOGNIZE (
  PARTITION BY symbol ORDER BY ts
  MEASURES STRT.ts AS start_ts, LAST(DOWN.price) AS bottom, LAST(UP.ts) AS end_ts
  PATTERN (STRT DOWN+ UP+ FIN)
  DEFINE DOWN AS DOWN.price < PREV(DOWN.price), UP AS UP.price > PREV(UP.price)
)";

const MATCHES: [&str; 2] =
    ["a,2024-01-01 09:30:00.000,7.0,2024-01-01 09:30:03.000", "b,2024-01-01 09:30:00.500,40.0,2024-01-01 09:30:02.500"];

fn sorted_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn a_pattern_is_found_in_a_file_out_of_order_in_both_hosts_at_any_parallelism_and_batch_size() {
    let workspace = Workspace::new();
    workspace.file("ticks.csv", TICKS).file("job.sql", &format!("{TABLE}{V_SHAPE};"));
    for mode in ["batch", "streaming"] {
        for parallelism in ["1", "4"] {
            for rows in ["1", "7", "32768"] {
                let mode = format!("execution.runtime-mode={mode}");
                let rows = format!("execution.batch-size={rows}");
                let arguments = ["run", "job.sql", "-o", "csv", "-p", parallelism, "--set", &mode, "--set", &rows];
                let ran = workspace.run(&arguments);
                assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.stderr);
                assert_eq!(sorted_lines(&ran.stdout), MATCHES, "{arguments:?}");
            }
        }
    }
}

#[test]
fn an_insert_writes_files_that_another_table_reads() {
    let workspace = Workspace::new();
    let sink = "CREATE TABLE vs (symbol STRING, start_ts TIMESTAMP(3), bottom DOUBLE, end_ts TIMESTAMP(3))
      WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'csv');";
    workspace.file("ticks.csv", TICKS).file("job.sql", &format!("{TABLE}{sink}INSERT INTO vs {V_SHAPE};"));
    let ran = workspace.run(&["run", "job.sql"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("9 rows in, 2 rows out, 2 matches"), "{}", ran.stderr);
    let read =
        workspace.run_with_input(&["run", "-", "-o", "csv"], &format!("{sink} SELECT * FROM vs ORDER BY symbol;"));
    assert_eq!(sorted_lines(&read.stdout), MATCHES, "{}", read.stderr);
}

#[test]
fn a_batch_insert_writes_what_only_a_batch_can_compute() {
    let workspace = Workspace::new();
    let script = format!(
        "SET 'execution.runtime-mode' = 'batch'; {TABLE}
         CREATE TABLE top (symbol STRING, price DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'csv');
         INSERT INTO top SELECT symbol, MAX(price) FROM ticks GROUP BY symbol ORDER BY symbol;"
    );
    workspace.file("ticks.csv", TICKS);
    let ran = workspace.run_with_input(&["run", "-"], &script);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(workspace.files_in("out"), ["symbol,price\na,10.0\nb,50.0\n"]);
}

#[test]
fn a_statement_set_runs_as_one_job() {
    let workspace = Workspace::new();
    let script = format!(
        "{TABLE}
         CREATE TABLE a (price DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'a', 'format' = 'csv');
         CREATE TABLE b (price DOUBLE) WITH ('connector' = 'filesystem', 'path' = 'b', 'format' = 'csv');
         EXECUTE STATEMENT SET BEGIN
           INSERT INTO a SELECT price FROM ticks WHERE symbol = 'a' AND price > 9;
           INSERT INTO b SELECT price FROM ticks WHERE symbol = 'b' AND price > 45;
         END;"
    );
    workspace.file("ticks.csv", TICKS);
    let ran = workspace.run_with_input(&["run", "-"], &script);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(workspace.files_in("a"), ["price\n10.0\n"]);
    assert_eq!(workspace.files_in("b"), ["price\n50.0\n"]);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
}

#[test]
fn a_setting_of_the_command_line_wins_over_the_file() {
    let workspace = Workspace::new();
    workspace.file("job.sql", "SET 'parallelism.default' = '2'; SET;");
    let shown = |arguments: &[&str]| {
        let ran = workspace.run(arguments);
        ran.stdout.lines().find_map(|line| line.strip_prefix("parallelism.default,").map(|rest| rest[..1].to_owned()))
    };
    assert_eq!(shown(&["run", "job.sql", "-o", "csv"]).as_deref(), Some("2"));
    assert_eq!(shown(&["run", "job.sql", "-o", "csv", "-p", "4"]).as_deref(), Some("4"));
}

#[test]
fn skipped_records_and_late_rows_are_warned_about() {
    let workspace = Workspace::new();
    let table = TABLE.replace("'format' = 'csv'", "'format' = 'csv', 'csv.on-error' = 'skip'");
    let late = "a,2024-01-01 09:29:00.000,1\nb,not a time,1\n";
    workspace.file("ticks.csv", &format!("{TICKS}{late}")).file("job.sql", &format!("{table}{V_SHAPE};"));
    let ran = workspace.run(&[
        "run",
        "job.sql",
        "-o",
        "csv",
        "--set",
        "execution.runtime-mode=streaming",
        "--set",
        "execution.batch-size=1",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(sorted_lines(&ran.stdout), MATCHES);
    assert!(ran.stderr.contains("warning: 1 late row was left out"), "{}", ran.stderr);
    assert!(ran.stderr.contains("warning: 1 record could not be decoded and was skipped"), "{}", ran.stderr);
}

#[test]
fn nothing_runs_when_a_later_statement_does_not_parse() {
    let ran = Workspace::new().run_with_input(&["run", "-"], "SELECT 1 AS one;\nSELECT 2 FROM;\n");
    assert_snapshot!(ran.failure(), @"
    exit code 3
    error: expected identifier, found the end of the statement
     --> <stdin>:2:14
      |
    2 | SELECT 2 FROM;
      |              ^
    ");
}

#[test]
fn null_is_not_written_to_a_column_that_is_not_null() {
    for mode in ["automatic", "batch"] {
        for connector in ["'connector' = 'print'", "'connector' = 'filesystem', 'path' = 'out', 'format' = 'csv'"] {
            let workspace = Workspace::new();
            let script =
                format!("CREATE TABLE o (a INT NOT NULL) WITH ({connector}); INSERT INTO o VALUES (1), (NULL);");
            let ran =
                workspace.run_with_input(&["run", "-", "--set", &format!("execution.runtime-mode={mode}")], &script);
            assert_eq!(ran.code, 1, "{mode}, {connector}: {}", ran.failure());
            let message = "error: table 'o': NULL was to be written to column 'a', which is NOT NULL\n";
            assert!(ran.stderr.starts_with(message), "{mode}, {connector}: {}", ran.failure());
            assert_eq!(workspace.files_in("out"), Vec::<String>::new());
        }
    }
}

const ENDLESS: &str = "
CREATE TABLE endless (n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen');
CREATE TABLE one (n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'one.csv', 'format' = 'csv');
CREATE TABLE files (n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'csv');
CREATE TABLE nowhere (n BIGINT) WITH ('connector' = 'blackhole');
";

#[test]
fn a_job_without_end_into_a_sink_that_commits_at_the_end_is_refused() {
    for insert in [
        "INSERT INTO files SELECT n FROM endless;",
        "EXECUTE STATEMENT SET BEGIN INSERT INTO nowhere SELECT n FROM one; INSERT INTO files SELECT n FROM endless; END;",
        // The bounded half would be committed only with the other one, which never ends.
        "EXECUTE STATEMENT SET BEGIN INSERT INTO nowhere SELECT n FROM endless; INSERT INTO files SELECT n FROM one; END;",
    ] {
        let workspace = Workspace::new();
        workspace.file("one.csv", "n\n1\n");
        let ran = workspace.run_with_input(&["run", "-"], &format!("{ENDLESS}{insert}"));
        assert_eq!(ran.code, 3, "{insert}: {}", ran.failure());
        let message = "error: INSERT INTO 'files': its rows become visible when the job ends";
        assert!(ran.stderr.starts_with(message), "{insert}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("= help: ") && ran.stderr.contains("INSERT INTO files"),
            "{insert}: {}",
            ran.stderr
        );

        workspace.file("job.sql", &format!("{ENDLESS}{insert}"));
        let explained = workspace.run(&["explain", "job.sql"]);
        assert_eq!(explained.code, 3, "what would be refused is not explained: {}", explained.failure());
    }
}
