//! The lazy automaton: what the thread engine does to a list of threads depends on the list and on the row's letter alone, so the lists are
//! made the states of a deterministic automaton, each when it is first met, and a row costs one look into a table.
//!
//! Which variable each row of a match is falls out of a backward pass over the transitions. Where starts need to be told apart, each has
//! a list of its own, and those with equal lists go on as one (see the source of `apart`): this keeps WITHIN, SKIP TO NEXT ROW and SKIP TO a
//! variable linear too. A pattern whose automaton would grow beyond its share of memory goes on with threads, in partitions that need a
//! transition that has not been met, until nothing is open there.

mod apart;
mod cache;
mod joint;
mod label;
mod lists;
mod mix;
mod starts;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::sync::Arc;

use apart::Apart;
use cache::Cache;
use joint::Joint;
use lists::Lists;

use crate::{
    Letter, Match, MatchError, Program, SearchOptions, Skip, Status, SymbolSet, ThreadMatcher, ThreadRuns, Timeouts,
};

/// How large the automaton of a matcher may grow, unless told otherwise.
const CACHE_BYTES_MAX: usize = 16 << 20;

/// How many records of partitions that have gone idle are kept for reuse, and up to which size.
const POOL_MAX: usize = 64;
const POOLED_ROWS_MAX: usize = 4096;

/// Consecutive rows of one partition.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// The variables whose conditions hold on each row.
    pub letters: &'a [Letter],
    /// The variables whose conditions could not be evaluated on each row; empty if there is none. That is an error
    /// ([`MatchError::Poisoned`]) if, and as soon as, the search depends on one of them: exactly when a search that evaluates conditions one
    /// by one, in order of preference, would have met it.
    pub poison: &'a [SymbolSet],
    /// The time of each row, never descending; without WITHIN it may be empty.
    pub times: &'a [i64],
}

impl Rows<'_> {
    #[inline]
    fn poison_at(&self, index: usize) -> SymbolSet {
        self.poison.get(index).copied().unwrap_or_default()
    }

    #[inline]
    fn either(&self, index: usize) -> SymbolSet {
        self.letters[index].union(self.poison_at(index))
    }

    /// The first row from `index` on that may be one of `symbols`; the number of rows if there is none.
    #[inline]
    fn next_of(&self, symbols: SymbolSet, index: usize) -> usize {
        let may_be = |row: &usize| !self.either(*row).intersection(symbols).is_empty();
        (index..self.letters.len()).find(may_be).unwrap_or(self.letters.len())
    }

    fn time_at(&self, index: usize) -> i64 {
        self.times.get(index).copied().unwrap_or_default()
    }

    /// All but the first `count`.
    fn behind(&self, count: usize) -> Self {
        self.between(count, self.letters.len())
    }

    fn between(&self, start: usize, end: usize) -> Self {
        Self {
            letters: &self.letters[start..end],
            poison: self.poison.get(start..end).unwrap_or_default(),
            times: self.times.get(start..end).unwrap_or_default(),
        }
    }
}

/// Finds matches in rows given as letters, by an automaton that is made on the way.
///
/// Immutable apart from the automaton and scratch memory, which makes it `Send` but not `Sync`: have one for each task, for all its
/// partitions. After an error the search in that partition cannot go on.
///
/// ```
/// use dipper_pattern::{CompileLimits, DfaMatcher, Program, Rows, SearchOptions, SymbolId, SymbolSet, parse};
/// let program = Program::compile(&parse("A B+")?.pattern, CompileLimits::default())?;
/// let matcher = DfaMatcher::new(program.into(), SearchOptions::default());
/// let (a, b) = (SymbolSet::of(&[SymbolId(0)]), SymbolSet::of(&[SymbolId(1)]));
/// let (mut runs, mut out) = (matcher.start(), Vec::new());
/// matcher.push(&mut runs, Rows { letters: &[a, b, b], poison: &[], times: &[] }, &mut out)?;
/// assert!(out.is_empty(), "there may be more rows for B+");
/// matcher.push(&mut runs, Rows { letters: &[a], poison: &[], times: &[] }, &mut out)?;
/// assert_eq!((out[0].start, out[0].end()), (0, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct DfaMatcher {
    kind: Kind,
    threads: ThreadMatcher,
    scratch: RefCell<Scratch>,
}

/// Why no more rows are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Halt {
    /// There are no more.
    Done,
    /// The automaton has no room for what comes next.
    NoRoom,
    /// The first open start is out of time, and later ones are needed that are not kept apart.
    Late,
}

/// How starts share the automaton.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// All in one list; one list each from where the first is out of time, until nothing is open.
    Joint,
    /// One list each.
    Apart,
    /// No automaton: `$` under WITHIN, where part of a list may outlive a deadline.
    Threads,
}

