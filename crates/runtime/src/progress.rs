//! What a running job counts, for people to watch.

use std::time::Duration;

use dipper_operator_api::LatencyCounts;
use dipper_state::{CheckpointKind, Manifest};
use dipper_types::{OperatorId, Watermark};

use crate::task_metrics::TaskTimes;

/// The counters of a job at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Rows read by all sources, VALUES included.
    pub rows_in: u64,
    /// Rows handed to all sinks and to the client.
    pub rows_out: u64,
    /// The bytes of the rows that sources have given, as they lie in memory.
    pub bytes_in: u64,
    /// The bytes of the rows that sinks and the client have been given.
    pub bytes_out: u64,
    /// Row pattern matches, time-outs included.
    pub matches: u64,
    /// Rows with which a match may have begun that is open still.
    pub open_matches: u64,
    /// From the event time of a match's last row until the match has left, of a sample of the matches.
    pub match_latency: LatencyCounts,
    /// Rows that came behind the watermark and were left out.
    pub late_rows: u64,
    /// Records that could not be decoded and were skipped, as their table asks.
    pub skipped_records: u64,
    /// Matches whose AFTER MATCH SKIP had no place to go and fell back to the next row.
    pub skip_errors: u64,
    /// The lowest watermark of all operators: [`Watermark::MAX`] when all is done.
    pub watermark: Watermark,
    /// What has become of checkpoints.
    pub checkpoints: CheckpointProgress,
    /// The same per operator, inputs first.
    pub operators: Vec<OperatorProgress>,
    /// What tasks count as wholes: chains of operators, inputs first.
    pub tasks: Vec<TaskProgress>,
}

/// The counters of one operator, over all its subtasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorProgress {
    /// The identity in the graph.
    pub id: OperatorId,
    /// What people see.
    pub name: String,
    /// How many subtasks.
    pub parallelism: usize,
    /// Rows that came in; for a source, the rows read.
    pub rows_in: u64,
    /// Rows that went out; for a sink, the rows written.
    pub rows_out: u64,
    /// Row pattern matches.
    pub matches: u64,
    /// Rows with which a match may have begun that is open still.
    pub open_matches: u64,
    /// From the event time of a match's last row until the match has left, of a sample of the matches.
    pub match_latency: LatencyCounts,
    /// Rows that came behind the watermark and were left out.
    pub late_rows: u64,
    /// Records that could not be decoded and were skipped.
    pub skipped_records: u64,
    /// Matches whose skip target did not exist.
    pub skip_errors: u64,
    /// The lowest watermark of all subtasks.
    pub watermark: Watermark,
}

/// The counters of one task, over all its subtasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskProgress {
    /// The identity of its first operator.
    pub id: OperatorId,
    /// Its operators, as people see them.
    pub name: String,
    /// How many subtasks.
    pub parallelism: usize,
    /// The bytes of the rows that came in, from its source or from other tasks, as they lie in memory.
    pub bytes_in: u64,
    /// The bytes of the rows that went out, to its sink, to the client or to other tasks.
    pub bytes_out: u64,
    /// How its subtasks have spent their time.
    pub times: TaskTimes,
}

/// What has become of a job's checkpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckpointProgress {
    /// How many have been completed.
    pub completed: u64,
    /// How many have been given up.
    pub failed: u64,
    /// The last that has been completed.
    pub last: Option<LastCheckpoint>,
}

/// A checkpoint that has been completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastCheckpoint {
    /// Its number in the log.
    pub number: u64,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// How many bytes the files of its state have, those included that earlier checkpoints have stored.
    pub bytes: u64,
    /// From its trigger until all subtasks had stored their state.
    pub duration: Duration,
}

impl LastCheckpoint {
    /// Of its manifest, unless that only opens an attempt.
    pub(crate) fn of(manifest: &Manifest) -> Option<Self> {
        let is_checkpoint = manifest.kind != CheckpointKind::Opening;
        is_checkpoint.then(|| Self {
            number: manifest.number,
            created_ms: manifest.created_ms,
            bytes: manifest.files().values().map(|file| file.bytes).sum(),
            duration: Duration::from_millis(manifest.duration_ms),
        })
    }
}

/// What subtasks have counted since they began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// By operator.
    pub operators: Vec<SubtaskCounters>,
    /// By task.
    pub tasks: Vec<TaskCounters>,
}

/// What one operator of one subtask has counted since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubtaskCounters {
    /// The operator, by its place in the graph.
    pub node: usize,
    /// The subtask.
    pub subtask: usize,
    /// Rows that came in.
    pub rows_in: u64,
    /// Rows that went out.
    pub rows_out: u64,
    /// Row pattern matches.
    pub matches: u64,
    /// Rows with which a match may have begun that is open still.
    pub open_matches: u64,
    /// How late matches leave.
    pub match_latency: LatencyCounts,
    /// Rows that came behind the watermark and were left out.
    pub late_rows: u64,
    /// Records that could not be decoded and were skipped.
    pub skipped_records: u64,
    /// Matches whose skip target did not exist.
    pub skip_errors: u64,
    /// The watermark that it has reached.
    pub watermark: Watermark,
}

/// What one subtask has counted as a whole since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskCounters {
    /// The task, by its place in the task graph.
    pub task: usize,
    /// The subtask.
    pub subtask: usize,
    /// The bytes of the rows that came in.
    pub bytes_in: u64,
    /// The bytes of the rows that went out.
    pub bytes_out: u64,
    /// How it has spent its time.
    pub times: TaskTimes,
}
