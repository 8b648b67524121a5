//! The prioritised-thread engine: linear time for conditions that do not look at the match.
//!
//! The whole partition is one search. Its ways are kept in order of preference, grouped by the row at which they start; a
//! later start counts only if the earlier ones fail, so its group stands behind theirs. A way that completes the pattern
//! cuts off everything behind it and the search for the *next* match goes on there at once: when the match is final, the
//! next one is already under way, and no row is looked at twice. What is foremost is final.

mod closure;
mod history;
mod open;
mod step;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::sync::Arc;

pub(crate) use closure::{AtEnd, BEHIND_A_ROW, Closure, Entry, Spot, Thread, symbol_of};
use history::CollectScratch;
use open::Open;
use serde::{Deserialize, Serialize};

use crate::{Letter, Match, MatchError, Program, SearchOptions, Skip, SymbolSet};

/// How many records of partitions that have gone idle are kept for reuse.
const POOL_MAX: usize = 64;

/// Finds matches in rows given as letters.
///
/// Immutable apart from scratch memory, which makes it `Send` but not `Sync`: have one for each task, for all its
/// partitions. After an error the search in that partition cannot go on.
///
/// ```
/// use dipper_pattern::{CompileLimits, Program, SearchOptions, SymbolId, SymbolSet, ThreadMatcher, parse};
/// let program = Program::compile(&parse("A B+")?.pattern, CompileLimits::default())?;
/// let matcher = ThreadMatcher::new(program.into(), SearchOptions::default());
/// let (a, b) = (SymbolSet::of(&[SymbolId(0)]), SymbolSet::of(&[SymbolId(1)]));
/// let (mut runs, mut out) = (matcher.start(), Vec::new());
/// for letter in [a, b, b] {
///     matcher.push(&mut runs, letter, 0, &mut out)?;
/// }
/// assert!(out.is_empty(), "there may be more rows for B+");
/// matcher.push(&mut runs, a, 0, &mut out)?;
/// assert_eq!((out[0].start, out[0].end()), (0, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ThreadMatcher {
    program: Arc<Program>,
    options: SearchOptions,
    /// What matches begin with at the partition's first row, where `^` holds.
    first_entry: Entry,
    /// What they begin with at others.
    entry: Entry,
    has_end_anchor: bool,
    /// Ways of different starts never stand for one another: they differ in when they run out of time, or in whether an
    /// earlier match excludes them.
    starts_differ: bool,
    scratch: RefCell<Scratch>,
}

/// Memory that outlives a call only to be used again.
#[derive(Debug)]
struct Scratch {
    closure: Closure,
    threads: Vec<Thread>,
    collect: CollectScratch,
    #[expect(clippy::vec_box, reason = "open searches move between runs and pool as boxes, without a copy")]
    pool: Vec<Box<Open>>,
}

/// The search in one partition. Small while no match is open.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ThreadRuns {
    rows_seen: u64,
    /// The next row to look at; behind `rows_seen` only while rows are looked at again for `SKIP TO variable`.
    position: u64,
    /// Matches start at every row from this one on; `u64::MAX` while that depends on the foremost match.
    next_start: u64,
    /// Matches found.
    matches: u64,
    /// No row is older than this.
    time: i64,
    /// The greatest time that event time is known to have reached.
    reached: i64,
    ended: bool,
    open: Option<Box<Open>>,
}

