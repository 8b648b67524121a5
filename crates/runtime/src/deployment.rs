//! From the graph to its subtasks: chains, channels between them, sources and sinks, all made and connected, nothing opened.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use dipper_checkpoint::TaskId;
use dipper_graph::{JobGraph, NodeId, OperatorSpec, TaskGraph};
use dipper_operator_api::{Port, Sink, Source};
use dipper_types::{Result, SubtaskId};
use tokio_util::sync::CancellationToken;

use crate::Components;
use crate::chain::Chain;
use crate::channel::{Receiver, Sender, channel};
use crate::gate::InputGate;
use crate::job_metrics::JobMetrics;
use crate::network::{RemoteEnds, Share, channels};
use crate::not_null::NotNull;
use crate::output::Output;
use crate::position::Position;
use crate::run::Run;
use crate::source_task::SourceTask;
use crate::task::{Ends as TaskEnds, Head, SinkTail, Tail, Task};
use crate::values_head::ValuesHead;

/// A job that is ready to be opened and run.
pub(crate) struct Deployment {
    /// By task and subtask.
    pub(crate) tasks: Vec<Task>,
    pub(crate) sinks: Vec<DeployedSink>,
    /// The channels to subtasks that are not among them.
    pub(crate) remote: RemoteEnds,
    /// What the client reads.
    pub(crate) rows: Option<(SchemaRef, Receiver)>,
}

/// A sink node and what its run is called in what it stages.
#[derive(Debug, Clone)]
pub(crate) struct DeployedSink {
    /// The task that ends in it.
    pub(crate) task: usize,
    pub(crate) node: NodeId,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) run: String,
}

/// What is to be deployed.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) graph: &'a JobGraph,
    pub(crate) components: &'a dyn Components,
    pub(crate) channel_bytes: usize,
    pub(crate) run: &'a Run,
    /// The subtasks that run here.
    pub(crate) share: &'a Share,
}

/// Makes the subtasks of a valid graph.
pub(crate) fn deploy(plan: Plan<'_>, metrics: &JobMetrics, cancel: &CancellationToken) -> Result<Deployment> {
    let task_graph = TaskGraph::of(plan.graph);
    let (mut ends, remote) = connect(plan, &task_graph);
    let mut deployment = Deployment { tasks: Vec::new(), sinks: Vec::new(), rows: None, remote };
    for (index, task) in task_graph.tasks.iter().enumerate() {
        let mut builder = TaskBuilder { plan, metrics, cancel, index, nodes: &task.nodes, source: None, end: None };
        builder.make_ends(&mut deployment)?;
        for subtask in 0..task.parallelism {
            let place = TaskId { task: index, subtask };
            if plan.share.has(place) {
                let id = SubtaskId { index: subtask, parallelism: task.parallelism };
                deployment.tasks.push(builder.subtask(id, ends.remove(&place).unwrap_or_default())?);
            }
        }
    }
    Ok(deployment)
}

/// The ends of the channels of one subtask.
#[derive(Default)]
struct Ends {
    inputs: Vec<(Port, Receiver)>,
    outputs: Vec<Output>,
}

/// The channels of all exchanges that have an end here.
fn connect(plan: Plan<'_>, task_graph: &TaskGraph) -> (BTreeMap<TaskId, Ends>, RemoteEnds) {
    let (mut ends, mut remote) = (BTreeMap::<TaskId, Ends>::new(), RemoteEnds::default());
    let mut senders: BTreeMap<(usize, TaskId), Vec<Sender>> = BTreeMap::new();
    for name in channels(task_graph) {
        let (from_here, to_here) = (plan.share.has(name.from), plan.share.has(name.to));
        if !from_here && !to_here {
            continue;
        }
        let (sender, receiver) = channel(plan.channel_bytes);
        if to_here {
            let port = task_graph.edges[name.edge].port;
            ends.entry(name.to).or_default().inputs.push((port, receiver));
        } else {
            remote.outgoing.push((name, receiver));
        }
        if from_here {
            senders.entry((name.edge, name.from)).or_default().push(sender);
        } else {
            remote.incoming.push((name, sender));
        }
    }
    for ((edge, from), senders) in senders {
        let (partitioning, task) = (&task_graph.edges[edge].partitioning, &task_graph.tasks[from.task]);
        let subtask = SubtaskId { index: from.subtask, parallelism: task.parallelism };
        let output = Output::new(partitioning, senders, plan.graph.key_groups, subtask);
        ends.entry(from).or_default().outputs.push(output);
    }
    (ends, remote)
}

/// Makes the subtasks of one task.
struct TaskBuilder<'a> {
    plan: Plan<'a>,
    metrics: &'a JobMetrics,
    cancel: &'a CancellationToken,
    index: usize,
    nodes: &'a [NodeId],
    source: Option<Arc<dyn Source>>,
    end: Option<End>,
}

/// What the last node of a task is, if rows leave the job there.
enum End {
    Sink { sink: Arc<dyn Sink>, not_null: NotNull, run: String },
    Collect(Sender),
}

