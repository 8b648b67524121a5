//! Short matches: one start after another, each as far as its ways go. Where no match has more than a few rows, that takes fewer steps, and
//! simpler ones, than to take all open starts through each row, and when a match is final its transitions are at hand.

use super::{Apart, Known, NONE, Start};
use crate::dfa::cache::{Cache, DEAD, FIRST, IDLE, SHORT_ROWS_MAX, Step};
use crate::dfa::label::{Ending, ending_by, found};
use crate::dfa::{Halt, Report, Rows};
use crate::{Letter, MatchError, Status, SymbolSet};

/// How far it went.
enum Ran {
    /// All starts in question are decided; the next is at this index.
    Through(usize),
    /// There are not enough rows to decide the start at this index.
    Open(usize),
    /// The automaton has no room for what the letter `at` does to the start `start`.
    NoRoom { start: usize, at: usize },
}

impl Apart {
    /// Takes rows start by start, if that is possible. Returns how many it took, and why no more.
    pub(super) fn push_alone(
        &mut self,
        cache: &mut Cache,
        rows: Rows<'_>,
        first: u64,
        report: &mut Report<'_>,
    ) -> Result<Option<(usize, Halt)>, MatchError> {
        let is_open = matches!(self.known, Known::Nothing);
        let is_free = is_open || self.starts.is_empty();
        if !is_free || !cache.is_short() || report.options.within.is_some() || !rows.poison.is_empty() {
            return Ok(None);
        }
        let count = rows.letters.len();
        let mut letters = std::mem::take(&mut self.letters);
        let mut start = 0;
        if is_open {
            // The open start, and those behind it among the rows kept, with as many new rows as they can need.
            let (base, kept) = (self.base, letters.len());
            letters.extend_from_slice(&rows.letters[..count.min(SHORT_ROWS_MAX)]);
            match self.run(cache, &letters, base, 0..kept, report)? {
                Ran::Through(next) => start = next - kept,
                Ran::Open(open) => {
                    letters.drain(..open);
                    self.keep(letters, base + open as u64);
                    return Ok(Some((count, Halt::Done)));
                }
                Ran::NoRoom { start, at } => {
                    let at = at.max(kept);
                    letters.truncate(at);
                    letters.drain(..start);
                    self.keep(letters, base + start as u64);
                    return Ok(Some((at - kept, Halt::NoRoom)));
                }
            }
        }
        letters.clear();
        let (start, taken, halt) = match self.run(cache, rows.letters, first, start..count, report)? {
            Ran::Through(_) => (count, count, Halt::Done),
            Ran::Open(start) => (start, count, Halt::Done),
            Ran::NoRoom { start, at } => (start, at, Halt::NoRoom),
        };
        letters.extend_from_slice(&rows.letters[start..taken]);
        self.keep(letters, first + start as u64);
        Ok(Some((taken, halt)))
    }

    /// What is left of the rows begins with an open start, if there is any.
    fn keep(&mut self, letters: Vec<Letter>, row: u64) {
        self.starts.clear();
        (self.base, self.known) = (row, Known::Classes);
        if !letters.is_empty() {
            self.known = Known::Nothing;
            self.starts.push_back(Start { row, time: 0, towards: 0, resolved: false, outcome: NONE });
        }
        self.letters = letters;
    }

    /// From here on all starts at once. Says whether the automaton had room.
    pub(in crate::dfa) fn spread_alone(&mut self, cache: &mut Cache) -> bool {
        if !matches!(self.known, Known::Nothing) {
            return true;
        }
        self.known = Known::Classes;
        let (letters, base) = (std::mem::take(&mut self.letters), self.base);
        self.starts.clear();
        for (row, letter) in (base..).zip(&letters) {
            if !self.step(cache, row, *letter, SymbolSet::EMPTY, 0) {
                self.classes.clear();
                self.keep(letters, base);
                return false;
            }
        }
        true
    }

    /// Decides the starts in a range of `letters`, the first of which is that of row `first`.
    fn run(
        &mut self,
        cache: &mut Cache,
        letters: &[Letter],
        first: u64,
        starts: std::ops::Range<usize>,
        report: &mut Report<'_>,
    ) -> Result<Ran, MatchError> {
        let starters = cache.entry(false).symbols;
        let mut start = starts.start.max(self.next_start.saturating_sub(first) as usize);
        let mut trace = [0; SHORT_ROWS_MAX];
        while start < starts.end {
            let row = first + start as u64;
            if row > 0 && letters[start].intersection(starters).is_empty() {
                start += 1;
                continue;
            }
            let mut state = if row == 0 { FIRST } else { IDLE };
            let (mut len, mut completed) = (0, 0);
            for (letter, id) in letters[start..].iter().zip(&mut trace) {
                let Some(step) = cache.known(state, *letter) else { break };
                *id = step.transition;
                len += 1;
                completed = if step.does(Step::COMPLETES | Step::REPEATS) { len } else { completed };
                state = step.next();
                if state == DEAD {
                    break;
                }
            }
            cache.count(len);
            if state != DEAD {
                if len == trace.len() {
                    return Err(MatchError::TooLong);
                }
                let at = start + len;
                let Some(letter) = letters.get(at) else { return Ok(Ran::Open(start)) };
                if cache.step(state, *letter, SymbolSet::EMPTY).is_none() {
                    return Ok(Ran::NoRoom { start, at });
                }
                // Now it is known; the same start again.
                continue;
            }
            if completed == 0 {
                start += 1;
                continue;
            }
            let accepted = cache.transition(trace[completed - 1]).accepted;
            let labels = found(cache, &trace[..completed], accepted.map_or(Ending::Nothing, ending_by));
            self.announce(row, labels, Status::Complete, None, report)?;
            start = (self.next_start - first) as usize;
        }
        Ok(Ran::Through(start))
    }
}
