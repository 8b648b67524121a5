//! What the search and its conditions keep of one partition.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::Range;

use dipper_pattern::{BacktrackRuns, SymbolSet};
use dipper_types::{Error, Result};

use super::super::letters::LetterBatch;
use super::super::scalar::{Copied, CopiedColumn, Copies, Value};
use super::accumulation::Accumulation;
use super::register::Register;

/// The search in one partition.
#[derive(Debug, Default)]
pub(in super::super) struct HistoryRuns {
    /// The search itself.
    pub(in super::super) runs: BacktrackRuns,
    /// What its conditions read.
    pub(in super::super) known: KnownRows,
    /// What they compute.
    pub(in super::super) aggregates: RunningAggregates,
    /// What the partition has been charged for.
    charged_bytes: usize,
}

/// How much the searches of all partitions keep, against what they may.
#[derive(Debug)]
pub(in super::super) struct MemoryBudget {
    used: Cell<usize>,
    limit: usize,
}

/// What conditions know of a partition's rows without asking the store. All of it can be computed again from the rows.
#[derive(Debug, Default)]
pub(in super::super) struct KnownRows {
    first: u64,
    /// The letter of each row from `first` on.
    letters: VecDeque<SymbolSet>,
    /// The rows of which some condition could not be evaluated.
    poison: VecDeque<(u64, SymbolSet)>,
    /// The copied columns, of the same rows as the letters.
    columns: Vec<KnownColumn>,
}

type KnownColumn = Copies<VecDeque<i64>, VecDeque<f64>, VecDeque<Copied>>;

/// The aggregates of a search, along the path that it is on.
#[derive(Debug, Default)]
pub(in super::super) struct RunningAggregates(Vec<RunningAggregate>);

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
    /// The search behind so many rows and matches, of which nothing is open.
    pub(in super::super) fn resumed(rows: u64, matches: u64) -> Self {
        let known = KnownRows { first: rows, ..KnownRows::default() };
        Self { runs: BacktrackRuns::resumed(rows, matches), known, ..Self::default() }
    }

    /// Forgets what concerns rows that are needed no more, and charges for the rest; `false` if that is too much.
    pub(in super::super) fn settle(&mut self, budget: &MemoryBudget) -> bool {
        self.known.forget_before(self.runs.first_needed_row());
        if self.known.letters.is_empty() {
            self.aggregates = RunningAggregates::default();
        }
        let bytes = self.runs.bytes() + self.known.bytes() + self.aggregates.bytes();
        let before = std::mem::replace(&mut self.charged_bytes, bytes);
        budget.charge(before, bytes)
    }

    /// The partition is gone: it is no more charged for.
    pub(in super::super) fn release(&self, budget: &MemoryBudget) {
        budget.charge(self.charged_bytes, 0);
    }
}

impl KnownRows {
    /// Takes the partition's next rows: those of `rows` in a batch of letters and in copied columns.
    pub(in super::super) fn push(&mut self, letters: &LetterBatch, columns: &[CopiedColumn], rows: Range<usize>) {
        let next = self.first + self.letters.len() as u64;
        for (row, index) in (next..).zip(rows.clone()) {
            let (letter, poison) = letters.get(index);
            self.letters.push_back(letter);
            if !poison.is_empty() {
                self.poison.push_back((row, poison));
            }
        }
        self.columns.resize_with(columns.len(), || Copies::Any(VecDeque::new()));
        for (known, column) in self.columns.iter_mut().zip(columns) {
            known.extend(column, rows.clone());
        }
    }

    /// Forgets the rows before `row`.
    fn forget_before(&mut self, row: u64) {
        let gone = (row.saturating_sub(self.first) as usize).min(self.letters.len());
        let first = self.first + gone as u64;
        if gone == self.letters.len() {
            *self = Self { first, ..Self::default() };
            return;
        }
        self.first = first;
        self.letters.drain(..gone);
        self.columns.iter_mut().for_each(|column| column.forget(gone));
        while self.poison.front().is_some_and(|(row, _)| *row < first) {
            self.poison.pop_front();
        }
    }

