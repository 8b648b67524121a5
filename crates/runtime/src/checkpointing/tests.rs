//! Whole jobs with checkpoints, over sources and sinks in memory and an operator that remembers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, AsArray, Int64Array, UInt16Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use arrow::record_batch::RecordBatch;
use dipper_checkpoint::{CheckpointOptions, RestartStrategy};
use dipper_graph::{CalcSpec, OperatorSpec, Partitioning};
use dipper_operator_api::{Operator, OperatorCtx, Port, key_groups};
use dipper_state::{
    Answer, CheckpointKind, CheckpointStore, Directory, JobRequest, Manifest, Query, RequestKind, Savepoint,
    StateReader, StateWriter, TableSpec,
};
use dipper_types::{Error, ErrorKind, JobId, Result, Timestamp, Watermark};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::tests::{Fixture, MemorySink, ScriptedSource, Step, batch, finish, reaches, rows_of, watermark_spec};
use crate::{Job, JobNotice};

const KEY_GROUPS: u16 = 128;

/// Numbers the rows of each key from 1: (key, time) becomes (key, number). A row behind the watermark is an error.
#[derive(Default)]
struct Numbering {
    numbers: BTreeMap<i64, i64>,
    changed: BTreeMap<i64, i64>,
    watermark: Option<Watermark>,
    /// Counts down to a failure.
    fuse: Arc<AtomicUsize>,
}

fn numbers_table() -> TableSpec {
    let fields = ["key", "number"].map(|name| Field::new(name, DataType::Int64, false));
    TableSpec::new("numbers", Arc::new(Schema::new(fields.to_vec())), 1)
}

impl Operator for Numbering {
    fn on_batch(&mut self, _port: Port, rows: RecordBatch, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        let mut numbered = Vec::new();
        for (key, time) in rows_of(&rows) {
            if self.watermark.is_some_and(|watermark| watermark.has_passed(Timestamp(time))) {
                return Err(Error::invalid(format!("row at {time} is behind the watermark")));
            }
            if self.fuse.fetch_sub(1, Ordering::Relaxed) == 1 {
                return Err(Error::unavailable("the fuse has blown"));
            }
            let number = self.numbers.entry(key).or_default();
            *number += 1;
            self.changed.insert(key, *number);
            numbered.push((key, *number));
        }
        ctx.emit(batch(&numbered));
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        assert!(self.watermark < Some(watermark));
        self.watermark = Some(watermark);
        ctx.emit_watermark(watermark);
        Ok(())
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(self.changed.keys().copied()));
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(self.changed.values().copied()));
        let groups = key_groups(&[Arc::clone(&keys)], keys.len(), KEY_GROUPS)?;
        let table = numbers_table();
        let rows = RecordBatch::try_new(Arc::clone(&table.schema), vec![keys, numbers])?;
        self.changed.clear();
        state.upsert(&table, UInt16Array::from_iter_values(groups.iter().map(|group| group.0)), rows)
    }

    fn restore(&mut self, state: &mut StateReader) -> Result<()> {
        for rows in state.take_table(&numbers_table())? {
            let column = |index: usize| rows.rows.column(index).as_primitive::<Int64Type>().values().clone();
            self.numbers.extend(column(0).iter().copied().zip(column(1).iter().copied()));
        }
        Ok(())
    }
}

/// A job that numbers rows, its checkpoints and what becomes of it.
struct Bench {
    directory: tempfile::TempDir,
    sink: MemorySink,
    fuse: Arc<AtomicUsize>,
}

