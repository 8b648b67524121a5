//! What is measured, as Prometheus reads it. The names are documented in `docs/reference/metrics.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use dipper_operator_api::{Latency, LatencyCounts};
use dipper_runtime::{OperatorProgress, Progress, TaskProgress};
use dipper_types::Watermark;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::view::Measured;
use crate::rpc;

pub(super) use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

/// All there is to measure at one moment.
#[derive(Debug)]
pub(super) struct Figures {
    /// `None` of a coordinator that does not lead: there is nothing else to measure then.
    pub(super) leading: Option<rpc::ClusterStatus>,
    pub(super) jobs: Vec<Measured>,
    /// By the wall clock, in milliseconds since 1970.
    pub(super) now_ms: i64,
}

impl Figures {
    /// As text of Prometheus.
    pub(super) fn text(self) -> Result<String, fmt::Error> {
        let (mut text, mut registry) = (String::new(), Registry::with_prefix("dipper"));
        registry.register_collector(Box::new(self));
        prometheus_text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

/// One value of a figure.
enum Value {
    Whole(u64),
    Part(f64),
}

/// A figure of things of one kind.
struct Figure<T> {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    kind: MetricType,
    /// Its value of a thing, if that has it.
    of: fn(&T) -> Option<Value>,
}

/// A job and what it counts.
#[derive(Clone, Copy)]
struct Job<'a> {
    measured: &'a Measured,
    progress: &'a Progress,
    now_ms: i64,
}

/// An operator, and what the time is.
struct Operator<'a>(&'a OperatorProgress, i64);

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        put_all(encoder, coordinator_figures(), &[([], self)])?;
        let Some(cluster) = &self.leading else { return Ok(()) };
        put_all(encoder, cluster_figures(), &[([], cluster)])?;
        put_states(encoder, &self.jobs)?;

        let job = |measured| Some(Job { measured, progress: measured.progress.as_ref()?, now_ms: self.now_ms });
        let jobs: Vec<Job<'_>> = self.jobs.iter().filter_map(job).collect();
        let labelled: Vec<_> = jobs.iter().map(|job| (job.labels(), job)).collect();
        put_all(encoder, job_figures(), &labelled)?;
        put_latencies(encoder, &jobs)?;

        let mut operators = Vec::new();
        let mut tasks = Vec::new();
        for job in &jobs {
            let [id, name] = job.labels();
            for operator in &job.progress.operators {
                let labels = [id, name, ("operator_id", operator.id.0.as_str()), ("operator", operator.name.as_str())];
                operators.push((labels, Operator(operator, self.now_ms)));
            }
            for task in &job.progress.tasks {
                tasks.push(([id, name, ("task_id", task.id.0.as_str()), ("task", task.name.as_str())], task));
            }
        }
        let operators: Vec<_> = operators.iter().map(|(labels, operator)| (*labels, operator)).collect();
        put_all(encoder, operator_figures(), &operators)?;
        put_all(encoder, task_figures(), &tasks)
    }
}

impl<'a> Job<'a> {
    /// Prometheus puts a label `job` of its own on what it reads.
    fn labels(&self) -> [Label<'a>; 2] {
        [("job_id", &self.measured.id), ("job_name", &self.measured.name)]
    }
}

type Label<'a> = (&'static str, &'a str);

/// Things with their labels.
type Labelled<'a, 'b, T, const N: usize> = [([Label<'a>; N], &'b T)];

fn put_all<T, const N: usize, const M: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    figures: [Figure<T>; M],
    things: &Labelled<'_, '_, T, N>,
) -> fmt::Result {
    for Figure { name, help, unit, kind, of } in figures {
        let mut family = encoder.encode_descriptor(name, help, unit.as_ref(), kind)?;
        for (labels, thing) in things {
            let Some(value) = of(thing) else { continue };
            let mut metric = family.encode_family(labels)?;
            match (kind, value) {
                (MetricType::Counter, Value::Whole(value)) => {
                    metric.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
                }
                (MetricType::Counter, Value::Part(value)) => {
                    metric.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
                }
                (_, Value::Whole(value)) => metric.encode_gauge(&value)?,
                (_, Value::Part(value)) => metric.encode_gauge(&value)?,
            }
        }
    }
    Ok(())
}

