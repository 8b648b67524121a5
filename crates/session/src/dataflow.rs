//! Statements that run as dataflows.

use std::collections::BTreeMap;
use std::sync::Arc;

use dipper_graph::{Edge, JobGraph, NodeId};
use dipper_runtime::RunOptions;
use dipper_types::{Error, OperatorId, Result, Timestamp, Watermark};
use futures::{FutureExt, StreamExt};
use tokio::runtime::Handle;

use crate::job::Control;
use crate::{JobHandle, Progress, Rows};

/// Starts a graph that hands its rows to us.
pub(crate) fn query(graph: &JobGraph, io: Handle) -> Result<Rows> {
    let mut job = dipper_runtime::start(graph, RunOptions::new(io))?;
    let stream = job.rows().ok_or_else(|| Error::internal("the dataflow of a query collects nothing"))?;
    Ok(Rows { schema: stream.schema(), stream: stream.boxed(), job: Some(handle(&graph.name, job)) })
}

/// Starts a graph that writes to sinks.
pub(crate) fn insert(graph: &JobGraph, io: Handle) -> Result<JobHandle> {
    Ok(handle(&graph.name, dipper_runtime::start(graph, RunOptions::new(io))?))
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