impl TaskBuilder<'_> {
    /// What all subtasks share: the source and the sink.
    fn make_ends(&mut self, deployment: &mut Deployment) -> Result<()> {
        for &id in self.nodes {
            let node = self.plan.graph.node(id);
            match &node.spec {
                OperatorSpec::Source(spec) => self.source = Some(self.plan.components.source(&spec.table)?),
                OperatorSpec::Sink(spec) => {
                    let sink = self.plan.components.sink(&spec.table)?;
                    let run = self.plan.run.of_sink(id);
                    self.end = Some(End::Sink {
                        sink: Arc::clone(&sink),
                        not_null: NotNull::of(&spec.table),
                        run: run.clone(),
                    });
                    deployment.sinks.push(DeployedSink { task: self.index, node: id, sink, run });
                }
                OperatorSpec::Collect => {
                    let (sender, receiver) = channel(self.plan.channel_bytes);
                    self.end = Some(End::Collect(sender));
                    let input = self
                        .plan
                        .graph
                        .inputs(id)
                        .next()
                        .map_or(&node.output_schema, |edge| &self.plan.graph.node(edge.from).output_schema);
                    deployment.rows = Some((Arc::clone(input), receiver));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn subtask(&self, subtask: SubtaskId, ends: Ends) -> Result<Task> {
        let names =
            self.nodes.iter().map(|&id| self.plan.graph.node(id)).map(|node| (node.name.clone(), is_table(&node.spec)));
        let position = Arc::new(Position::new(names));
        let head = self.head(subtask, ends.inputs)?;
        let mut chain = Chain::new(subtask, Arc::clone(&position), self.plan.graph.key_groups);
        for (place, &id) in self.nodes.iter().enumerate() {
            let node = self.plan.graph.node(id);
            if is_operator(&node.spec) {
                let operator = self.plan.components.operator(node, &self.input_schemas(id))?;
                chain.push(place, node.id.clone(), operator, self.metrics.subtask(id.0, subtask.index));
            }
        }
        let tail = self.tail(subtask, ends.outputs);
        let (index, cancel, ends) = (self.index, self.cancel.clone(), self.task_ends());
        let metrics = self.metrics.task(index, subtask.index);
        Ok(Task { index, subtask, position, head, chain, tail, cancel, ends, metrics, restored: None, control: None })
    }

    fn task_ends(&self) -> TaskEnds {
        let id = |node: Option<&NodeId>| {
            let node = node.map(|&id| self.plan.graph.node(id));
            node.filter(|node| !is_operator(&node.spec)).map(|node| node.id.clone())
        };
        TaskEnds { head: id(self.nodes.first()), tail: id(self.nodes.last()).filter(|_| self.end.is_some()) }
    }

    fn head(&self, subtask: SubtaskId, inputs: Vec<(Port, Receiver)>) -> Result<Head> {
        let Some(&first) = self.nodes.first() else { return Ok(Head::Gate(InputGate::new(inputs))) };
        let node = self.plan.graph.node(first);
        let metrics = self.metrics.subtask(first.0, subtask.index);
        match (&node.spec, &self.source) {
            (OperatorSpec::Source(spec), Some(source)) => {
                let task = SourceTask::new(spec, Arc::clone(source), self.plan.graph.batch_rows, metrics)?;
                Ok(Head::Source(Box::new(task)))
            }
            (OperatorSpec::Values(spec), _) => {
                // The rows exist once.
                let batches = match subtask.index {
                    0 => dipper_operators::values(spec, &node.output_schema, self.plan.graph.batch_rows)?.into(),
                    _ => std::collections::VecDeque::new(),
                };
                Ok(Head::Values(ValuesHead::new(batches, metrics)))
            }
            _ => Ok(Head::Gate(InputGate::new(inputs))),
        }
    }

    fn tail(&self, subtask: SubtaskId, outputs: Vec<Output>) -> Tail {
        let place = self.nodes.len() - 1;
        let metrics = self.metrics.subtask(self.nodes[place].0, subtask.index);
        match &self.end {
            None => Tail::Exchange(outputs),
            Some(End::Sink { sink, not_null, run }) => {
                let (sink, not_null, run) = (Arc::clone(sink), not_null.clone(), run.clone());
                Tail::Sink(SinkTail { sink, not_null, run, writer: None, metrics, place })
            }
            Some(End::Collect(rows)) => Tail::Collect { rows: rows.clone(), metrics, place },
        }
    }

    /// The schema of each input port.
    fn input_schemas(&self, id: NodeId) -> Vec<SchemaRef> {
        let mut inputs: Vec<_> = self.plan.graph.inputs(id).collect();
        inputs.sort_by_key(|edge| edge.port);
        inputs.into_iter().map(|edge| Arc::clone(&self.plan.graph.node(edge.from).output_schema)).collect()
    }
}

fn is_table(spec: &OperatorSpec) -> bool {
    matches!(spec, OperatorSpec::Source(_) | OperatorSpec::Sink(_))
}

fn is_operator(spec: &OperatorSpec) -> bool {
    !matches!(spec, OperatorSpec::Source(_) | OperatorSpec::Values(_) | OperatorSpec::Sink(_) | OperatorSpec::Collect)
}
