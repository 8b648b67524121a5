//! Whole jobs over sources, sinks and operators in memory.

mod doubles;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use datafusion::prelude::{col, lit};
use datafusion::scalar::ScalarValue;
use dipper_graph::{BoundExpr, CalcSpec, OperatorSpec, Partitioning, ValuesSpec};
use dipper_types::{Error, ErrorKind, Timestamp, Watermark};
use futures::{FutureExt, StreamExt};
use tokio::sync::watch;

pub(crate) use doubles::*;

fn by_key() -> Partitioning {
    Partitioning::Hash { columns: vec![0] }
}

/// Batches of ten rows with these times, keys in turn.
fn rows_at(times: impl Iterator<Item = i64>) -> Vec<Step> {
    let rows: Vec<(i64, i64)> = times.map(|time| (time % 23, time)).collect();
    rows.chunks(10).map(|rows| Step::Rows(rows.to_vec())).collect()
}

fn expected(rows: impl Iterator<Item = i64>) -> Vec<(i64, i64)> {
    let mut rows: Vec<(i64, i64)> = rows.map(|time| (time % 23, time)).collect();
    rows.sort_unstable();
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hash_exchange_sends_equal_keys_to_one_subtask_and_loses_nothing() {
    let owners: Arc<Mutex<BTreeMap<i64, usize>>> = Arc::default();
    let sink = MemorySink::new();
    let mut job = Fixture::new();
    let splits = (0..5).map(|split| rows_at((split * 100)..(split * 100 + 100))).collect();
    let source = job.source("numbers", 2, ScriptedSource::new(splits));
    let seen = Arc::clone(&owners);
    let probe = job.operator("probe", 3, move || {
        let seen = Arc::clone(&seen);
        Probe(move |subtask, what: Seen<'_>| {
            if let Seen::Rows(batch) = what {
                for (key, _) in rows_of(batch) {
                    assert_eq!(*seen.lock().unwrap().entry(key).or_insert(subtask), subtask);
                }
            }
            Ok(())
        })
    });
    let out = job.sink("out", 3, &sink);
    job.graph.connect(source, probe, 0, by_key());
    job.graph.connect(probe, out, 0, Partitioning::Forward);

    let summary = finish(job.start()).await.unwrap();
    assert_eq!(sink.committed(), expected(0..500));
    assert_eq!(owners.lock().unwrap().len(), 23);
    let progress = summary.progress;
    assert_eq!((progress.rows_in, progress.rows_out), (500, 500));
    assert_eq!(progress.watermark, Watermark::MAX);
    let counts: Vec<_> =
        progress.operators.iter().map(|node| (node.name.as_str(), node.rows_in, node.rows_out)).collect();
    assert_eq!(counts, [("numbers", 500, 500), ("probe", 500, 500), ("out", 500, 500)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_parallelism_is_evened_out_over_all_subtasks() {
    let sink = MemorySink::new();
    let mut job = Fixture::new();
    let source = job.source("numbers", 1, ScriptedSource::new(vec![rows_at(0..200)]));
    let out = job.sink("out", 4, &sink);
    job.graph.connect(source, out, 0, Partitioning::Rebalance);
    finish(job.start()).await.unwrap();
    assert_eq!(sink.committed(), expected(0..200));
    assert_eq!(sink.state.lock().unwrap().shares, BTreeMap::from([(0, 50), (1, 50), (2, 50), (3, 50)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_comes_behind_the_watermark_when_every_split_is_in_order() {
    let sink = MemorySink::new();
    let mut job = Fixture::new();
    let splits = (0..3).map(|split| rows_at((0..300).filter(|time| time % 3 == split))).collect();
    let source = job.source_with("numbers", 2, ScriptedSource::new(splits), watermark_spec(None));
    let probe = job.operator("probe", 2, || {
        let mut reached = Watermark::MIN;
        Probe(move |_, what: Seen<'_>| {
            match what {
                Seen::Rows(batch) => {
                    assert!(rows_of(batch).iter().all(|(_, time)| !reached.has_passed(Timestamp(*time))));
                }
                Seen::Watermark(watermark) => {
                    assert!(watermark > reached);
                    reached = watermark;
                }
                Seen::End => assert_eq!(reached, Watermark::MAX),
            }
            Ok(())
        })
    });
    let out = job.sink("out", 2, &sink);
    job.graph.connect(source, probe, 0, by_key());
    job.graph.connect(probe, out, 0, Partitioning::Forward);
    finish(job.start()).await.unwrap();
    assert_eq!(sink.committed(), expected(0..300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_sink_holds_up_the_source() {
    const BATCHES: usize = 500;
    // One batch in the sink's hands, one or two in the channel, one in the sender's hands.
    const AHEAD: usize = 4;
    let source = ScriptedSource::new(vec![rows_at(0..10 * BATCHES as i64)]);
    let read = Arc::clone(&source.read);
    let most_ahead = Arc::new(Mutex::new(0));
    let mut sink = MemorySink::new();
    let most = Arc::clone(&most_ahead);
    sink.before_write = Arc::new(move |written| {
        let mut read = read.subscribe();
        let most = Arc::clone(&most);
        async move {
            // The source may run ahead, and does.
            read.wait_for(|read| *read >= (written + 2).min(BATCHES)).await.unwrap();
            let ahead = *read.borrow() - written;
            let mut most = most.lock().unwrap();
            *most = ahead.max(*most);
        }
        .boxed()
    });
    let mut job = Fixture::new();
    job.channel_bytes = 1_000;
    let source = job.source("numbers", 1, source);
    let out = job.sink("out", 1, &sink);
    job.graph.connect(source, out, 0, by_key());
    finish(job.start()).await.unwrap();
    assert_eq!(sink.committed().len(), 10 * BATCHES);
    let most = *most_ahead.lock().unwrap();
    assert!((2..=AHEAD).contains(&most), "{most} batches ahead");
}

/// A job of two source subtasks, one of which hangs, into an operator of two.
fn job_with(probe: impl Fn() -> ProbeBox + Send + Sync + 'static, sink: &MemorySink) -> Fixture {
    let mut job = Fixture::new();
    let source = ScriptedSource::new(vec![rows_at(0..100), vec![Step::Hang]]);
    let source = job.source("numbers", 2, source);
    let probe = job.operator("probe", 2, move || Probe(probe()));
    let out = job.sink("out", 2, sink);
    job.graph.connect(source, probe, 0, by_key());
    job.graph.connect(probe, out, 0, Partitioning::Forward);
    job
}

type ProbeBox = Box<dyn FnMut(usize, Seen<'_>) -> dipper_types::Result<()> + Send>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_operator_stops_the_job_aborts_the_sink_and_is_reported_as_the_cause() {
    let sink = MemorySink::new();
    let fails = || -> ProbeBox {
        Box::new(|_, what| match what {
            Seen::Rows(batch) if rows_of(batch).iter().any(|row| row.1 == 57) => Err(Error::invalid("57 is unlucky")),
            _ => Ok(()),
        })
    };
    let error = finish(job_with(fails, &sink).start()).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Invalid, "probe: 57 is unlucky"));
    sink.assert_aborted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_an_operator_is_an_internal_error_that_names_it() {
    let sink = MemorySink::new();
    let panics = || -> ProbeBox {
        Box::new(|_, what| {
            assert!(!matches!(what, Seen::Rows(_)), "rows are too much");
            Ok(())
        })
    };
    let error = finish(job_with(panics, &sink).start()).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Internal, "probe: panicked: rows are too much"));
    sink.assert_aborted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_a_reader_is_an_internal_error_that_names_the_source() {
    let sink = MemorySink::new();
    let mut job = Fixture::new();
    let source = job.source("numbers", 1, ScriptedSource::new(vec![vec![Step::Panic]]));
    let out = job.sink("out", 1, &sink);
    job.graph.connect(source, out, 0, Partitioning::Forward);
    let error = finish(job.start()).await.unwrap_err();
    assert_eq!(error.to_string(), "numbers: panicked: the reader lost its place");
    sink.assert_aborted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_waits_for_its_source_is_cancelled() {
    let sink = MemorySink::new();
    let job = job_with(|| Box::new(|_, _| Ok(())), &sink).start();
    reaches(&sink.written, 1).await;
    job.cancel();
    assert_eq!(finish(job).await.unwrap_err().kind(), ErrorKind::Cancelled);
    sink.assert_aborted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_sink_takes_no_more_rows_is_cancelled() {
    let mut sink = MemorySink::new();
    sink.before_write = Arc::new(|_| std::future::pending().boxed());
    let source = ScriptedSource::new(vec![rows_at(0..10_000)]);
    let read = Arc::clone(&source.read);
    let mut job = Fixture::new();
    job.channel_bytes = 1;
    let source = job.source("numbers", 1, source);
    let out = job.sink("out", 1, &sink);
    job.graph.connect(source, out, 0, by_key());
    let job = job.start();
    reaches(&read, 2).await;
    job.handle().cancel();
    assert_eq!(finish(job).await.unwrap_err().kind(), ErrorKind::Cancelled);
    sink.assert_aborted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_job_is_cancelled() {
    let sink = MemorySink::new();
    let job = job_with(|| Box::new(|_, _| Ok(())), &sink).start();
    let outcome = job.outcome.clone();
    reaches(&sink.written, 1).await;
    drop(job);
    assert_eq!(outcome.await.unwrap_err().kind(), ErrorKind::Cancelled);
    sink.assert_aborted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_input_leaves_the_sink_untouched() {
    let sink = MemorySink::new();
    let mut job = Fixture::new();
    let mut source = ScriptedSource::new(Vec::new());
    source.missing = Some(Error::invalid("table 'numbers': no such file"));
    let source = job.source("numbers", 1, source);
    let out = job.sink("out", 1, &sink);
    job.graph.connect(source, out, 0, Partitioning::Forward);
    let error = finish(job.start()).await.unwrap_err();
    assert_eq!(error.to_string(), "table 'numbers': no such file");
    let state = sink.state.lock().unwrap();
    assert_eq!((state.staged.len(), state.commits, state.aborts), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_commit_is_the_jobs_error_and_the_sink_is_aborted() {
    let sink = MemorySink::new();
    sink.commit_fails.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut job = Fixture::new();
    let source = job.source("numbers", 1, ScriptedSource::new(vec![rows_at(0..10)]));
    let out = job.sink("out", 1, &sink);
    job.graph.connect(source, out, 0, Partitioning::Forward);
    let error = finish(job.start()).await.unwrap_err();
    assert_eq!(error.to_string(), "the disk is full");
    sink.assert_aborted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_source_feeds_two_sinks_and_each_is_staged_apart() {
    let sink = MemorySink::new();
    let mut job = Fixture::new();
    let source = job.source("numbers", 2, ScriptedSource::new(vec![rows_at(0..50), rows_at(50..100)]));
    // The same table twice, as in a statement set.
    let first = job.sink("out", 2, &sink);
    let second = job.sink("out", 1, &sink);
    job.graph.connect(source, first, 0, Partitioning::Forward);
    job.graph.connect(source, second, 0, Partitioning::Rebalance);
    finish(job.start()).await.unwrap();
    let twice = expected((0..100).chain(0..100));
    assert_eq!(sink.committed(), twice);
    assert_eq!(sink.state.lock().unwrap().commits, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_gets_the_rows_and_then_the_end() {
    let mut job = Fixture::new();
    let source = job.source("numbers", 2, ScriptedSource::new(vec![rows_at(0..100), rows_at(100..150)]));
    let client = job.collect(1);
    job.graph.connect(source, client, 0, Partitioning::Rebalance);
    let mut job = job.start();
    let stream = job.rows().unwrap();
    assert!(job.rows().is_none());
    let batches: Vec<_> = stream.map(Result::unwrap).collect().await;
    let mut rows: Vec<_> = batches.iter().flat_map(rows_of).collect();
    rows.sort_unstable();
    assert_eq!(rows, expected(0..150));
    assert_eq!(finish(job).await.unwrap().progress.rows_out, 150);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_gets_the_error_as_the_last_item() {
    let mut job = Fixture::new();
    let source = job.source("numbers", 1, ScriptedSource::new(vec![vec![Step::Rows(vec![(1, 1)]), Step::Panic]]));
    let client = job.collect(1);
    job.graph.connect(source, client, 0, by_key());
    let mut job = job.start();
    let items: Vec<_> = job.rows().unwrap().collect().await;
    let error = items.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.to_string(), "numbers: panicked: the reader lost its place");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_ends_the_job() {
    let (_never, signal) = watch::channel(0);
    let mut job = Fixture::new();
    let mut steps = rows_at(0..100);
    steps.push(Step::Until(signal, 1));
    let source = job.source("numbers", 1, ScriptedSource::new(vec![steps]));
    let client = job.collect(1);
    job.channel_bytes = 1;
    job.graph.connect(source, client, 0, Partitioning::Forward);
    let mut job = job.start();
    let mut stream = job.rows().unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    drop(stream);
    assert_eq!(finish(job).await.unwrap_err().kind(), ErrorKind::Cancelled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn literal_rows_exist_once_whatever_the_parallelism_and_pass_dippers_own_operators() {
    let literal =
        |key: i64| vec![BoundExpr(lit(key)), BoundExpr(lit(ScalarValue::TimestampMicrosecond(Some(key), None)))];
    let rows = OperatorSpec::Values(ValuesSpec { rows: (0..5).map(literal).collect() });
    let filter = Some(BoundExpr(col("key").gt(lit(1_i64))));
    let filter = OperatorSpec::Calc(CalcSpec { filter, projection: None });
    let mut fixture = Fixture::new();
    let values = fixture.node("values", 2, rows.clone());
    let more = fixture.node("more values", 1, rows);
    let union = fixture.node("union", 2, OperatorSpec::Union);
    let filter = fixture.node("filter", 2, filter);
    let client = fixture.collect(1);
    fixture.graph.connect(values, union, 0, Partitioning::Forward);
    fixture.graph.connect(more, union, 1, Partitioning::Rebalance);
    fixture.graph.connect(union, filter, 0, Partitioning::Forward);
    fixture.graph.connect(filter, client, 0, Partitioning::Rebalance);
    fixture.graph.batch_rows = 2;

    let mut job = crate::start(&fixture.graph, crate::RunOptions::new(tokio::runtime::Handle::current())).unwrap();
    let batches: Vec<_> = job.rows().unwrap().map(Result::unwrap).collect().await;
    let mut rows: Vec<_> = batches.iter().flat_map(rows_of).collect();
    rows.sort_unstable();
    assert_eq!(rows, [(2, 2), (2, 2), (3, 3), (3, 3), (4, 4), (4, 4)]);
    let progress = finish(job).await.unwrap().progress;
    assert_eq!((progress.rows_in, progress.rows_out), (10, 6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_has_a_stack_for_deep_recursion() {
    fn depth(n: usize) -> usize {
        let frame = std::hint::black_box([n; 64]);
        if n == 0 { 0 } else { 1 + depth(frame[n % 64] - 1) }
    }

    let sink = MemorySink::new();
    let recurses = || -> ProbeBox {
        Box::new(|_, what| {
            assert!(!matches!(what, Seen::Rows(_)) || depth(30_000) == 30_000);
            Ok(())
        })
    };
    let job = job_with(recurses, &sink).start();
    reaches(&sink.written, 1).await;
    job.cancel();
    assert_eq!(finish(job).await.unwrap_err().kind(), ErrorKind::Cancelled);
}
