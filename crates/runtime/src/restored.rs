//! What a subtask is restored from, and what the runtime itself keeps beside the state of each operator.

use std::collections::BTreeMap;

use dipper_state::{ListItem, Redistribution, StateReader, StateWriter};
use dipper_types::{Error, OperatorId, Result, SubtaskId, Timestamp, Watermark};

/// The list of the runtime's own in the state of an operator: the watermark that it had reached.
pub(crate) const WATERMARK: &str = "dipper.watermark";

/// The state of the operators of one subtask.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    operators: BTreeMap<OperatorId, RestoredOperator>,
}

/// The state of one operator for one subtask.
#[derive(Debug)]
pub(crate) struct RestoredOperator {
    id: OperatorId,
    pub(crate) state: StateReader,
    /// All its subtasks had flushed.
    pub(crate) finished: bool,
}

impl Restored {
    pub(crate) fn insert(&mut self, id: OperatorId, state: StateReader, finished: bool) {
        self.operators.insert(id.clone(), RestoredOperator { id, state, finished });
    }

    /// The state of an operator, if any was stored.
    pub(crate) fn take(&mut self, id: &OperatorId) -> Option<RestoredOperator> {
        self.operators.remove(id)
    }
}

impl RestoredOperator {
    /// Fails if something has not been taken: state that the operator does not know.
    pub(crate) fn refuse_rest(&self) -> Result<()> {
        let rest: Vec<String> = self.state.not_taken().map(|name| format!("'{name}'")).collect();
        if rest.is_empty() {
            return Ok(());
        }
        let message =
            format!("the checkpoint holds state of operator {} that it does not know: {}", self.id, rest.join(", "));
        Err(Error::invalid(message).with_hint("restore with the query, and the version of dipper, that wrote it"))
    }
}

/// Notes the watermark of an operator, also that there is none yet. Every subtask keeps its own.
pub(crate) fn put_watermark(state: &mut StateWriter, subtask: SubtaskId, watermark: Watermark) {
    let item = ListItem { id: format!("{:05}", subtask.index), state: watermark.0.0.into() };
    state.put_list(WATERMARK, Redistribution::Union, vec![item]);
}

/// The watermark that all subtasks of the operator had reached.
pub(crate) fn take_watermark(state: &mut StateReader) -> Result<Watermark> {
    let watermark = |item: &ListItem| {
        let us = item.state.as_i64().ok_or_else(|| Error::internal(format!("no watermark: {}", item.state)))?;
        Ok(Watermark(Timestamp(us)))
    };
    let watermarks = state.take_list(WATERMARK).iter().map(watermark).collect::<Result<Vec<_>>>()?;
    Ok(watermarks.into_iter().min().unwrap_or(Watermark::MIN))
}
