//! Statements that run as dataflows.

use std::collections::BTreeMap;
use std::sync::Arc;

use dipper_graph::{Edge, JobGraph, NodeId, OperatorSpec};
use dipper_runtime::{Checkpointing, RunOptions};
use dipper_types::{Error, OperatorId, Result, Timestamp, Watermark};
use futures::{FutureExt, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc::unbounded_channel;

use crate::connector::definition;
use crate::job::Control;
use crate::{JobHandle, Progress, Rows};

/// Starts a graph that hands its rows to us.
pub(crate) fn query(graph: &JobGraph, io: Handle) -> Result<Rows> {
    let warnings = unbounded_state(graph);
    let mut job = dipper_runtime::start(graph, RunOptions::new(io))?;
    let stream = job.rows().ok_or_else(|| Error::internal("the dataflow of a query collects nothing"))?;
    Ok(Rows {
        schema: stream.schema(),
        stream: stream.boxed(),
        job: Some(handle(&graph.name, job).with_warnings(warnings)),
    })
}

/// A job that has been planned and does not run.
#[derive(Debug, Clone)]
pub struct PlannedJob {
    /// What is to be run.
    pub graph: JobGraph,
    /// How it takes checkpoints, if it does.
    pub checkpointing: Option<Checkpointing>,
    /// What its owner should know before it runs for long.
    pub warnings: Vec<String>,
}

impl PlannedJob {
    /// Whether it never ends by itself.
    pub fn goes_on(&self) -> bool {
        self.graph.nodes.iter().any(|node| matches!(&node.spec, OperatorSpec::Source(spec) if spec.unbounded))
    }
}

/// Starts a job that writes to sinks.
pub(crate) fn insert(job: PlannedJob, io: Handle) -> Result<JobHandle> {
    let PlannedJob { graph, checkpointing, warnings } = job;
    let mut options = RunOptions::new(io);
    let Some(checkpointing) = checkpointing else {
        return Ok(handle(&graph.name, dipper_runtime::start(&graph, options)?).with_warnings(warnings));
    };
    let (notices, incoming) = unbounded_channel();
    options.checkpointing = Some(Box::new(Checkpointing { notices: Some(notices), ..checkpointing }));
    let job = handle(&graph.name, dipper_runtime::start(&graph, options)?);
    Ok(job.with_warnings(warnings).with_notices(incoming))
}

/// Without checkpoints a sink commits at the end of the job: one that never ends would write and never show a row. `graph` is a part of the job
/// that writes, `job` all of it.
pub(crate) fn refuse_rows_that_never_show(graph: &JobGraph, job: &[JobGraph]) -> Result<()> {
    let endless = job.iter().flat_map(|graph| &graph.nodes).find_map(|node| match &node.spec {
        OperatorSpec::Source(spec) if spec.unbounded => Some(&spec.table.name),
        _ => None,
    });
    let Some(endless) = endless else { return Ok(()) };
    for node in &graph.nodes {
        let OperatorSpec::Sink(spec) = &node.spec else { continue };
        if dipper_connectors::sink(&definition(&spec.table))?.is_transactional() {
            let table = &spec.table.name;
            let message = format!(
                "INSERT INTO '{table}': its rows become visible when the job ends, and this one never does, because '{endless}' goes on for ever"
            );
            let hint = format!(
                "take checkpoints (SET 'state.checkpoints.dir' = 'DIR'), write to a table with 'connector' = 'print', or bound '{endless}'"
            );
            return Err(Error::unsupported(message).with_hint(hint));
        }
    }
    Ok(())
}

/// A job that goes on from a checkpoint has to find the files that it has read in part, and these may have been replaced meanwhile.
pub(crate) fn refuse_tables_that_change(graph: &JobGraph) -> Result<()> {
    for node in &graph.nodes {
        if let OperatorSpec::Source(spec) = &node.spec
            && spec.table.options.get("connector").is_some_and(|connector| connector == "delta")
        {
            let message = format!("a job with checkpoints cannot read table '{}' yet", spec.table.name);
            let hint = "leave checkpoints out, or run it as a batch: SET 'execution.runtime-mode' = 'batch'";
            return Err(Error::unsupported(message).with_hint(hint));
        }
    }
    Ok(())
}

/// What is to be said of patterns over endless input whose matches nothing bounds.
pub(crate) fn unbounded_state(graph: &JobGraph) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut endless = vec![false; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        // Nodes come after their inputs.
        endless[index] = graph.inputs(NodeId(index)).any(|edge| endless[edge.from.0])
            || matches!(&node.spec, OperatorSpec::Source(spec) if spec.unbounded);
        if let OperatorSpec::MatchRecognize(spec) = &node.spec
            && endless[index]
            && let Some(warning) = dipper_sql::unbounded_state(spec)
        {
            warnings.push(format!("the state of a MATCH_RECOGNIZE may grow without end: {warning}"));
        }
    }
    warnings
}

