//! The search in each partition, by the engine that the conditions allow: threads where letters say everything,
//! depth-first where a condition looks at the match so far.

use std::convert::Infallible;
use std::sync::Arc;

use dipper_pattern::{
    BacktrackMatcher, Match, MatchError, Program, SearchOptions, SkipFault, ThreadMatcher, ThreadRuns,
};
use dipper_types::{Error, Result};

use super::history::{History, HistoryMemory, HistoryRuns, MemoryBudget, PartitionConditions, failure_at};
use super::letters::{LetterBatch, Letters};
use super::partition_rows::PartitionRows;
use super::row_store::RowStore;

/// What the depth-first engine may cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct SearchLimits {
    /// The most steps spent on one start row between two rows.
    pub(super) steps: u64,
    /// The most memory that the searches of all partitions keep together. Rows are not counted: they are the store's.
    pub(super) bytes: usize,
}

impl Default for SearchLimits {
    fn default() -> Self {
        Self { steps: 10_000_000, bytes: 1 << 30 }
    }
}

/// The conditions and the engine.
#[derive(Debug)]
pub(super) struct Search {
    letters: Letters,
    engine: Engine,
    memory: MemoryBudget,
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
        program: Program,
        mut options: SearchOptions,
        limits: SearchLimits,
        letters: Letters,
        history: History,
        variables: Vec<String>,
    ) -> Self {
        let program = Arc::new(program);
        let engine = if history.is_empty() {
            Engine::Threads(ThreadMatcher::new(program, options))
        } else {
            options.step_budget = Some(limits.steps);
            Engine::Backtrack(BacktrackMatcher::new(program, options), history)
        };
        Self { letters, engine, memory: MemoryBudget::new(limits.bytes), variables }
    }

    /// The conditions evaluated ahead.
    pub(super) fn letters(&self) -> &Letters {
        &self.letters
    }

    /// A partition without rows.
    pub(super) fn start(&self) -> Runs {
        match &self.engine {
            Engine::Threads(matcher) => Runs::Threads(matcher.start()),
            Engine::Backtrack(matcher, _) => Runs::Backtrack(Box::new(HistoryRuns::new(matcher.start()))),
        }
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
                self.settle(state)
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
                expired.map_err(|error| self.explain(error, itself, rows, store))?;
                self.settle(state)
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
                finished.map_err(|error| self.explain(error, itself, rows, store))?;
                self.settle(state)
            }
            _ => Err(mismatch()),
        }
    }

    fn settle(&self, state: &mut HistoryRuns) -> Result<()> {
        if state.settle(&self.memory) {
            return Ok(());
        }
        let (names, bytes) = (self.names(), self.memory.limit());
        Err(Error::invalid(format!(
            "the search for matches of {names} keeps more than {bytes} bytes for those still open"
        ))
        .with_hint(
            "end matches sooner: add WITHIN, bound the quantifiers, or make the DEFINE conditions more selective",
        ))
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
                let names: Vec<&str> = to.iter().map(|symbol| self.name(symbol.index())).collect();
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
                "the search for a match of {} from row {start} of its partition took more than {budget} steps between two rows",
                self.names()
            ))
            .with_hint("make the DEFINE conditions or the quantifiers more selective"),
            other => Error::internal(other_text(&other)),
        }
    }

    /// The pattern by its variables.
    fn names(&self) -> String {
        self.variables.join(", ")
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