fn put_states(encoder: &mut DescriptorEncoder<'_>, jobs: &[Measured]) -> fmt::Result {
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    for job in jobs {
        *states.entry(&job.state).or_default() += 1;
    }
    let help = "Jobs by their state, those that have ended among them";
    let mut family = encoder.encode_descriptor("cluster_jobs", help, None, MetricType::Gauge)?;
    for (state, count) in states {
        family.encode_family(&[("state", state)])?.encode_gauge(&count)?;
    }
    Ok(())
}

fn put_latencies(encoder: &mut DescriptorEncoder<'_>, jobs: &[Job<'_>]) -> fmt::Result {
    let help = "From the event time of a match's last row until the match has left, of a sample of the matches";
    let unit = Some(&Unit::Seconds);
    let mut family = encoder.encode_descriptor("job_match_latency", help, unit, MetricType::Histogram)?;
    for job in jobs {
        let counts: LatencyCounts = job.progress.match_latency;
        let bounds = Latency::BOUNDS_US.iter().map(|bound| *bound as f64 / 1e6).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(counts.buckets).collect();
        let sum = counts.sum_us as f64 / 1e6;
        family.encode_family(&job.labels())?.encode_histogram::<NoLabelSet>(sum, counts.count(), &buckets, None)?;
    }
    Ok(())
}

fn coordinator_figures() -> [Figure<Figures>; 2] {
    [
        gauge("coordinator_leading", "Whether this coordinator leads", None, |all: &Figures| {
            whole(u64::from(all.leading.is_some()))
        }),
        gauge("coordinator_generation", "Of its leadership, if it leads", None, |all: &Figures| {
            whole(all.leading.as_ref()?.generation)
        }),
    ]
}

fn cluster_figures() -> [Figure<rpc::ClusterStatus>; 3] {
    type Cluster = rpc::ClusterStatus;
    [
        gauge("cluster_workers", "Workers", None, |cluster: &Cluster| whole(cluster.workers.len() as u64)),
        gauge("cluster_slots", "Slots of all workers", None, |cluster: &Cluster| {
            whole(cluster.workers.iter().map(|worker| u64::from(worker.slots)).sum())
        }),
        gauge("cluster_free_slots", "Slots that no job has and that may be given", None, |cluster: &Cluster| {
            whole(cluster.workers.iter().map(|worker| u64::from(worker.free)).sum())
        }),
    ]
}

fn job_figures<'a>() -> [Figure<Job<'a>>; 17] {
    let (bytes, seconds) = (Some(Unit::Bytes), Some(Unit::Seconds));
    [
        counter("job_rows_in", "Rows read by all sources", None, |job: &Job<'a>| whole(job.progress.rows_in)),
        counter("job_rows_out", "Rows handed to all sinks", None, |job: &Job<'a>| whole(job.progress.rows_out)),
        counter("job_in", "Rows that sources have given, in memory", bytes.clone(), |job: &Job<'a>| {
            whole(job.progress.bytes_in)
        }),
        counter("job_out", "Rows that sinks have been given, in memory", bytes.clone(), |job: &Job<'a>| {
            whole(job.progress.bytes_out)
        }),
        counter("job_matches", "Row pattern matches", None, |job: &Job<'a>| whole(job.progress.matches)),
        gauge(
            "job_open_matches",
            "Rows with which a match may have begun that is open still",
            None,
            |job: &Job<'a>| whole(job.progress.open_matches),
        ),
        counter("job_late_rows", "Rows behind the watermark that were left out", None, |job: &Job<'a>| {
            whole(job.progress.late_rows)
        }),
        counter("job_skipped_records", "Records that could not be decoded and were skipped", None, |job: &Job<'a>| {
            whole(job.progress.skipped_records)
        }),
        gauge(
            "job_watermark_lag",
            "How far the lowest watermark is behind the wall clock",
            seconds.clone(),
            |job: &Job<'a>| lag(job.progress.watermark, job.now_ms),
        ),
        counter("job_checkpoints_completed", "Completed checkpoints", None, |job: &Job<'a>| {
            whole(job.progress.checkpoints.completed)
        }),
        counter("job_checkpoints_failed", "Checkpoints that were given up", None, |job: &Job<'a>| {
            whole(job.progress.checkpoints.failed)
        }),
        gauge("job_last_checkpoint_size", "State that the last checkpoint names", bytes, |job: &Job<'a>| {
            whole(job.progress.checkpoints.last?.bytes)
        }),
        gauge(
            "job_last_checkpoint_duration",
            "From the trigger of the last checkpoint until all was stored",
            seconds.clone(),
            |job: &Job<'a>| span(job.progress.checkpoints.last?.duration),
        ),
        gauge(
            "job_last_checkpoint_timestamp",
            "When the last checkpoint was made, since 1970",
            seconds,
            |job: &Job<'a>| Some(Value::Part(job.progress.checkpoints.last?.created_ms as f64 / 1e3)),
        ),
        counter("job_restarts", "Attempts after the first one under this leader", None, |job: &Job<'a>| {
            whole(job.measured.restarts)
        }),
        counter("job_skip_errors", "Matches whose skip target did not exist", None, |job: &Job<'a>| {
            whole(job.progress.skip_errors)
        }),
        gauge("job_slots", "Slots that the job takes", None, |job: &Job<'a>| whole(job.measured.slots as u64)),
    ]
}

