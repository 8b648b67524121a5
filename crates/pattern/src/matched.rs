//! What the matchers report: matches, and why a search cannot go on.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{SymbolId, SymbolSet};

/// Whether a match is whole.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Status {
    /// The pattern matched.
    Complete,
    /// Time, or the input, ended before the pattern matched.
    Timeout,
}

/// Which rows of a match stand inside `{- … -}`, as bits; empty when none does.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Excluded(Vec<u64>);

impl Excluded {
    /// Whether the row at `index`, counted from the match's first row, is excluded.
    pub fn contains(&self, index: usize) -> bool {
        self.0.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Whether no row is excluded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn insert(&mut self, index: usize) {
        if self.0.len() <= index / 64 {
            self.0.resize(index / 64 + 1, 0);
        }
        if let Some(word) = self.0.get_mut(index / 64) {
            *word |= 1 << (index % 64);
        }
    }
}

/// By the indices of the rows, counted from the match's first.
impl FromIterator<usize> for Excluded {
    fn from_iter<I: IntoIterator<Item = usize>>(rows: I) -> Self {
        let mut excluded = Self::default();
        rows.into_iter().for_each(|row| excluded.insert(row));
        excluded
    }
}

/// The variable of each row of a match. Short ones need no memory of their own.
pub type Labels = SmallVec<[SymbolId; 16]>;

/// Labels are written like any list.
mod as_vec {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Labels;
    use crate::SymbolId;

    pub(super) fn serialize<S: Serializer>(labels: &Labels, serializer: S) -> Result<S::Ok, S::Error> {
        labels.as_slice().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
        Ok(Vec::<SymbolId>::deserialize(deserializer)?.into())
    }
}

/// One match.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Match {
    /// Counts from 1 in each partition.
    pub number: u64,
    /// The index in its partition of the row at which the match starts. An empty match stands before this row.
    pub start: u64,
    /// The variable of each row, from `start` on without a gap; none for an empty match.
    #[serde(with = "as_vec")]
    pub symbols: Labels,
    /// The rows inside `{- … -}`.
    pub excluded: Excluded,
    /// Whether the match is whole.
    pub status: Status,
    /// When it ran out of time, in the unit of the times handed in; only for [`Status::Timeout`].
    pub deadline: Option<i64>,
    /// `SKIP TO variable` was not possible and the search went on at the next row instead.
    pub skip_failed: bool,
}

impl Match {
    /// The index behind the last row.
    pub fn end(&self) -> u64 {
        self.start + self.symbols.len() as u64
    }

    /// Whether the match has no rows.
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }
}

/// Why `SKIP TO variable` is not possible.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum SkipFault {
    /// The match maps no row to the variable.
    NotMapped,
    /// The variable's row is the match's own first row: the same match would be found for ever.
    FirstRow,
}

/// Why a search cannot go on.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MatchError<E = Infallible> {
    /// A condition could not be evaluated.
    #[error("a condition failed")]
    Condition(E),
    /// The search needs the answer to a condition whose evaluation failed (see [`crate::ThreadMatcher::push_poisoned`]).
    #[error("the condition of variable {} failed at row {row} of the partition", symbol.0)]
    Poisoned {
        /// The variable.
        symbol: SymbolId,
        /// The row of the partition.
        row: u64,
    },
    /// `AFTER MATCH SKIP TO variable` is not possible.
    #[error("match {number} cannot skip to its variable: {}", match fault {
        SkipFault::NotMapped => "no row is mapped to it",
        SkipFault::FirstRow => "it is mapped to the match's first row, so the same match would be found for ever",
    })]
    Skip {
        /// The match's number.
        number: u64,
        /// The match's first row.
        start: u64,
        /// The variables of the SKIP clause: more than one for a SUBSET.
        to: SymbolSet,
        /// What is wrong.
        fault: SkipFault,
    },
    /// One start row cost more steps than allowed before the next row was asked for.
    #[error("the search from row {start} of the partition took more than {budget} steps between two rows")]
    StepBudget {
        /// The start row.
        start: u64,
        /// The budget.
        budget: u64,
    },
    /// A row is older than the row or the watermark before it.
    #[error("row {row} of the partition is older than what came before it")]
    TimeDescends {
        /// The row.
        row: u64,
    },
    /// A single open match holds more than 2³² steps.
    #[error("an open match is too long to remember")]
    TooLong,
}
