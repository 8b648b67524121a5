//! What happens before the first row: the splits of the sources are listed and dealt out, the sinks opened.

use std::collections::{BTreeMap, BTreeSet};

use dipper_graph::{JobGraph, OperatorSpec};
use dipper_operator_api::Split;
use dipper_types::{OperatorId, Result};

use crate::Components;
use crate::position::Position;
use crate::split_state::SplitProgress;
use crate::task::{Head, SinkTail, Tail, Task};

/// The splits of each source, in the order in which it lists them.
pub(crate) type Splits = BTreeMap<OperatorId, Vec<Split>>;

/// Lists the splits of every source, but for those that are `known`, which come from a checkpoint.
pub(crate) async fn list_splits(
    graph: &JobGraph,
    components: &dyn Components,
    known: impl Fn(&OperatorId) -> BTreeSet<String>,
) -> Result<Splits> {
    let mut listed = Splits::new();
    for node in &graph.nodes {
        let OperatorSpec::Source(spec) = &node.spec else { continue };
        let named = |error| Position::new([(node.name.clone(), true)]).named(error);
        let splits = components.source(&spec.table)?.splits().await.map_err(named)?;
        let known = known(&node.id);
        listed.insert(node.id.clone(), splits.into_iter().filter(|split| !known.contains(&split.id)).collect());
    }
    Ok(listed)
}

/// Divides splits among all subtasks of their sources, round robin.
pub(crate) fn deal_splits(tasks: &mut [Task], splits: &Splits) {
    for task in tasks {
        let Head::Source(source) = &mut task.head else { continue };
        let splits = task.ends.head.as_ref().and_then(|source| splits.get(source));
        let share = splits.into_iter().flatten().skip(task.subtask.index).step_by(task.subtask.parallelism);
        source.assign(share.cloned().map(SplitProgress::unread).collect());
    }
}

/// Opens the writers of all sinks.
pub(crate) async fn open_sinks(tasks: &mut [Task]) -> Result<()> {
    for task in tasks {
        if let Tail::Sink(SinkTail { sink, run, writer, place, .. }) = &mut task.tail {
            task.position.enter(*place);
            let opened = sink.open(run, task.subtask).await;
            *writer = Some(opened.map_err(|error| task.position.named(error))?);
            task.position.enter(0);
        }
    }
    Ok(())
}