impl Bench {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            sink: MemorySink::new(),
            fuse: Arc::new(AtomicUsize::new(usize::MAX)),
        }
    }

    fn directory(&self) -> Directory {
        Directory::open(self.directory.path().to_str().unwrap(), &BTreeMap::new()).unwrap()
    }

    fn store(&self) -> CheckpointStore {
        CheckpointStore::new(&self.directory(), JobId("job".to_owned()))
    }

    fn checkpointing(&self, interval_ms: u64) -> (Checkpointing, UnboundedReceiver<JobNotice>) {
        let (notices, incoming) = unbounded_channel();
        let options = CheckpointOptions { interval_ms: Some(interval_ms), ..CheckpointOptions::default() };
        let checkpointing = Checkpointing {
            directory: self.directory(),
            job: JobId("job".to_owned()),
            options,
            restart: RestartStrategy::FixedDelay { attempts: 3, delay_ms: 0 },
            start_from: StartFrom::Latest,
            allow_non_restored_state: false,
            query: Query { sql: String::new(), catalog: String::new() },
            open_directory: Arc::new(|url| Directory::open(url, &BTreeMap::new())),
            deploy: None,
            notices: Some(notices),
        };
        (checkpointing, incoming)
    }

    fn fixture(&self, source: ScriptedSource, parallelism: usize) -> Fixture {
        self.fixture_with(source, parallelism, "numbering")
    }

    fn fixture_with(&self, source: ScriptedSource, parallelism: usize, name: &str) -> Fixture {
        let mut fixture = Fixture::new();
        let source = fixture.source_with("rows", parallelism, source, watermark_spec(None));
        let fuse = Arc::clone(&self.fuse);
        let make =
            move || -> Box<dyn Operator> { Box::new(Numbering { fuse: Arc::clone(&fuse), ..Numbering::default() }) };
        fixture.doubles.operators.insert(name.to_owned(), Box::new(make));
        let operator = fixture.node(name, parallelism, OperatorSpec::Calc(CalcSpec { filter: None, projection: None }));
        let sink = fixture.sink("out", parallelism, &self.sink);
        fixture.graph.connect(source, operator, 0, Partitioning::Hash { columns: vec![0] });
        fixture.graph.connect(operator, sink, 0, Partitioning::Forward);
        fixture
    }

    fn start(&self, source: ScriptedSource, parallelism: usize) -> (Job, UnboundedReceiver<JobNotice>) {
        let (checkpointing, notices) = self.checkpointing(5);
        (self.fixture(source, parallelism).start_with(Some(checkpointing)).unwrap(), notices)
    }

    /// Waits at this place of a split until so many checkpoints have been committed.
    fn commits(&self, least: usize) -> Step {
        Step::Until(self.sink.commits.subscribe(), least)
    }

    /// `keys` times 1..=n, each once.
    fn assert_numbered(&self, rows: i64) {
        self.assert_committed(rows);
        assert!(self.sink.state.lock().unwrap().staged.is_empty());
    }

    fn assert_committed(&self, rows: i64) {
        let per_key = |key: i64| (0..rows).filter(|row| row % 7 == key).count() as i64;
        let expected: Vec<(i64, i64)> = (0..7).flat_map(|key| (1..=per_key(key)).map(move |n| (key, n))).collect();
        assert_eq!(self.sink.committed(), expected);
    }
}

/// Rows of times in `times`, ten a batch, their keys in turn.
fn rows(times: std::ops::Range<i64>) -> Vec<Step> {
    let rows: Vec<(i64, i64)> = times.map(|time| (time % 7, time)).collect();
    rows.chunks(10).map(|rows| Step::Rows(rows.to_vec())).collect()
}

fn script(parts: impl IntoIterator<Item = Vec<Step>>) -> Vec<Step> {
    parts.into_iter().flatten().collect()
}

