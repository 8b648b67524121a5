//! The search from one start row.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::path::Trail;
use super::{Conditions, Path};
use crate::program::NOT_FRESH;
use crate::{Edge, Excluded, MatchError, Program, SearchOptions, State, StateId, SymbolId, Timeouts, Within};

/// What is known of rows and time.
pub(super) struct Clock<'a> {
    pub(super) rows_seen: u64,
    /// The row that `times` begins with.
    pub(super) base: u64,
    pub(super) times: &'a VecDeque<i64>,
    pub(super) within: Option<Within>,
    pub(super) reached: i64,
    pub(super) ended: bool,
}

impl Clock<'_> {
    fn time(&self, row: u64) -> Option<i64> {
        self.times.get(usize::try_from(row.checked_sub(self.base)?).ok()?).copied()
    }
}

/// How a search halts.
pub(super) enum Halt {
    /// It needs a row that has not come.
    Paused,
    /// The trail is the match.
    Accepted,
    /// No way leads to a match.
    Failed,
}

/// What there is of a row that is needed.
enum Need {
    Present,
    /// It is too late for the match, or cannot come in time.
    Late,
    Absent,
    Pending,
}

/// A choice of which not every alternative has been tried.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Choice {
    at: At,
    /// The next alternative.
    alternative: u32,
    length: usize,
}

/// A place in the program.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct At {
    state: StateId,
    /// See [`NOT_FRESH`].
    fresh: u16,
    /// Past `$`: nothing can follow.
    closed: bool,
}

/// See the module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Search {
    pub(super) start: u64,
    pub(super) deadline: Option<i64>,
    /// The preferred one of the ways that ran out of time.
    pub(super) survivor: Option<(Vec<SymbolId>, Excluded)>,
    number: u64,
    at: At,
    choices: Vec<Choice>,
    trail: Trail,
    /// See [`Path::kept`].
    kept: usize,
}

impl Search {
    pub(super) fn begin(&mut self, program: &Program, start: u64, number: u64, clock: &Clock<'_>) {
        self.start = start;
        self.deadline = clock.within.zip(clock.time(start)).map(|(within, time)| within.deadline(time));
        self.survivor = None;
        self.number = number;
        self.at = At { state: program.start(), fresh: NOT_FRESH, closed: false };
        self.choices.clear();
        self.trail.clear();
        self.kept = 0;
    }

    /// How long a match the search has room for.
    pub(super) fn capacity(&self) -> usize {
        self.trail.labels.capacity()
    }

    /// How much memory the search takes.
    pub(super) fn bytes(&self) -> usize {
        self.trail.bytes() + self.choices.capacity() * size_of::<Choice>()
    }

    /// The match, once accepted.
    pub(super) fn matched(&self) -> (Vec<SymbolId>, Excluded) {
        let mut excluded = Excluded::default();
        let marked = self.trail.excluded.iter().enumerate().filter(|(_, excluded)| **excluded);
        marked.for_each(|(index, _)| excluded.insert(index));
        (self.trail.labels.clone(), excluded)
    }