#[derive(Debug)]
struct Scratch {
    kind: Kind,
    joint: Cache,
    apart: Cache,
    lists: Lists,
    #[expect(clippy::vec_box, reason = "open searches move between runs and pool as boxes, without a copy")]
    pool: Vec<Box<Open>>,
}

/// The search in one partition. Small while no match is open.
#[derive(Clone, Debug, Default)]
pub struct DfaRuns {
    rows_seen: u64,
    matches: u64,
    open: Option<Box<Open>>,
}

/// What is open in a partition.
#[derive(Clone, Debug)]
enum Open {
    Joint(Joint),
    Apart(Apart),
    Threads(ThreadRuns),
}

/// Where matches go.
struct Report<'a> {
    options: &'a SearchOptions,
    matches: &'a mut u64,
    out: &'a mut Vec<Match>,
}

impl Report<'_> {
    /// The number of the next match.
    fn number(&mut self) -> u64 {
        *self.matches += 1;
        *self.matches
    }

    #[inline]
    fn put(&mut self, found: Match) {
        if self.options.timeouts != Timeouts::Only || found.status == Status::Timeout {
            self.out.push(found);
        }
    }
}

impl DfaMatcher {
    /// A matcher of `program`.
    pub fn new(program: Arc<Program>, options: SearchOptions) -> Self {
        Self::with_cache(program, options, CACHE_BYTES_MAX)
    }

    /// A matcher whose automaton takes about `bytes_max` bytes at most.
    pub fn with_cache(program: Arc<Program>, options: SearchOptions, bytes_max: usize) -> Self {
        let kind = match options.skip {
            _ if options.within.is_some() && program.has_end_anchor() => Kind::Threads,
            Skip::PastLastRow => Kind::Joint,
            _ => Kind::Apart,
        };
        let (joint, apart) = (Cache::new(&program, true, bytes_max), Cache::new(&program, false, bytes_max));
        let threads = ThreadMatcher::new(program, options);
        Self {
            kind,
            threads,
            scratch: RefCell::new(Scratch { kind, joint, apart, lists: Lists::new(bytes_max), pool: Vec::new() }),
        }
    }

    /// The program.
    pub fn program(&self) -> &Program {
        self.threads.program()
    }

    /// The options.
    pub fn options(&self) -> &SearchOptions {
        self.threads.options()
    }

    /// The search at the beginning of a partition.
    pub fn start(&self) -> DfaRuns {
        DfaRuns::default()
    }

    /// The next rows of the partition.
    pub fn push(&self, runs: &mut DfaRuns, rows: Rows<'_>, out: &mut Vec<Match>) -> Result<(), MatchError> {
        let scratch = &mut *self.scratch.borrow_mut();
        let mut rows = rows;
        if runs.open.is_none() && runs.rows_seen > 0 {
            let entry = scratch.joint.entry(false);
            if !entry.empty {
                let idle = rows.next_of(entry.symbols, 0);
                runs.rows_seen += idle as u64;
                rows = rows.behind(idle);
            }
        }
        while !rows.letters.is_empty() {
            let mut open = runs.open.take().unwrap_or_else(|| self.open(scratch, runs.rows_seen, runs.matches));
            loop {
                let (taken, halt) = self.push_open(&mut open, scratch, runs, rows, out)?;
                rows = rows.behind(taken);
                match (halt, &*open) {
                    (Halt::Late, Open::Joint(joint)) => *open = self.part(joint, scratch, runs)?,
                    (Halt::NoRoom, _) => {
                        *open = Open::Threads(self.by_threads(&open, scratch, runs)?);
                    }
                    _ => break,
                }
            }
            scratch.keep_if_open(runs, open);
        }
        Ok(())
    }

    /// Event time has reached `time`: every row up to it has been pushed.
    pub fn expire(&self, runs: &mut DfaRuns, time: i64, out: &mut Vec<Match>) -> Result<(), MatchError> {
        let Some(mut open) = runs.open.take() else { return Ok(()) };
        let scratch = &mut *self.scratch.borrow_mut();
        if let Open::Joint(joint) = &*open
            && joint.first_deadline(self.options()).is_some_and(|deadline| time >= deadline)
        {
            *open = self.part(joint, scratch, runs)?;
        }
        match &mut *open {
            Open::Joint(_) => {}
            Open::Apart(apart) => {
                let mut report = Report { options: self.options(), matches: &mut runs.matches, out };
                apart.expire(&mut scratch.apart, runs.rows_seen, time, &mut report)?;
            }
            Open::Threads(threads) => {
                self.threads.expire(threads, time, out)?;
                runs.matches = threads.matches();
            }
        }
        scratch.keep_if_open(runs, open);
        Ok(())
    }

