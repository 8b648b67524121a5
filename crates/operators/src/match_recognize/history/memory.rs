//! What the search and its conditions keep of one partition.

use std::collections::VecDeque;

use dipper_pattern::{BacktrackRuns, SymbolSet};
use dipper_types::{Error, Result};

use super::accumulation::Accumulation;
use super::register::Register;

/// The search in one partition.
#[derive(Debug)]
pub(in super::super) struct HistoryRuns {
    /// The search itself.
    pub(in super::super) runs: BacktrackRuns,
    /// What else its conditions need.
    pub(in super::super) memory: HistoryMemory,
}

/// What the conditions remember of one partition. All of it can be computed again from the rows and the search.
#[derive(Debug, Default)]
pub(in super::super) struct HistoryMemory {
    /// Letter and poison of each row from `first` on.
    letters: VecDeque<(SymbolSet, SymbolSet)>,
    first: u64,
    aggregates: Vec<RunningAggregate>,
}

/// A running aggregate along the path that has last been asked about: followed in one of two ways.
#[derive(Debug, Default)]
pub(super) struct RunningAggregate {
    pub(super) register: Register,
    pub(super) accumulation: Accumulation,
}

impl HistoryRuns {
    /// How much memory the partition takes for the search.
    pub(in super::super) fn bytes(&self) -> usize {
        self.memory.bytes()
    }
}

impl HistoryMemory {
    /// Remembers the letter of the partition's next row.
    pub(in super::super) fn push(&mut self, letter: (SymbolSet, SymbolSet)) {
        self.letters.push_back(letter);
    }

    /// Forgets what concerns the rows before `row`.
    pub(in super::super) fn forget_before(&mut self, row: u64) {
        let gone = row.saturating_sub(self.first).min(self.letters.len() as u64);
        self.letters.drain(..gone as usize);
        self.first += gone;
        if self.letters.is_empty() {
            self.letters = VecDeque::new();
            self.aggregates = Vec::new();
        }
    }

    /// Letter and poison of a row.
    pub(super) fn letter(&self, row: u64) -> Result<(SymbolSet, SymbolSet)> {
        let index = row.checked_sub(self.first).and_then(|index| self.letters.get(index as usize));
        index.copied().ok_or_else(|| Error::internal(format!("the letter of row {row} has been forgotten")))
    }

    /// The path has changed behind its first `kept` rows.
    pub(super) fn fall_back(&mut self, kept: usize) {
        for aggregate in &mut self.aggregates {
            aggregate.register.fall_back(kept);
            aggregate.accumulation.fall_back(kept);
        }
    }

    /// One of `count` running aggregates.
    pub(super) fn aggregate(&mut self, index: usize, count: usize) -> &mut RunningAggregate {
        if self.aggregates.is_empty() {
            self.aggregates.resize_with(count, RunningAggregate::default);
        }
        &mut self.aggregates[index]
    }

    fn bytes(&self) -> usize {
        let aggregates: usize =
            self.aggregates.iter().map(|aggregate| aggregate.register.bytes() + aggregate.accumulation.bytes()).sum();
        self.letters.capacity() * size_of::<(SymbolSet, SymbolSet)>() + aggregates
    }
}
