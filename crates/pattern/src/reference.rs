//! The slow matcher that says what is right: recursion straight over the tree, sharing nothing with compiler and engines.
//! For tests only; its cost is exponential, its stack grows with the match.

use crate::resume::resume;
use crate::{Edge, Excluded, Match, MatchError, Pattern, SearchOptions, Status, SymbolId, Timeouts};

/// What is known of the rows behind the last one given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// More may come.
    Open,
    /// More may come, each of them later than this time.
    Reached(i64),
    /// There are none.
    Ended,
}

/// All matches that are determined by the first `rows` rows of a partition and by what is known of those behind.
///
/// `holds` says whether a row satisfies a variable's condition; it is given the variable, the row, the labels of the match
/// so far including that row, the match's first row and its number. `times` are needed for WITHIN only. The step budget
/// of `options` counts conditions.
///
/// ```
/// use dipper_pattern::{SearchOptions, parse, reference};
/// let pattern = parse("A+ B")?.pattern;
/// let rows = ["A", "A", "B", "A"];
/// let matches = reference::find_all(&pattern, rows.len(), None, &SearchOptions::default(), reference::Ending::Ended,
///     |symbol, row, _, _, _| Ok::<_, std::convert::Infallible>(rows[row].contains(["A", "B"][symbol.index()])))?;
/// assert_eq!((matches.len(), matches[0].start, matches[0].end()), (1, 0, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn find_all<E>(
    pattern: &Pattern,
    rows: usize,
    times: Option<&[i64]>,
    options: &SearchOptions,
    ending: Ending,
    holds: impl FnMut(SymbolId, usize, &[SymbolId], usize, u64) -> Result<bool, E>,
) -> Result<Vec<Match>, MatchError<E>> {
    let mut search = Search {
        rows,
        times,
        options,
        ending,
        holds,
        start: 0,
        number: 1,
        steps: 0,
        labels: Vec::new(),
        excluded: Vec::new(),
        survivor: None,
    };
    let mut matches = Vec::new();
    let mut start = 0;
    while start < rows {
        let (status, labels, excluded) = match search.from(pattern, start) {
            Err(Stop::Accepted) => {
                (Status::Complete, std::mem::take(&mut search.labels), std::mem::take(&mut search.excluded))
            }
            Err(Stop::Undetermined) => break,
            Err(Stop::Error(error)) => return Err(error),
            Ok(()) => {
                let Some((labels, excluded)) = search.survivor.take() else {
                    start += 1;
                    continue;
                };
                (Status::Timeout, labels, excluded)
            }
        };
        let mut marks = Excluded::default();
        excluded.iter().enumerate().filter(|(_, excluded)| **excluded).for_each(|(index, _)| marks.insert(index));
        let mut found = Match {
            number: search.number,
            start: start as u64,
            symbols: labels.into(),
            excluded: marks,
            status,
            deadline: if status == Status::Timeout { search.deadline() } else { None },
            skip_failed: false,
        };
        start = resume(&mut found, options)? as usize;
        search.number += 1;
        if options.timeouts != Timeouts::Only || status == Status::Timeout {
            matches.push(found);
        }
    }
    Ok(matches)
}

/// Why a search ends before all ways have been tried.
enum Stop<E> {
    Accepted,
    /// It needs a row that may still come.
    Undetermined,
    Error(MatchError<E>),
}

/// `Ok` means that this way does not lead to a match: try the next.
type Way<E> = Result<(), Stop<E>>;
/// What is to be matched behind a pattern.
type Then<'k, 's, S, E> = &'k mut dyn FnMut(&mut S, At) -> Way<E>;

/// Where a way has come to.
#[derive(Clone, Copy)]
struct At {
    row: usize,
    excluded: bool,
    /// Past `$`: nothing can follow.
    closed: bool,
}

struct Repetition<'p> {
    pattern: &'p Pattern,
    min: u32,
    max: Option<u32>,
    greedy: bool,
}

struct Search<'a, H> {
    rows: usize,
    times: Option<&'a [i64]>,
    options: &'a SearchOptions,
    ending: Ending,
    holds: H,
    start: usize,
    number: u64,
    steps: u64,
    labels: Vec<SymbolId>,
    excluded: Vec<bool>,
    survivor: Option<(Vec<SymbolId>, Vec<bool>)>,
}