fn operator_figures<'a>() -> [Figure<Operator<'a>>; 7] {
    [
        counter("operator_rows_in", "Rows that came in", None, |operator: &Operator<'a>| whole(operator.0.rows_in)),
        counter("operator_rows_out", "Rows that went out", None, |operator: &Operator<'a>| whole(operator.0.rows_out)),
        counter("operator_matches", "Row pattern matches", None, |operator: &Operator<'a>| whole(operator.0.matches)),
        gauge(
            "operator_open_matches",
            "Rows with which a match may have begun that is open still",
            None,
            |operator: &Operator<'a>| whole(operator.0.open_matches),
        ),
        counter(
            "operator_late_rows",
            "Rows behind the watermark that were left out",
            None,
            |operator: &Operator<'a>| whole(operator.0.late_rows),
        ),
        counter(
            "operator_skipped_records",
            "Records that could not be decoded and were skipped",
            None,
            |operator: &Operator<'a>| whole(operator.0.skipped_records),
        ),
        gauge(
            "operator_watermark_lag",
            "How far the lowest watermark of its subtasks is behind the wall clock",
            Some(Unit::Seconds),
            |operator: &Operator<'a>| lag(operator.0.watermark, operator.1),
        ),
    ]
}

fn task_figures() -> [Figure<TaskProgress>; 6] {
    let (bytes, seconds) = (Some(Unit::Bytes), Some(Unit::Seconds));
    [
        gauge("task_parallelism", "Subtasks", None, |task: &TaskProgress| whole(task.parallelism as u64)),
        counter("task_in", "Rows that came in, in memory", bytes.clone(), |task: &TaskProgress| whole(task.bytes_in)),
        counter("task_out", "Rows that went out, in memory", bytes, |task: &TaskProgress| whole(task.bytes_out)),
        counter("task_busy", "Time with work, of all subtasks", seconds.clone(), |task: &TaskProgress| {
            span(task.times.busy)
        }),
        counter(
            "task_backpressured",
            "Time waiting until whoever comes next has room, of all subtasks",
            seconds.clone(),
            |task: &TaskProgress| span(task.times.backpressured),
        ),
        counter("task_idle", "Time waiting for input, of all subtasks", seconds, |task: &TaskProgress| {
            span(task.times.idle)
        }),
    ]
}

fn counter<T>(name: &'static str, help: &'static str, unit: Option<Unit>, of: fn(&T) -> Option<Value>) -> Figure<T> {
    Figure { name, help, unit, kind: MetricType::Counter, of }
}

fn gauge<T>(name: &'static str, help: &'static str, unit: Option<Unit>, of: fn(&T) -> Option<Value>) -> Figure<T> {
    Figure { name, help, unit, kind: MetricType::Gauge, of }
}

#[expect(clippy::unnecessary_wraps, reason = "most figures always have a value")]
fn whole(value: u64) -> Option<Value> {
    Some(Value::Whole(value))
}

#[expect(clippy::unnecessary_wraps, reason = "most figures always have a value")]
fn span(time: Duration) -> Option<Value> {
    Some(Value::Part(time.as_secs_f64()))
}

/// None before there is a watermark, and when all is done.
fn lag(watermark: Watermark, now_ms: i64) -> Option<Value> {
    let is_known = watermark != Watermark::MIN && watermark != Watermark::MAX;
    is_known.then(|| Value::Part(now_ms as f64 / 1e3 - watermark.0.0 as f64 / 1e6))
}

#[cfg(test)]
mod tests;
