//! A list for each start: where starts that stand in the same place still differ, in when they run out of time (WITHIN), or in that
//! each has a match of its own (SKIP TO NEXT ROW and TO a variable).
//!
//! What one start's ways do depends on the letters alone, so starts that have come to the same list go on together, as one *class*: a row
//! costs what there are distinct lists, not what there are starts. A class keeps what its starts have come to so far as sets of starts with
//! the same outcome; a set is a tree in which each start points towards the latest of its set, and everything that is known of the set stands there
//! (union by linking to the latest, with path halving). The latest leaves last, so nothing is lost when starts leave in order.
//!
//! Every row may start a match, the rows of a tentative match too: which of the starts count is decided when the first is final, by the skip.
//! Labels are not kept: once a match is final, its letters are run through the automaton once more, from its start, and then read backward.

mod alone;
mod decided;
mod listed;
mod sets;

use std::collections::VecDeque;

use smallvec::{SmallVec, smallvec};

use super::cache::{Cache, Completion, FIRST, IDLE, Node, Step};
use super::lists::{LIST_MAX, Lists, NO_CLASS};
use super::{Halt, Report, Rows};
use crate::{Letter, MatchError, SearchOptions, SymbolSet};

/// No outcome yet.
const NONE: u64 = u64::MAX;
/// The empty match.
const EMPTY: u64 = u64::MAX - 1;

/// Among so many classes, one that has come to the same list is found by looking at each; among more, by a table.
const FEW_CLASSES: usize = 8;

/// What is open in one partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Apart {
    /// Matches start at every row from this one on.
    next_start: u64,
    /// The row of the first letter.
    base: u64,
    /// The letter of each row since the first open start.
    letters: Vec<Letter>,
    /// The rows among those on which conditions could not be evaluated.
    poison: Vec<(u64, SymbolSet)>,
    /// The starts that are not decided, and those behind them, in order.
    starts: VecDeque<Start>,
    /// How many starts have left: the number of the first.
    left: u64,
    known: Known,
    /// The open starts, in order; those that have left may be among them.
    open: [u64; LIST_MAX],
    classes: Vec<Class>,
    /// Memory for one row's steps.
    steps: Vec<Step>,
    /// Memory for the transitions over a match's rows.
    trace: Vec<u32>,
    /// Whether the last row changed nothing but where the only class stands.
    calm: bool,
    /// Whether classes are too many to look at each.
    many: bool,
    /// Whether some start may have become final.
    turned: bool,
}

/// What is known of open starts, beside their letters.
#[derive(Clone, Copy, Default, Debug)]
enum Known {
    /// Which of them have the same list: that is in `classes`.
    #[default]
    Classes,
    /// In which of the [`Lists`] they stand.
    List(u32),
    /// Nothing; only the first of them is among `starts`.
    Nothing,
}

/// A row at which a match may start.
#[derive(Clone, Copy, Debug)]
struct Start {
    row: u64,
    time: i64,
    /// How many starts on the next of its set stands; 0 for the latest, where the rest counts.
    towards: u64,
    /// Whether no way is left.
    resolved: bool,
    /// [`NONE`], [`EMPTY`], or the row behind the last.
    outcome: u64,
}

/// Starts with the same list of ways.
#[derive(Clone, Debug)]
struct Class {
    state: Node,
    /// The latest of its starts: when that has left, all have.
    latest: u64,
    /// The sets of its starts, by their latest; the first is of those without outcome, if there are any.
    sets: SmallVec<[u64; 2]>,
}

impl Apart {
    /// The first row that a match may still refer to.
    pub(super) fn first_start(&self) -> Option<u64> {
        self.starts.front().map(|start| start.row)
    }

    /// How many such rows are told apart.
    pub(super) fn starts(&self) -> usize {
        self.starts.len()
    }

    /// Searches begin at `row`.
    pub(super) fn begin(&mut self, row: u64) {
        (self.next_start, self.base, self.known) = (row, row, Known::Classes);
    }

