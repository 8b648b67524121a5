//! The depth-first engine: for conditions that look at the match so far.
//!
//! It tries one way of matching after the other, in order of preference, and goes back to the last choice where a way fails.
//! It pauses where it needs a row that has not come, and goes on from there. Its cost may be exponential: hence the step
//! budget. Where conditions look at single rows only, [`crate::ThreadMatcher`] finds the same in linear time.

mod path;
mod search;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

pub use path::Path;
use search::{Clock, Halt, Search};
use serde::{Deserialize, Serialize};

use crate::resume::resume;
use crate::{Excluded, Match, MatchError, Program, SearchOptions, Status, SymbolId, Timeouts};

/// The DEFINE conditions.
pub trait Conditions {
    /// Why a condition could not be evaluated.
    type Error;

    /// Whether `row` of the partition satisfies the condition of `symbol`; `path` is the match so far, `row` already
    /// mapped to `symbol`. Pure: the search may ask again, and goes back to any row from
    /// [`BacktrackRuns::first_needed_row`] on.
    fn holds(&mut self, symbol: SymbolId, row: u64, path: &Path<'_>) -> Result<bool, Self::Error>;

    /// How many rows the answers since the last call have had to go through once more. They count as steps.
    fn extra_steps(&mut self) -> u64 {
        0
    }
}

/// How many records of partitions that have gone idle are kept for reuse, and up to which length of match.
const POOL_MAX: usize = 64;
const POOLED_LABELS_MAX: usize = 4096;

/// Finds matches by asking for conditions.
///
/// Immutable apart from scratch memory, which makes it `Send` but not `Sync`. After an error the search in that partition
/// cannot go on.
///
/// ```
/// use std::convert::Infallible;
/// use dipper_pattern::{BacktrackMatcher, CompileLimits, Conditions, Path, Program, SearchOptions, SymbolId, SymbolSet, parse};
///
/// /// B AS B.v > 2 * FIRST(A.v)
/// struct Doubled([u32; 4]);
/// impl Conditions for Doubled {
///     type Error = Infallible;
///     fn holds(&mut self, symbol: SymbolId, row: u64, path: &Path<'_>) -> Result<bool, Infallible> {
///         let first = path.first(SymbolSet::of(&[SymbolId(0)]), 0);
///         Ok(symbol == SymbolId(0) || first.is_some_and(|first| self.0[row as usize] > 2 * self.0[first as usize]))
///     }
/// }
///
/// let program = Program::compile(&parse("A+? B")?.pattern, CompileLimits::default())?;
/// let matcher = BacktrackMatcher::new(program.into(), SearchOptions::default());
/// let (mut runs, mut out, mut conditions) = (matcher.start(), Vec::new(), Doubled([3, 4, 6, 7]));
/// for _ in 0..4 {
///     matcher.push(&mut runs, 0, &mut conditions, &mut out)?;
/// }
/// assert_eq!((out[0].start, out[0].end()), (0, 4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BacktrackMatcher {
    program: Arc<Program>,
    options: SearchOptions,
    #[expect(clippy::vec_box, reason = "searches move between runs and pool as boxes, without a copy")]
    pool: RefCell<Vec<Box<Search>>>,
}

/// The search in one partition. Small while no match is open.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BacktrackRuns {
    rows_seen: u64,
    /// The next start row, if no search is under way.
    next_start: u64,
    /// Matches found.
    matches: u64,
    /// No row is older than this.
    time: i64,
    /// The greatest time that event time is known to have reached.
    reached: i64,
    ended: bool,
    /// The times of the last rows, from the first needed on; only with WITHIN.
    times: VecDeque<i64>,
    search: Option<Box<Search>>,
}