fn drain(notices: &mut UnboundedReceiver<JobNotice>) -> Vec<String> {
    std::iter::from_fn(|| notices.try_recv().ok()).map(|notice| notice.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bounded_job_commits_at_each_checkpoint_and_is_not_run_again() {
    let bench = Bench::new();
    let split = script([rows(0..100), vec![bench.commits(1)], rows(100..200), vec![bench.commits(2)], rows(200..300)]);
    let (job, _) = bench.start(ScriptedSource::new(vec![split.clone()]), 2);
    finish(job).await.unwrap();
    bench.assert_numbered(300);
    let last = bench.store().latest().await.unwrap().unwrap();
    assert!(last.tasks.iter().all(|task| task.finished), "{last:?}");

    let (job, mut notices) = bench.start(ScriptedSource::new(vec![split]), 2);
    finish(job).await.unwrap();
    bench.assert_numbered(300);
    assert_eq!(
        drain(&mut notices),
        ["job 'job' has finished before and is not run again; --fresh, or another 'pipeline.name', starts it over"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_fails_goes_on_from_its_last_checkpoint_and_numbers_every_row_once() {
    let bench = Bench::new();
    bench.fuse.store(250, Ordering::Relaxed);
    let splits = (0..3).map(|split| {
        let rows = |part: i64| rows(part * 300 + split * 100..part * 300 + split * 100 + 100);
        script([rows(0), vec![bench.commits(1)], rows(1), vec![bench.commits(2)], rows(2)])
    });
    // Each split is in order, and they are read by watermark; the keys are in turn over all of them.
    let (job, mut notices) = bench.start(ScriptedSource::new(splits.collect()), 2);
    finish(job).await.unwrap();
    bench.assert_numbered(900);
    let notices = drain(&mut notices);
    assert!(notices[0].starts_with("job 'job' begins: there is no checkpoint of it in '"), "{notices:?}");
    assert!(notices[1].starts_with("numbering: the fuse has blown; the job is restarted"), "{notices:?}");
    assert!(notices[2].starts_with("goes on from checkpoint"), "{notices:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_goes_on_at_another_parallelism() {
    let bench = Bench::new();
    let mut goes_on = false;
    for (parallelism, until) in [(1, 2), (4, 4), (3, 6)] {
        let step = |least: usize| bench.commits(least);
        let splits = (0..4_i64).map(|split| {
            let part = |part: i64| rows(part * 400 + split * 100..part * 400 + split * 100 + 100);
            script([part(0), vec![step(2)], part(1), vec![step(4)], part(2), vec![step(6)], part(3)])
        });
        let mut splits: Vec<Vec<Step>> = splits.collect();
        // It never comes to its end in this run.
        for split in &mut splits {
            split.push(Step::Hang);
        }
        let (job, mut notices) = bench.start(ScriptedSource::new(splits), parallelism);
        reaches(&bench.sink.commits, until).await;
        job.cancel();
        assert_eq!(finish(job).await.unwrap_err().kind(), ErrorKind::Cancelled);
        let notices = drain(&mut notices);
        let expected = if goes_on { "goes on from checkpoint" } else { "job 'job' begins" };
        assert!(notices[0].starts_with(expected), "{notices:?}");
        goes_on = true;
    }
    let splits = (0..4_i64).map(|split| {
        let part = |part: i64| rows(part * 400 + split * 100..part * 400 + split * 100 + 100);
        let nothing = || vec![bench.commits(0)];
        script([part(0), nothing(), part(1), nothing(), part(2), nothing(), part(3), nothing()])
    });
    let (job, _) = bench.start(ScriptedSource::new(splits.collect()), 2);
    finish(job).await.unwrap();
    bench.assert_numbered(1600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_commit_that_failed_are_committed_by_the_next_attempt() {
    let bench = Bench::new();
    bench.sink.commit_fails.store(true, Ordering::Relaxed);
    let split = script([rows(0..100), vec![bench.commits(1)], rows(100..200)]);
    let (job, mut notices) = bench.start(ScriptedSource::new(vec![split]), 1);
    finish(job).await.unwrap();
    bench.assert_numbered(200);
    let notices = drain(&mut notices);
    assert!(
        notices[1].contains("a sink cannot commit what the last checkpoint holds: the disk is full"),
        "{notices:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_checkpoint_that_was_never_committed_are_committed_by_a_job_that_starts_from_it() {
    let bench = Bench::new();
    bench.sink.commit_fails.store(true, Ordering::Relaxed);
    let split = || ScriptedSource::new(vec![script([rows(0..100), vec![bench.commits(1)], rows(100..200)])]);
    let (checkpointing, _) = bench.checkpointing(5);
    let once = Checkpointing { restart: RestartStrategy::None, ..checkpointing.clone() };
    finish(bench.fixture(split(), 1).start_with(Some(once)).unwrap()).await.unwrap_err();
    assert!(bench.sink.committed().is_empty());

    let directory = bench.store().directory().clone();
    let manifest = bench.store().latest().await.unwrap().unwrap();
    let start_from = StartFrom::Savepoint { savepoint: Box::new(Savepoint { directory, manifest }), over: false };
    let again = Checkpointing { job: JobId("again".to_owned()), start_from, ..checkpointing };
    finish(bench.fixture(split(), 1).start_with(Some(again)).unwrap()).await.unwrap();
    // What the other job has staged after its last checkpoint is its own to sweep.
    bench.assert_committed(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_that_would_come_again_ends_the_job() {
    let bench = Bench::new();
    let split = script([rows(0..100), rows(50..60)]);
    let (job, mut notices) = bench.start(ScriptedSource::new(vec![split]), 1);
    let error = finish(job).await.unwrap_err();
    assert_eq!(error.to_string(), "numbering: row at 50 is behind the watermark");
    assert_eq!(drain(&mut notices).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_started_over_begins_with_nothing_and_above_all_earlier_epochs() {
    let bench = Bench::new();
    let split = rows(0..100);
    finish(bench.start(ScriptedSource::new(vec![split.clone()]), 1).0).await.unwrap();
    let first = bench.store().latest().await.unwrap().unwrap();
    let (mut checkpointing, _) = bench.checkpointing(5);
    checkpointing.start_from = StartFrom::Nothing;
    finish(bench.fixture(ScriptedSource::new(vec![split]), 1).start_with(Some(checkpointing)).unwrap()).await.unwrap();
    // What was written before stays, and is written once more.
    let mut twice = bench.sink.committed();
    assert_eq!(twice.len(), 200);
    twice.dedup();
    assert_eq!(twice.len(), 100);
    let second = bench.store().latest().await.unwrap().unwrap();
    assert!(second.epoch > first.epoch && second.number > first.number);
}

/// Runs until a checkpoint has been taken, and cancels.
async fn stopped_half_way(bench: &Bench) {
    let (job, _) = bench.start(ScriptedSource::new(vec![script([rows(0..100), vec![Step::Hang]])]), 1);
    reaches(&bench.sink.commits, 2).await;
    job.cancel();
    finish(job).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_of_an_operator_that_is_gone_is_refused_by_name_unless_it_may_be_left_behind() {
    let bench = Bench::new();
    stopped_half_way(&bench).await;
    let head = bench.store().latest().await.unwrap().unwrap().number;
    for allow in [false, true] {
        let (mut checkpointing, _) = bench.checkpointing(5);
        checkpointing.allow_non_restored_state = allow;
        let fixture = bench.fixture_with(ScriptedSource::new(vec![rows(0..100)]), 1, "other");
        let ended = finish(fixture.start_with(Some(checkpointing)).unwrap()).await;
        if allow {
            ended.unwrap();
            continue;
        }
        let error = ended.unwrap_err();
        let expected = format!(
            "manifest {head} of job 'job' holds state of operators that the query does not have: numbering (table 'numbers')"
        );
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Invalid, expected));
        assert_eq!(bench.store().latest().await.unwrap().unwrap().number, head, "nothing has been written");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_groups_are_fixed() {
    let bench = Bench::new();
    stopped_half_way(&bench).await;
    let (checkpointing, _) = bench.checkpointing(5);
    let mut fixture = bench.fixture(ScriptedSource::new(vec![rows(0..100)]), 1);
    fixture.graph.key_groups = 256;
    let error = finish(fixture.start_with(Some(checkpointing)).unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), "job 'job' has 128 key groups, fixed when it was first run, and 256 are asked for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn splits_that_are_new_are_read_and_those_that_were_read_are_not() {
    let bench = Bench::new();
    let first = ScriptedSource::new(vec![rows(0..70), script([rows(70..140), vec![Step::Hang]])]);
    let (job, _) = bench.start(first, 1);
    reaches(&bench.sink.commits, 2).await;
    reaches(&bench.sink.written, 14).await;
    let seen = *bench.sink.commits.borrow();
    reaches(&bench.sink.commits, seen + 2).await;
    job.cancel();
    finish(job).await.unwrap_err();
    let second = ScriptedSource::new(vec![rows(0..70), rows(70..140), rows(140..210)]);
    let opened = Arc::clone(&second.opened);
    finish(bench.start(second, 2).0).await.unwrap();
    bench.assert_numbered(210);
    let mut opened = opened.lock().unwrap().clone();
    opened.sort();
    assert_eq!(opened, ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_retained_stays_in_the_directory() {
    let bench = Bench::new();
    let split =
        (0..20).flat_map(|part| script([rows(part * 50..part * 50 + 50), vec![bench.commits(part as usize + 1)]]));
    finish(bench.start(ScriptedSource::new(vec![split.collect()]), 2).0).await.unwrap();
    bench.assert_numbered(1000);
    let store = bench.store();
    let log = store.read_log().await.unwrap();
    assert_eq!(log.manifests.len(), 1);
    let named: Vec<String> = log.manifests[&log.head].files().into_keys().map(str::to_owned).collect();
    let state = bench.directory.path().join("job/state");
    let mut left: Vec<String> = std::fs::read_dir(state)
        .unwrap()
        .map(|file| format!("state/{}", file.unwrap().file_name().display()))
        .collect();
    left.sort();
    assert_eq!(left, named);
}

/// Asks a job for something, and waits for the answer.
async fn ask(bench: &Bench, kind: RequestKind, target: &Path) -> Answer {
    let (store, id) = (bench.store(), "request".to_owned());
    store.ask(&JobRequest { id, kind, target: target.to_str().unwrap().to_owned() }).await.unwrap();
    let answered = async {
        loop {
            match store.answer_to("request").await.unwrap() {
                None | Some(Answer::Taken) => tokio::task::yield_now().await,
                Some(answer) => return answer,
            }
        }
    };
    let answer = tokio::time::timeout(std::time::Duration::from_mins(1), answered).await.unwrap();
    store.withdraw("request").await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_stopped_with_a_savepoint_from_which_another_goes_on() {
    let bench = Bench::new();
    let (job, mut notices) = bench.start(ScriptedSource::new(vec![script([rows(0..100), vec![Step::Hang]])]), 1);
    reaches(&bench.sink.written, 10).await;
    let savepoints = tempfile::tempdir().unwrap();
    let target = savepoints.path().join("one");
    assert_eq!(ask(&bench, RequestKind::Stop, &target).await, Answer::Done);
    finish(job).await.unwrap();
    bench.assert_numbered(100);
    let last = drain(&mut notices).pop().unwrap();
    assert!(last.starts_with("savepoint '") && last.ends_with("one' has been taken"), "{last}");

    // The job's own directory is not needed any more.
    std::fs::remove_dir_all(bench.directory.path().join("job")).unwrap();
    let savepoint =
        Savepoint::open(Directory::open(target.to_str().unwrap(), &BTreeMap::new()).unwrap()).await.unwrap();
    let from = |over| StartFrom::Savepoint { savepoint: Box::new(savepoint.clone()), over };
    let source = || ScriptedSource::new(vec![script([rows(0..100), vec![bench.commits(0)], rows(100..200)])]);
    let (checkpointing, _) = bench.checkpointing(5);
    let checkpointing = Checkpointing { start_from: from(false), ..checkpointing };
    finish(bench.fixture(source(), 3).start_with(Some(checkpointing.clone())).unwrap()).await.unwrap();
    bench.assert_numbered(200);

    let error = finish(bench.fixture(source(), 3).start_with(Some(checkpointing.clone())).unwrap()).await.unwrap_err();
    let expected = "job 'job' has checkpoints of its own, and is to start from a savepoint";
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Invalid, expected));
    let checkpointing = Checkpointing { start_from: from(true), ..checkpointing };
    finish(bench.fixture(source(), 2).start_with(Some(checkpointing)).unwrap()).await.unwrap();
    assert_eq!(bench.sink.committed().len(), 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_savepoint_of_a_running_job_stays_as_it_is_while_the_job_goes_on() {
    let bench = Bench::new();
    let (signal, heard) = tokio::sync::watch::channel(0);
    let split =
        script([rows(0..100), vec![Step::Until(heard, 1)], rows(100..200), vec![bench.commits(0)], rows(200..300)]);
    let (job, _) = bench.start(ScriptedSource::new(vec![split]), 2);
    reaches(&bench.sink.written, 10).await;
    let savepoints = tempfile::tempdir().unwrap();
    let target = savepoints.path().join("one");
    assert_eq!(ask(&bench, RequestKind::Savepoint, &target).await, Answer::Done);
    signal.send_replace(1);
    finish(job).await.unwrap();
    bench.assert_numbered(300);
    let savepoint =
        Savepoint::open(Directory::open(target.to_str().unwrap(), &BTreeMap::new()).unwrap()).await.unwrap();
    assert!(savepoint.manifest.tasks.iter().any(|task| !task.finished));
    for file in savepoint.manifest.files().into_keys() {
        assert!(target.join(file).exists(), "{file}");
    }
    let left = std::fs::read_dir(bench.directory.path().join("job/manifests")).unwrap().count();
    assert_eq!(left, 1, "what could not be deleted during the copy is deleted afterwards");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_job_has_flushed_and_is_not_run_again() {
    let bench = Bench::new();
    let source = || ScriptedSource::new(vec![script([rows(0..100), vec![Step::Hang]])]);
    let (job, _) = bench.start(source(), 1);
    reaches(&bench.sink.written, 10).await;
    let savepoints = tempfile::tempdir().unwrap();
    assert_eq!(ask(&bench, RequestKind::Drain, &savepoints.path().join("one")).await, Answer::Done);
    finish(job).await.unwrap();
    bench.assert_numbered(100);
    let (job, mut notices) = bench.start(source(), 1);
    finish(job).await.unwrap();
    assert!(drain(&mut notices)[0].contains("has finished before"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_in_a_state_file_is_named_with_a_way_out() {
    let bench = Bench::new();
    let retaining = |checkpointing: Checkpointing| {
        let options = CheckpointOptions { retained: 2, ..checkpointing.options };
        Checkpointing { options, ..checkpointing }
    };
    let split = script([rows(0..50), vec![bench.commits(1)], rows(50..100), vec![Step::Hang]]);
    let fixture = bench.fixture(ScriptedSource::new(vec![split]), 1);
    let job = fixture.start_with(Some(retaining(bench.checkpointing(5).0))).unwrap();
    reaches(&bench.sink.written, 10).await;
    let seen = *bench.sink.commits.borrow();
    reaches(&bench.sink.commits, seen + 3).await;
    job.cancel();
    finish(job).await.unwrap_err();

    let log = bench.store().read_log().await.unwrap();
    let last = &log.manifests[&log.head];
    let newest = last.files().into_values().max_by_key(|file| file.epoch).unwrap().path.clone();
    // Checkpoints between which nothing has changed share all files.
    let mut older = log.manifests.range(..log.head).map(|(_, older)| older);
    let is_usable =
        |older: &Manifest| older.kind != CheckpointKind::Opening && !older.files().contains_key(newest.as_str());
    let way_out = if older.any(is_usable) { "--from-savepoint" } else { "start over under another name" };
    let path = bench.directory.path().join("job").join(&newest);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let source = || {
        ScriptedSource::new(vec![script([rows(0..50), vec![bench.commits(0)], rows(50..100), vec![bench.commits(0)]])])
    };
    let started = bench.fixture(source(), 2).start_with(Some(retaining(bench.checkpointing(5).0)));
    let error = finish(started.unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(&newest), "{error}");
    assert!(error.hint().unwrap().contains(way_out), "{error:?}");
}
