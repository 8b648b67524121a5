//! The moves of the engine: over a row, over a deadline, over the end; and what is final after each.

use super::closure::{AtEnd, BEHIND_A_ROW, Spot, Thread};
use super::history::ROOT;
use super::open::{Group, Open, Outcome, Row};
use super::{Entry, Scratch, ThreadMatcher, ThreadRuns};
use crate::program::NOT_FRESH;
use crate::resume::resume;
use crate::{Edge, Match, MatchError, Skip, State, Status, Timeouts};

/// Whether the search went back to look at rows again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    On,
    Back,
}

/// How the ways of one group fared at a row.
enum Fate {
    /// None of them is complete.
    Undecided,
    /// One is: the less preferred ones are gone.
    Decided(Outcome),
}

impl ThreadMatcher {
    /// Takes every step that is due, those over rows that SKIP TO wants looked at again included.
    pub(super) fn settle(
        &self,
        runs: &mut ThreadRuns,
        scratch: &mut Scratch,
        out: &mut Vec<Match>,
    ) -> Result<(), MatchError> {
        loop {
            while runs.position < runs.rows_seen {
                let Some(open) = runs.open.as_deref_mut() else { break };
                let first = runs.rows_seen - open.rows.len() as u64;
                let Some(row) = open.rows.get((runs.position - first) as usize).copied() else { break };
                self.step(runs, scratch, row, out)?;
            }
            if self.retire_by_time(runs, out)? == Moved::Back {
                continue;
            }
            if runs.ended && self.end(runs, scratch, out)? == Moved::Back {
                continue;
            }
            break;
        }
        let needed = runs.rows_seen - runs.first_needed_row();
        if let Some(open) = runs.open.as_deref_mut() {
            let surplus = open.rows.len().saturating_sub(needed as usize);
            open.rows.drain(..surplus);
        }
        scratch.close_if_idle(runs);
        Ok(())
    }

    /// Moves over the row at `runs.position`.
    pub(super) fn step(
        &self,
        runs: &mut ThreadRuns,
        scratch: &mut Scratch,
        row: Row,
        out: &mut Vec<Match>,
    ) -> Result<Moved, MatchError> {
        if let Some(open) = runs.open.as_deref_mut() {
            let late = self.options.within.is_some_and(|within| {
                open.groups.first().and_then(|group| group.deadline).is_some_and(|it| within.is_late(row.time, it))
            });
            if late || self.has_end_anchor {
                let is_late = |deadline| self.options.within.is_some_and(|within| within.is_late(row.time, deadline));
                if self.retire(open, &mut runs.next_start, runs.position, true, is_late)
                    && self.emit(runs, out)? == Moved::Back
                {
                    return Ok(Moved::Back);
                }
            }
        }
        self.consume(runs, scratch, row)?;
        runs.position += 1;
        let moved = self.emit(runs, out)?;
        if let Some(open) = runs.open.as_deref_mut()
            && open.history.wants_collection()
        {
            open.collect(&mut scratch.collect);
        }
        Ok(moved)
    }

    fn retire_by_time(&self, runs: &mut ThreadRuns, out: &mut Vec<Match>) -> Result<Moved, MatchError> {
        let reached = runs.reached;
        let Some(open) = runs.open.as_deref_mut() else { return Ok(Moved::On) };
        if open.groups.first().and_then(|group| group.deadline).is_some_and(|deadline| reached >= deadline)
            && self.retire(open, &mut runs.next_start, runs.position, false, |deadline| reached >= deadline)
        {
            return self.emit(runs, out);
        }
        Ok(Moved::On)
    }

    /// Ends the threads whose time is over, and, if a row has come, those that wait for the end. Says whether any ended.
    fn retire(
        &self,
        open: &mut Open,
        next_start: &mut u64,
        position: u64,
        row_has_come: bool,
        is_late: impl Fn(i64) -> bool,
    ) -> bool {
        let before = open.threads.len();
        let (mut read, mut write) = (0, 0);
        for index in 0..open.groups.len() {
            let group = &mut open.groups[index];
            let late = group.deadline.is_some_and(&is_late);
            let mut ran_out = None;
            for at in std::mem::replace(&mut read, group.end)..group.end {
                let thread = open.threads[at];
                let waits_for_end = matches!(self.program.state(thread.state), State::Anchor { .. });
                if waits_for_end && row_has_come {
                    continue;
                }
                if !waits_for_end && late {
                    ran_out = ran_out.or(Some(thread.node));
                    continue;
                }
                open.threads[write] = thread;
                write += 1;
            }
            group.end = write;
            if self.options.timeouts != Timeouts::Hide && group.outcome.is_none() && ran_out.is_some() {
                group.timed_out = ran_out;
                // The start is decided as far as its rows go, so the starts behind it are void.
                if self.options.skip != Skip::ToNextRow {
                    open.groups.truncate(index + 1);
                    *next_start = if self.options.skip == Skip::PastLastRow { position } else { u64::MAX };
                    break;
                }
            }
        }
        open.threads.truncate(write);
        open.threads.len() < before
    }

