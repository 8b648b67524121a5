//! What starts have come to: the first is decided when it is final, reported if it is a match, and says where the next may start.

use std::collections::HashMap;

use super::{Apart, Class, EMPTY, Known, NONE, Start};
use crate::dfa::Report;
use crate::dfa::cache::{Cache, FIRST, IDLE};
use crate::dfa::label::{Ending, ending_by, found};
use crate::dfa::lists::Lists;
use crate::matched::Excluded;
use crate::resume::resume;
use crate::{Labels, Match, MatchError, Status, Timeouts};

/// What the first start has come to.
struct Decided {
    outcome: u64,
    /// The thread with which its preferred way ran out of time or reached the end.
    by_thread: Option<u32>,
    status: Status,
}

impl Apart {
    /// Reports what is final, in order; `is_late` says which deadlines have passed.
    pub(super) fn settle(
        &mut self,
        cache: &mut Cache,
        rows_seen: u64,
        report: &mut Report<'_>,
        is_late: impl Fn(i64) -> bool,
    ) -> Result<(), MatchError> {
        self.turned = false;
        loop {
            while self.starts.front().is_some_and(|start| start.row < self.next_start) {
                self.leave();
            }
            let Some(first) = self.starts.front().copied() else { return Ok(()) };
            let set = self.set_of(self.left);
            let Some(known) = self.start(set).copied() else { return Ok(()) };
            if known.resolved && known.outcome == NONE {
                self.leave();
                continue;
            }
            let mut decided = Decided { outcome: known.outcome, by_thread: None, status: Status::Complete };
            if !known.resolved {
                let deadline = report.options.within.map(|within| within.deadline(first.time));
                if !deadline.is_some_and(&is_late) {
                    return Ok(());
                }
                if known.outcome == NONE && report.options.timeouts != Timeouts::Hide {
                    decided.by_thread = self.class_of(set).and_then(|class| cache.waiting(class.state));
                    decided.status = Status::Timeout;
                }
            }
            self.decide(cache, first, &decided, rows_seen, report)?;
        }
    }

    /// The partition has ended.
    pub(in crate::dfa) fn finish(
        &mut self,
        cache: &mut Cache,
        lists: &Lists,
        rows_seen: u64,
        report: &mut Report<'_>,
    ) -> Result<(), MatchError> {
        debug_assert!(!matches!(self.known, Known::Nothing), "spread_alone comes first");
        self.spread(lists);
        let shows_timeouts = report.options.within.is_some() && report.options.timeouts != Timeouts::Hide;
        // The sets of starts that end by a thread: with `$`, or out of time.
        let mut by_thread: HashMap<u64, (u32, Status)> = HashMap::new();
        for index in 0..self.classes.len() {
            let state = self.classes[index].state;
            let passes = cache.at_end(state).map(|(_, thread)| thread);
            if passes.is_some() {
                self.complete(index, rows_seen);
            }
            let class = &self.classes[index];
            if let Some(thread) = passes {
                by_thread.extend(class.sets.first().map(|set| (*set, (thread, Status::Complete))));
            } else if shows_timeouts && let Some(thread) = cache.waiting(state) {
                let without = class.sets.first().filter(|set| self.start(**set).is_some_and(|it| it.outcome == NONE));
                by_thread.extend(without.map(|set| (*set, (thread, Status::Timeout))));
            }
        }
        loop {
            while self.starts.front().is_some_and(|start| start.row < self.next_start) {
                self.leave();
            }
            let Some(first) = self.starts.front().copied() else { break };
            let set = self.set_of(self.left);
            let outcome = self.start(set).map_or(NONE, |start| start.outcome);
            let decided = match by_thread.get(&set) {
                Some((thread, status)) => Decided { outcome, by_thread: Some(*thread), status: *status },
                None => Decided { outcome, by_thread: None, status: Status::Complete },
            };
            self.decide(cache, first, &decided, rows_seen, report)?;
        }
        self.clear();
        Ok(())
    }

    /// Event time has reached `time`.
    pub(in crate::dfa) fn expire(
        &mut self,
        cache: &mut Cache,
        rows_seen: u64,
        time: i64,
        report: &mut Report<'_>,
    ) -> Result<(), MatchError> {
        self.settle(cache, rows_seen, report, |deadline| time >= deadline)?;
        self.forget(rows_seen);
        Ok(())
    }

    /// Reports what the first start has come to, if it is a match, and lets it leave.
    fn decide(
        &mut self,
        cache: &mut Cache,
        first: Start,
        decided: &Decided,
        rows_seen: u64,
        report: &mut Report<'_>,
    ) -> Result<(), MatchError> {
        let Start { row: start, time, .. } = first;
        let (symbols, excluded) = match (decided.by_thread, decided.outcome) {
            (Some(thread), _) => {
                self.trace(cache, start, rows_seen)?;
                found(cache, &self.trace, Ending::Thread(thread))
            }
            (None, NONE) => {
                self.leave();
                return Ok(());
            }
            (None, EMPTY) => found(cache, &[], Ending::Nothing),
            (None, end) => {
                self.trace(cache, start, end)?;
                let accepted = self.trace.last().and_then(|id| cache.transition(*id).accepted);
                let ending = accepted.map_or(Ending::Nothing, ending_by);
                if let Ending::Poisoned(symbol) = ending {
                    return Err(MatchError::Poisoned { symbol, row: end - 1 });
                }
                found(cache, &self.trace, ending)
            }
        };
        let within = report.options.within.filter(|_| decided.status == Status::Timeout);
        let deadline = within.map(|within| within.deadline(time));
        self.announce(start, (symbols, excluded), decided.status, deadline, report)?;
        self.leave();
        Ok(())
    }

    /// Reports a match.
    pub(super) fn announce(
        &mut self,
        start: u64,
        (symbols, excluded): (Labels, Excluded),
        status: Status,
        deadline: Option<i64>,
        report: &mut Report<'_>,
    ) -> Result<(), MatchError> {
        let number = report.number();
        let mut found = Match { number, start, symbols, excluded, status, deadline, skip_failed: false };
        self.next_start = resume(&mut found, report.options)?;
        report.put(found);
        Ok(())
    }

    /// The transitions over the rows of a match.
    fn trace(&mut self, cache: &mut Cache, start: u64, end: u64) -> Result<(), MatchError> {
        let mut state = if start == 0 { FIRST } else { IDLE };
        let letters = &self.letters[(start - self.base) as usize..(end - self.base) as usize];
        self.trace.clear();
        self.trace.resize(letters.len(), 0);
        let mut known = 0;
        if self.poison.is_empty() {
            for (letter, id) in letters.iter().zip(&mut self.trace) {
                let Some(step) = cache.known(state, *letter) else { break };
                (*id, state) = (step.transition, step.next());
                known += 1;
            }
        }
        for (index, letter) in letters.iter().enumerate().skip(known) {
            // It has been here before, so there is no question of room.
            let step = cache.step(state, *letter, self.poison_at(start + index as u64));
            let step = step.ok_or(MatchError::TooLong)?;
            (self.trace[index], state) = (step.transition, step.next());
        }
        cache.count(self.trace.len());
        Ok(())
    }

    /// The class of a set without outcome.
    fn class_of(&self, set: u64) -> Option<&Class> {
        self.classes.iter().find(|class| class.sets.first() == Some(&set))
    }
}