impl BacktrackMatcher {
    /// A matcher of `program`.
    pub fn new(program: Arc<Program>, options: SearchOptions) -> Self {
        Self { program, options, pool: RefCell::default() }
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
    pub fn start(&self) -> BacktrackRuns {
        BacktrackRuns::default()
    }

    /// The next row of the partition has come. With WITHIN, times never descend; without, `time` is ignored.
    pub fn push<C: Conditions>(
        &self,
        runs: &mut BacktrackRuns,
        time: i64,
        conditions: &mut C,
        out: &mut Vec<Match>,
    ) -> Result<(), MatchError<C::Error>> {
        self.push_rows(runs, 1, &[time], conditions, out)
    }

    /// The next `count` rows of the partition have come, as if one by one: conditions are asked about the last of them as soon as about
    /// the first. `times` has the time of each; without WITHIN it may be empty.
    pub fn push_rows<C: Conditions>(
        &self,
        runs: &mut BacktrackRuns,
        count: usize,
        times: &[i64],
        conditions: &mut C,
        out: &mut Vec<Match>,
    ) -> Result<(), MatchError<C::Error>> {
        if self.options.within.is_some() {
            for (row, time) in (runs.rows_seen..).zip(times) {
                if *time < runs.time {
                    return Err(MatchError::TimeDescends { row });
                }
                runs.time = *time;
                runs.times.push_back(*time);
            }
        }
        let reached = runs.rows_seen;
        runs.rows_seen += count as u64;
        self.drive(runs, reached, conditions, out)
    }

    /// Event time has reached `time`: every row up to it has been pushed.
    pub fn expire<C: Conditions>(
        &self,
        runs: &mut BacktrackRuns,
        time: i64,
        conditions: &mut C,
        out: &mut Vec<Match>,
    ) -> Result<(), MatchError<C::Error>> {
        if self.options.within.is_none() {
            return Ok(());
        }
        runs.time = runs.time.max(time);
        runs.reached = runs.reached.max(time);
        self.drive(runs, runs.rows_seen, conditions, out)
    }

    /// The partition has ended.
    pub fn finish<C: Conditions>(
        &self,
        runs: &mut BacktrackRuns,
        conditions: &mut C,
        out: &mut Vec<Match>,
    ) -> Result<(), MatchError<C::Error>> {
        runs.ended = true;
        self.drive(runs, runs.rows_seen, conditions, out)
    }

    /// Searches on until a row is needed that has not come. The first `reached` rows had come before.
    fn drive<C: Conditions>(
        &self,
        runs: &mut BacktrackRuns,
        mut reached: u64,
        conditions: &mut C,
        out: &mut Vec<Match>,
    ) -> Result<(), MatchError<C::Error>> {
        let mut idle = runs.search.take();
        let mut resumed = idle.is_some();
        while resumed || runs.next_start < runs.rows_seen {
            let mut search = idle.take().or_else(|| self.pool.borrow_mut().pop()).unwrap_or_default();
            let base = runs.rows_seen - runs.times.len() as u64;
            let clock = Clock {
                rows_seen: runs.rows_seen,
                base,
                times: &runs.times,
                within: self.options.within,
                reached: runs.reached,
                ended: runs.ended,
            };
            if !resumed {
                search.begin(&self.program, runs.next_start, runs.matches + 1, &clock);
            }
            resumed = false;
            match search.advance(&self.program, &self.options, &clock, &mut reached, conditions)? {
                Halt::Paused => {
                    runs.search = Some(search);
                    break;
                }
                Halt::Accepted => {
                    let (symbols, excluded) = search.matched();
                    self.emit(runs, &search, symbols, excluded, Status::Complete, out)?;
                }
                Halt::Failed => {
                    if let Some((symbols, excluded)) = search.survivor.take() {
                        self.emit(runs, &search, symbols, excluded, Status::Timeout, out)?;
                    } else {
                        runs.next_start = search.start + 1;
                    }
                }
            }
            idle = Some(search);
        }
        let mut pool = self.pool.borrow_mut();
        pool.extend(idle.filter(|search| search.capacity() <= POOLED_LABELS_MAX));
        pool.truncate(POOL_MAX);
        let needed = (runs.rows_seen - runs.first_needed_row()) as usize;
        let surplus = runs.times.len().saturating_sub(needed);
        runs.times.drain(..surplus);
        Ok(())
    }

    fn emit<E>(
        &self,
        runs: &mut BacktrackRuns,
        search: &Search,
        symbols: Vec<SymbolId>,
        excluded: Excluded,
        status: Status,
        out: &mut Vec<Match>,
    ) -> Result<(), MatchError<E>> {
        runs.matches += 1;
        let deadline = if status == Status::Timeout { search.deadline } else { None };
        let mut found = Match {
            number: runs.matches,
            start: search.start,
            symbols: symbols.into(),
            excluded,
            status,
            deadline,
            skip_failed: false,
        };
        runs.next_start = resume(&mut found, &self.options)?;
        if self.options.timeouts != Timeouts::Only || status == Status::Timeout {
            out.push(found);
        }
        Ok(())
    }
}

impl Default for BacktrackRuns {
    /// The search at the beginning of a partition.
    fn default() -> Self {
        Self {
            rows_seen: 0,
            next_start: 0,
            matches: 0,
            time: i64::MIN,
            reached: i64::MIN,
            ended: false,
            times: VecDeque::new(),
            search: None,
        }
    }
}

impl BacktrackRuns {
    /// The search behind `rows` rows and `matches` matches, of which nothing is open. Once the rows from [`Self::first_needed_row`] on have been
    /// pushed again, it is where it was, and has asked the same questions: nothing comes out on the way, because what was final has been reported.
    ///
    /// ```
    /// # use dipper_pattern::BacktrackRuns;
    /// let runs = BacktrackRuns::resumed(7, 2);
    /// assert_eq!((runs.rows_seen(), runs.first_needed_row(), runs.matches(), runs.is_idle()), (7, 7, 2, true));
    /// ```
    pub fn resumed(rows: u64, matches: u64) -> Self {
        Self { rows_seen: rows, next_start: rows, matches, ..Self::default() }
    }

    /// How many rows have been pushed.
    pub fn rows_seen(&self) -> u64 {
        self.rows_seen
    }

    /// How many matches have been found, those included that are not reported.
    pub fn matches(&self) -> u64 {
        self.matches
    }

    /// Every start row before this one is decided: no later match refers to a row before it, and no condition of one is asked for.
    pub fn first_needed_row(&self) -> u64 {
        self.search.as_ref().map_or(self.next_start, |search| search.start)
    }

    /// Whether no match is open.
    pub fn is_idle(&self) -> bool {
        self.search.is_none()
    }

    /// How much memory the open match takes beside the structure itself: in proportion to its length.
    pub fn bytes(&self) -> usize {
        self.times.capacity() * size_of::<i64>() + self.search.as_ref().map_or(0, |search| search.bytes())
    }

    /// The earliest time at which [`BacktrackMatcher::expire`] could do something; `None` without WITHIN.
    pub fn next_deadline(&self) -> Option<i64> {
        self.search.as_ref()?.deadline.filter(|deadline| *deadline > self.reached)
    }
}
