//! What of a job runs in this process, and the channels that lead out of it. Whoever runs the rest carries their elements.

use std::collections::BTreeSet;

use dipper_checkpoint::TaskId;
use dipper_graph::{Partitioning, TaskGraph};
use serde::{Deserialize, Serialize};

use crate::channel::{Receiver, Sender};

/// The subtasks of a job that run in this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Share {
    /// All of them.
    All,
    /// Some of them.
    Some(BTreeSet<TaskId>),
}

impl Share {
    /// Whether a subtask is among them.
    pub fn has(&self, task: TaskId) -> bool {
        match self {
            Self::All => true,
            Self::Some(tasks) => tasks.contains(&task),
        }
    }
}

/// A channel of a job: one sending subtask, one receiving subtask, and the exchange between their tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChannelName {
    /// The exchange, by its place in [`TaskGraph::edges`].
    pub edge: usize,
    /// Who sends.
    pub from: TaskId,
    /// Who receives.
    pub to: TaskId,
}

/// The channels of a job that have one end here.
#[derive(Debug, Default)]
pub struct RemoteEnds {
    /// What subtasks here send to others.
    pub outgoing: Vec<(ChannelName, Receiver)>,
    /// What subtasks here get from others.
    pub incoming: Vec<(ChannelName, Sender)>,
}

/// All channels of a job, those of one sender to the subtasks of a receiver in order.
pub(crate) fn channels(task_graph: &TaskGraph) -> impl Iterator<Item = ChannelName> {
    task_graph.edges.iter().enumerate().flat_map(|(index, edge)| {
        let receivers = task_graph.tasks[edge.to].parallelism;
        (0..task_graph.tasks[edge.from].parallelism).flat_map(move |from| {
            let to = match edge.partitioning {
                Partitioning::Forward => from..from + 1,
                Partitioning::Hash { .. } | Partitioning::Rebalance => 0..receivers,
            };
            let at = |task, subtask| TaskId { task, subtask };
            to.map(move |to| ChannelName { edge: index, from: at(edge.from, from), to: at(edge.to, to) })
        })
    })
}
