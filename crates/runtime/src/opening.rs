//! What happens before the first row: the splits of the sources are listed and dealt out, the sinks opened.

use std::collections::BTreeSet;

use dipper_operator_api::Split;
use dipper_types::{OperatorId, Result};

use crate::split_state::SplitProgress;
use crate::task::{Head, SinkTail, Tail, Task};

/// Lists the splits of every source and divides among its subtasks those that are not `known`, which come from a checkpoint.
pub(crate) async fn deal_splits(
    tasks: &mut [Vec<Task>],
    known: impl Fn(&OperatorId) -> BTreeSet<String>,
) -> Result<()> {
    for subtasks in tasks.iter_mut() {
        let Some(Task { head: Head::Source(source), position, ends, .. }) = subtasks.first() else { continue };
        let splits = source.source().splits().await.map_err(|error| position.named(error))?;
        let known = ends.head.as_ref().map(&known).unwrap_or_default();
        deal(subtasks, splits.into_iter().filter(|split| !known.contains(&split.id)));
    }
    Ok(())
}

/// Round robin, by the order in which the source lists its splits.
fn deal(subtasks: &mut [Task], splits: impl Iterator<Item = Split>) {
    let mut shares: Vec<Vec<SplitProgress>> = vec![Vec::new(); subtasks.len()];
    for (index, split) in splits.enumerate() {
        shares[index % subtasks.len()].push(SplitProgress::unread(split));
    }
    for (task, share) in subtasks.iter_mut().zip(shares) {
        if let Head::Source(source) = &mut task.head {
            source.assign(share);
        }
    }
}

/// Opens the writers of all sinks.
pub(crate) async fn open_sinks(tasks: &mut [Vec<Task>]) -> Result<()> {
    for task in tasks.iter_mut().flatten() {
        if let Tail::Sink(SinkTail { sink, run, writer, place, .. }) = &mut task.tail {
            task.position.enter(*place);
            let opened = sink.open(run, task.subtask).await;
            *writer = Some(opened.map_err(|error| task.position.named(error))?);
            task.position.enter(0);
        }
    }
    Ok(())
}
