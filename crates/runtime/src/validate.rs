//! What must hold of a graph before it is run. A planner that breaks a rule has a bug: better named here than met as a panic
//! or a hang.

use dipper_graph::{JobGraph, Node, NodeId, OperatorSpec, Partitioning};
use dipper_types::{Error, Result};

/// Checks the graph.
pub(crate) fn validate(graph: &JobGraph) -> Result<()> {
    if graph.nodes.is_empty() {
        return Err(broken("the job has no operators"));
    }
    if graph.key_groups == 0 || graph.batch_rows == 0 {
        return Err(Error::invalid("key groups and batch size must be at least 1"));
    }
    check_edges(graph)?;
    for (index, node) in graph.nodes.iter().enumerate() {
        check_node(graph, NodeId(index), node)?;
    }
    let collects = graph.nodes.iter().filter(|node| matches!(node.spec, OperatorSpec::Collect)).count();
    if collects > 1 {
        return Err(broken("the job hands rows to its client in more than one place"));
    }
    Ok(())
}

fn check_edges(graph: &JobGraph) -> Result<()> {
    for edge in &graph.edges {
        if edge.from >= edge.to || edge.to.0 >= graph.nodes.len() {
            return Err(broken(format!("an edge leads from node {} to node {}", edge.from.0, edge.to.0)));
        }
        let (from, to) = (graph.node(edge.from), graph.node(edge.to));
        let width = from.output_schema.fields().len();
        match &edge.partitioning {
            Partitioning::Forward if from.parallelism != to.parallelism => {
                return Err(broken(format!(
                    "'{}' forwards from {} subtasks to the {} of '{}'",
                    from.name, from.parallelism, to.parallelism, to.name
                )));
            }
            Partitioning::Hash { columns } if columns.iter().any(|&column| column >= width) => {
                return Err(broken(format!("'{}' hashes by a column that '{}' does not emit", to.name, from.name)));
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_node(graph: &JobGraph, id: NodeId, node: &Node) -> Result<()> {
    let name = &node.name;
    if node.parallelism == 0 {
        return Err(Error::invalid(format!("'{name}' has a parallelism of 0")));
    }
    let mut ports: Vec<usize> = graph.inputs(id).map(|edge| edge.port).collect();
    ports.sort_unstable();
    if !ports.iter().copied().eq(0..ports.len()) {
        return Err(broken(format!("the input ports of '{name}' are {ports:?}")));
    }
    let is_input = matches!(node.spec, OperatorSpec::Source(_) | OperatorSpec::Values(_));
    let is_output = matches!(node.spec, OperatorSpec::Sink(_) | OperatorSpec::Collect);
    let inputs_fit = match &node.spec {
        OperatorSpec::Union => !ports.is_empty(),
        _ if is_input => ports.is_empty(),
        _ => ports.len() == 1,
    };
    if !inputs_fit {
        return Err(broken(format!("'{name}' has {} inputs", ports.len())));
    }
    if is_output != (graph.outputs(id).count() == 0) {
        return Err(broken(format!("the rows of '{name}' go {}", if is_output { "on" } else { "nowhere" })));
    }
    Ok(())
}

fn broken(what: impl std::fmt::Display) -> Error {
    Error::internal(format!("broken dataflow graph: {what}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Schema;
    use dipper_graph::{CalcSpec, ValuesSpec};
    use dipper_types::OperatorId;

    use super::*;

    fn node(name: &str, parallelism: usize, spec: OperatorSpec) -> Node {
        let output_schema = Arc::new(Schema::empty());
        Node { id: OperatorId(name.to_owned()), name: name.to_owned(), parallelism, spec, output_schema }
    }

    fn calc() -> OperatorSpec {
        OperatorSpec::Calc(CalcSpec { filter: None, projection: None })
    }

    fn values() -> OperatorSpec {
        OperatorSpec::Values(ValuesSpec { rows: Vec::new() })
    }

    #[test]
    #[expect(clippy::type_complexity, reason = "a table of cases")]
    fn broken_graphs_are_refused_by_name() {
        let cases: [(&str, &dyn Fn(&mut JobGraph)); 8] = [
            ("no operators", &|graph| {
                graph.nodes.clear();
                graph.edges.clear();
            }),
            ("'calc' forwards from 2 subtasks to the 1 of 'client'", &|graph| {
                graph.nodes[0].parallelism = 2;
                graph.nodes[1].parallelism = 2;
            }),
            ("'client' hashes by a column that 'calc' does not emit", &|graph| {
                graph.edges[1].partitioning = Partitioning::Hash { columns: vec![0] };
            }),
            ("an edge leads from node 1 to node 1", &|graph| graph.edges[0].from = NodeId(1)),
            ("input ports of 'calc' are [1]", &|graph| graph.edges[0].port = 1),
            ("rows of 'values' go nowhere", &|graph| drop(graph.edges.remove(0))),
            ("'calc' has 0 inputs", &|graph| {
                graph.edges[0].to = NodeId(2);
                graph.edges[0].port = 1;
            }),
            ("rows of 'calc' go nowhere", &|graph| {
                graph.edges.pop();
                graph.nodes.pop();
            }),
        ];
        for (message, breaks) in cases {
            let mut graph = JobGraph::new("test");
            let values = graph.add(node("values", 1, values()));
            let calc = graph.add(node("calc", 1, calc()));
            let client = graph.add(node("client", 1, OperatorSpec::Collect));
            graph.connect(values, calc, 0, Partitioning::Forward);
            graph.connect(calc, client, 0, Partitioning::Forward);
            validate(&graph).unwrap();
            breaks(&mut graph);
            let error = validate(&graph).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