impl ThreadMatcher {
    /// A matcher of `program`.
    pub fn new(program: Arc<Program>, options: SearchOptions) -> Self {
        let mut closure = Closure::new(&program);
        Self {
            first_entry: Entry::new(&program, &mut closure, true),
            entry: Entry::new(&program, &mut closure, false),
            has_end_anchor: program.has_end_anchor(),
            starts_differ: options.within.is_some() || options.skip == Skip::ToNextRow,
            scratch: RefCell::new(Scratch {
                closure,
                threads: Vec::new(),
                collect: CollectScratch::default(),
                pool: Vec::new(),
            }),
            program,
            options,
        }
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The options.
    pub fn options(&self) -> &SearchOptions {
        &self.options
    }

    /// The search at the beginning of a partition.
    pub fn start(&self) -> ThreadRuns {
        ThreadRuns::resumed(0, 0, 0)
    }

    /// The next row of the partition. With WITHIN, times never descend; without, `time` is ignored.
    #[inline]
    pub fn push(
        &self,
        runs: &mut ThreadRuns,
        letter: Letter,
        time: i64,
        out: &mut Vec<Match>,
    ) -> Result<(), MatchError> {
        self.push_poisoned(runs, letter, SymbolSet::EMPTY, time, out)
    }

    /// Like [`Self::push`], for a row on which the conditions of `poison` could not be evaluated. That is an error
    /// ([`MatchError::Poisoned`]) if, and as soon as, the search depends on one of them: exactly when a search that
    /// evaluates conditions one by one, in order of preference, would have met it.
    #[inline]
    pub fn push_poisoned(
        &self,
        runs: &mut ThreadRuns,
        letter: Letter,
        poison: SymbolSet,
        time: i64,
        out: &mut Vec<Match>,
    ) -> Result<(), MatchError> {
        if self.options.within.is_some() {
            if time < runs.time {
                return Err(MatchError::TimeDescends { row: runs.rows_seen });
            }
            runs.time = time;
        }
        let first = runs.rows_seen == 0;
        let row = open::Row { letter, poison, time };
        runs.rows_seen += 1;
        // Nothing is open and nothing can start: the common case in a stream of which little matches.
        if runs.open.is_none() && !first && !self.entry.empty && !self.entry.is_tested(row.tested()) {
            runs.position += 1;
            return Ok(());
        }
        let scratch = &mut *self.scratch.borrow_mut();
        if matches!(self.options.skip, Skip::ToFirst(_) | Skip::ToLast(_)) {
            let open = scratch.open(runs);
            open.rows.push_back(row);
            return self.settle(runs, scratch, out);
        }
        self.step(runs, scratch, row, out)?;
        scratch.close_if_idle(runs);
        Ok(())
    }

    /// Event time has reached `time`: every row up to it has been pushed.
    pub fn expire(&self, runs: &mut ThreadRuns, time: i64, out: &mut Vec<Match>) -> Result<(), MatchError> {
        if self.options.within.is_none() {
            return Ok(());
        }
        runs.time = runs.time.max(time);
        runs.reached = runs.reached.max(time);
        self.settle(runs, &mut self.scratch.borrow_mut(), out)
    }

    /// The partition has ended.
    pub fn finish(&self, runs: &mut ThreadRuns, out: &mut Vec<Match>) -> Result<(), MatchError> {
        runs.ended = true;
        self.settle(runs, &mut self.scratch.borrow_mut(), out)
    }

    /// How many states have been looked at: what the engine's work is proportional to.
    pub fn steps(&self) -> u64 {
        self.scratch.borrow().closure.steps
    }
}

impl ThreadRuns {
    /// The search in a partition of which nothing is open, behind `rows_seen` rows and `matches` matches.
    pub(crate) fn resumed(rows_seen: u64, matches: u64, next_start: u64) -> Self {
        Self {
            rows_seen,
            position: rows_seen,
            next_start,
            matches,
            time: i64::MIN,
            reached: i64::MIN,
            ended: false,
            open: None,
        }
    }

    /// How many rows have been pushed.
    pub fn rows_seen(&self) -> u64 {
        self.rows_seen
    }

    /// How many matches have been found, those included that are not reported.
    pub fn matches(&self) -> u64 {
        self.matches
    }

    /// Every start row before this one is decided, and no later match refers to a row before it.
    pub fn first_needed_row(&self) -> u64 {
        self.open.as_deref().and_then(Open::first_start).unwrap_or(self.rows_seen)
    }

    /// Whether no match is open.
    pub fn is_idle(&self) -> bool {
        self.open.is_none()
    }

    /// How many rows are told apart at which a match may have begun that is open still.
    pub(crate) fn open_starts(&self) -> usize {
        self.open.as_deref().map_or(0, |open| open.groups.len())
    }

    /// The earliest time at which [`ThreadMatcher::expire`] could do something; `None` without WITHIN.
    pub fn next_deadline(&self) -> Option<i64> {
        self.open.as_deref()?.first_deadline(self.reached)
    }
}
