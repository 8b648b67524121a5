//! Jobs that are killed, and started again: nothing is lost, and nothing is there twice. `DIPPER_KILLS=200` kills longer.

use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use crate::dice::Dice;
use crate::failing_proxy::Faults;
use crate::harness::Workspace;
use crate::s3::{self, FailingS3, Reach};

const ROWS: usize = 4_000;

/// A job that takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(5);

/// A job, and the tables that it writes.
struct Job {
    /// Makes its files, with so many rows per second of what is made up.
    prepare: fn(&Workspace, usize),
    tables: &'static [&'static str],
}

const LINES: Job = Job { prepare, tables: &["even", "words"] };
const PATTERNS: Job = Job { prepare: prepare_patterns, tables: &PATTERN_TABLES };

/// The tables that the patterns write.
pub(crate) const PATTERN_TABLES: [&str; 6] = ["carts", "shapes", "sessions", "averages", "unmatched", "windows"];

/// Every kind of state in one job: timeouts, runs of both engines, rows of no match, rows that wait for the watermark, window aggregates.
fn prepare_patterns(workspace: &Workspace, pace: usize) {
    workspace.file("job.sql", &patterns(ROWS, pace));
}

/// That job, over so many rows, of which so many come in a second.
pub(crate) fn patterns(rows: usize, pace: usize) -> String {
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
             WITH ('connector' = 'datagen', 'number-of-rows' = '{rows}', 'rows-per-second' = '{pace}', 'splits' = '3',
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
    script.concat()
}

/// Reads files and made-up rows, at a pace at which it can be killed in between.
fn prepare(workspace: &Workspace, pace: usize) {
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
               'rows-per-second' = '{pace}', 'splits' = '3', 'fields.n.kind' = 'sequence', 'fields.n.start' = '0',
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
pub(crate) fn lines(workspace: &Workspace, directory: &str) -> Vec<String> {
    let files = workspace.files_in(directory);
    let mut lines: Vec<String> = files.iter().flat_map(|file| file.lines().map(str::to_owned)).collect();
    lines.sort();
    lines
}

/// What is heard of a process.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    Ended,
    Kill,
}

/// Waits for the process to end, but no longer than this; then, or when somebody says so, it is killed. Whether it has ended by itself.
fn ends_within(
    mut child: Child,
    limit: Duration,
    (words, heard): (Sender<Word>, Receiver<Word>),
    stderr: &Path,
) -> bool {
    let id = child.id().to_string();
    let waiter = std::thread::spawn(move || {
        let status = child.wait().unwrap();
        let _ = words.send(Word::Ended);
        status
    });
    let word = heard.recv_timeout(limit);
    if word != Ok(Word::Ended) {
        // It may have ended just now.
        let _ = Command::new("kill").args(["-KILL", &id]).status();
    }
    let status = waiter.join().unwrap();
    let said = || std::fs::read_to_string(stderr).unwrap();
    assert!(word.is_ok() || limit < PATIENCE, "the job does not come to its end: {}", said());
    assert!(status.success() || status.code().is_none(), "{status:?}: {}", said());
    status.success()
}

/// Where the checkpoints of jobs are.
enum Store {
    Directory,
    S3(FailingS3),
}

impl Store {
    /// The command that runs the job of a seed.
    fn command(&self, workspace: &Workspace, seed: u64, more: &[&str]) -> Command {
        let arguments = |directory| [&["run", "job.sql", "--checkpoint-dir", directory], more].concat();
        match self {
            Self::Directory => workspace.command(&arguments("checkpoints")),
            Self::S3(s3) => {
                let interval = ["--set", "execution.checkpointing.interval=100 ms"];
                let mut command = workspace.command(&[&arguments(&s3::url(seed))[..], &interval].concat());
                s3.reach(&mut command, Reach::Failing);
                command
            }
        }
    }

    /// Rows per second of what is made up. Requests to a server take longer, and there is to be time for some checkpoints.
    fn pace(&self) -> usize {
        match self {
            Self::Directory => ROWS,
            Self::S3(_) => ROWS / 4,
        }
    }

    /// How long the next run may last. If that is not for the time to say, there is a word at some call to the store.
    fn life(&self, dice: &mut Dice, words: &Sender<Word>) -> Duration {
        match self {
            Self::Directory => Duration::from_millis(150 + dice.roll(500)),
            Self::S3(s3) => {
                let words = words.clone();
                s3.proxy.at_call(10 + dice.roll(120), move || drop(words.send(Word::Kill)));
                PATIENCE
            }
        }
    }

    /// How many kills prove something, if nobody says.
    fn kills(&self) -> usize {
        match self {
            Self::Directory => 12,
            Self::S3(_) => 4,
        }
    }

    /// Looks at what is left of a job that has finished.
    fn check(&self, workspace: &Workspace, seed: u64) {
        let manifests = match self {
            Self::Directory => std::fs::read_dir(workspace.path("checkpoints/job/manifests")).unwrap().count(),
            Self::S3(s3) => {
                // A deletion may have failed: then the next run makes up for it.
                s3.proxy.settle();
                let mut again = self.command(workspace, seed, &[]);
                s3.reach(&mut again, Reach::Safely);
                let again = again.output().unwrap();
                let said = String::from_utf8(again.stderr).unwrap();
                assert!(again.status.success() && said.contains("has finished before"), "seed {seed}: {said}");
                s3.count(&format!("{seed}/job/manifests"))
            }
        };
        assert_eq!(manifests, 1, "seed {seed}: manifests are left");
    }
}

/// What has happened to a job.
#[derive(Debug, Default)]
struct Story {
    kills: usize,
    /// Runs that went on from a checkpoint.
    resumed: usize,
    /// Attempts that have failed, and the process has gone on.
    restarts: usize,
    /// Checkpoints that have been given up.
    given_up: usize,
}

/// Kills the job at points that follow from the seed, each time at another parallelism, until it has come to its end.
fn run_with_kills(workspace: &Workspace, store: &Store, seed: u64, kills_max: usize, story: &mut Story) {
    let mut dice = Dice(seed);
    let mut kills = 0;
    loop {
        let parallelism = (1 + dice.roll(4)).to_string();
        let is_last = kills == kills_max;
        let (words, heard) = mpsc::channel();
        let limit = if is_last { PATIENCE } else { store.life(&mut dice, &words) };
        let mut command = store.command(workspace, seed, &["-p", &parallelism]);
        let stderr = workspace.path("stderr");
        let child = command.stderr(std::fs::File::create(&stderr).unwrap()).spawn().unwrap();
        let has_ended = ends_within(child, limit, (words, heard), &stderr);
        let said = std::fs::read_to_string(&stderr).unwrap();
        let count = |what| said.matches(what).count();
        story.resumed += usize::from(said.contains("goes on from checkpoint"));
        story.restarts += count("the job is restarted in");
        story.given_up += count("has been given up");
        if has_ended {
            return;
        }
        kills += 1;
        story.kills += 1;
    }
}

/// Kills the job from many seeds; what it writes in the end is what it writes undisturbed.
#[allow(clippy::print_stdout, reason = "how often it was killed is what one wants to know of a long run")]
fn survives(job: &Job, store: &Store) {
    let undisturbed = Workspace::new();
    (job.prepare)(&undisturbed, ROWS);
    let ran = undisturbed.run(&["run", "job.sql", "--set", "execution.checkpointing.interval=0"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let expected: Vec<Vec<String>> = job.tables.iter().map(|table| lines(&undisturbed, table)).collect();
    assert!(expected.iter().all(|lines| lines.len() > 20), "{:?}", expected.iter().map(Vec::len).collect::<Vec<_>>());

    let wanted = std::env::var("DIPPER_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(store.kills());
    let (mut story, mut seed) = (Story::default(), 0);
    while story.kills < wanted {
        seed += 1;
        assert!(seed <= 10 * wanted as u64, "the job comes to its end before it can be killed");
        let workspace = Workspace::new();
        (job.prepare)(&workspace, store.pace());
        run_with_kills(&workspace, store, seed, wanted.min(12), &mut story);
        for (table, expected) in job.tables.iter().zip(&expected) {
            assert_eq!(&lines(&workspace, table), expected, "seed {seed}, table '{table}'");
            let staging = std::fs::read_dir(workspace.path(table)).unwrap();
            let staging = staging.filter(|entry| entry.as_ref().unwrap().file_type().unwrap().is_dir()).count();
            assert_eq!(staging, 0, "seed {seed}, table '{table}': staged files are left");
        }
        store.check(&workspace, seed);
    }
    println!("{seed} jobs: {story:?}");
}

#[cfg(unix)]
#[test]
fn a_job_that_is_killed_again_and_again_writes_what_it_writes_undisturbed() {
    survives(&LINES, &Store::Directory);
}

#[cfg(unix)]
#[test]
fn patterns_and_windows_that_are_killed_again_and_again_write_what_they_write_undisturbed() {
    survives(&PATTERNS, &Store::Directory);
}

#[cfg(unix)]
#[test]
#[allow(clippy::print_stdout, reason = "what has failed is what one wants to know of a long run")]
fn a_job_is_killed_again_and_again_with_its_checkpoints_on_an_s3_server_that_fails_one_call_in_twenty() {
    let Some(s3) = FailingS3::start(Faults::OneInTwenty) else { return };
    let store = Store::S3(s3);
    survives(&PATTERNS, &store);
    if let Store::S3(s3) = &store {
        println!("{}", s3.proxy.report());
    }
}

#[test]
fn what_was_created_without_an_answer_is_known_again() {
    let Some(s3) = FailingS3::start(Faults::EveryFirstCreation) else { return };
    let (workspace, store) = (Workspace::new(), Store::S3(s3));
    prepare(&workspace, ROWS);
    let ran = store.command(&workspace, 1, &[]).output().unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.success(), "{said}");
    assert!(!said.contains("given up") && !said.contains("restarted"), "{said}");
    assert_eq!((lines(&workspace, "even").len(), lines(&workspace, "words").len()), (ROWS / 2, ROWS));
    store.check(&workspace, 1);
}

#[cfg(unix)]
#[test]
fn a_job_says_what_it_goes_on_from_and_when_it_has_finished() {
    let workspace = Workspace::new();
    prepare(&workspace, ROWS);
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
        (
            0,
            "job 'job' has finished before and is not run again; --fresh, or another 'pipeline.name', starts it over\n"
        )
    );
    assert_eq!(lines(&workspace, "even").len(), ROWS / 2);
    let third = run(&["--fresh"]);
    assert!(third.stderr.starts_with("job 'job' starts over\n"), "{third:?}");
    assert_eq!(lines(&workspace, "even").len(), ROWS);
}

#[test]
fn an_interval_without_a_directory_is_refused() {
    let workspace = Workspace::new();
    prepare(&workspace, ROWS);
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
    prepare(&workspace, ROWS);
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
    prepare(&workspace, ROWS);
    let script = std::fs::read_to_string(workspace.path("job.sql")).unwrap();
    workspace.file("job.sql", &format!("SET 'execution.checkpointing.dir' = 'other';\n{script}"));
    assert_eq!(workspace.run(&["run", "job.sql", "--checkpoint-dir", "checkpoints"]).code, 0);
    assert!(workspace.path("checkpoints").exists() && !workspace.path("other").exists());
}