    /// Forgets everything, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.letters.clear();
        self.poison.clear();
        self.starts.clear();
        self.classes.clear();
        (self.left, self.known) = (0, Known::Classes);
    }

    /// How much memory would be kept for reuse.
    pub(super) fn capacity(&self) -> usize {
        self.letters.capacity() + self.starts.capacity()
    }

    /// The letters since the first open start, each with a time no later than its row's that is exact for starts; and where matches start.
    pub(super) fn letters(&self) -> (Vec<(Letter, SymbolSet, i64)>, u64) {
        let first = self.first_start().unwrap_or(self.base);
        let mut starts = self.starts.iter().peekable();
        let mut time = i64::MIN;
        let row = |(index, letter): (usize, &Letter)| {
            let row = first + index as u64;
            if let Some(start) = starts.next_if(|start| start.row == row) {
                time = start.time;
            }
            (*letter, self.poison_at(row), time)
        };
        let letters = self.letters[(first - self.base) as usize..].iter().enumerate().map(row).collect();
        (letters, self.next_start)
    }

    /// The first deadline.
    pub(super) fn first_deadline(&self, options: &SearchOptions) -> Option<i64> {
        Some(options.within?.deadline(self.starts.front()?.time))
    }

    /// Takes rows, as [`super::joint::Joint::push`] does.
    pub(super) fn push(
        &mut self,
        cache: &mut Cache,
        lists: &mut Lists,
        rows: Rows<'_>,
        first: u64,
        report: &mut Report<'_>,
    ) -> Result<(usize, Halt), MatchError> {
        if let Some(pushed) = self.push_alone(cache, rows, first, report)? {
            return Ok(pushed);
        }
        if !self.spread_alone(cache) {
            return Ok((0, Halt::NoRoom));
        }
        let count = rows.letters.len();
        let (starters, starts_empty) = (cache.entry(false).symbols, cache.entry(false).empty);
        let mut index = 0;
        while index < count {
            if self.starts.is_empty() && first + index as u64 > 0 && !starts_empty {
                index = rows.next_of(starters, index);
                self.base = first + index as u64;
                if index == count {
                    break;
                }
                if report.options.within.is_none() {
                    self.known = Known::List(NO_CLASS);
                }
            }
            if rows.poison.is_empty() && self.step_list(cache, lists, first + index as u64, rows.letters[index]) {
                if self.turned {
                    self.settle(cache, first + index as u64 + 1, report, |_| false)?;
                    self.forget(first + index as u64 + 1);
                }
                index += 1;
                continue;
            }
            self.spread(lists);
            if self.calm {
                index += self.glide(cache, rows.behind(index), first + index as u64, report.options);
                if index == count {
                    break;
                }
            }
            let row = first + index as u64;
            let time = rows.time_at(index);
            if let Some(within) = report.options.within
                && self.starts.front().is_some_and(|start| within.is_late(time, within.deadline(start.time)))
            {
                self.settle(cache, row, report, |deadline| within.is_late(time, deadline))?;
                self.forget(row);
                continue;
            }
            if !self.step(cache, row, rows.letters[index], rows.poison_at(index), time) {
                return Ok((index, Halt::NoRoom));
            }
            if self.turned {
                self.settle(cache, row + 1, report, |_| false)?;
                self.forget(row + 1);
            }
            index += 1;
        }
        Ok((count, Halt::Done))
    }

    /// Takes rows as long as there is one class, it goes on, and no match may start.
    fn glide(&mut self, cache: &Cache, rows: Rows<'_>, row: u64, options: &SearchOptions) -> usize {
        let entry = cache.entry(false);
        let ([class], [], false) = (&mut self.classes[..], rows.poison, entry.empty) else {
            return 0;
        };
        let deadline = options.within.zip(self.starts.front().map(|start| start.time));
        let is_late = |index: usize| {
            deadline.is_some_and(|(within, start)| within.is_late(rows.time_at(index), within.deadline(start)))
        };
        let (mut state, mut taken, mut completed) = (class.state, 0, 0);
        for letter in rows.letters {
            let starts = !letter.intersection(entry.symbols).is_empty();
            let Some(step) = cache.known(state, *letter) else { break };
            if starts || step.does(Step::COMPLETES | Step::GOES) || is_late(taken) {
                break;
            }
            state = step.next();
            taken += 1;
            completed = if step.does(Step::REPEATS) { taken } else { completed };
        }
        class.state = state;
        cache.count(taken);
        self.letters.extend_from_slice(&rows.letters[..taken]);
        if completed > 0 {
            self.complete(0, row + completed as u64);
        }
        taken
    }

    /// Lets every class take the row, and starts a match at it. Says whether the automaton had room.
    fn step(&mut self, cache: &mut Cache, row: u64, letter: Letter, poison: SymbolSet, time: i64) -> bool {
        // Nothing may change before it is sure that all can step.
        self.steps.clear();
        for class in &self.classes {
            let known = if poison.is_empty() { cache.known(class.state, letter) } else { None };
            let Some(step) = known.or_else(|| cache.step(class.state, letter, poison)) else { return false };
            self.steps.push(step);
        }
        cache.count(self.steps.len());
        let entry = cache.entry(row == 0);
        let begins =
            self.next_start <= row && (entry.empty || !letter.union(poison).intersection(entry.symbols).is_empty());
        let from = if row == 0 { FIRST } else { IDLE };
        let begun = if begins { cache.step(from, letter, poison) } else { None };
        if begins && begun.is_none() {
            return false;
        }
        self.many = self.classes.len() > FEW_CLASSES;
        if self.many {
            cache.next_row();
        }
        self.calm = begun.is_none() && matches!(self.steps[..], [step] if !step.does(Step::GOES));
        let mut kept = 0;
        for index in 0..self.steps.len() {
            let step = self.steps[index];
            if self.classes[index].latest < self.left {
                continue;
            }
            self.classes[index].state = step.next();
            if step.does(Step::COMPLETES | Step::REPEATS) {
                let accepted = cache.transition(step.transition).accepted;
                self.complete(index, accepted.map_or(NONE, |accepted| accepted.end(row)));
            }
            if step.does(Step::GOES) {
                self.resolve(index);
                continue;
            }
            if kept < index {
                self.classes.swap(kept, index);
            }
            kept += usize::from(!self.join(cache, kept));
        }
        self.classes.truncate(kept);
        if let Some(step) = begun {
            self.start_at(cache, row, time, step);
        }
        if self.starts.is_empty() {
            self.letters.clear();
            self.base = row + 1;
        } else {
            self.letters.push(letter);
            if !poison.is_empty() {
                self.poison.push((row, poison));
            }
        }
        true
    }

    /// A match may start at the row: `step` is over it, from where nothing is open.
    fn start_at(&mut self, cache: &mut Cache, row: u64, time: i64, step: Step) {
        let transition = cache.transition(step.transition);
        let outcome = match transition.accepted.map(|accepted| (accepted.completion, accepted.end(row))) {
            None => NONE,
            Some((Completion::Empty, _)) => EMPTY,
            Some((_, end)) => end,
        };
        let resolved = transition.continues.is_empty();
        if resolved && outcome == NONE {
            return;
        }
        let number = self.left + self.starts.len() as u64;
        self.starts.push_back(Start { row, time, towards: 0, resolved, outcome });
        if resolved {
            self.turned = true;
            return;
        }
        self.classes.push(Class { state: step.next(), latest: number, sets: smallvec![number] });
        let last = self.classes.len() - 1;
        if self.join(cache, last) {
            self.classes.pop();
        }
    }

    /// All starts of a class have a match that ends before row `end`, for now.
    fn complete(&mut self, class: usize, end: u64) {
        if let [set] = self.classes[class].sets[..] {
            if let Some(start) = self.start_mut(set) {
                start.outcome = end;
            }
            return;
        }
        let mut sets = std::mem::take(&mut self.classes[class].sets);
        sets.retain(|set| *set >= self.left);
        if let Some(latest) = sets.iter().copied().reduce(|one, other| self.link(one, other)) {
            if let Some(start) = self.start_mut(latest) {
                start.outcome = end;
            }
            self.classes[class].sets.push(latest);
        }
    }

    /// No way is left to the starts of a class.
    fn resolve(&mut self, class: usize) {
        let Self { starts, classes, left, .. } = self;
        for set in classes[class].sets.drain(..) {
            // Those that have left are decided.
            if let Some(start) = set.checked_sub(*left).and_then(|index| starts.get_mut(index as usize)) {
                start.resolved = true;
            }
        }
        self.turned = true;
    }

    /// Lets a class go on with one before it that has come to the same list, if there is one.
    fn join(&mut self, cache: &mut Cache, class: usize) -> bool {
        let state = self.classes[class].state;
        let known = if self.many {
            cache.class_at(state, class)
        } else {
            self.classes[..class].iter().position(|other| other.state == state)
        };
        let Some(known) = known else { return false };
        let mut from = std::mem::take(&mut self.classes[class].sets);
        let mut into = std::mem::take(&mut self.classes[known].sets);
        if into.len() < from.len() {
            std::mem::swap(&mut into, &mut from);
        }
        self.classes[known].latest = self.classes[known].latest.max(self.classes[class].latest);
        for set in from {
            // Sets with the same outcome are one; only the first is looked at, which is that of the starts without outcome.
            let Some(outcome) = self.start(set).map(|start| start.outcome) else { continue };
            let first = into.first().copied();
            match first.filter(|first| self.start(*first).is_some_and(|start| start.outcome == outcome)) {
                Some(first) => into[0] = self.link(first, set),
                None if outcome == NONE => into.insert(0, set),
                None => into.push(set),
            }
        }
        if into.len() > 2 * self.starts.len() + 8 {
            into.retain(|set| *set >= self.left);
        }
        self.classes[known].sets = into;
        true
    }

    fn poison_at(&self, row: u64) -> SymbolSet {
        let found = self.poison.binary_search_by_key(&row, |(row, _)| *row);
        found.ok().and_then(|index| self.poison.get(index)).map_or(SymbolSet::EMPTY, |(_, poison)| *poison)
    }

    /// The first start is decided.
    fn leave(&mut self) {
        self.starts.pop_front();
        self.left += 1;
        if self.starts.is_empty() {
            self.classes.clear();
            if let Known::List(list) = &mut self.known {
                *list = NO_CLASS;
            }
        }
    }

    /// Drops the letters before the first open start; all before `row` have been pushed.
    fn forget(&mut self, row: u64) {
        let needed = self.first_start().unwrap_or(row);
        let surplus = (needed - self.base) as usize;
        if surplus >= self.letters.len() {
            self.letters.clear();
            self.poison.clear();
            self.base = needed;
        } else if surplus > 64 && surplus > self.letters.len() / 2 {
            self.letters.drain(..surplus);
            self.poison.retain(|(row, _)| *row >= needed);
            self.base = needed;
        }
    }
}
