//! All starts in one list: for SKIP PAST LAST ROW, where a way of a later start that stands where one of an earlier start stands can be
//! forgotten, as long as the earlier start is not out of time.
//!
//! The whole partition is one search, as in the [thread engine](crate::ThreadMatcher): a way that completes cuts off everything behind it,
//! and the search for the next match goes on there at once. What remains of a row is the number of its transition; when a match is final
//! its labels are read off the transitions, last row first.

use std::collections::VecDeque;

use super::cache::{Cache, FIRST, IDLE, NEW_GROUP, Node};
use super::label::{Ending, Tail, found, tail_of};
use super::{Halt, Report, Rows};
use crate::{Letter, Match, MatchError, SearchOptions, Status, SymbolSet};

/// What is open in one partition: some start may still lead to a match.
#[derive(Clone, Debug, Default)]
pub(super) struct Joint {
    state: Node,
    /// The row of the first transition in `trace`.
    base: u64,
    /// The transition over each row since the first open start.
    trace: Vec<u32>,
    /// The times of the same rows; only with WITHIN.
    times: Vec<i64>,
    /// The groups of the list, in order of start, which is the order of preference.
    groups: Vec<Group>,
    /// Matches that are final once the groups that start before them are gone, in order of start.
    settled: VecDeque<Settled>,
}

/// The ways that start at one row.
#[derive(Clone, Copy, Debug)]
struct Group {
    start: u64,
    /// What it comes to if its ways fail.
    outcome: Option<Tail>,
}

/// A match that waits for those before it.
#[derive(Clone, Copy, Debug)]
struct Settled {
    start: u64,
    tail: Tail,
}

impl Joint {
    /// The first row that a match may still refer to.
    pub(super) fn first_start(&self) -> Option<u64> {
        self.groups.first().map(|group| group.start)
    }

    /// Where searches stand when nothing is open.
    pub(super) fn begin(&mut self, row: u64) {
        self.state = if row == 0 { FIRST } else { IDLE };
        self.base = row;
    }