    /// The partition has ended.
    pub fn finish(&self, runs: &mut DfaRuns, out: &mut Vec<Match>) -> Result<(), MatchError> {
        let Some(mut open) = runs.open.take() else { return Ok(()) };
        let scratch = &mut *self.scratch.borrow_mut();
        if let Open::Joint(joint) = &*open
            && self.options().within.is_some()
            && self.options().timeouts != Timeouts::Hide
        {
            // Every start that is still open runs out of time.
            *open = self.part(joint, scratch, runs)?;
        }
        if let Open::Apart(apart) = &mut *open
            && !apart.spread_alone(&mut scratch.apart)
        {
            *open = Open::Threads(self.by_threads(&open, scratch, runs)?);
        }
        let mut report = Report { options: self.options(), matches: &mut runs.matches, out };
        match &mut *open {
            Open::Joint(joint) => joint.finish(&mut scratch.joint, &mut report)?,
            Open::Apart(apart) => apart.finish(&mut scratch.apart, &scratch.lists, runs.rows_seen, &mut report)?,
            Open::Threads(threads) => {
                self.threads.finish(threads, out)?;
                runs.matches = threads.matches();
            }
        }
        scratch.keep_if_open(runs, open);
        Ok(())
    }

    /// The earliest time at which [`Self::expire`] could do something; `None` without WITHIN.
    pub fn next_deadline(&self, runs: &DfaRuns) -> Option<i64> {
        match runs.open.as_deref()? {
            Open::Joint(joint) => joint.first_deadline(self.options()),
            Open::Apart(apart) => apart.first_deadline(self.options()),
            Open::Threads(threads) => threads.next_deadline(),
        }
    }

    /// How many states and transitions have been looked at: what the engine's work is proportional to.
    pub fn steps(&self) -> u64 {
        let scratch = self.scratch.borrow();
        scratch.joint.work() + scratch.apart.work() + self.threads.steps()
    }

    /// Takes rows by whatever the search is in. Returns how many it took, and why no more.
    fn push_open(
        &self,
        open: &mut Open,
        scratch: &mut Scratch,
        runs: &mut DfaRuns,
        rows: Rows<'_>,
        out: &mut Vec<Match>,
    ) -> Result<(usize, Halt), MatchError> {
        let first = runs.rows_seen;
        let mut report = Report { options: self.options(), matches: &mut runs.matches, out };
        let (taken, halt) = match open {
            Open::Joint(joint) => joint.push(&mut scratch.joint, rows, &mut report)?,
            Open::Apart(apart) => apart.push(&mut scratch.apart, &mut scratch.lists, rows, first, &mut report)?,
            Open::Threads(threads) => {
                let taken = self.push_threads(threads, rows, out)?;
                runs.matches = threads.matches();
                (taken, Halt::Done)
            }
        };
        runs.rows_seen += taken as u64;
        Ok((taken, halt))
    }

    /// A search of which nothing is open yet.
    fn open(&self, scratch: &mut Scratch, row: u64, matches: u64) -> Box<Open> {
        let mut open = scratch.pool.pop().unwrap_or_else(|| {
            Box::new(match self.kind {
                Kind::Joint => Open::Joint(Joint::default()),
                Kind::Apart => Open::Apart(Apart::default()),
                Kind::Threads => Open::Threads(ThreadRuns::resumed(row, matches, row)),
            })
        });
        match &mut *open {
            Open::Joint(joint) => joint.begin(row),
            Open::Apart(apart) => apart.begin(row),
            Open::Threads(threads) => *threads = ThreadRuns::resumed(row, matches, row),
        }
        open
    }

    /// The same search with a list for each start, made from the letters since the first open start.
    fn part(&self, joint: &Joint, scratch: &mut Scratch, runs: &DfaRuns) -> Result<Open, MatchError> {
        let rows = joint.letters(&scratch.joint);
        let first = runs.rows_seen - rows.len() as u64;
        let (mut letters, mut poison, mut times) = (Vec::new(), Vec::new(), Vec::new());
        for (letter, failed, time) in &rows {
            letters.push(*letter);
            poison.push(*failed);
            times.push(*time);
        }
        let mut apart = Apart::default();
        apart.begin(first);
        // What was final has been reported, so nothing comes out.
        let (mut matches, mut out) = (runs.matches, Vec::new());
        let mut report = Report { options: self.options(), matches: &mut matches, out: &mut out };
        let rows_again = Rows { letters: &letters, poison: &poison, times: &times };
        let (_, halt) = apart.push(&mut scratch.apart, &mut scratch.lists, rows_again, first, &mut report)?;
        debug_assert!(out.is_empty());
        if halt == Halt::Done {
            return Ok(Open::Apart(apart));
        }
        Ok(Open::Threads(self.replayed(rows, runs, first)?))
    }