    /// Lets every thread take the row, and starts a new search at it.
    fn consume(&self, runs: &mut ThreadRuns, scratch: &mut Scratch, row: Row) -> Result<(), MatchError> {
        let position = runs.position;
        let entry = if position == 0 { &self.first_entry } else { &self.entry };
        let starts = runs.next_start <= position;
        if runs.open.is_none() && !(starts && (entry.empty || entry.is_tested(row.tested()))) {
            return Ok(());
        }
        scratch.open(runs);
        let Some(open) = runs.open.as_deref_mut() else { return Ok(()) };
        let mut next = std::mem::take(&mut scratch.threads);
        next.clear();
        scratch.closure.next_generation();
        let (mut read, mut write) = (0, 0);
        let mut cut = None;
        for index in 0..open.groups.len() {
            let mut group = open.groups[index];
            let range = std::mem::replace(&mut read, group.end)..group.end;
            if self.starts_differ {
                scratch.closure.next_generation();
            }
            let fate = self.consume_group(open, scratch, range, row, position, &mut next)?;
            let held = next.len() > if write == 0 { 0 } else { open.groups[write - 1].end };
            group.end = next.len();
            if let Fate::Decided(outcome) = fate {
                group.outcome = Some(outcome);
                cut = Some(outcome);
            }
            if held || group.outcome.is_some() || group.timed_out.is_some() {
                open.groups[write] = group;
                write += 1;
            }
            if cut.is_some() && self.options.skip != Skip::ToNextRow {
                break;
            }
        }
        open.groups.truncate(write);
        if cut.is_some() && self.options.skip != Skip::ToNextRow {
            runs.next_start = self.start_behind(position + 1);
        } else if starts {
            self.begin(runs, scratch, entry, row, &mut next)?;
        }
        if let Some(open) = runs.open.as_deref_mut() {
            std::mem::swap(&mut open.threads, &mut next);
        }
        scratch.threads = next;
        Ok(())
    }

    /// Where searches start behind a tentative match that ends before `row`: not before it is final if it must be known first.
    fn start_behind(&self, row: u64) -> u64 {
        if matches!(self.options.skip, Skip::ToFirst(_) | Skip::ToLast(_)) { u64::MAX } else { row }
    }

    #[inline]
    fn consume_group(
        &self,
        open: &mut Open,
        scratch: &mut Scratch,
        range: std::ops::Range<usize>,
        row: Row,
        position: u64,
        next: &mut Vec<Thread>,
    ) -> Result<Fate, MatchError> {
        for at in range {
            let thread = open.threads[at];
            let fate = self.consume_thread(open, scratch, thread, row, position, next)?;
            if let Fate::Decided(_) = fate {
                return Ok(fate);
            }
        }
        Ok(Fate::Undecided)
    }

    #[inline]
    fn consume_thread(
        &self,
        open: &mut Open,
        scratch: &mut Scratch,
        thread: Thread,
        row: Row,
        position: u64,
        threads: &mut Vec<Thread>,
    ) -> Result<Fate, MatchError> {
        let State::Row { symbol, excluded, next } = self.program.state(thread.state) else {
            return Ok(Fate::Undecided);
        };
        if row.poison.contains(*symbol) {
            return Ok(Fate::Decided(Outcome::Poisoned { symbol: *symbol, row: position }));
        }
        if !row.letter.contains(*symbol) || scratch.closure.has_met(*next) {
            return Ok(Fate::Undecided);
        }
        let node = open.history.push(thread.node, *symbol, *excluded).ok_or(MatchError::TooLong)?;
        let complete = scratch.closure.take(&self.program, *next, NOT_FRESH, node, BEHIND_A_ROW, threads);
        Ok(if complete { Fate::Decided(Outcome::Complete(node)) } else { Fate::Undecided })
    }

