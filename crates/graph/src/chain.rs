//! Chaining: operators that need no exchange between them run in one task.

use crate::{JobGraph, NodeId, Partitioning};

/// A chain of nodes that runs in one thread per subtask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The nodes, upstream first. Only the first may have inputs from other tasks.
    pub nodes: Vec<NodeId>,
    /// How many subtasks.
    pub parallelism: usize,
}

/// An exchange between tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskEdge {
    /// Index of the sending task.
    pub from: usize,
    /// Index of the receiving task.
    pub to: usize,
    /// The port of the receiving task's first node.
    pub port: usize,
    /// How rows are divided.
    pub partitioning: Partitioning,
}

/// The graph of tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskGraph {
    /// Inputs first.
    pub tasks: Vec<Task>,
    /// The exchanges.
    pub edges: Vec<TaskEdge>,
}

impl TaskGraph {
    /// Chains the nodes of a job: a node joins the task of its only input if that input forwards to it alone.
    pub fn of(graph: &JobGraph) -> Self {
        let mut tasks: Vec<Task> = Vec::new();
        let mut task_of = vec![0; graph.nodes.len()];
        for (index, node) in graph.nodes.iter().enumerate() {
            let id = NodeId(index);
            let mut inputs = graph.inputs(id);
            let chained = match (inputs.next(), inputs.next()) {
                (Some(edge), None)
                    if edge.partitioning == Partitioning::Forward && graph.outputs(edge.from).count() == 1 =>
                {
                    Some(task_of[edge.from.0])
                }
                _ => None,
            };
            task_of[index] = chained.unwrap_or_else(|| {
                tasks.push(Task { nodes: Vec::new(), parallelism: node.parallelism });
                tasks.len() - 1
            });
            tasks[task_of[index]].nodes.push(id);
        }
        let crosses = |edge: &&crate::Edge| task_of[edge.from.0] != task_of[edge.to.0];
        let edges = graph
            .edges
            .iter()
            .filter(crosses)
            .map(|edge| TaskEdge {
                from: task_of[edge.from.0],
                to: task_of[edge.to.0],
                port: edge.port,
                partitioning: edge.partitioning.clone(),
            })
            .collect();
        Self { tasks, edges }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::sync::Arc;

    use arrow::datatypes::Schema;
    use dipper_types::OperatorId;

    use super::*;
    use crate::{Node, OperatorSpec};

    /// Nodes of the given parallelisms, and edges `(from, to, partitioning)`, each on the receiver's next port.
    fn graph(nodes: &[usize], edges: &[(usize, usize, Partitioning)]) -> JobGraph {
        let mut graph = JobGraph::new("job");
        for (index, &parallelism) in nodes.iter().enumerate() {
            let output_schema = Arc::new(Schema::empty());
            let id = OperatorId(index.to_string());
            graph.add(Node { id, name: format!("n{index}"), parallelism, spec: OperatorSpec::Union, output_schema });
        }
        for (from, to, partitioning) in edges {
            let port = graph.inputs(NodeId(*to)).count();
            graph.connect(NodeId(*from), NodeId(*to), port, partitioning.clone());
        }
        graph
    }

    fn chains(graph: &TaskGraph) -> Vec<Vec<usize>> {
        graph.tasks.iter().map(|task| task.nodes.iter().map(|id| id.0).collect()).collect()
    }

    fn hash() -> Partitioning {
        Partitioning::Hash { columns: vec![0] }
    }

    #[test]
    fn a_line_of_forward_edges_is_one_task() {
        let tasks = TaskGraph::of(&graph(&[2, 2, 2], &[(0, 1, Partitioning::Forward), (1, 2, Partitioning::Forward)]));
        assert_eq!(chains(&tasks), [vec![0, 1, 2]]);
        assert_eq!(tasks.tasks[0].parallelism, 2);
        assert!(tasks.edges.is_empty());
    }

    #[test]
    fn an_exchange_divides_tasks_and_keeps_its_partitioning() {
        let tasks = TaskGraph::of(&graph(&[1, 1, 4], &[(0, 1, Partitioning::Forward), (1, 2, hash())]));
        assert_eq!(chains(&tasks), [vec![0, 1], vec![2]]);
        assert_eq!(tasks.edges, [TaskEdge { from: 0, to: 1, port: 0, partitioning: hash() }]);
        assert_eq!(tasks.tasks[1].parallelism, 4);
    }

    #[test]
    fn a_node_with_several_inputs_begins_a_task() {
        let edges = [(0, 2, Partitioning::Forward), (1, 2, Partitioning::Forward), (2, 3, Partitioning::Forward)];
        let tasks = TaskGraph::of(&graph(&[2, 2, 2, 2], &edges));
        assert_eq!(chains(&tasks), [vec![0], vec![1], vec![2, 3]]);
        assert_eq!(
            tasks.edges.iter().map(|edge| (edge.from, edge.to, edge.port)).collect::<Vec<_>>(),
            [(0, 2, 0), (1, 2, 1)]
        );
    }

    #[test]
    fn a_node_that_feeds_several_ends_its_task() {
        let edges = [(0, 1, Partitioning::Forward), (0, 2, Partitioning::Forward), (2, 3, Partitioning::Forward)];
        let tasks = TaskGraph::of(&graph(&[1, 1, 1, 1], &edges));
        assert_eq!(chains(&tasks), [vec![0], vec![1], vec![2, 3]]);
    }

    #[test]
    fn a_self_union_gets_both_edges() {
        let edges = [(0, 1, Partitioning::Forward), (0, 1, Partitioning::Forward)];
        let tasks = TaskGraph::of(&graph(&[1, 1], &edges));
        assert_eq!(chains(&tasks), [vec![0], vec![1]]);
        assert_eq!(tasks.edges.iter().map(|edge| edge.port).collect::<Vec<_>>(), [0, 1]);
    }
}
