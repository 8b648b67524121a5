//! The search in each partition, by the engine that the conditions allow: threads where letters say everything,
//! depth-first where a condition looks at the match so far.

use std::convert::Infallible;
use std::sync::Arc;

use dipper_graph::Specialised;
use dipper_pattern::{
    BacktrackMatcher, Match, MatchError, SearchOptions, SkipFault, SymbolId, SymbolSet, ThreadMatcher, ThreadRuns,
};
use dipper_types::{Error, Result};

use super::history::{History, HistoryMemory, HistoryRuns, PartitionConditions, failure_at};
use super::letters::{LetterBatch, Letters};
use super::partition_rows::PartitionRows;
use super::row_store::RowStore;

/// The most steps that the depth-first engine may spend on one start row between two rows.
const STEP_BUDGET: u64 = 10_000_000;

/// The conditions and the engine.
#[derive(Debug)]
pub(super) struct Search {
    letters: Letters,
    engine: Engine,
    /// The variable that each of the program's symbols stands for.
    originals: Vec<SymbolId>,
    variables: Vec<String>,
}

#[derive(Debug)]
enum Engine {
    Threads(ThreadMatcher),
    Backtrack(BacktrackMatcher, History),
}

/// The state of the search in one partition.
#[derive(Debug)]
pub(super) enum Runs {
    /// By threads.
    Threads(ThreadRuns),
    /// Depth-first.
    Backtrack(Box<HistoryRuns>),
}

/// New rows of one partition, as a stretch of a batch of letters.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewRows<'a> {
    /// The letters of the batch.
    pub(super) letters: &'a LetterBatch,
    /// The times of the batch; empty if the pattern has no WITHIN.
    pub(super) times: &'a [i64],
    /// The first of the rows in the batch.
    pub(super) start: usize,
    /// One past the last.
    pub(super) end: usize,
}

impl Search {
    /// Threads if there is no condition on the match so far.
    pub(super) fn new(
        clause: Specialised,
        mut options: SearchOptions,
        letters: Letters,
        history: History,
        variables: Vec<String>,
    ) -> Self {
        let program = Arc::new(clause.program);
        let engine = if history.is_empty() {
            Engine::Threads(ThreadMatcher::new(program, options))
        } else {
            options.step_budget.get_or_insert(STEP_BUDGET);
            Engine::Backtrack(BacktrackMatcher::new(program, options), history)
        };
        Self { letters, engine, originals: clause.originals, variables }
    }

    /// The conditions evaluated ahead.
    pub(super) fn letters(&self) -> &Letters {
        &self.letters
    }

    /// A partition without rows.
    pub(super) fn start(&self) -> Runs {
        match &self.engine {
            Engine::Threads(matcher) => Runs::Threads(matcher.start()),
            Engine::Backtrack(matcher, _) => {
                let (runs, memory) = (matcher.start(), HistoryMemory::default());
                Runs::Backtrack(Box::new(HistoryRuns { runs, memory }))
            }
        }
    }

    /// Puts the clause's variables in place of the program's symbols.
    pub(super) fn name_variables(&self, found: &mut [Match]) {
        for symbol in found.iter_mut().flat_map(|found| &mut found.symbols) {
            *symbol = self.original(*symbol);
        }
    }

    fn original(&self, symbol: SymbolId) -> SymbolId {
        self.originals.get(symbol.index()).copied().unwrap_or(symbol)
    }

    /// Searches on with new rows.
    pub(super) fn push(
        &self,
        runs: &mut Runs,
        rows: &PartitionRows,
        store: &RowStore,
        new: NewRows<'_>,
        out: &mut Vec<Match>,
    ) -> Result<()> {
        let time = |index: usize| new.times.get(index).copied().unwrap_or_default();
        match (&self.engine, runs) {
            (Engine::Threads(matcher), Runs::Threads(runs)) => {
                for index in new.start..new.end {
                    let (letter, poison) = new.letters.get(index);
                    let pushed = matcher.push_poisoned(runs, letter, poison, time(index), out);
                    pushed.map_err(|error| self.explain(error, never, rows, store))?;
                }
                Ok(())
            }
            (Engine::Backtrack(matcher, history), Runs::Backtrack(state)) => {
                for index in new.start..new.end {
                    state.memory.push(new.letters.get(index));
                    let mut conditions = self.conditions(history, &mut state.memory, rows, store);
                    let pushed = matcher.push(&mut state.runs, time(index), &mut conditions, out);
                    pushed.map_err(|error| self.explain(error, itself, rows, store))?;
                }
                Ok(())
            }
            _ => Err(mismatch()),
        }
    }

