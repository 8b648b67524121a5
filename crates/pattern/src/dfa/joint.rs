//! All starts in one list: for SKIP PAST LAST ROW, where a way of a later start that stands where one of an earlier start stands can be
//! forgotten, as long as the earlier start is not out of time.
//!
//! The whole partition is one search, as in the [thread engine](crate::ThreadMatcher): a way that completes cuts off everything behind it,
//! and the search for the next match goes on there at once. What remains of a row is the number of its transition; when a match is final
//! its labels are read off the transitions, last row first.

use std::collections::VecDeque;

use smallvec::SmallVec;

use super::cache::{Cache, FIRST, IDLE, NEW_GROUP, Node, Step};
use super::label::{Ending, ending_by, found};
use super::starts::Starts;
use super::{Halt, Report, Rows};
use crate::{Letter, Match, MatchError, SearchOptions, Status, SymbolSet};

/// After so many rows without an open start the next row that may start is looked for without the automaton.
const IDLE_ROWS_MAX: u32 = 4;

/// How many rows are taken between two looks at what need not be looked at for every row.
const GLIDE_ROWS_MAX: usize = 1024;

/// Why a glide ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stop {
    /// All rows have been taken.
    Done,
    /// A match may have come about or become final by the last row taken.
    Event,
    /// Nothing has been open for a while.
    Idle,
    /// It is not known what the next row does.
    Unknown,
}

/// What is open in one partition: some start may still lead to a match.
#[derive(Clone, Debug, Default)]
pub(super) struct Joint {
    state: Node,
    /// How many rows there have been.
    rows: u64,
    /// Begins with the transition over each of the last rows, at least over those since the first open start; the rest is room.
    trace: SmallVec<[u32; 16]>,
    /// How many transitions it has.
    len: usize,
    /// The times of the same rows; only with WITHIN.
    times: Vec<i64>,
    /// How many of the transitions `starts` has followed; without any, nothing was open before them.
    followed: usize,
    /// Where the groups of the list start, which is the order of preference.
    starts: Starts,
    /// What starts have come to so far, in order of start. It is final when no start before it, nor itself, is open.
    outcomes: VecDeque<Outcome>,
}

/// A match, unless its start or one before it comes to another.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    start: u64,
    /// The row behind its last. By which way it ends stands in the transition over that one.
    end: u64,
}

impl Joint {
    /// The first row that a match may still refer to.
    pub(super) fn first_start(&self) -> Option<u64> {
        self.starts.first()
    }

    /// How many such rows are told apart.
    pub(super) fn starts(&self) -> usize {
        self.starts.len()
    }

    /// Where searches stand when nothing is open.
    pub(super) fn begin(&mut self, row: u64) {
        self.state = if row == 0 { FIRST } else { IDLE };
        self.rows = row;
    }

