//! Jobs that are killed, and started again: nothing is lost, and nothing is there twice. `DIPPER_KILLS=200` kills longer.

use std::path::Path;
use std::process::Child;
use std::sync::mpsc;
use std::time::Duration;

use crate::harness::Workspace;

const ROWS: usize = 4_000;

/// A job, and the tables that it writes.
struct Job {
    prepare: fn(&Workspace),
    tables: &'static [&'static str],
}

const LINES: Job = Job { prepare, tables: &["even", "words"] };
const PATTERNS: Job =
    Job { prepare: prepare_patterns, tables: &["carts", "shapes", "sessions", "averages", "unmatched", "windows"] };

/// Every kind of state in one job: timeouts, runs of both engines, rows of no match, rows that wait for the watermark, window aggregates.
fn prepare_patterns(workspace: &Workspace) {
    let pattern = |table: &str, clause: &str| {
        format!("INSERT INTO {table} SELECT * FROM events MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts {clause});\n")
    };
    let sink = |table: &str, columns: &str| {
        format!(
            "CREATE TABLE {table} ({columns}) WITH ('connector' = 'filesystem', 'path' = '{table}', 'format' = 'json');\n"
        )
    };
    let script = [
        "SET 'execution.checkpointing.interval' = '20 ms';
         SET 'execution.batch-size' = '50';\n"
            .to_owned(),
        format!(
            "CREATE TABLE events (k INT, ts TIMESTAMP(3), v INT, e INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
             WITH ('connector' = 'datagen', 'number-of-rows' = '{ROWS}', 'rows-per-second' = '{ROWS}', 'splits' = '3',
               'fields.k.min' = '1', 'fields.k.max' = '20', 'fields.v.min' = '0', 'fields.v.max' = '99', 'fields.e.min' = '0',
               'fields.e.max' = '2', 'fields.ts.start' = '2024-01-01 00:00:00', 'fields.ts.step' = '100 ms');\n"
        ),
        sink("carts", "k INT, added TIMESTAMP(3), events BIGINT"),
        sink("shapes", "k INT, started TIMESTAMP(3), bottom INT, ended TIMESTAMP(3), number BIGINT"),
        sink("sessions", "k INT, started TIMESTAMP(3), ended TIMESTAMP(3), events BIGINT"),
        sink("averages", "k INT, started TIMESTAMP(3), mean DOUBLE, length BIGINT"),
        sink("unmatched", "k INT, ts TIMESTAMP(3), variable STRING, v INT, e INT"),
        sink("windows", "k INT, started TIMESTAMP(3), events BIGINT, total BIGINT, mean DOUBLE"),
        "EXECUTE STATEMENT SET BEGIN\n".to_owned(),
        pattern(
            "carts",
            "MEASURES FIRST(cart.ts) AS added, COUNT(*) AS events ONE ROW PER MATCH ONLY TIMEOUT MATCHES
             PATTERN (cart other* buy) WITHIN INTERVAL '10' SECOND
             DEFINE cart AS cart.e = 0, other AS other.e = 2, buy AS buy.e = 1",
        ),
        pattern(
            "shapes",
            "MEASURES FIRST(STRT.ts) AS started, LAST(DOWN.v) AS bottom, LAST(UP.ts) AS ended, MATCH_NUMBER() AS number
             AFTER MATCH SKIP TO LAST UP PATTERN (STRT DOWN+ UP+)
             DEFINE DOWN AS DOWN.v < PREV(DOWN.v), UP AS UP.v > PREV(UP.v)",
        ),
        pattern(
            "sessions",
            "MEASURES FIRST(ts) AS started, LAST(ts) AS ended, COUNT(*) AS events
             PATTERN (A B*) DEFINE B AS B.ts < PREV(B.ts) + INTERVAL '4' SECOND",
        ),
        pattern(
            "averages",
            "MEASURES FIRST(A.ts) AS started, AVG(A.v) AS mean, COUNT(A.*) AS length
             PATTERN (A+ B) DEFINE A AS AVG(A.v) < 60",
        ),
        pattern(
            "unmatched",
            "MEASURES CLASSIFIER() AS variable ALL ROWS PER MATCH WITH UNMATCHED ROWS
             AFTER MATCH SKIP TO NEXT ROW PATTERN (A B+ C) DEFINE A AS A.e = 0, B AS B.e = 1, C AS C.v > 50",
        ),
        "INSERT INTO windows SELECT k, window_start, COUNT(*), SUM(v), AVG(v)
           FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY window_start, window_end, k;
         END;"
        .to_owned(),
    ];
    workspace.file("job.sql", &script.concat());
}

