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
