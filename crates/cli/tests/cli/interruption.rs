//! Ctrl-C, and readers that go away.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};

use crate::harness::Workspace;

const ENDLESS: &str = "
CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1000', 'fields.n.kind' = 'sequence',
  'fields.n.start' = '1', 'fields.n.end' = '1000000000');
";

/// Starts an endless query and waits for its first row.
fn start(workspace: &Workspace) -> (Child, BufReader<impl Read>) {
    workspace.file("job.sql", &format!("{ENDLESS} SELECT n FROM numbers;"));
    let mut child = workspace.command(&["run", "job.sql", "-o", "json"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    assert_eq!(first, "{\"n\":1}\n", "{:?}", child.wait_with_output());
    (child, lines)
}

#[cfg(unix)]
#[test]
fn ctrl_c_cancels_the_query() {
    let workspace = Workspace::new();
    let (child, mut lines) = start(&workspace);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "cancelled\n");
    assert!(rest.is_empty() || rest.ends_with("}\n"), "half a row: {rest}");
}

#[test]
fn a_reader_that_has_enough_ends_the_query_without_a_word() {
    let workspace = Workspace::new();
    let (child, lines) = start(&workspace);
    drop(lines);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[cfg(unix)]
#[test]
fn a_cancelled_insert_leaves_nothing_in_its_sink() {
    let workspace = Workspace::new();
    let sink = "CREATE TABLE s (n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'csv');";
    let seen = "CREATE TABLE p (n BIGINT) WITH ('connector' = 'print');";
    let insert =
        "EXECUTE STATEMENT SET BEGIN INSERT INTO s SELECT n FROM numbers; INSERT INTO p SELECT n FROM numbers; END;";
    workspace.file("job.sql", &format!("{ENDLESS}{sink}{seen}{insert}"));
    let mut child = workspace.command(&["run", "job.sql"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    lines.read_line(&mut String::new()).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    lines.read_to_string(&mut String::new()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(workspace.files_in("out"), Vec::<String>::new());
    let left = std::fs::read_dir(workspace.path("out")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "the staging directory is still there");
}

#[cfg(unix)]
#[test]
fn ctrl_c_cancels_a_query_that_only_computes_and_quiet_does_not_hide_it() {
    let workspace = Workspace::new();
    let digits = "d AS (SELECT * FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS t(n))";
    let sum: Vec<String> = (0..10).map(|place| format!("d{place}.n")).collect();
    let from: Vec<String> = (0..10).map(|place| format!("d AS d{place}")).collect();
    let query = format!("WITH {digits} SELECT COUNT(*) AS n FROM {} WHERE {} = 7;", from.join(", "), sum.join(" + "));
    // The first query tells that the second one is next.
    workspace.file("job.sql", &format!("SELECT 1 AS n; {query}"));
    let mut child = workspace.command(&["--quiet", "run", "job.sql", "-o", "json"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    lines.read_line(&mut String::new()).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "cancelled\n");
}

#[cfg(unix)]
#[test]
fn a_pattern_whose_state_nothing_bounds_is_warned_about_when_it_starts() {
    let workspace = Workspace::new();
    let table = "CREATE TABLE e (n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen');";
    let query = |within: &str| {
        format!("{table} SELECT * FROM e MATCH_RECOGNIZE (ORDER BY ts MEASURES A.n AS n PATTERN (A B*?) {within});")
    };
    for (within, warned) in [("", true), ("WITHIN INTERVAL '1' MINUTE", false)] {
        workspace.file("job.sql", &query(within));
        let mut child = workspace.command(&["run", "job.sql", "-o", "json"]).spawn().unwrap();
        // A row tells that the job has started.
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut String::new()).unwrap();
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        lines.read_to_string(&mut String::new()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{said}");
        assert_eq!(said.contains("warning: the state of a MATCH_RECOGNIZE may grow without end"), warned, "{said}");
    }
}
