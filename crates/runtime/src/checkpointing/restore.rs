//! What a manifest gives back to the subtasks of a job, at whatever parallelism, and whether it fits the job at all.

use std::collections::BTreeSet;

use dipper_graph::JobGraph;
use dipper_state::{Directory, Manifest, OperatorState, StateHandle, StateReader};
use dipper_types::{Error, OperatorId, Result, SubtaskId};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::clock::Stopwatch;
use crate::restored::{Restored, WATERMARK};
use crate::split_state::SPLITS;
use crate::task::Task;

/// How many operators of subtasks are read at a time.
const READS: usize = 8;

/// Refuses a manifest whose state does not fit the job, with what does not.
pub(crate) fn check(manifest: &Manifest, graph: &JobGraph, allow_non_restored_state: bool) -> Result<()> {
    let job = &manifest.job.0;
    if manifest.key_groups != graph.key_groups {
        let (fixed, wanted) = (manifest.key_groups, graph.key_groups);
        let message =
            format!("job '{job}' has {fixed} key groups, fixed when it was first run, and {wanted} are asked for");
        let hint = format!("SET 'pipeline.max-parallelism' = '{fixed}', or start over with --fresh");
        return Err(Error::invalid(message).with_hint(hint));
    }
    if let Some(node) = graph.nodes.iter().find(|node| node.parallelism > usize::from(manifest.key_groups)) {
        let (parallelism, groups) = (node.parallelism, manifest.key_groups);
        let message = format!("a parallelism of {parallelism} is more than the {groups} key groups of job '{job}'");
        return Err(Error::invalid(message).with_hint(format!("lower 'parallelism.default' to {groups} at most")));
    }
    let known: BTreeSet<&OperatorId> = graph.nodes.iter().map(|node| &node.id).collect();
    let foreign = manifest.operators().into_iter().filter(|state| !known.contains(&state.operator));
    let foreign: Vec<String> = foreign.filter_map(|state| described(&state)).collect();
    if foreign.is_empty() || allow_non_restored_state {
        return Ok(());
    }
    let message = format!(
        "manifest {} of job '{job}' holds state of operators that the query does not have: {}",
        manifest.number,
        foreign.join("; ")
    );
    let hint = "restore the query as it was, leave this state behind with --allow-non-restored-state, or start over with --fresh";
    Err(Error::invalid(message).with_hint(hint))
}

/// What an operator has stored, in words; `None` if that is nothing.
fn described(state: &OperatorState) -> Option<String> {
    let tables = state.subtasks.iter().flat_map(|handle| &handle.tables);
    let tables = tables.filter(|(_, table)| !table.runs.is_empty()).map(|(name, _)| format!("table '{name}'"));
    let lists = state.subtasks.iter().flat_map(|handle| &handle.lists);
    let lists = lists.filter(|(name, list)| *name != WATERMARK && !list.items.is_empty());
    let parts: BTreeSet<String> = tables.chain(lists.map(|(name, _)| format!("list '{name}'"))).collect();
    let parts: Vec<String> = parts.into_iter().collect();
    (!parts.is_empty()).then(|| format!("{} ({})", state.operator, parts.join(", ")))
}

/// Whether an operator was stored, and all its subtasks had flushed.
fn has_finished(manifest: &Manifest, operator: &OperatorId) -> bool {
    let mut subtasks = manifest.tasks.iter().filter(|task| task.operators.contains_key(operator)).peekable();
    subtasks.peek().is_some() && subtasks.all(|task| task.finished)
}

/// The splits of a source that stand in a manifest.
pub(crate) fn known_splits(manifest: &Manifest, source: &OperatorId) -> BTreeSet<String> {
    let Some(state) = manifest.operator(source) else { return BTreeSet::new() };
    let lists = state.subtasks.iter().filter_map(|handle: &StateHandle| handle.lists.get(SPLITS));
    lists.flat_map(|list| list.items.iter().map(|item| item.id.clone())).collect()
}

/// Reads the state of every operator of every subtask.
pub(crate) async fn restore(directory: &Directory, manifest: &Manifest, tasks: &mut [Task]) -> Result<()> {
    let (mut reads, stopwatch) = (Vec::new(), Stopwatch::start());
    for (index, task) in tasks.iter().enumerate() {
        for id in task.operators() {
            if let Some(state) = manifest.operator(id) {
                let finished = has_finished(manifest, id);
                reads.push(read(directory, manifest.key_groups, index, task.subtask, state, finished).boxed());
            }
        }
    }
    let read: Vec<_> = stream::iter(reads).buffer_unordered(READS).try_collect().await?;
    tracing::debug!(checkpoint = manifest.number, ms = stopwatch.elapsed().as_millis(), "stored state has been read");
    for (index, state, finished) in read {
        let StateOf { operator, reader } = state;
        tasks[index].restored.get_or_insert_with(Restored::default).insert(operator, reader, finished);
    }
    Ok(())
}

struct StateOf {
    operator: OperatorId,
    reader: StateReader,
}

async fn read(
    directory: &Directory,
    key_groups: u16,
    index: usize,
    subtask: SubtaskId,
    state: OperatorState,
    finished: bool,
) -> Result<(usize, StateOf, bool)> {
    let reader = StateReader::load(directory, &state, subtask, key_groups).await?;
    Ok((index, StateOf { operator: state.operator, reader }, finished))
}