    /// Starts a search at the row.
    fn begin(
        &self,
        runs: &mut ThreadRuns,
        scratch: &mut Scratch,
        entry: &Entry,
        row: Row,
        next: &mut Vec<Thread>,
    ) -> Result<(), MatchError> {
        let position = runs.position;
        let Some(open) = runs.open.as_deref_mut() else { return Ok(()) };
        if self.starts_differ {
            scratch.closure.next_generation();
        }
        let before = next.len();
        let mut outcome = None;
        if entry.is_tested(row.tested()) {
            for state in &entry.states {
                let thread = Thread { state: *state, fresh: NOT_FRESH, node: ROOT };
                if let Fate::Decided(decided) = self.consume_thread(open, scratch, thread, row, position, next)? {
                    outcome = Some(decided);
                    break;
                }
            }
        }
        let mut resume_at = position + 1;
        if outcome.is_some() {
            resume_at = self.start_behind(resume_at);
        } else if entry.empty {
            outcome = Some(Outcome::Complete(ROOT));
            resume_at = self.start_behind(resume_at);
        }
        runs.next_start = resume_at;
        if next.len() > before || outcome.is_some() {
            let deadline = self.options.within.map(|within| within.deadline(row.time));
            open.groups.push(Group { start: position, deadline, end: next.len(), outcome, timed_out: None });
        }
        Ok(())
    }

    /// Moves over the end of the partition.
    fn end(&self, runs: &mut ThreadRuns, scratch: &mut Scratch, out: &mut Vec<Match>) -> Result<Moved, MatchError> {
        let Some(open) = runs.open.as_deref_mut() else { return Ok(Moved::On) };
        let mut dropped = std::mem::take(&mut scratch.threads);
        scratch.closure.next_generation();
        let spot = Spot { first_row: false, end: AtEnd::Pass };
        let mut read = 0;
        for index in 0..open.groups.len() {
            let group = &mut open.groups[index];
            if self.starts_differ {
                scratch.closure.next_generation();
            }
            let mut decided = false;
            for at in std::mem::replace(&mut read, group.end)..group.end {
                let Thread { state, fresh, node } = open.threads[at];
                if let State::Anchor { edge: Edge::End, next } = self.program.state(state) {
                    if scratch.closure.take(&self.program, *next, fresh, node, spot, &mut dropped) {
                        group.outcome = Some(Outcome::Complete(node));
                        decided = true;
                        break;
                    }
                } else if group.deadline.is_some() && self.options.timeouts != Timeouts::Hide {
                    group.timed_out = group.timed_out.or(Some(node));
                    decided |= group.outcome.is_none();
                }
            }
            group.end = 0;
            // What stands behind an older outcome was found under it.
            if decided && self.options.skip != Skip::ToNextRow {
                open.groups.truncate(index + 1);
                break;
            }
        }
        open.threads.clear();
        scratch.threads = dropped;
        self.emit(runs, out)
    }

    /// Takes out the foremost groups as long as they are final.
    fn emit(&self, runs: &mut ThreadRuns, out: &mut Vec<Match>) -> Result<Moved, MatchError> {
        let mut settled = 0;
        loop {
            let Some(open) = runs.open.as_deref_mut() else { return Ok(Moved::On) };
            let Some(group) = open.groups.get(settled).copied().filter(|group| group.end == 0) else {
                open.groups.drain(..settled);
                return Ok(Moved::On);
            };
            settled += 1;
            let (status, node) = match (group.outcome, group.timed_out) {
                (Some(Outcome::Poisoned { symbol, row }), _) => return Err(MatchError::Poisoned { symbol, row }),
                (Some(Outcome::Complete(node)), _) => (Status::Complete, node),
                (None, Some(node)) => (Status::Timeout, node),
                (None, None) => continue,
            };
            let (symbols, excluded) = open.history.labels(node);
            runs.matches += 1;
            let mut found = Match {
                number: runs.matches,
                start: group.start,
                symbols,
                excluded,
                status,
                deadline: if status == Status::Timeout { group.deadline } else { None },
                skip_failed: false,
            };
            let next_start = resume(&mut found, &self.options)?;
            if self.options.timeouts != Timeouts::Only || status == Status::Timeout {
                out.push(found);
            }
            if matches!(self.options.skip, Skip::ToFirst(_) | Skip::ToLast(_)) {
                // Nothing stands behind a tentative match here: the rows from there on are looked at again.
                open.groups.clear();
                open.threads.clear();
                open.history.clear();
                runs.next_start = next_start;
                runs.position = next_start;
                return Ok(Moved::Back);
            }
        }
    }
}