    /// Searches on. `reached` is how many rows have been asked about: steps count from when a row was first needed.
    pub(super) fn advance<C: Conditions>(
        &mut self,
        program: &Program,
        options: &SearchOptions,
        clock: &Clock<'_>,
        reached: &mut u64,
        conditions: &mut C,
    ) -> Result<Halt, MatchError<C::Error>> {
        let mut steps = 0_u64;
        loop {
            steps += 1;
            if let Some(budget) = options.step_budget.filter(|budget| steps > *budget) {
                return Err(MatchError::StepBudget { start: self.start, budget });
            }
            let At { state, fresh, .. } = self.at;
            let next = match program.state(state) {
                State::Row { symbol, excluded, next } => match self.need(clock) {
                    Need::Present => {
                        if self.row() >= *reached {
                            // Had rows come one by one, the search would have waited for this one.
                            *reached = self.row() + 1;
                            steps = 1;
                        }
                        let at = At { state: *next, fresh: NOT_FRESH, closed: false };
                        let holds = self.test(*symbol, *excluded, conditions)?;
                        steps = steps.saturating_add(conditions.extra_steps());
                        holds.then_some(at)
                    }
                    Need::Late => {
                        if options.timeouts != Timeouts::Hide && self.survivor.is_none() {
                            self.survivor = Some(self.matched());
                        }
                        None
                    }
                    Need::Absent => None,
                    Need::Pending => return Ok(Halt::Paused),
                },
                State::Split { alternatives } => {
                    if alternatives.len() > 1 {
                        self.choices.push(Choice { at: self.at, alternative: 1, length: self.trail.labels.len() });
                    }
                    alternatives.first().map(|first| At { state: *first, ..self.at })
                }
                State::Anchor { edge: Edge::Start, next } => {
                    (self.start == 0 && self.trail.labels.is_empty()).then_some(At { state: *next, ..self.at })
                }
                State::Anchor { edge: Edge::End, next } => {
                    if self.row() < clock.rows_seen {
                        None
                    } else if clock.ended {
                        Some(At { state: *next, closed: true, ..self.at })
                    } else {
                        return Ok(Halt::Paused);
                    }
                }
                State::Begin { depth, next } => Some(At { state: *next, fresh: fresh.min(*depth), ..self.at }),
                State::End { depth, again, exit } => Some(if fresh > *depth {
                    At { state: *again, ..self.at }
                } else {
                    At { state: *exit, fresh: if fresh < *depth { fresh } else { NOT_FRESH }, ..self.at }
                }),
                State::Accept => return Ok(Halt::Accepted),
            };
            match next.or_else(|| self.go_back(program)) {
                Some(at) => self.at = at,
                None => return Ok(Halt::Failed),
            }
        }
    }

    /// The row the search stands before.
    fn row(&self) -> u64 {
        self.start + self.trail.labels.len() as u64
    }

    fn need(&self, clock: &Clock<'_>) -> Need {
        let row = self.row();
        if row < clock.rows_seen {
            let late = clock.within.zip(self.deadline).zip(clock.time(row));
            return match late {
                Some(((within, deadline), time)) if within.is_late(time, deadline) => Need::Late,
                _ => Need::Present,
            };
        }
        match self.deadline {
            _ if self.at.closed => Need::Absent,
            Some(deadline) if clock.ended || clock.reached >= deadline => Need::Late,
            None if clock.ended => Need::Absent,
            _ => Need::Pending,
        }
    }

    /// Maps the next row to `symbol` if its condition holds.
    fn test<C: Conditions>(
        &mut self,
        symbol: SymbolId,
        excluded: bool,
        conditions: &mut C,
    ) -> Result<bool, MatchError<C::Error>> {
        let row = self.row();
        if !self.trail.push(symbol, excluded) {
            return Err(MatchError::TooLong);
        }
        let path = Path { start: self.start, number: self.number, kept: self.kept, trail: &self.trail };
        let holds = conditions.holds(symbol, row, &path);
        let length = self.trail.labels.len();
        if let Ok(true) = holds {
            self.kept = length;
        } else {
            self.trail.truncate(length - 1);
            self.kept = length - 1;
        }
        holds.map_err(MatchError::Condition)
    }

    /// Takes the next alternative of the last choice that has one.
    fn go_back(&mut self, program: &Program) -> Option<At> {
        let choice = self.choices.last_mut()?;
        let State::Split { alternatives } = program.state(choice.at.state) else { return None };
        let alternative = alternatives.get(choice.alternative as usize).copied()?;
        let at = At { state: alternative, ..choice.at };
        let length = choice.length;
        choice.alternative += 1;
        if choice.alternative as usize >= alternatives.len() {
            self.choices.pop();
        }
        self.trail.truncate(length);
        self.kept = self.kept.min(length);
        Some(at)
    }
}