    /// Forgets everything, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.restart();
        self.starts.clear();
        self.outcomes.clear();
    }

    /// How much memory would be kept for reuse.
    pub(super) fn capacity(&self) -> usize {
        self.trace.capacity()
    }

    /// The letters since the first open start, each with its time if there is WITHIN.
    pub(super) fn letters(&self, cache: &Cache) -> Vec<(Letter, SymbolSet, i64)> {
        let skip = self.first_start().map_or(0, |start| self.index_of(start));
        let times = self.times.iter().copied().chain(std::iter::repeat(0));
        let letter = |(id, time): (&u32, i64)| {
            let transition = cache.transition(*id);
            (transition.letter, transition.poison, time)
        };
        self.trace[..self.len].iter().zip(times).skip(skip).map(letter).collect()
    }

    /// When the first open start is out of time.
    #[inline]
    pub(super) fn first_deadline(&self, options: &SearchOptions) -> Option<i64> {
        let within = options.within?;
        let start = self.first_start()?;
        Some(within.deadline(self.times.get(self.index_of(start)).copied()?))
    }

    /// Takes rows. Returns how many it took, and why no more.
    pub(super) fn push(
        &mut self,
        cache: &mut Cache,
        rows: Rows<'_>,
        report: &mut Report<'_>,
    ) -> Result<(usize, Halt), MatchError> {
        let mut index = 0;
        while index < rows.letters.len() {
            let (taken, stop) = self.glide(cache, self.ahead(rows, index, report.options));
            index += taken;
            match stop {
                Stop::Done => {}
                Stop::Event => self.turn(cache, report)?,
                Stop::Idle => {
                    let entry = cache.entry(false);
                    let idle = if entry.empty { 0 } else { rows.next_of(entry.symbols, index) - index };
                    self.rows += idle as u64;
                    index += idle;
                }
                Stop::Unknown => {
                    let halt = self.take(cache, rows.behind(index), report)?;
                    if halt != Halt::Done {
                        return Ok((index, halt));
                    }
                    index += 1;
                }
            }
        }
        Ok((index, Halt::Done))
    }

    /// The rows from `index` on to which time does not matter, and not too many of them.
    fn ahead<'a>(&self, rows: Rows<'a>, index: usize, options: &SearchOptions) -> Rows<'a> {
        let mut end = rows.letters.len().min(index + GLIDE_ROWS_MAX);
        if let Some(within) = options.within {
            let deadline = self.first_deadline(options).unwrap_or_else(|| within.deadline(rows.time_at(index)));
            if within.is_late(rows.time_at(end - 1), deadline) {
                end = index + rows.times[index..end].partition_point(|time| !within.is_late(*time, deadline));
            }
        }
        let times = if options.within.is_some() { rows.times } else { &[] };
        Rows { times, ..rows }.between(index, end)
    }

    /// Takes rows as long as the automaton knows them and no match comes about or becomes final. The loop that everything is made for.
    fn glide(&mut self, cache: &Cache, rows: Rows<'_>) -> (usize, Stop) {
        if rows.letters.is_empty() || !rows.poison.is_empty() {
            return (0, Stop::Unknown);
        }
        let mut events = if self.outcomes.is_empty() { Step::COMPLETES } else { Step::COMPLETES | Step::GOES };
        let mut completed = 0;
        let (mut state, mut len, mut followed) = (self.state, self.len, self.followed);
        let (mut taken, mut idle_rows, mut happened, mut stop) = (0, 0, 0, Stop::Done);
        self.reserve(rows.letters.len());
        let trace = &mut self.trace[..];
        for letter in rows.letters {
            let Some(step) = cache.known(state, *letter) else {
                stop = Stop::Unknown;
                break;
            };
            trace[len] = step.transition;
            len += 1;
            taken += 1;
            state = step.next();
            happened |= step.events();
            if step.does(Step::REPEATS) {
                completed = len;
                events |= Step::GOES;
            }
            if step.does(events) {
                stop = Stop::Event;
                break;
            }
            let is_idle = state == IDLE;
            (len, followed) = if is_idle { (0, 0) } else { (len, followed) };
            idle_rows = if is_idle { idle_rows + 1 } else { 0 };
            if idle_rows > IDLE_ROWS_MAX {
                stop = Stop::Idle;
                break;
            }
        }
        (self.state, self.len, self.followed) = (state, len, followed);
        self.rows += taken as u64;
        cache.count(taken);
        if !rows.times.is_empty() {
            self.times.extend_from_slice(&rows.times[..taken]);
            self.times.drain(..self.times.len() - len);
        }
        let before_event = len - usize::from(stop == Stop::Event);
        if happened & Step::MOVES == 0 && followed > 0 {
            self.followed = before_event;
        }
        self.follow(cache, before_event);
        if completed > 0
            && let Some(start) = self.first_start()
        {
            self.outcomes.clear();
            self.outcomes.push_back(Outcome { start, end: self.rows - (len - completed) as u64 });
        }
        if stop != Stop::Event {
            self.forget();
        }
        (taken, stop)
    }

    /// Takes the first of `rows`, whatever it does, unless it is late or there is no room.
    fn take(&mut self, cache: &mut Cache, rows: Rows<'_>, report: &mut Report<'_>) -> Result<Halt, MatchError> {
        let time = rows.time_at(0);
        if let (Some(within), Some(deadline)) = (report.options.within, self.first_deadline(report.options))
            && within.is_late(time, deadline)
        {
            return Ok(Halt::Late);
        }
        let Some(step) = cache.step(self.state, rows.letters[0], rows.poison_at(0)) else { return Ok(Halt::NoRoom) };
        self.reserve(1);
        self.trace[self.len] = step.transition;
        self.len += 1;
        if report.options.within.is_some() {
            self.times.push(time);
        }
        self.state = step.next();
        self.rows += 1;
        self.turn(cache, report)?;
        Ok(Halt::Done)
    }

    /// Nothing is open: the trace begins anew.
    fn restart(&mut self) {
        self.times.clear();
        (self.len, self.followed) = (0, 0);
    }

    /// Brings `starts` up to the first `len` transitions.
    #[inline]
    fn follow(&mut self, cache: &Cache, len: usize) {
        if self.followed == 0 {
            self.starts.clear();
        }
        let behind = (self.len - self.followed) as u64;
        self.starts.follow(cache, &self.trace[self.followed..len], self.rows - behind);
        self.followed = len;
    }

    fn reserve(&mut self, count: usize) {
        if self.trace.len() < self.len + count {
            self.trace.resize((self.len + count).max(self.trace.len() * 2), 0);
        }
    }

    /// What the last transition does where a match may come about or become final.
    fn turn(&mut self, cache: &Cache, report: &mut Report<'_>) -> Result<(), MatchError> {
        let row = self.rows - 1;
        let accepted = self.trace[..self.len].last().and_then(|id| cache.transition(*id).accepted);
        let completed = accepted.map(|accepted| {
            let start = if accepted.group == NEW_GROUP { row } else { self.starts.get(accepted.group as usize) };
            (Outcome { start, end: accepted.end(row) }, ending_by(accepted))
        });
        self.follow(cache, self.len);
        match completed {
            // The usual case: nothing stands before it, and it does not go on.
            Some((outcome, ending)) if self.outcomes.is_empty() && self.is_final(outcome) => {
                self.put(cache, outcome, ending, report)?;
            }
            Some((outcome, _)) => self.complete(outcome),
            None => {}
        }
        self.emit(cache, report)?;
        if self.state == IDLE {
            self.restart();
        }
        Ok(())
    }

    /// A start completes, for now: what it came to before is void, and what stands behind it.
    fn complete(&mut self, outcome: Outcome) {
        self.void(outcome.start);
        self.outcomes.push_back(outcome);
    }

    /// What starts from `start` on have come to counts no more.
    fn void(&mut self, start: u64) {
        while self.outcomes.back().is_some_and(|outcome| outcome.start >= start) {
            self.outcomes.pop_back();
        }
    }

    fn is_final(&self, outcome: Outcome) -> bool {
        self.first_start().is_none_or(|open| outcome.start < open)
    }

    /// Reports what nothing stands before.
    fn emit(&mut self, cache: &Cache, report: &mut Report<'_>) -> Result<(), MatchError> {
        while let Some(outcome) = self.outcomes.front().copied().filter(|outcome| self.is_final(*outcome)) {
            self.outcomes.pop_front();
            let last = outcome.end.checked_sub(1).filter(|last| *last >= outcome.start);
            let ending = match last.map(|last| cache.transition(self.trace[self.index_of(last)]).accepted) {
                Some(Some(accepted)) => ending_by(accepted),
                _ => Ending::Nothing,
            };
            self.put(cache, outcome, ending, report)?;
        }
        Ok(())
    }

    /// Drops the transitions before the first open start, if they are many.
    fn forget(&mut self) {
        let surplus = self.first_start().map_or(0, |start| self.index_of(start));
        if surplus > 64 && surplus > self.len / 2 {
            self.trace.copy_within(surplus..self.len, 0);
            self.len -= surplus;
            self.times.drain(..surplus.min(self.times.len()));
            self.followed -= surplus;
        }
    }

    /// The partition has ended.
    pub(super) fn finish(&mut self, cache: &mut Cache, report: &mut Report<'_>) -> Result<(), MatchError> {
        let by_thread = cache.at_end(self.state).map(|(group, thread)| (self.starts.get(group), thread));
        if let Some((start, _)) = by_thread {
            self.void(start);
        }
        self.starts.clear();
        self.emit(cache, report)?;
        if let Some((start, thread)) = by_thread {
            self.put(cache, Outcome { start, end: self.rows }, Ending::Thread(thread), report)?;
        }
        self.clear();
        Ok(())
    }

    fn put(&self, cache: &Cache, outcome: Outcome, ending: Ending, report: &mut Report<'_>) -> Result<(), MatchError> {
        let Outcome { start, end } = outcome;
        if let Ending::Poisoned(symbol) = ending {
            return Err(MatchError::Poisoned { symbol, row: end - 1 });
        }
        let trace = &self.trace[self.index_of(start)..self.index_of(end)];
        let (symbols, excluded) = found(cache, trace, ending);
        let (number, status) = (report.number(), Status::Complete);
        report.put(Match { number, start, symbols, excluded, status, deadline: None, skip_failed: false });
        Ok(())
    }

    /// Where in `trace` a row's transition stands.
    #[inline]
    fn index_of(&self, row: u64) -> usize {
        self.len - (self.rows - row) as usize
    }
}