/// Reads files and made-up rows, at a pace at which it can be killed in between.
fn prepare(workspace: &Workspace) {
    for file in 0..5 {
        let rows = (0..ROWS).filter(|n| n % 5 == file).map(|n| format!("{n},\"row\n{n}\""));
        let lines: Vec<String> = std::iter::once("n,name".to_owned()).chain(rows).collect();
        workspace.file(&format!("in/{file}.csv"), &lines.join("\n"));
    }
    workspace.file(
        "job.sql",
        &format!(
            "SET 'execution.checkpointing.interval' = '20 ms';
             SET 'execution.batch-size' = '50';
             CREATE TABLE files (n BIGINT, name STRING)
               WITH ('connector' = 'filesystem', 'path' = 'in', 'format' = 'csv');
             CREATE TABLE made (n BIGINT, word STRING) WITH ('connector' = 'datagen', 'number-of-rows' = '{ROWS}',
               'rows-per-second' = '{ROWS}', 'splits' = '3', 'fields.n.kind' = 'sequence', 'fields.n.start' = '0',
               'fields.word.length' = '4');
             CREATE TABLE even (n BIGINT, name STRING)
               WITH ('connector' = 'filesystem', 'path' = 'even', 'format' = 'json');
             CREATE TABLE words (n BIGINT, word STRING)
               WITH ('connector' = 'filesystem', 'path' = 'words', 'format' = 'json');
             EXECUTE STATEMENT SET BEGIN
               INSERT INTO even SELECT n, name FROM files WHERE n % 2 = 0;
               INSERT INTO words SELECT n, word FROM made;
             END;"
        ),
    );
}

/// The lines of all files, sorted.
fn lines(workspace: &Workspace, directory: &str) -> Vec<String> {
    let files = workspace.files_in(directory);
    let mut lines: Vec<String> = files.iter().flat_map(|file| file.lines().map(str::to_owned)).collect();
    lines.sort();
    lines
}

/// Waits for the process to end, but no longer than this; then it is killed. Whether it has ended by itself.
fn ends_within(mut child: Child, limit: Duration, stderr: &Path) -> bool {
    let (ended, end) = mpsc::channel();
    let id = child.id().to_string();
    let waiter = std::thread::spawn(move || {
        let status = child.wait().unwrap();
        let _ = ended.send(());
        status
    });
    if end.recv_timeout(limit).is_err() {
        // It may have ended just now.
        let _ = std::process::Command::new("kill").args(["-KILL", &id]).status();
    }
    let status = waiter.join().unwrap();
    let said = || std::fs::read_to_string(stderr).unwrap();
    assert!(status.success() || status.code().is_none(), "{status:?}: {}", said());
    status.success()
}

/// Kills the job at points that follow from the seed, each time at another parallelism, until it has come to its end. Returns how often.
fn run_with_kills(workspace: &Workspace, mut seed: u64) -> usize {
    let mut dice = |sides: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % sides
    };
    let mut kills = 0;
    loop {
        let parallelism = (1 + dice(4)).to_string();
        let limit = Duration::from_millis(if kills < 12 { 150 + dice(500) } else { 120_000 });
        let mut command = workspace.command(&["run", "job.sql", "--checkpoint-dir", "checkpoints", "-p", &parallelism]);
        let said = std::fs::File::create(workspace.path("stderr")).unwrap();
        let child = command.stderr(said).spawn().unwrap();
        if ends_within(child, limit, &workspace.path("stderr")) {
            return kills;
        }
        kills += 1;
    }
}

