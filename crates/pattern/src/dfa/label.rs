//! The backward pass: from the transitions over a match's rows to the variable of each.

use super::cache::{Accepted, Back, Cache, Completion, EXCLUDED};
use crate::matched::Excluded;
use crate::{Labels, SymbolId};

/// The way by which a match ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    /// It has no row.
    Nothing,
    /// By its last row.
    Row(Back),
    /// Behind its last row, by a thread of the list there.
    Thread(u32),
    /// Its last row is one on which a condition could not be evaluated.
    Poisoned(SymbolId),
}

/// The labels of a match; `trace` has the transitions over its rows.
pub(super) fn found(cache: &Cache, trace: &[u32], ending: Ending) -> (Labels, Excluded) {
    let mut labels = Labels::from_elem(SymbolId(0), trace.len());
    let mut any_excluded = 0;
    let mut at = match ending {
        Ending::Nothing | Ending::Poisoned(_) => None,
        Ending::Row(back) => Some(back),
        Ending::Thread(thread) => trace.last().map(|id| cache.back(*id, thread)),
    };
    for (row, label) in labels.iter_mut().enumerate().rev() {
        let Some(back) = at else { break };
        *label = SymbolId(back.label);
        any_excluded |= back.label & EXCLUDED;
        at = row.checked_sub(1).and_then(|before| trace.get(before)).map(|id| cache.back(*id, back.from));
    }
    cache.count(trace.len());
    let mut excluded = Excluded::default();
    if any_excluded != 0 {
        for (index, label) in labels.iter_mut().enumerate() {
            if label.0 & EXCLUDED != 0 {
                excluded.insert(index);
                label.0 &= !EXCLUDED;
            }
        }
    }
    (labels, excluded)
}

/// The way by which a match ends that completes by a row.
pub(super) fn ending_by(accepted: Accepted) -> Ending {
    match accepted.completion {
        Completion::Row => Ending::Row(accepted.back),
        Completion::Empty => Ending::Nothing,
        Completion::Poisoned(symbol) => Ending::Poisoned(symbol),
    }
}
