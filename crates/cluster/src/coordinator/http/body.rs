//! The bodies of requests and answers. The document is made of these types, and their comments are its text.

use std::collections::BTreeMap;

use dipper_runtime::{CheckpointProgress, OperatorProgress, Progress, TaskProgress};
use dipper_types::Watermark;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::rpc;

/// Has a job planned and run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Submit {
    /// The statements: definitions, and one INSERT or statement set.
    pub(super) sql: String,
    /// What the job is called if the statements do not say.
    #[serde(default = "job")]
    #[schema(default = "job")]
    pub(super) name: String,
    /// Settings that win over what the statements set.
    #[serde(default)]
    pub(super) settings: BTreeMap<String, String>,
    /// What it starts from.
    #[serde(default)]
    pub(super) start_from: StartFrom,
}

fn job() -> String {
    "job".to_owned()
}

/// What a job starts from.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum StartFrom {
    /// Its last checkpoint, if there is one.
    #[default]
    Latest,
    /// Nothing, whatever checkpoints there are.
    Nothing,
    /// A savepoint, or the manifest of a checkpoint.
    Savepoint(Savepoint),
}

/// A savepoint from which a job starts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Savepoint {
    /// Its path or URL.
    pub(super) url: String,
    /// Even if there are checkpoints under the job's name.
    #[serde(default)]
    pub(super) over: bool,
    /// State may be left behind that belongs to no operator.
    #[serde(default)]
    pub(super) allow_non_restored_state: bool,
}

/// Ends a job with a savepoint.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Stop {
    /// The directory for the savepoint, a path or URL that the coordinator can write to.
    pub(super) savepoint: String,
    /// Its inputs end first, so that nothing is left to run.
    #[serde(default)]
    pub(super) drain: bool,
}

/// Takes a savepoint.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Save {
    /// The directory for the savepoint, a path or URL that the coordinator can write to.
    pub(super) savepoint: String,
}

/// Has a job go on with another parallelism.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rescale {
    /// At least 1.
    #[schema(minimum = 1)]
    pub(super) parallelism: u32,
}

/// Which lines of a job's log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    /// Only what has been said after this line.
    #[serde(default)]
    pub(super) after: u64,
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Job {
    /// Its id.
    id: String,
    /// Its name, by which its checkpoints are found.
    name: String,
    /// Its state in the life cycle: WAITING, RUNNING, …
    state: String,
    /// What there is to say about the state: why it failed, how many slots it lacks.
    detail: String,
    /// When it was submitted, in milliseconds since 1970.
    submitted_ms: i64,
    /// How many attempts have been started under this leader.
    attempts: u64,
    /// How many slots it takes.
    slots: u32,
    /// Rows that this attempt has read.
    rows_in: u64,
    /// Rows that it has written.
    rows_out: u64,
    /// Its row pattern matches.
    matches: u64,
}

/// All jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobList {
    /// The newest last.
    pub(super) jobs: Vec<Job>,
}

/// A job, and what has been measured of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobDetails {
    /// The job.
    #[serde(flatten)]
    pub(super) job: Job,
    /// What the attempt counts that runs, or has run last.
    pub(super) progress: Option<JobProgress>,
}

/// What an attempt of a job counts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobProgress {
    /// The bytes of the rows that sources have given, as they lie in memory.
    bytes_in: u64,
    /// The bytes of the rows that sinks have been given.
    bytes_out: u64,
    /// Rows with which a match may have begun that is open still.
    open_matches: u64,
    /// Rows that came behind the watermark and were left out.
    late_rows: u64,
    /// Records that could not be decoded and were skipped.
    skipped_records: u64,
    /// Matches whose skip target did not exist.
    skip_errors: u64,
    /// The lowest watermark of all operators, in milliseconds since 1970.
    watermark_ms: Option<i64>,
    /// What has become of checkpoints under this leader.
    checkpoints: Checkpoints,
    /// Its operators, inputs first.
    operators: Vec<Operator>,
    /// Its tasks, which are chains of operators, inputs first.
    tasks: Vec<Task>,
}

