//! The counters of a job: those of the subtasks that run here, and what is heard of others.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dipper_graph::{JobGraph, NodeId, OperatorSpec, TaskGraph};
use dipper_operator_api::OperatorMetrics;
use dipper_types::{OperatorId, Watermark};

use crate::progress::{
    CheckpointProgress, Counted, LastCheckpoint, OperatorProgress, Progress, SubtaskCounters, TaskCounters,
    TaskProgress,
};
use crate::task_metrics::{TaskMetrics, TaskTimes};

/// The counters of every subtask of every node and task, and of the job's checkpoints.
#[derive(Debug)]
pub(crate) struct JobMetrics {
    nodes: Vec<NodeMetrics>,
    tasks: Vec<TaskOfJob>,
    checkpoints: Mutex<CheckpointProgress>,
}

#[derive(Debug)]
struct NodeMetrics {
    id: OperatorId,
    name: String,
    role: Role,
    subtasks: Vec<Arc<OperatorMetrics>>,
}

#[derive(Debug)]
struct TaskOfJob {
    /// Of its first node.
    id: OperatorId,
    name: String,
    /// Whether it reads a table or has the rows itself, and whether rows leave the job here.
    is_input: bool,
    is_output: bool,
    subtasks: Vec<Arc<TaskMetrics>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Input,
    Middle,
    Output,
}

impl JobMetrics {
    pub(crate) fn new(graph: &JobGraph) -> Self {
        let role = |spec: &OperatorSpec| match spec {
            OperatorSpec::Source(_) | OperatorSpec::Values(_) => Role::Input,
            OperatorSpec::Sink(_) | OperatorSpec::Collect => Role::Output,
            _ => Role::Middle,
        };
        let node = |node: &dipper_graph::Node| NodeMetrics {
            id: node.id.clone(),
            name: node.name.clone(),
            role: role(&node.spec),
            subtasks: (0..node.parallelism).map(|_| Arc::default()).collect(),
        };
        let nodes: Vec<NodeMetrics> = graph.nodes.iter().map(node).collect();
        let task = |task: &dipper_graph::Task| {
            let of_task: Vec<&NodeMetrics> = task.nodes.iter().filter_map(|node| nodes.get(node.0)).collect();
            TaskOfJob {
                id: of_task.first().map_or_else(|| OperatorId(String::new()), |node| node.id.clone()),
                name: of_task.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(" -> "),
                is_input: of_task.first().is_some_and(|node| node.role == Role::Input),
                is_output: of_task.last().is_some_and(|node| node.role == Role::Output),
                subtasks: (0..task.parallelism).map(|_| Arc::default()).collect(),
            }
        };
        let tasks = TaskGraph::of(graph).tasks.iter().map(task).collect();
        Self { nodes, tasks, checkpoints: Mutex::default() }
    }

    /// The counters of one subtask of an operator.
    pub(crate) fn subtask(&self, node: usize, subtask: usize) -> Arc<OperatorMetrics> {
        Arc::clone(&self.nodes[node].subtasks[subtask])
    }

    /// The counters of one subtask of a task.
    pub(crate) fn task(&self, task: usize, subtask: usize) -> Arc<TaskMetrics> {
        Arc::clone(&self.tasks[task].subtasks[subtask])
    }

    /// What every subtask has counted, where it has counted anything.
    pub(crate) fn counted(&self) -> Counted {
        let mut counted = Counted::default();
        for (node, metrics) in self.nodes.iter().enumerate() {
            for (subtask, metrics) in metrics.subtasks.iter().enumerate() {
                let counters = SubtaskCounters::of(node, subtask, metrics);
                let is_silent = counters.rows_in + counters.rows_out == 0 && counters.watermark == Watermark::MIN;
                if !is_silent {
                    counted.operators.push(counters);
                }
            }
        }
        for (task, metrics) in self.tasks.iter().enumerate() {
            for (subtask, metrics) in metrics.subtasks.iter().enumerate() {
                let counters = TaskCounters::of(task, subtask, metrics);
                if counters.times != TaskTimes::default() {
                    counted.tasks.push(counters);
                }
            }
        }
        counted
    }

    /// Takes note of what subtasks have counted that run elsewhere.
    pub(crate) fn set(&self, counted: &Counted) {
        for counters in &counted.operators {
            if let Some(metrics) = self.nodes.get(counters.node).and_then(|node| node.subtasks.get(counters.subtask)) {
                counters.copy_to(metrics);
            }
        }
        for counters in &counted.tasks {
            if let Some(metrics) = self.tasks.get(counters.task).and_then(|task| task.subtasks.get(counters.subtask)) {
                metrics.set(counters.bytes_in, counters.bytes_out, counters.times);
            }
        }
    }

    /// A checkpoint is completed.
    pub(crate) fn checkpoint_completed(&self, last: LastCheckpoint) {
        let mut checkpoints = self.checkpoints();
        checkpoints.completed += 1;
        checkpoints.last = Some(last);
    }

    /// A checkpoint has been given up.
    pub(crate) fn checkpoint_failed(&self) {
        self.checkpoints().failed += 1;
    }

    /// The rows that a sink has taken.
    pub(crate) fn rows_written(&self, sink: NodeId) -> u64 {
        self.nodes[sink.0].subtasks.iter().map(|metrics| OperatorMetrics::get(&metrics.rows_out)).sum()
    }

