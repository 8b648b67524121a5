//! What a running job counts, for people to watch.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use dipper_graph::{JobGraph, NodeId, OperatorSpec};
use dipper_operator_api::OperatorMetrics;
use dipper_types::{OperatorId, Watermark};

/// The counters of a job at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Rows read by all sources, VALUES included.
    pub rows_in: u64,
    /// Rows handed to all sinks and to the client.
    pub rows_out: u64,
    /// Row pattern matches, time-outs included.
    pub matches: u64,
    /// Rows that came behind the watermark and were left out.
    pub late_rows: u64,
    /// Records that could not be decoded and were skipped, as their table asks.
    pub skipped_records: u64,
    /// Matches whose AFTER MATCH SKIP had no place to go and fell back to the next row.
    pub skip_errors: u64,
    /// The lowest watermark of all operators: [`Watermark::MAX`] when all is done.
    pub watermark: Watermark,
    /// The same per operator, inputs first.
    pub operators: Vec<OperatorProgress>,
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
    /// Rows that came behind the watermark and were left out.
    pub late_rows: u64,
    /// Records that could not be decoded and were skipped.
    pub skipped_records: u64,
    /// Matches whose skip target did not exist.
    pub skip_errors: u64,
    /// The lowest watermark of all subtasks.
    pub watermark: Watermark,
}

/// What one operator of one subtask has counted since it was last asked.
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
    /// Rows that came behind the watermark and were left out.
    pub late_rows: u64,
    /// Records that could not be decoded and were skipped.
    pub skipped_records: u64,
    /// Matches whose skip target did not exist.
    pub skip_errors: u64,
    /// The watermark that it has reached.
    pub watermark: Watermark,
}

/// The counters of every subtask of every node.
#[derive(Debug)]
pub(crate) struct JobMetrics {
    nodes: Vec<NodeMetrics>,
}

#[derive(Debug)]
struct NodeMetrics {
    id: OperatorId,
    name: String,
    role: Role,
    subtasks: Vec<Arc<OperatorMetrics>>,
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
        Self { nodes: graph.nodes.iter().map(node).collect() }
    }

    /// The counters of one subtask.
    pub(crate) fn subtask(&self, node: usize, subtask: usize) -> Arc<OperatorMetrics> {
        Arc::clone(&self.nodes[node].subtasks[subtask])
    }

    /// What every subtask has counted, where it has counted anything.
    pub(crate) fn counters(&self) -> Vec<SubtaskCounters> {
        let mut all = Vec::new();
        for (node, metrics) in self.nodes.iter().enumerate() {
            for (subtask, counted) in metrics.subtasks.iter().enumerate() {
                let counters = SubtaskCounters {
                    node,
                    subtask,
                    rows_in: OperatorMetrics::get(&counted.rows_in),
                    rows_out: OperatorMetrics::get(&counted.rows_out),
                    matches: OperatorMetrics::get(&counted.matches),
                    late_rows: OperatorMetrics::get(&counted.late_rows),
                    skipped_records: OperatorMetrics::get(&counted.skipped_records),
                    skip_errors: OperatorMetrics::get(&counted.skip_errors),
                    watermark: counted.watermark(),
                };
                let is_silent = counters.rows_in + counters.rows_out == 0 && counters.watermark == Watermark::MIN;
                if !is_silent {
                    all.push(counters);
                }
            }
        }
        all
    }

    /// Takes note of what a subtask has counted that runs elsewhere.
    pub(crate) fn set(&self, counted: &SubtaskCounters) {
        let Some(metrics) = self.nodes.get(counted.node).and_then(|node| node.subtasks.get(counted.subtask)) else {
            return;
        };
        let counters = [
            (&metrics.rows_in, counted.rows_in),
            (&metrics.rows_out, counted.rows_out),
            (&metrics.matches, counted.matches),
            (&metrics.late_rows, counted.late_rows),
            (&metrics.skipped_records, counted.skipped_records),
            (&metrics.skip_errors, counted.skip_errors),
        ];
        for (counter, count) in counters {
            counter.store(count, Ordering::Relaxed);
        }
        metrics.set_watermark(counted.watermark);
    }

    /// The rows that a sink has taken.
    pub(crate) fn rows_written(&self, sink: NodeId) -> u64 {
        self.nodes[sink.0].subtasks.iter().map(|metrics| OperatorMetrics::get(&metrics.rows_out)).sum()
    }

    pub(crate) fn progress(&self) -> Progress {
        let operators: Vec<OperatorProgress> = self.nodes.iter().map(NodeMetrics::progress).collect();
        let with_role = |role: Role| self.nodes.iter().zip(&operators).filter(move |(node, _)| node.role == role);
        Progress {
            rows_in: with_role(Role::Input).map(|(_, operator)| operator.rows_in).sum(),
            rows_out: with_role(Role::Output).map(|(_, operator)| operator.rows_out).sum(),
            matches: operators.iter().map(|operator| operator.matches).sum(),
            late_rows: operators.iter().map(|operator| operator.late_rows).sum(),
            skipped_records: operators.iter().map(|operator| operator.skipped_records).sum(),
            skip_errors: operators.iter().map(|operator| operator.skip_errors).sum(),
            watermark: operators.iter().map(|operator| operator.watermark).min().unwrap_or(Watermark::MIN),
            operators,
        }
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
            late_rows: sum(|metrics| OperatorMetrics::get(&metrics.late_rows)),
            skipped_records: sum(|metrics| OperatorMetrics::get(&metrics.skipped_records)),
            skip_errors: sum(|metrics| OperatorMetrics::get(&metrics.skip_errors)),
            watermark: self.subtasks.iter().map(|metrics| metrics.watermark()).min().unwrap_or(Watermark::MIN),
        }
    }
}