/// What has become of a job's checkpoints.
#[derive(Debug, Serialize, ToSchema)]
struct Checkpoints {
    /// How many have been completed.
    completed: u64,
    /// How many have been given up.
    failed: u64,
    /// The last that has been completed.
    last: Option<Checkpoint>,
}

/// A checkpoint.
#[derive(Debug, Serialize, ToSchema)]
struct Checkpoint {
    /// Its number in the job's log.
    number: u64,
    /// When it was made, in milliseconds since 1970.
    created_ms: i64,
    /// The bytes of all files that it names.
    bytes: u64,
    /// From its trigger until everything was stored.
    duration_ms: u64,
}

/// What an operator counts, in all its subtasks.
#[derive(Debug, Serialize, ToSchema)]
struct Operator {
    /// Its identity in the job.
    id: String,
    /// What it does.
    name: String,
    /// How many subtasks it has.
    parallelism: usize,
    /// Rows that came in.
    rows_in: u64,
    /// Rows that went out.
    rows_out: u64,
    /// Row pattern matches.
    matches: u64,
    /// Rows with which a match may have begun that is open still.
    open_matches: u64,
    /// Rows that came behind the watermark and were left out.
    late_rows: u64,
    /// Records that could not be decoded and were skipped.
    skipped_records: u64,
    /// Matches whose skip target did not exist.
    skip_errors: u64,
    /// The lowest watermark of its subtasks, in milliseconds since 1970.
    watermark_ms: Option<i64>,
}

/// What a task counts, in all its subtasks.
#[derive(Debug, Serialize, ToSchema)]
struct Task {
    /// The identity of its first operator.
    id: String,
    /// Its operators.
    name: String,
    /// How many subtasks it has.
    parallelism: usize,
    /// The bytes of the rows that came in, as they lie in memory.
    bytes_in: u64,
    /// The bytes of the rows that went out.
    bytes_out: u64,
    /// How long its subtasks have worked.
    busy_ms: u64,
    /// How long they have waited until whoever comes next has room.
    backpressured_ms: u64,
    /// How long they have waited for input.
    idle_ms: u64,
}

/// What has been said about a job.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Log {
    /// The newest last.
    pub(super) lines: Vec<LogLine>,
}

/// Something that has been said about a job.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LogLine {
    /// Its number: it ascends, also from one leader to the next.
    number: u64,
    /// When, in milliseconds since 1970.
    time_ms: i64,
    /// INFO or WARN.
    level: String,
    /// What.
    message: String,
}

/// The cluster.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Cluster {
    /// Where the coordinator that leads is reached by clients and workers, HOST:PORT.
    leader: String,
    /// Of its leadership.
    generation: u64,
    /// The cluster directory.
    directory: String,
    /// The workers.
    pub(super) workers: Vec<Worker>,
}

/// All workers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WorkerList {
    /// By name.
    pub(super) workers: Vec<Worker>,
}

/// A worker.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Worker {
    /// Its name.
    name: String,
    /// Where others reach it, HOST:PORT.
    address: String,
    /// Its slots.
    slots: u32,
    /// Those that no job has.
    free: u32,
    /// It is given no more.
    drains: bool,
}

/// How a coordinator is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// Whether it leads.
    pub(super) role: Role,
    /// Of its leadership, if it leads.
    pub(super) generation: Option<u64>,
}

/// What a coordinator does.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    /// It leads.
    Leader,
    /// It stands by.
    Standby,
}

/// Why something is not done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Failure {
    /// What kind of error it is: invalid, unsupported, unavailable, fenced, corrupt, cancelled, internal.
    pub(super) kind: String,
    /// What has happened.
    pub(super) message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
    /// Where in the statements it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) span: Option<Place>,
    /// Who leads instead, where workers and clients reach it, HOST:PORT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) leader: Option<String>,
}

/// A part of the statements; lines and columns count from 1, and the end is behind the last character.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Place {
    /// Its first line.
    pub(super) start_line: u32,
    /// The column there.
    pub(super) start_column: u32,
    /// Its last line.
    pub(super) end_line: u32,
    /// The column behind it.
    pub(super) end_column: u32,
}