    /// Letter and poison of a row.
    pub(super) fn letter(&self, row: u64) -> Result<(SymbolSet, SymbolSet)> {
        let index = row.checked_sub(self.first).and_then(|index| self.letters.get(index as usize));
        let letter =
            index.copied().ok_or_else(|| Error::internal(format!("the letter of row {row} has been forgotten")))?;
        let poison = self.poison.binary_search_by_key(&row, |(row, _)| *row).ok();
        Ok((letter, poison.map_or(SymbolSet::EMPTY, |index| self.poison[index].1)))
    }

    /// The value of a copied column on a row, if it is known.
    #[inline]
    pub(super) fn value(&self, column: usize, row: i64) -> Copied {
        let index = usize::try_from(row.checked_sub(self.first as i64)?).ok()?;
        match self.columns.get(column)? {
            Copies::Ints(values) => values.get(index).copied().map(Value::Int),
            Copies::Floats(values) => values.get(index).copied().map(Value::Float),
            Copies::Any(values) => *values.get(index)?,
        }
    }

    fn bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(KnownColumn::bytes).sum();
        let poison = self.poison.capacity() * size_of::<(u64, SymbolSet)>();
        self.letters.capacity() * size_of::<SymbolSet>() + poison + columns
    }
}

impl KnownColumn {
    /// Adds the values of some rows of a column, of whatever kind they are.
    fn extend(&mut self, column: &CopiedColumn, rows: Range<usize>) {
        match (&mut *self, column) {
            (Self::Any(known), Copies::Ints(values)) if known.is_empty() => {
                *self = Self::Ints(values[rows].iter().copied().collect());
            }
            (Self::Any(known), Copies::Floats(values)) if known.is_empty() => {
                *self = Self::Floats(values[rows].iter().copied().collect());
            }
            (Self::Ints(known), Copies::Ints(values)) => known.extend(&values[rows]),
            (Self::Floats(known), Copies::Floats(values)) => known.extend(&values[rows]),
            (Self::Any(known), Copies::Ints(values)) => {
                known.extend(values[rows].iter().copied().map(Value::Int).map(Some));
            }
            (Self::Any(known), Copies::Floats(values)) => {
                known.extend(values[rows].iter().copied().map(Value::Float).map(Some));
            }
            (Self::Any(known), Copies::Any(values)) => known.extend(&values[rows]),
            (Self::Ints(known), _) => {
                *self = Self::Any(known.iter().copied().map(Value::Int).map(Some).collect());
                self.extend(column, rows);
            }
            (Self::Floats(known), _) => {
                *self = Self::Any(known.iter().copied().map(Value::Float).map(Some).collect());
                self.extend(column, rows);
            }
        }
    }

    fn forget(&mut self, gone: usize) {
        match self {
            Self::Ints(values) => drop(values.drain(..gone)),
            Self::Floats(values) => drop(values.drain(..gone)),
            Self::Any(values) => drop(values.drain(..gone)),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Ints(values) => values.capacity() * size_of::<i64>(),
            Self::Floats(values) => values.capacity() * size_of::<f64>(),
            Self::Any(values) => values.capacity() * size_of::<Copied>(),
        }
    }
}

impl RunningAggregates {
    /// The path has changed behind its first `kept` rows.
    pub(super) fn fall_back(&mut self, kept: usize) {
        for aggregate in &mut self.0 {
            aggregate.register.fall_back(kept);
            aggregate.accumulation.fall_back(kept);
        }
    }

    /// One of `count`.
    pub(super) fn of(&mut self, index: usize, count: usize) -> &mut RunningAggregate {
        if self.0.is_empty() {
            self.0.resize_with(count, RunningAggregate::default);
        }
        &mut self.0[index]
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|aggregate| aggregate.register.bytes() + aggregate.accumulation.bytes()).sum()
    }
}