    /// The same search by threads: the letters since the first open start say all there is to know.
    fn by_threads(&self, open: &Open, scratch: &Scratch, runs: &DfaRuns) -> Result<ThreadRuns, MatchError> {
        match open {
            Open::Joint(joint) => self.replayed(joint.letters(&scratch.joint), runs, 0),
            Open::Apart(apart) => {
                let (letters, next_start) = apart.letters();
                self.replayed(letters, runs, next_start)
            }
            Open::Threads(threads) => Ok(threads.clone()),
        }
    }

    fn replayed(
        &self,
        letters: Vec<(Letter, SymbolSet, i64)>,
        runs: &DfaRuns,
        next_start: u64,
    ) -> Result<ThreadRuns, MatchError> {
        let first = runs.rows_seen - letters.len() as u64;
        let mut threads = ThreadRuns::resumed(first, runs.matches, next_start.max(first));
        let mut out = Vec::new();
        for (letter, poison, time) in letters {
            self.threads.push_poisoned(&mut threads, letter, poison, time, &mut out)?;
        }
        debug_assert!(out.is_empty());
        Ok(threads)
    }

    /// Takes rows by threads until nothing is open. Returns how many it took.
    fn push_threads(
        &self,
        threads: &mut ThreadRuns,
        rows: Rows<'_>,
        out: &mut Vec<Match>,
    ) -> Result<usize, MatchError> {
        for (index, letter) in rows.letters.iter().enumerate() {
            self.threads.push_poisoned(threads, *letter, rows.poison_at(index), rows.time_at(index), out)?;
            if threads.is_idle() {
                return Ok(index + 1);
            }
        }
        Ok(rows.letters.len())
    }
}

impl Scratch {
    /// Gives the open part back to the partition, or to the pool if nothing is open.
    fn keep_if_open(&mut self, runs: &mut DfaRuns, mut open: Box<Open>) {
        if open.first_start().is_some() {
            runs.open = Some(open);
            return;
        }
        let capacity = match &mut *open {
            Open::Joint(joint) => {
                joint.clear();
                joint.capacity()
            }
            Open::Apart(apart) => {
                apart.clear();
                apart.capacity()
            }
            Open::Threads(_) => return,
        };
        // Where starts are joint, those that had to be told apart are the exception.
        let is_usual = matches!(*open, Open::Joint(_)) == (self.kind == Kind::Joint);
        if is_usual && self.pool.len() < POOL_MAX && capacity <= POOLED_ROWS_MAX {
            self.pool.push(open);
        }
    }
}

impl Open {
    fn first_start(&self) -> Option<u64> {
        match self {
            Self::Joint(joint) => joint.first_start(),
            Self::Apart(apart) => apart.first_start(),
            Self::Threads(threads) => (!threads.is_idle()).then(|| threads.first_needed_row()),
        }
    }

    fn starts(&self) -> usize {
        match self {
            Self::Joint(joint) => joint.starts(),
            Self::Apart(apart) => apart.starts(),
            Self::Threads(threads) => threads.open_starts(),
        }
    }
}

impl DfaRuns {
    /// The search behind `rows` rows and `matches` matches, of which nothing is open. Once the letters since the first open start, which is
    /// [`Self::first_needed_row`], have been pushed again, it is where it was: nothing comes out on the way, because what was final has been
    /// reported. How far event time has come is to be told again, or deadlines that have passed are
    /// named once more where something waits for the end behind them.
    ///
    /// ```
    /// # use dipper_pattern::{CompileLimits, DfaMatcher, DfaRuns, Program, Rows, SearchOptions, SymbolId, SymbolSet, parse};
    /// # let program = Program::compile(&parse("A B+")?.pattern, CompileLimits::default())?;
    /// # let matcher = DfaMatcher::new(program.into(), SearchOptions::default());
    /// # let (a, b) = (SymbolSet::of(&[SymbolId(0)]), SymbolSet::of(&[SymbolId(1)]));
    /// let letters = [a, b, a, b];
    /// let (mut runs, mut out) = (matcher.start(), Vec::new());
    /// matcher.push(&mut runs, Rows { letters: &letters, poison: &[], times: &[] }, &mut out)?;
    /// assert_eq!((out.len(), runs.first_needed_row()), (1, 2));
    ///
    /// let mut again = DfaRuns::resumed(runs.first_needed_row(), runs.matches());
    /// matcher.push(&mut again, Rows { letters: &letters[2..], poison: &[], times: &[] }, &mut out)?;
    /// assert_eq!((out.len(), again.rows_seen(), again.first_needed_row()), (1, 4, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resumed(rows: u64, matches: u64) -> Self {
        Self { rows_seen: rows, matches, open: None }
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

    /// How many rows are told apart at which a match may have begun that is open still; none only if no match is open.
    pub fn open_starts(&self) -> usize {
        self.open.as_deref().map_or(0, Open::starts)
    }
}
