//! The search in each partition, by the engine that the conditions allow: the automaton where letters say everything,
//! depth-first where a condition looks at the match so far.

use std::convert::Infallible;
use std::sync::Arc;

use dipper_graph::Specialised;
use dipper_pattern::{
    BacktrackMatcher, BacktrackRuns, DfaMatcher, DfaRuns, Match, MatchError, SearchOptions, SkipFault, SymbolId,
    SymbolSet,
};
use dipper_types::{Error, Result};

use super::history::{History, HistoryRuns, MemoryBudget, PartitionConditions, failure_at};
use super::letters::{LetterBatch, Letters};
use super::partition_rows::PartitionRows;
use super::partitions::PartitionId;
use super::row_store::RowStore;
use super::scalar::CopiedColumn;

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
    /// The variable that each of the program's symbols stands for; empty if each stands for itself.
    originals: Vec<SymbolId>,
    variables: Vec<String>,
}

#[derive(Debug)]
enum Engine {
    Automaton(Box<DfaMatcher>),
    Backtrack(BacktrackMatcher, Box<History>),
}

/// The state of the search in each partition.
#[derive(Debug)]
pub(super) enum Runs {
    /// By the automaton.
    Automaton(Vec<DfaRuns>),
    /// Depth-first.
    Backtrack(Vec<HistoryRuns>),
}

/// Where the search is: a partition and its rows.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The partition.
    pub(super) id: PartitionId,
    /// Its rows.
    pub(super) rows: &'a PartitionRows,
    /// The rows of all partitions.
    pub(super) store: &'a RowStore,
}

/// New rows of one partition, as a stretch of a batch of letters.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewRows<'a> {
    /// The letters of the batch.
    pub(super) letters: &'a LetterBatch,
    /// The times of the batch; empty if the pattern has no WITHIN.
    pub(super) times: &'a [i64],
    /// The values of the batch in the columns that [`Search::copied_slots`] wants; none if they are to be asked for one by one.
    pub(super) values: &'a [CopiedColumn],
    /// The first of the rows in the batch.
    pub(super) start: usize,
    /// One past the last.
    pub(super) end: usize,
}

impl Search {
    /// The automaton if there is no condition on the match so far.
    pub(super) fn new(
        clause: Specialised,
        mut options: SearchOptions,
        limits: SearchLimits,
        letters: Letters,
        history: History,
        variables: Vec<String>,
    ) -> Self {
        let program = Arc::new(clause.program);
        let engine = if history.is_empty() {
            Engine::Automaton(Box::new(DfaMatcher::new(program, options)))
        } else {
            options.step_budget = Some(limits.steps);
            Engine::Backtrack(BacktrackMatcher::new(program, options), Box::new(history))
        };
        let are_variables = clause.originals.iter().enumerate().all(|(index, symbol)| symbol.index() == index);
        let originals = if are_variables { Vec::new() } else { clause.originals };
        let memory = MemoryBudget::new(limits.bytes);
        Self { letters, engine, memory, originals, variables }
    }

    /// The conditions evaluated ahead.
    pub(super) fn letters(&self) -> &Letters {
        &self.letters
    }

    /// The columns that conditions on the match so far want copies of.
    pub(super) fn copied_slots(&self) -> &[usize] {
        match &self.engine {
            Engine::Automaton(_) => &[],
            Engine::Backtrack(_, history) => history.copied_slots(),
        }
    }

    /// No partition yet.
    pub(super) fn runs(&self) -> Runs {
        match &self.engine {
            Engine::Automaton(_) => Runs::Automaton(Vec::new()),
            Engine::Backtrack(..) => Runs::Backtrack(Vec::new()),
        }
    }

    /// The partitions are gone, whatever is still open in them.
    pub(super) fn release(&self, runs: &Runs) {
        if let Runs::Backtrack(runs) = runs {
            for state in runs {
                state.release(&self.memory);
            }
        }
    }

    /// Puts the clause's variables in place of the program's symbols.
    pub(super) fn name_variables(&self, found: &mut [Match]) {
        if self.originals.is_empty() {
            return;
        }
        for symbol in found.iter_mut().flat_map(|found| &mut found.symbols) {
            *symbol = self.original(*symbol);
        }
    }

    fn original(&self, symbol: SymbolId) -> SymbolId {
        self.originals.get(symbol.index()).copied().unwrap_or(symbol)
    }

    /// Searches on with new rows.
    pub(super) fn push(&self, runs: &mut Runs, place: Place<'_>, new: NewRows<'_>, out: &mut Vec<Match>) -> Result<()> {
        match (&self.engine, runs) {
            (Engine::Automaton(matcher), Runs::Automaton(runs)) => {
                let rows = new.letters.rows(new.start..new.end, new.times);
                let pushed = matcher.push(&mut runs[place.id as usize], rows, out);
                pushed.map_err(|error| self.explain(error, never, place))
            }
            (Engine::Backtrack(matcher, history), Runs::Backtrack(runs)) => {
                let state = &mut runs[place.id as usize];
                state.known.push(new.letters, new.values, new.start..new.end);
                let times = new.times.get(new.start..new.end).unwrap_or_default();
                let (runs, mut conditions) = self.conditions(history, state, place);
                let pushed = matcher.push_rows(runs, new.end - new.start, times, &mut conditions, out);
                pushed.map_err(|error| self.explain(error, itself, place))?;
                self.settle(state)
            }
            _ => Err(mismatch()),
        }
    }