/// Kills the job from many seeds; what it writes in the end is what it writes undisturbed.
#[allow(clippy::print_stdout, reason = "how often it was killed is what one wants to know of a long run")]
fn survives(job: &Job) {
    let undisturbed = Workspace::new();
    (job.prepare)(&undisturbed);
    let ran = undisturbed.run(&["run", "job.sql", "--set", "execution.checkpointing.interval=0"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let expected: Vec<Vec<String>> = job.tables.iter().map(|table| lines(&undisturbed, table)).collect();
    assert!(expected.iter().all(|lines| lines.len() > 20), "{:?}", expected.iter().map(Vec::len).collect::<Vec<_>>());

    let wanted: usize = std::env::var("DIPPER_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(12);
    let (mut kills, mut seed) = (0, 0);
    while kills < wanted {
        seed += 1;
        assert!(seed <= 10 * wanted as u64, "the job comes to its end before it can be killed");
        let workspace = Workspace::new();
        (job.prepare)(&workspace);
        kills += run_with_kills(&workspace, seed);
        for (table, expected) in job.tables.iter().zip(&expected) {
            assert_eq!(&lines(&workspace, table), expected, "seed {seed}, table '{table}'");
            let staging = std::fs::read_dir(workspace.path(table)).unwrap();
            let staging = staging.filter(|entry| entry.as_ref().unwrap().file_type().unwrap().is_dir()).count();
            assert_eq!(staging, 0, "seed {seed}, table '{table}': staged files are left");
        }
        let manifests = std::fs::read_dir(workspace.path("checkpoints/job/manifests")).unwrap().count();
        assert_eq!(manifests, 1, "seed {seed}: manifests are left");
    }
    println!("{kills} kills");
}

#[cfg(unix)]
#[test]
fn a_job_that_is_killed_again_and_again_writes_what_it_writes_undisturbed() {
    survives(&LINES);
}

#[cfg(unix)]
#[test]
fn patterns_and_windows_that_are_killed_again_and_again_write_what_they_write_undisturbed() {
    survives(&PATTERNS);
}

#[cfg(unix)]
#[test]
fn a_job_says_what_it_goes_on_from_and_when_it_has_finished() {
    let workspace = Workspace::new();
    prepare(&workspace);
    let run = |more: &[&str]| {
        let mut arguments = vec!["run", "job.sql", "--checkpoint-dir", "checkpoints"];
        arguments.extend(more);
        workspace.run(&arguments)
    };
    let first = run(&[]);
    assert_eq!(first.code, 0);
    assert!(first.stderr.starts_with("job 'job' begins: there is no checkpoint of it in 'checkpoints'\n"), "{first:?}");
    let second = run(&[]);
    assert_eq!(
        (second.code, second.stderr.as_str()),
        (0, "job 'job' has finished before and is not run again; --fresh starts it over\n")
    );
    assert_eq!(lines(&workspace, "even").len(), ROWS / 2);
    let third = run(&["--fresh"]);
    assert!(third.stderr.starts_with("job 'job' starts over\n"), "{third:?}");
    assert_eq!(lines(&workspace, "even").len(), ROWS);
}

#[test]
fn an_interval_without_a_directory_is_refused() {
    let workspace = Workspace::new();
    prepare(&workspace);
    insta::assert_snapshot!(workspace.run(&["run", "job.sql"]).failure(), @r"
    exit code 3
    error: 'execution.checkpointing.interval' is set, but there is no directory for checkpoints
     |
     = help: add --checkpoint-dir DIR, or SET 'state.checkpoints.dir' = 'DIR'
    ");
}

#[test]
fn a_start_from_checkpoints_without_a_directory_is_refused() {
    let workspace = Workspace::new();
    prepare(&workspace);
    for (arguments, asked) in [
        (&["--fresh"][..], "to start over"),
        (&["--from-savepoint", "there"], "to start from 'there'"),
        (&["--allow-non-restored-state"], "to leave state behind"),
    ] {
        for (mode, why) in [("streaming", "there is no directory"), ("batch", "a batch takes no checkpoints")] {
            let mode = format!("execution.runtime-mode={mode}");
            let all = [&["run", "job.sql", "--set", "execution.checkpointing.interval=0", "--set", &mode], arguments]
                .concat();
            let ran = workspace.run(&all);
            assert_eq!(ran.code, 3, "{all:?}");
            assert!(ran.stderr.contains(&format!("the job is {asked}, but {why}")), "{all:?}: {}", ran.stderr);
        }
    }
    assert_eq!(workspace.run(&["run", "job.sql", "--checkpoint-dir", ""]).code, 2);
}

#[test]
fn two_jobs_do_not_share_the_checkpoints_of_one_name() {
    let workspace = Workspace::new();
    let insert = |n: i32| format!("INSERT INTO numbers VALUES ({n});\n");
    let table = "SET 'pipeline.name' = 'one';
        CREATE TABLE numbers (n INT) WITH ('connector' = 'filesystem', 'path' = 'numbers', 'format' = 'json');\n";
    workspace.file("job.sql", &[table, &insert(1), &insert(2)].concat());
    let ran = workspace.run(&["run", "job.sql", "--checkpoint-dir", "checkpoints"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("there has been another job with checkpoints by the name 'one'"), "{}", ran.stderr);
    assert_eq!(lines(&workspace, "numbers"), ["{\"n\":1}"]);
}

#[test]
fn what_the_command_line_sets_wins_by_any_name_of_the_setting() {
    let workspace = Workspace::new();
    prepare(&workspace);
    let script = std::fs::read_to_string(workspace.path("job.sql")).unwrap();
    workspace.file("job.sql", &format!("SET 'execution.checkpointing.dir' = 'other';\n{script}"));
    assert_eq!(workspace.run(&["run", "job.sql", "--checkpoint-dir", "checkpoints"]).code, 0);
    assert!(workspace.path("checkpoints").exists() && !workspace.path("other").exists());
}