/// One job of several graphs, side by side.
pub(crate) fn merge(graphs: Vec<JobGraph>, name: &str) -> JobGraph {
    let mut graphs = graphs.into_iter();
    let mut merged = graphs.next().unwrap_or_else(|| JobGraph::new(name));
    name.clone_into(&mut merged.name);
    let mut seen: BTreeMap<OperatorId, usize> = merged.nodes.iter().map(|node| (node.id.clone(), 1)).collect();
    for graph in graphs {
        let offset = merged.nodes.len();
        let shifted = |id: NodeId| NodeId(id.0 + offset);
        for mut node in graph.nodes {
            // Two inserts may read the same table in the same way: the first keeps the name.
            let times = seen.entry(node.id.clone()).or_default();
            *times += 1;
            if *times > 1 {
                node.id = OperatorId(format!("{}-{times}", node.id));
            }
            merged.nodes.push(node);
        }
        let edge = |edge: Edge| Edge { from: shifted(edge.from), to: shifted(edge.to), ..edge };
        merged.edges.extend(graph.edges.into_iter().map(edge));
    }
    merged
}

fn handle(name: &str, job: dipper_runtime::Job) -> JobHandle {
    let control = Arc::new(Running(job.handle()));
    JobHandle::new(name, control, job.wait().map(|ended| ended.map(drop)).boxed())
}

/// A job of the runtime.
struct Running(dipper_runtime::JobHandle);

impl Control for Running {
    fn cancel(&self) {
        self.0.cancel();
    }

    fn progress(&self) -> Progress {
        let progress = self.0.progress();
        let between = |watermark: &Watermark| *watermark != Watermark::MIN && *watermark != Watermark::MAX;
        Progress {
            rows_in: progress.rows_in,
            rows_out: progress.rows_out,
            matches: progress.matches,
            late_rows: progress.late_rows,
            skipped_records: progress.skipped_records,
            skip_errors: progress.skip_errors,
            watermark: Some(progress.watermark).filter(between).map(|Watermark(time): Watermark| -> Timestamp { time }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use arrow::datatypes::Schema;
    use dipper_graph::{Node, OperatorSpec, Partitioning};

    use super::*;

    fn graph(sink: &str) -> JobGraph {
        let mut graph = JobGraph::new(sink);
        let node = |id: &str| Node {
            id: OperatorId(id.to_owned()),
            name: id.to_owned(),
            parallelism: 1,
            spec: OperatorSpec::Union,
            output_schema: Arc::new(Schema::empty()),
        };
        let from = graph.add(node("source"));
        let to = graph.add(node(sink));
        graph.connect(from, to, 0, Partitioning::Forward);
        graph
    }

    #[test]
    fn merged_graphs_keep_their_edges_and_have_distinct_ids() {
        let merged = merge(vec![graph("a"), graph("b"), graph("c")], "all");
        let ids: Vec<&str> = merged.nodes.iter().map(|node| node.id.0.as_str()).collect();
        assert_eq!(ids, ["source", "a", "source-2", "b", "source-3", "c"]);
        let edges: Vec<_> = merged.edges.iter().map(|edge| (edge.from.0, edge.to.0)).collect();
        assert_eq!(edges, [(0, 1), (2, 3), (4, 5)]);
    }
}
