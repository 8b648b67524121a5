//! Tables that Dipper keeps: what a job has committed is there for every process, once, whenever the job dies.
#![cfg(target_os = "linux")]

use crate::dice::Dice;
use crate::harness::Workspace;
use crate::running::Running;

const JOB: &str = "
    SET 'execution.checkpointing.interval' = '30 ms';
    CREATE TABLE made (n BIGINT, k INT) WITH ('connector' = 'datagen', 'number-of-rows' = '4000', 'rows-per-second' = '1000',
      'fields.n.kind' = 'sequence', 'fields.k.min' = '1', 'fields.k.max' = '50');
    CREATE TABLE appended (n BIGINT, k INT);
    CREATE TABLE latest (k INT, n BIGINT, PRIMARY KEY (k) NOT ENFORCED);
    EXECUTE STATEMENT SET BEGIN
      INSERT INTO appended SELECT n, k FROM made;
      INSERT INTO latest SELECT k, n FROM made;
    END;";

/// The first row of a query, without quotes.
fn ask(workspace: &Workspace, query: &str) -> Vec<String> {
    let ran = workspace.run_with_input(&["run", "-", "-o", "csv"], query);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout.lines().nth(1).unwrap().split(',').map(str::to_owned).collect()
}

/// How many rows there are: each number once, without a gap, as the source makes them.
fn committed(workspace: &Workspace) -> u64 {
    let row = ask(workspace, "SELECT COUNT(*), COUNT(DISTINCT n), COALESCE(MAX(n) - MIN(n) + 1, 0) FROM appended");
    assert!(row[0] == row[1] && row[1] == row[2], "{row:?}");
    row[0].parse().unwrap()
}

#[test]
fn a_job_that_is_killed_has_its_rows_in_its_tables_once() {
    let workspace = Workspace::new();
    workspace.file("job.sql", JOB);
    let run = ["run", "job.sql", "--checkpoint-dir", "checkpoints"];
    let (mut dice, mut kills) = (Dice(7), 0);
    // The tables are there, and empty, as soon as the first process has created them.
    let mut job = Running::start(workspace.command(&run));
    job.until(|_| workspace.path("warehouse/catalog/00000000000000000002.json").exists());
    let mut before = committed(&workspace);
    while before < 3_000 {
        let least = before + 1 + dice.roll(300);
        job.until(|_| {
            let now = committed(&workspace);
            assert!(now >= before, "{now} after {before}");
            before = now;
            now >= least
        });
        job.child.kill().unwrap();
        job.child.wait().unwrap();
        kills += 1;
        assert!(committed(&workspace) >= before);
        job = Running::start(workspace.command(&run));
    }
    let ran = job.end();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(kills > 3, "{kills}");
    assert_eq!(committed(&workspace), 4_000);
    let expected = "SELECT COUNT(*), SUM(n) FROM (SELECT k, MAX(n) AS n FROM appended GROUP BY k) AS last";
    assert_eq!(ask(&workspace, "SELECT COUNT(*), SUM(n) FROM latest"), ask(&workspace, expected));
    assert_eq!(ask(&workspace, "SELECT COUNT(*) FROM latest")[0], "50");
}

#[test]
fn a_job_with_checkpoints_reads_no_table_that_may_change() {
    let workspace = Workspace::new();
    let job = "CREATE TABLE kept (a INT); CREATE TABLE gone (a INT) WITH ('connector' = 'blackhole'); INSERT INTO gone SELECT a FROM kept;";
    let refused = workspace.run_with_input(&["run", "-", "--checkpoint-dir", "c", "--set", "pipeline.name=j"], job);
    assert!(refused.failure().contains("a job with checkpoints cannot read table 'kept' yet"), "{refused:?}");
    assert_eq!(workspace.run_with_input(&["run", "-"], job).code, 0);
}

#[test]
fn rows_staged_for_a_table_that_was_dropped_go_nowhere_and_that_is_said() {
    let workspace = Workspace::new();
    workspace.file("job.sql", JOB);
    let run = ["run", "job.sql", "--checkpoint-dir", "checkpoints"];
    let mut job = Running::start(workspace.command(&run));
    job.until(|_| workspace.path("warehouse/catalog/00000000000000000002.json").exists() && committed(&workspace) > 0);
    assert_eq!(workspace.run_with_input(&["run", "-"], "DROP TABLE appended").code, 0);
    let ran = job.end();
    assert_ne!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("table 'appended': the table has been dropped while the job wrote to it"), "{ran:?}");
    // The script creates it again; what is staged was for the other one.
    let again = workspace.run(&run);
    assert!(again.stderr.contains("start over with --fresh"), "{again:?}");
    assert_eq!(ask(&workspace, "SELECT COUNT(*) FROM appended"), ["0"]);
}

#[test]
fn a_catalog_with_a_gap_is_not_taken_for_a_shorter_one() {
    let workspace = Workspace::new();
    let made = workspace
        .run_with_input(&["run", "-"], "CREATE TABLE a (a INT); CREATE TABLE b (a INT); CREATE TABLE c (a INT);");
    assert_eq!(made.code, 0, "{made:?}");
    std::fs::remove_file(workspace.path("warehouse/catalog/00000000000000000002.json")).unwrap();
    let refused = workspace.run_with_input(&["run", "-"], "SHOW TABLES");
    assert!(refused.stderr.contains("'00000000000000000002.json' before it is gone"), "{refused:?}");
}

#[test]
fn explaining_a_script_creates_and_drops_nothing() {
    let workspace = Workspace::new();
    workspace.file("made.sql", "CREATE TABLE kept (a INT); INSERT INTO kept VALUES (1);");
    assert_eq!(workspace.run(&["explain", "made.sql"]).code, 0);
    assert!(!workspace.path("warehouse").exists());
    assert_eq!(workspace.run(&["run", "made.sql"]).code, 0);
    workspace.file("dropped.sql", "SELECT a FROM kept; DROP TABLE kept;");
    let explained = workspace.run(&["explain", "dropped.sql"]);
    assert_eq!(explained.code, 0, "{explained:?}");
    assert_eq!(ask(&workspace, "SELECT a FROM kept"), ["1"]);
    let again = workspace.run(&["run", "made.sql"]);
    assert_eq!(again.code, 0, "a script can be run once more: {again:?}");
    assert_eq!(ask(&workspace, "SELECT COUNT(*) FROM kept"), ["2"]);
}
