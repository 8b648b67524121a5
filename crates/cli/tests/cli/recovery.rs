//! Jobs that are killed, and started again: nothing is lost, and nothing is there twice. `DIPPER_KILLS=200` kills longer.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Child;
use std::sync::mpsc;
use std::time::Duration;

use crate::harness::Workspace;

const ROWS: usize = 4_000;

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

#[cfg(unix)]
#[test]
fn a_job_that_is_killed_again_and_again_writes_what_it_writes_undisturbed() {
    let undisturbed = Workspace::new();
    prepare(&undisturbed);
    let ran = undisturbed.run(&["run", "job.sql", "--set", "execution.checkpointing.interval=0"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let expected = [lines(&undisturbed, "even"), lines(&undisturbed, "words")];
    assert_eq!((expected[0].len(), expected[1].len()), (ROWS / 2, ROWS));

    let wanted: usize = std::env::var("DIPPER_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(12);
    let (mut kills, mut seed) = (0, 0);
    while kills < wanted {
        seed += 1;
        assert!(seed <= 10 * wanted as u64, "the job comes to its end before it can be killed");
        let workspace = Workspace::new();
        prepare(&workspace);
        kills += run_with_kills(&workspace, seed);
        for (table, expected) in ["even", "words"].into_iter().zip(&expected) {
            let found = lines(&workspace, table);
            let distinct: BTreeSet<&String> = found.iter().collect();
            let place = format!("seed {seed}, table '{table}'");
            assert_eq!(found.len(), distinct.len(), "{place}: rows are there twice");
            assert_eq!(&found, expected, "{place}");
            let staging = std::fs::read_dir(workspace.path(table)).unwrap();
            let staging = staging.filter(|entry| entry.as_ref().unwrap().file_type().unwrap().is_dir()).count();
            assert_eq!(staging, 0, "{place}: staged files are left");
        }
        let manifests = std::fs::read_dir(workspace.path("checkpoints/job/manifests")).unwrap().count();
        assert_eq!(manifests, 1, "seed {seed}: manifests are left");
    }
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