    /// Forgets everything, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.trace.clear();
        self.times.clear();
        self.groups.clear();
        self.settled.clear();
    }

    /// How much memory would be kept for reuse.
    pub(super) fn capacity(&self) -> usize {
        self.trace.capacity()
    }

    /// The letters since the first open start, each with its time if there is WITHIN.
    pub(super) fn letters(&self, cache: &Cache) -> Vec<(Letter, SymbolSet, i64)> {
        let skip = self.first_start().map_or(0, |start| (start - self.base) as usize);
        let times = self.times.iter().copied().chain(std::iter::repeat(0));
        let letter = |(id, time): (&u32, i64)| {
            let transition = cache.transition(*id);
            (transition.letter, transition.poison, time)
        };
        self.trace.iter().zip(times).skip(skip).map(letter).collect()
    }

    /// When the first open start is out of time.
    pub(super) fn first_deadline(&self, options: &SearchOptions) -> Option<i64> {
        let start = self.first_start()?;
        Some(options.within?.deadline(self.times.get((start - self.base) as usize).copied()?))
    }

    /// Takes rows, the first of which is row `first` of the partition. Returns how many it took, and why no more.
    pub(super) fn push(
        &mut self,
        cache: &mut Cache,
        rows: Rows<'_>,
        first: u64,
        report: &mut Report<'_>,
    ) -> Result<(usize, Halt), MatchError> {
        let mut index = 0;
        let count = rows.letters.len();
        let within = report.options.within;
        let mut deadline = self.first_deadline(report.options);
        let entry = cache.entry(false);
        let (starters, starts_empty) = (entry.symbols, entry.empty);
        while index < count {
            if self.state == IDLE && !starts_empty {
                index = rows.next_of(starters, index);
                self.trace.clear();
                self.times.clear();
                self.base = first + index as u64;
                if index == count {
                    break;
                }
            }
            if let (Some(within), Some(deadline)) = (within, deadline)
                && within.is_late(rows.time_at(index), deadline)
            {
                return Ok((index, Halt::Late));
            }
            let Some(step) = cache.step(self.state, rows.letters[index], rows.poison_at(index)) else {
                return Ok((index, Halt::NoRoom));
            };
            self.trace.push(step.transition);
            self.state = step.next();
            if within.is_some() {
                self.times.push(rows.time_at(index));
            }
            if step.is_eventful() {
                self.turn(cache, step.transition, first + index as u64, report)?;
                deadline = self.first_deadline(report.options);
            }
            index += 1;
        }
        Ok((count, Halt::Done))
    }

    /// What a transition does to the groups.
    fn turn(&mut self, cache: &mut Cache, id: u32, row: u64, report: &mut Report<'_>) -> Result<(), MatchError> {
        let transition = cache.transition(id);
        let mut begun = None;
        if let Some(accepted) = transition.accepted {
            let tail = tail_of(accepted, row);
            if accepted.group == NEW_GROUP {
                begun = Some(tail);
            } else {
                self.complete(accepted.group as usize, tail);
                if transition.continues.len() == self.groups.len() {
                    return Ok(());
                }
            }
        }
        let (mut continues, mut kept) = (transition.continues.iter().copied().peekable(), 0);
        for index in 0..self.groups.len() {
            let group = self.groups[index];
            if continues.next_if_eq(&(index as u32)).is_some() {
                self.groups[kept] = group;
                kept += 1;
            } else if let Some(tail) = group.outcome {
                let settled = Settled { start: group.start, tail };
                if kept == 0 && self.settled.is_empty() {
                    // Nothing stands before it.
                    self.put(cache, settled, report)?;
                } else {
                    self.settle(settled);
                }
            }
        }
        self.groups.truncate(kept);
        if continues.next() == Some(NEW_GROUP) {
            self.groups.push(Group { start: row, outcome: begun });
        } else if let Some(tail) = begun {
            self.settled.push_back(Settled { start: row, tail });
        }
        self.emit(cache, report)?;
        self.forget(row);
        Ok(())
    }

    /// A group completes, for now: what stands behind it is void.
    fn complete(&mut self, index: usize, tail: Tail) {
        self.groups.truncate(index + 1);
        if let Some(group) = self.groups.last_mut() {
            group.outcome = Some(tail);
            while self.settled.back().is_some_and(|settled| settled.start > group.start) {
                self.settled.pop_back();
            }
        }
    }

    /// A group is gone and leaves a match.
    fn settle(&mut self, settled: Settled) {
        let behind = self.settled.iter().rev().take_while(|other| other.start > settled.start).count();
        self.settled.insert(self.settled.len() - behind, settled);
    }

    /// Reports what nothing stands before.
    fn emit(&mut self, cache: &Cache, report: &mut Report<'_>) -> Result<(), MatchError> {
        let open = self.first_start().unwrap_or(u64::MAX);
        while let Some(settled) = self.settled.front().copied()
            && settled.start < open
        {
            self.settled.pop_front();
            self.put(cache, settled, report)?;
        }
        Ok(())
    }

    /// Drops the transitions before the first open start.
    fn forget(&mut self, row: u64) {
        let needed = self.first_start().unwrap_or(row + 1);
        let surplus = (needed - self.base) as usize;
        if surplus >= self.trace.len() {
            self.trace.clear();
            self.times.clear();
            self.base = needed;
        } else if surplus > 64 && surplus > self.trace.len() / 2 {
            self.trace.drain(..surplus);
            self.times.drain(..surplus.min(self.times.len()));
            self.base = needed;
        }
    }

    /// The partition has ended.
    pub(super) fn finish(
        &mut self,
        cache: &mut Cache,
        rows_seen: u64,
        report: &mut Report<'_>,
    ) -> Result<(), MatchError> {
        for (index, (passes, _)) in cache.at_end(self.state).into_iter().enumerate() {
            if let Some(thread) = passes {
                self.complete(index, Tail { end: rows_seen, ending: Ending::Thread(thread) });
                break;
            }
        }
        for group in std::mem::take(&mut self.groups) {
            if let Some(tail) = group.outcome {
                self.settle(Settled { start: group.start, tail });
            }
        }
        self.emit(cache, report)?;
        self.clear();
        Ok(())
    }

    fn put(&self, cache: &Cache, settled: Settled, report: &mut Report<'_>) -> Result<(), MatchError> {
        let Settled { start, tail } = settled;
        if let Ending::Poisoned(symbol) = tail.ending {
            return Err(MatchError::Poisoned { symbol, row: tail.end - 1 });
        }
        let trace = &self.trace[(start - self.base) as usize..(tail.end - self.base) as usize];
        let (symbols, excluded) = found(cache, trace, tail.ending);
        let (number, status) = (report.number(), Status::Complete);
        report.put(Match { number, start, symbols, excluded, status, deadline: None, skip_failed: false });
        Ok(())
    }
}