impl From<Submit> for rpc::SubmitRequest {
    fn from(submit: Submit) -> Self {
        let Submit { sql, name, settings, start_from } = submit;
        let start_from = match start_from {
            StartFrom::Latest => None,
            StartFrom::Nothing => Some(rpc::StartFrom::default()),
            StartFrom::Savepoint(Savepoint { url: savepoint, over, allow_non_restored_state }) => {
                Some(rpc::StartFrom { savepoint, over, allow_non_restored_state })
            }
        };
        Self { sql, name, settings: settings.into_iter().collect(), start_from }
    }
}

impl From<rpc::Job> for Job {
    fn from(job: rpc::Job) -> Self {
        let rpc::Job { id, name, state, detail, submitted_ms, attempts, slots, rows_in, rows_out, matches, .. } = job;
        Self { id, name, state, detail, submitted_ms, attempts, slots, rows_in, rows_out, matches }
    }
}

impl From<Progress> for JobProgress {
    fn from(progress: Progress) -> Self {
        Self {
            bytes_in: progress.bytes_in,
            bytes_out: progress.bytes_out,
            open_matches: progress.open_matches,
            late_rows: progress.late_rows,
            skipped_records: progress.skipped_records,
            skip_errors: progress.skip_errors,
            watermark_ms: watermark_ms(progress.watermark),
            checkpoints: progress.checkpoints.into(),
            operators: progress.operators.into_iter().map(Into::into).collect(),
            tasks: progress.tasks.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<CheckpointProgress> for Checkpoints {
    fn from(checkpoints: CheckpointProgress) -> Self {
        let CheckpointProgress { completed, failed, last } = checkpoints;
        let last = last.map(|last| Checkpoint {
            number: last.number,
            created_ms: last.created_ms,
            bytes: last.bytes,
            duration_ms: last.duration.as_millis() as u64,
        });
        Self { completed, failed, last }
    }
}

impl From<OperatorProgress> for Operator {
    fn from(operator: OperatorProgress) -> Self {
        Self {
            id: operator.id.0,
            name: operator.name,
            parallelism: operator.parallelism,
            rows_in: operator.rows_in,
            rows_out: operator.rows_out,
            matches: operator.matches,
            open_matches: operator.open_matches,
            late_rows: operator.late_rows,
            skipped_records: operator.skipped_records,
            skip_errors: operator.skip_errors,
            watermark_ms: watermark_ms(operator.watermark),
        }
    }
}

impl From<TaskProgress> for Task {
    fn from(task: TaskProgress) -> Self {
        Self {
            id: task.id.0,
            name: task.name,
            parallelism: task.parallelism,
            bytes_in: task.bytes_in,
            bytes_out: task.bytes_out,
            busy_ms: task.times.busy.as_millis() as u64,
            backpressured_ms: task.times.backpressured.as_millis() as u64,
            idle_ms: task.times.idle.as_millis() as u64,
        }
    }
}

/// None before there is one, and when all is done.
fn watermark_ms(watermark: Watermark) -> Option<i64> {
    let is_known = watermark != Watermark::MIN && watermark != Watermark::MAX;
    is_known.then(|| watermark.0.0.div_euclid(1_000))
}

impl From<rpc::LogLine> for LogLine {
    fn from(line: rpc::LogLine) -> Self {
        let rpc::LogLine { number, time_ms, level, message } = line;
        Self { number, time_ms, level, message }
    }
}

impl From<rpc::ClusterStatus> for Cluster {
    fn from(status: rpc::ClusterStatus) -> Self {
        let rpc::ClusterStatus { leader, directory, workers, generation } = status;
        Self { leader, generation, directory, workers: workers.into_iter().map(Into::into).collect() }
    }
}

impl From<rpc::Worker> for Worker {
    fn from(worker: rpc::Worker) -> Self {
        let rpc::Worker { name, address, slots, free, drains } = worker;
        Self { name, address, slots, free, drains }
    }
}
