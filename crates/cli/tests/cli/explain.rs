//! `dipper explain`.

use crate::harness::Workspace;

const JOB: &str = "\
CREATE TABLE t (k STRING, ts TIMESTAMP(3), v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
  WITH ('connector' = 'filesystem', 'path' = 'no-such-file.csv', 'format' = 'csv');
CREATE TABLE s (k STRING, v INT) WITH ('connector' = 'blackhole');
INSERT INTO s SELECT k, v FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts MEASURES LAST(UP.v) AS v PATTERN (X UP+) DEFINE UP AS v > PREV(v));
";

#[test]
fn the_plan_is_shown_and_nothing_is_read() {
    let ran = Workspace::new().run_with_input(&["explain", "-"], JOB);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    for part in ["MatchRecognize", "HASH", "UP+"] {
        assert!(ran.stdout.contains(part), "no {part} in\n{}", ran.stdout);
    }
}

#[test]
fn json_is_json_and_dot_is_a_graph() {
    let workspace = Workspace::new();
    let json = workspace.run_with_input(&["explain", "-", "--format", "json"], JOB);
    serde_json::from_str::<serde_json::Value>(&json.stdout).unwrap();
    let dot = workspace.run_with_input(&["explain", "-", "--format", "dot"], JOB);
    assert!(dot.stdout.starts_with("digraph"), "{}", dot.stdout);
}

#[test]
fn a_file_without_a_query_has_nothing_to_explain() {
    let ran = Workspace::new().run_with_input(&["explain", "-"], "SET 'parallelism.default' = '2';");
    assert_eq!(ran.code, 2);
    assert_eq!(ran.stderr, "error: '<stdin>' has no query and no INSERT to explain\n");
}