    /// Event time has reached `time`.
    pub(super) fn expire(
        &self,
        runs: &mut Runs,
        rows: &PartitionRows,
        store: &RowStore,
        time: i64,
        out: &mut Vec<Match>,
    ) -> Result<()> {
        match (&self.engine, runs) {
            (Engine::Threads(matcher), Runs::Threads(runs)) => {
                matcher.expire(runs, time, out).map_err(|error| self.explain(error, never, rows, store))
            }
            (Engine::Backtrack(matcher, history), Runs::Backtrack(state)) => {
                let mut conditions = self.conditions(history, &mut state.memory, rows, store);
                let expired = matcher.expire(&mut state.runs, time, &mut conditions, out);
                expired.map_err(|error| self.explain(error, itself, rows, store))
            }
            _ => Err(mismatch()),
        }
    }

    /// The partition has ended.
    pub(super) fn finish(
        &self,
        runs: &mut Runs,
        rows: &PartitionRows,
        store: &RowStore,
        out: &mut Vec<Match>,
    ) -> Result<()> {
        match (&self.engine, runs) {
            (Engine::Threads(matcher), Runs::Threads(runs)) => {
                matcher.finish(runs, out).map_err(|error| self.explain(error, never, rows, store))
            }
            (Engine::Backtrack(matcher, history), Runs::Backtrack(state)) => {
                let mut conditions = self.conditions(history, &mut state.memory, rows, store);
                let finished = matcher.finish(&mut state.runs, &mut conditions, out);
                finished.map_err(|error| self.explain(error, itself, rows, store))
            }
            _ => Err(mismatch()),
        }
    }

    fn conditions<'a>(
        &'a self,
        history: &'a History,
        memory: &'a mut HistoryMemory,
        rows: &'a PartitionRows,
        store: &'a RowStore,
    ) -> PartitionConditions<'a> {
        PartitionConditions { history, letters: &self.letters, rows, store, memory }
    }

    fn explain<E>(&self, error: MatchError<E>, own: fn(E) -> Error, rows: &PartitionRows, store: &RowStore) -> Error {
        match error {
            MatchError::Condition(error) => own(error),
            MatchError::Poisoned { symbol, row } => failure_at(&self.letters, symbol, row, rows, store),
            MatchError::Skip { number, to, fault, .. } => {
                let variables: SymbolSet = to.iter().map(|symbol| self.original(symbol)).collect();
                let names: Vec<&str> = variables.iter().map(|symbol| self.name(symbol.index())).collect();
                let names = names.join(", ");
                let why = match fault {
                    SkipFault::NotMapped => "the match maps no row to it",
                    SkipFault::FirstRow => {
                        "that is the match's own first row, so the same match would be found for ever"
                    }
                };
                Error::invalid(format!("match {number} cannot be followed by AFTER MATCH SKIP TO {names}: {why}"))
                    .with_hint("skip to a variable that every match maps behind its first row, or PAST LAST ROW")
            }
            MatchError::StepBudget { start, budget } => Error::invalid(format!(
                "the search for a match from row {start} of its partition took more than {budget} steps between two rows"
            ))
            .with_hint("make the DEFINE conditions or the quantifiers more selective"),
            other => Error::internal(other_text(&other)),
        }
    }

    fn name(&self, symbol: usize) -> &str {
        self.variables.get(symbol).map_or("?", String::as_str)
    }
}

impl Runs {
    /// How many rows have been pushed.
    pub(super) fn rows_seen(&self) -> u64 {
        match self {
            Self::Threads(runs) => runs.rows_seen(),
            Self::Backtrack(state) => state.runs.rows_seen(),
        }
    }

    /// No later match refers to a row before this one.
    pub(super) fn first_needed_row(&self) -> u64 {
        match self {
            Self::Threads(runs) => runs.first_needed_row(),
            Self::Backtrack(state) => state.runs.first_needed_row(),
        }
    }

    /// Every start row before this one is decided.
    pub(super) fn resolved_before(&self) -> u64 {
        match self {
            Self::Threads(runs) => runs.resolved_before(),
            Self::Backtrack(state) => state.runs.resolved_before(),
        }
    }

    /// The earliest time at which the search could end for lack of time.
    pub(super) fn next_deadline(&self) -> Option<i64> {
        match self {
            Self::Threads(runs) => runs.next_deadline(),
            Self::Backtrack(state) => state.runs.next_deadline(),
        }
    }

    /// Forgets what concerns rows that are needed no more.
    pub(super) fn forget(&mut self) {
        if let Self::Backtrack(state) = self {
            let needed = state.runs.first_needed_row();
            state.memory.forget_before(needed);
        }
    }
}

fn never(error: Infallible) -> Error {
    match error {}
}

fn itself(error: Error) -> Error {
    error
}

fn mismatch() -> Error {
    Error::internal("a partition is searched by another engine than its own")
}

fn other_text<E>(error: &MatchError<E>) -> String {
    match error {
        MatchError::TimeDescends { row } => format!("row {row} of a partition is older than the row before it"),
        MatchError::TooLong => "an open match is too long to remember".to_owned(),
        _ => "the search failed".to_owned(),
    }
}
