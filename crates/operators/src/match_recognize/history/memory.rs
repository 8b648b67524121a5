//! What the search and its conditions keep of one partition.

use std::cell::Cell;
use std::collections::VecDeque;

use dipper_pattern::{BacktrackRuns, SymbolSet};
use dipper_types::{Error, Result};

use super::accumulation::Accumulation;
use super::register::Register;

/// The search in one partition.
#[derive(Debug, Default)]
pub(in super::super) struct HistoryRuns {
    /// The search itself.
    pub(in super::super) runs: BacktrackRuns,
    /// What else its conditions need.
    pub(in super::super) memory: HistoryMemory,
    /// What the partition has been charged for.
    charged_bytes: usize,
}

/// How much the searches of all partitions keep, against what they may.
#[derive(Debug)]
pub(in super::super) struct MemoryBudget {
    used: Cell<usize>,
    limit: usize,
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

impl MemoryBudget {
    /// Nothing is used yet.
    pub(in super::super) fn new(limit: usize) -> Self {
        Self { used: Cell::new(0), limit }
    }

    /// The limit.
    pub(in super::super) fn limit(&self) -> usize {
        self.limit
    }

    fn charge(&self, before: usize, now: usize) -> bool {
        self.used.set(self.used.get().saturating_sub(before) + now);
        self.used.get() <= self.limit
    }
}

impl HistoryRuns {
    /// Forgets what concerns rows that are needed no more, and charges for the rest; `false` if that is too much.
    pub(in super::super) fn settle(&mut self, budget: &MemoryBudget) -> bool {
        self.memory.forget_before(self.runs.first_needed_row());
        let bytes = self.runs.bytes() + self.memory.bytes();
        let before = std::mem::replace(&mut self.charged_bytes, bytes);
        budget.charge(before, bytes)
    }

    /// The partition is gone: it is no more charged for.
    pub(in super::super) fn release(&self, budget: &MemoryBudget) {
        budget.charge(self.charged_bytes, 0);
    }
}

impl HistoryMemory {
    /// Remembers the letter of the partition's next row.
    pub(in super::super) fn push(&mut self, letter: (SymbolSet, SymbolSet)) {
        self.letters.push_back(letter);
    }

    /// Forgets what concerns the rows before `row`.
    fn forget_before(&mut self, row: u64) {
        let gone = (row.saturating_sub(self.first) as usize).min(self.letters.len());
        self.letters.drain(..gone);
        self.first += gone as u64;
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