    /// Event time has reached `time`.
    pub(super) fn expire(&self, runs: &mut Runs, place: Place<'_>, time: i64, out: &mut Vec<Match>) -> Result<()> {
        match (&self.engine, runs) {
            (Engine::Automaton(matcher), Runs::Automaton(runs)) => {
                let expired = matcher.expire(&mut runs[place.id as usize], time, out);
                expired.map_err(|error| self.explain(error, never, place))
            }
            (Engine::Backtrack(matcher, history), Runs::Backtrack(runs)) => {
                let state = &mut runs[place.id as usize];
                let (runs, mut conditions) = self.conditions(history, state, place);
                let expired = matcher.expire(runs, time, &mut conditions, out);
                expired.map_err(|error| self.explain(error, itself, place))?;
                self.settle(state)
            }
            _ => Err(mismatch()),
        }
    }

    /// The partition has ended.
    pub(super) fn finish(&self, runs: &mut Runs, place: Place<'_>, out: &mut Vec<Match>) -> Result<()> {
        match (&self.engine, runs) {
            (Engine::Automaton(matcher), Runs::Automaton(runs)) => {
                let finished = matcher.finish(&mut runs[place.id as usize], out);
                finished.map_err(|error| self.explain(error, never, place))
            }
            (Engine::Backtrack(matcher, history), Runs::Backtrack(runs)) => {
                let state = &mut runs[place.id as usize];
                let (runs, mut conditions) = self.conditions(history, state, place);
                let finished = matcher.finish(runs, &mut conditions, out);
                finished.map_err(|error| self.explain(error, itself, place))?;
                self.settle(state)
            }
            _ => Err(mismatch()),
        }
    }

    /// The earliest time at which the search in a partition could end for lack of time.
    pub(super) fn next_deadline(&self, runs: &Runs, id: PartitionId) -> Option<i64> {
        match (&self.engine, runs) {
            (Engine::Automaton(matcher), Runs::Automaton(runs)) => matcher.next_deadline(&runs[id as usize]),
            (_, Runs::Backtrack(runs)) => runs[id as usize].runs.next_deadline(),
            _ => None,
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

    /// The search of a partition, and what answers it.
    fn conditions<'a>(
        &'a self,
        history: &'a History,
        state: &'a mut HistoryRuns,
        place: Place<'a>,
    ) -> (&'a mut BacktrackRuns, PartitionConditions<'a>) {
        let HistoryRuns { runs, known, aggregates, .. } = state;
        let Place { rows, store, .. } = place;
        (runs, PartitionConditions { history, letters: &self.letters, rows, store, known, aggregates, extra_steps: 0 })
    }

    fn explain<E>(&self, error: MatchError<E>, own: fn(E) -> Error, place: Place<'_>) -> Error {
        match error {
            MatchError::Condition(error) => own(error),
            MatchError::Poisoned { symbol, row } => failure_at(&self.letters, symbol, row, place.rows, place.store),
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
    /// Makes room for partitions up to `count`.
    pub(super) fn grow(&mut self, count: usize) {
        match self {
            Self::Automaton(runs) => runs.resize_with(count, DfaRuns::default),
            Self::Backtrack(runs) => runs.resize_with(count, HistoryRuns::default),
        }
    }

    /// Puts a partition behind so many rows and matches, with nothing open: those since the first open start are to be pushed again.
    pub(super) fn resume(&mut self, id: PartitionId, rows: u64, matches: u64) {
        match self {
            Self::Automaton(runs) => runs[id as usize] = DfaRuns::resumed(rows, matches),
            Self::Backtrack(runs) => runs[id as usize] = HistoryRuns::resumed(rows, matches),
        }
    }

    /// How many matches have been found in a partition.
    pub(super) fn matches(&self, id: PartitionId) -> u64 {
        match self {
            Self::Automaton(runs) => runs[id as usize].matches(),
            Self::Backtrack(runs) => runs[id as usize].runs.matches(),
        }
    }

    /// Lets go of everything.
    pub(super) fn clear(&mut self) {
        match self {
            Self::Automaton(runs) => runs.clear(),
            Self::Backtrack(runs) => runs.clear(),
        }
    }

    /// How many rows of a partition have been searched.
    pub(super) fn rows_seen(&self, id: PartitionId) -> u64 {
        match self {
            Self::Automaton(runs) => runs[id as usize].rows_seen(),
            Self::Backtrack(runs) => runs[id as usize].runs.rows_seen(),
        }
    }

    /// How many rows of a partition are told apart at which a match may have begun that is open still.
    pub(super) fn open_starts(&self, id: PartitionId) -> usize {
        match self {
            Self::Automaton(runs) => runs[id as usize].open_starts(),
            // One start after the other.
            Self::Backtrack(runs) => usize::from(!runs[id as usize].runs.is_idle()),
        }
    }

    /// Every start row before this one is decided, and no later match refers to a row before it.
    pub(super) fn first_needed_row(&self, id: PartitionId) -> u64 {
        match self {
            Self::Automaton(runs) => runs[id as usize].first_needed_row(),
            Self::Backtrack(runs) => runs[id as usize].runs.first_needed_row(),
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