    pub(crate) fn progress(&self) -> Progress {
        let operators: Vec<OperatorProgress> = self.nodes.iter().map(NodeMetrics::progress).collect();
        let tasks: Vec<TaskProgress> = self.tasks.iter().map(TaskOfJob::progress).collect();
        let with_role = |role: Role| self.nodes.iter().zip(&operators).filter(move |(node, _)| node.role == role);
        let at_end = |is_there: fn(&TaskOfJob) -> bool| {
            self.tasks.iter().zip(&tasks).filter(move |(task, _)| is_there(task)).map(|(_, progress)| progress)
        };
        Progress {
            rows_in: with_role(Role::Input).map(|(_, operator)| operator.rows_in).sum(),
            rows_out: with_role(Role::Output).map(|(_, operator)| operator.rows_out).sum(),
            bytes_in: at_end(|task| task.is_input).map(|task| task.bytes_in).sum(),
            bytes_out: at_end(|task| task.is_output).map(|task| task.bytes_out).sum(),
            matches: operators.iter().map(|operator| operator.matches).sum(),
            open_matches: operators.iter().map(|operator| operator.open_matches).sum(),
            match_latency: operators.iter().map(|operator| operator.match_latency).sum(),
            late_rows: operators.iter().map(|operator| operator.late_rows).sum(),
            skipped_records: operators.iter().map(|operator| operator.skipped_records).sum(),
            skip_errors: operators.iter().map(|operator| operator.skip_errors).sum(),
            watermark: operators.iter().map(|operator| operator.watermark).min().unwrap_or(Watermark::MIN),
            checkpoints: *self.checkpoints(),
            operators,
            tasks,
        }
    }

    fn checkpoints(&self) -> MutexGuard<'_, CheckpointProgress> {
        // No call leaves it half changed.
        self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NodeMetrics {
    fn progress(&self) -> OperatorProgress {
        type Counter = fn(&OperatorMetrics) -> u64;
        let sum = |counter: Counter| self.subtasks.iter().map(|metrics| counter(metrics)).sum();
        OperatorProgress {
            id: self.id.clone(),
            name: self.name.clone(),
            parallelism: self.subtasks.len(),
            rows_in: sum(|metrics| OperatorMetrics::get(&metrics.rows_in)),
            rows_out: sum(|metrics| OperatorMetrics::get(&metrics.rows_out)),
            matches: sum(|metrics| OperatorMetrics::get(&metrics.matches)),
            open_matches: sum(|metrics| OperatorMetrics::get(&metrics.open_matches)),
            match_latency: self.subtasks.iter().map(|metrics| metrics.match_latency.counts()).sum(),
            late_rows: sum(|metrics| OperatorMetrics::get(&metrics.late_rows)),
            skipped_records: sum(|metrics| OperatorMetrics::get(&metrics.skipped_records)),
            skip_errors: sum(|metrics| OperatorMetrics::get(&metrics.skip_errors)),
            watermark: self.subtasks.iter().map(|metrics| metrics.watermark()).min().unwrap_or(Watermark::MIN),
        }
    }
}

impl TaskOfJob {
    fn progress(&self) -> TaskProgress {
        let times: Vec<TaskTimes> = self.subtasks.iter().map(|metrics| metrics.times()).collect();
        let sum = |of: fn(&TaskTimes) -> Duration| times.iter().map(of).sum();
        TaskProgress {
            id: self.id.clone(),
            name: self.name.clone(),
            parallelism: self.subtasks.len(),
            bytes_in: self.subtasks.iter().map(|metrics| metrics.bytes_in.load(Ordering::Relaxed)).sum(),
            bytes_out: self.subtasks.iter().map(|metrics| metrics.bytes_out.load(Ordering::Relaxed)).sum(),
            times: TaskTimes {
                busy: sum(|times| times.busy),
                backpressured: sum(|times| times.backpressured),
                idle: sum(|times| times.idle),
            },
        }
    }
}

impl SubtaskCounters {
    fn of(node: usize, subtask: usize, metrics: &OperatorMetrics) -> Self {
        Self {
            node,
            subtask,
            rows_in: OperatorMetrics::get(&metrics.rows_in),
            rows_out: OperatorMetrics::get(&metrics.rows_out),
            matches: OperatorMetrics::get(&metrics.matches),
            open_matches: OperatorMetrics::get(&metrics.open_matches),
            match_latency: metrics.match_latency.counts(),
            late_rows: OperatorMetrics::get(&metrics.late_rows),
            skipped_records: OperatorMetrics::get(&metrics.skipped_records),
            skip_errors: OperatorMetrics::get(&metrics.skip_errors),
            watermark: metrics.watermark(),
        }
    }

    fn copy_to(&self, metrics: &OperatorMetrics) {
        let counters = [
            (&metrics.rows_in, self.rows_in),
            (&metrics.rows_out, self.rows_out),
            (&metrics.matches, self.matches),
            (&metrics.open_matches, self.open_matches),
            (&metrics.late_rows, self.late_rows),
            (&metrics.skipped_records, self.skipped_records),
            (&metrics.skip_errors, self.skip_errors),
        ];
        for (counter, count) in counters {
            counter.store(count, Ordering::Relaxed);
        }
        metrics.match_latency.set(&self.match_latency);
        metrics.set_watermark(self.watermark);
    }
}

impl TaskCounters {
    fn of(task: usize, subtask: usize, metrics: &TaskMetrics) -> Self {
        let (bytes_in, bytes_out) =
            (metrics.bytes_in.load(Ordering::Relaxed), metrics.bytes_out.load(Ordering::Relaxed));
        Self { task, subtask, bytes_in, bytes_out, times: metrics.times() }
    }
}