impl<E, H: FnMut(SymbolId, usize, &[SymbolId], usize, u64) -> Result<bool, E>> Search<'_, H> {
    fn from(&mut self, pattern: &Pattern, start: usize) -> Way<E> {
        self.start = start;
        self.steps = 0;
        self.labels.clear();
        self.excluded.clear();
        self.survivor = None;
        self.walk(pattern, At { row: start, excluded: false, closed: false }, &mut |_, _| Err(Stop::Accepted))
    }

    fn time(&self, row: usize) -> Option<i64> {
        self.times.and_then(|times| times.get(row)).copied()
    }

    fn deadline(&self) -> Option<i64> {
        let within = self.options.within?;
        Some(within.deadline(self.time(self.start)?))
    }

    fn walk(&mut self, pattern: &Pattern, at: At, then: Then<'_, '_, Self, E>) -> Way<E> {
        match pattern {
            Pattern::Empty => then(self, at),
            Pattern::Symbol(symbol) => self.row(*symbol, at, then),
            Pattern::Anchor(Edge::Start) => {
                if at.row == 0 {
                    then(self, at)
                } else {
                    Ok(())
                }
            }
            Pattern::Anchor(Edge::End) => {
                if at.row < self.rows {
                    Ok(())
                } else if self.ending == Ending::Ended {
                    then(self, At { closed: true, ..at })
                } else {
                    Err(Stop::Undetermined)
                }
            }
            Pattern::Concat(parts) => self.all(&parts.iter().collect::<Vec<_>>(), at, then),
            Pattern::Alternate(parts) => parts.iter().try_for_each(|part| self.walk(part, at, then)),
            Pattern::Repeat { pattern, min, max, greedy } => {
                self.repeat(&Repetition { pattern, min: *min, max: *max, greedy: *greedy }, 0, at, then)
            }
            Pattern::Exclude(pattern) => {
                let inner = At { excluded: true, ..at };
                self.walk(pattern, inner, &mut |search, after| then(search, At { excluded: at.excluded, ..after }))
            }
            Pattern::Permute(parts) => self.permute(&mut parts.iter().collect(), &mut Vec::new(), at, then),
        }
    }

    fn all(&mut self, parts: &[&Pattern], at: At, then: Then<'_, '_, Self, E>) -> Way<E> {
        match parts {
            [] => then(self, at),
            [first, rest @ ..] => self.walk(first, at, &mut |search, after| search.all(rest, after, then)),
        }
    }

    fn permute<'p>(
        &mut self,
        left: &mut Vec<&'p Pattern>,
        chosen: &mut Vec<&'p Pattern>,
        at: At,
        then: Then<'_, '_, Self, E>,
    ) -> Way<E> {
        if left.is_empty() {
            return self.all(chosen, at, then);
        }
        for index in 0..left.len() {
            let part = left.remove(index);
            chosen.push(part);
            self.permute(left, chosen, at, then)?;
            chosen.pop();
            left.insert(index, part);
        }
        Ok(())
    }

    fn repeat(&mut self, repetition: &Repetition<'_>, count: u32, at: At, then: Then<'_, '_, Self, E>) -> Way<E> {
        let enough = count >= repetition.min;
        let more = repetition.max.is_none_or(|max| count < max);
        if enough && !repetition.greedy {
            then(self, at)?;
        }
        if more {
            self.walk(repetition.pattern, at, &mut |search, after| {
                if enough && after.row == at.row {
                    then(search, after)
                } else {
                    search.repeat(repetition, count.saturating_add(1), after, then)
                }
            })?;
        }
        if enough && repetition.greedy {
            then(self, at)?;
        }
        Ok(())
    }

    fn row(&mut self, symbol: SymbolId, at: At, then: Then<'_, '_, Self, E>) -> Way<E> {
        if at.closed {
            return Ok(());
        }
        let deadline = self.deadline();
        let within = self.options.within.zip(deadline);
        let late = if at.row < self.rows {
            within.zip(self.time(at.row)).is_some_and(|((within, deadline), time)| within.is_late(time, deadline))
        } else {
            match self.ending {
                Ending::Ended if deadline.is_none() => return Ok(()),
                Ending::Ended => true,
                Ending::Reached(time) if deadline.is_some_and(|deadline| time >= deadline) => true,
                _ => return Err(Stop::Undetermined),
            }
        };
        if late {
            if self.options.timeouts != Timeouts::Hide && self.survivor.is_none() {
                self.survivor = Some((self.labels.clone(), self.excluded.clone()));
            }
            return Ok(());
        }
        self.steps += 1;
        if let Some(budget) = self.options.step_budget.filter(|budget| self.steps > *budget) {
            return Err(Stop::Error(MatchError::StepBudget { start: self.start as u64, budget }));
        }
        self.labels.push(symbol);
        self.excluded.push(at.excluded);
        let holds = (self.holds)(symbol, at.row, &self.labels, self.start, self.number);
        if holds.map_err(|error| Stop::Error(MatchError::Condition(error)))? {
            then(self, At { row: at.row + 1, ..at })?;
        }
        self.labels.pop();
        self.excluded.pop();
        Ok(())
    }
}
