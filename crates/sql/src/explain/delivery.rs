//! What a dataflow's sinks promise about each row.

use dipper_graph::{JobGraph, OperatorSpec};

/// One line per sink. Without checkpoints a sink commits once, at the end of the job.
pub(super) fn of(graph: &JobGraph, takes_checkpoints: bool) -> Vec<String> {
    let line = |spec: &OperatorSpec| match spec {
        OperatorSpec::Sink(sink) => {
            let connector = sink.table.options.get("connector").map_or("", String::as_str);
            let promise = match connector {
                "filesystem" if takes_checkpoints => {
                    "exactly once: the files appear with the checkpoint that covers them"
                }
                "delta" if takes_checkpoints => "exactly once: the rows appear with the checkpoint that covers them",
                "delta" => "exactly once: the rows appear when the job has ended well, and not at all otherwise",
                "print" if takes_checkpoints => {
                    "at least once: rows are printed as they come, some of them again after a failure"
                }
                "filesystem" => "exactly once: the files appear when the job has ended well, and not at all otherwise",
                "print" => "at least once: rows are printed as they come",
                "blackhole" => "nothing is kept",
                _ => "at least once",
            };
            Some(format!("{}: {promise}", sink.table.name))
        }
        OperatorSpec::Collect => Some("to the client: rows are handed out as they come".to_owned()),
        _ => None,
    };
    graph.nodes.iter().filter_map(|node| line(&node.spec)).collect()
}
