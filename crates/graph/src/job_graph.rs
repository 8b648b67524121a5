//! Nodes and edges.

use arrow::datatypes::SchemaRef;
use dipper_types::{DEFAULT_KEY_GROUPS, OperatorId};
use serde::{Deserialize, Serialize};

use crate::OperatorSpec;

/// The place of a node in [`JobGraph::nodes`]. A node comes after all its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub usize);

/// How the rows of an edge are divided among the receiver's subtasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Partitioning {
    /// Subtask i sends to subtask i: both ends have the same parallelism and may be chained.
    Forward,
    /// By the key group of these columns of the sender's output.
    Hash {
        /// Column indices.
        columns: Vec<usize>,
    },
    /// Batches in turn, to even out a change of parallelism.
    Rebalance,
}

/// One operator.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Node {
    /// The identity that savepoints know it by.
    pub id: OperatorId,
    /// What people see: `MatchRecognize`, `Source: ticks`.
    pub name: String,
    /// How many subtasks.
    pub parallelism: usize,
    /// What it does.
    pub spec: OperatorSpec,
    /// What it emits.
    pub output_schema: SchemaRef,
}

/// A connection from a node's output to an input port of another.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Edge {
    /// The sender.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
    /// The receiver's port.
    pub port: usize,
    /// How rows are divided.
    pub partitioning: Partitioning,
}

/// A job: a directed acyclic graph of operators, nodes in topological order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobGraph {
    /// The job's name (`pipeline.name`).
    pub name: String,
    /// Key groups, fixed for the job's life.
    pub key_groups: u16,
    /// The most rows in a batch that a source makes.
    pub batch_rows: usize,
    /// The operators, inputs first.
    pub nodes: Vec<Node>,
    /// The connections.
    pub edges: Vec<Edge>,
}

impl JobGraph {
    /// An empty graph.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            key_groups: DEFAULT_KEY_GROUPS,
            batch_rows: 32_768,
            nodes: Vec::new(),
            edges: Vec::new(),
        }
    }

    /// Adds a node; the edges to its inputs come from [`JobGraph::connect`].
    pub fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    /// Adds an edge.
    pub fn connect(&mut self, from: NodeId, to: NodeId, port: usize, partitioning: Partitioning) {
        self.edges.push(Edge { from, to, port, partitioning });
    }

    /// The node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The edges into a node, by port.
    pub fn inputs(&self, id: NodeId) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.to == id)
    }

    /// The edges out of a node.
    pub fn outputs(&self, id: NodeId) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.from == id)
    }
}
