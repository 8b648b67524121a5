//! From a state to all states reachable without a row, in order of preference.

use super::history::NodeId;
use crate::program::NOT_FRESH;
use crate::{Edge, Letter, Program, State, StateId, SymbolSet};

/// A way of matching that waits for the next row, or, at `$`, for its absence.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Thread {
    pub(crate) state: StateId,
    /// See [`NOT_FRESH`]; of interest at `$` only.
    pub(crate) fresh: u16,
    pub(crate) node: NodeId,
}

/// What `$` does here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AtEnd {
    /// It is not known yet whether this is the end.
    Wait,
    Pass,
    Fail,
}

/// Where a closure is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    pub(crate) first_row: bool,
    pub(crate) end: AtEnd,
}

/// Behind some row, others to follow or not.
pub(crate) const BEHIND_A_ROW: Spot = Spot { first_row: false, end: AtEnd::Wait };

/// Memory of the closures, shared by all partitions.
#[derive(Debug)]
pub(crate) struct Closure {
    /// For each state and freshness the generation in which it was last met: in one generation, the first to come is
    /// the preferred one and later ones could only repeat it.
    met: Vec<u32>,
    generation: u32,
    depths: usize,
    stack: Vec<(StateId, u16)>,
    /// States looked at so far.
    pub(crate) steps: u64,
}

impl Closure {
    pub(crate) fn new(program: &Program) -> Self {
        let depths = usize::from(program.loop_depth()) + 1;
        Self { met: vec![0; program.states().len() * depths], generation: 0, depths, stack: Vec::new(), steps: 0 }
    }

    /// Forgets what was met.
    #[inline]
    pub(crate) fn next_generation(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            self.met.fill(0);
            self.generation = 1;
        }
    }

    /// Whether the state is met for the first time in this generation.
    #[inline]
    fn meet(&mut self, state: StateId, fresh: u16) -> bool {
        let index = state as usize * self.depths + usize::from(fresh).min(self.depths - 1);
        let first = self.met[index] != self.generation;
        self.met[index] = self.generation;
        first
    }

    /// Whether a closure from `state` has been taken in this generation.
    #[inline]
    pub(crate) fn has_met(&self, state: StateId) -> bool {
        self.met[state as usize * self.depths + self.depths - 1] == self.generation
    }

    /// Adds the waiting threads that `state` leads to; `true` if it leads to a match, behind those added.
    #[inline]
    pub(crate) fn take(
        &mut self,
        program: &Program,
        state: StateId,
        fresh: u16,
        node: NodeId,
        spot: Spot,
        threads: &mut Vec<Thread>,
    ) -> bool {
        let mut next = Some((state, fresh));
        while let Some((state, fresh)) = next {
            self.steps += 1;
            next = match program.state(state) {
                State::Row { .. } => {
                    if self.meet(state, NOT_FRESH) {
                        threads.push(Thread { state, fresh: NOT_FRESH, node });
                    }
                    None
                }
                State::Split { alternatives } => {
                    let first = alternatives.split_first().filter(|_| self.meet(state, fresh));
                    first.map(|(first, others)| {
                        self.stack.extend(others.iter().rev().map(|alternative| (*alternative, fresh)));
                        (*first, fresh)
                    })
                }
                State::Anchor { edge: Edge::Start, next } => spot.first_row.then_some((*next, fresh)),
                State::Anchor { edge: Edge::End, next } => match spot.end {
                    AtEnd::Pass => Some((*next, fresh)),
                    AtEnd::Wait => {
                        if self.meet(state, fresh) {
                            threads.push(Thread { state, fresh, node });
                        }
                        None
                    }
                    AtEnd::Fail => None,
                },
                State::Begin { depth, next } => Some((*next, fresh.min(*depth))),
                State::End { depth, again, exit } => {
                    if fresh > *depth {
                        Some((*again, fresh))
                    } else {
                        Some((*exit, if fresh < *depth { fresh } else { NOT_FRESH }))
                    }
                }
                State::Accept => {
                    self.stack.clear();
                    return true;
                }
            };
            next = next.or_else(|| self.stack.pop());
        }
        false
    }
}

/// What a search can begin with.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The rows to try, in order of preference.
    pub(crate) states: Vec<StateId>,
    /// The variables of `states`.
    pub(crate) symbols: SymbolSet,
    /// Whether, failing those, there is an empty match.
    pub(crate) empty: bool,
}

impl Entry {
    pub(crate) fn new(program: &Program, closure: &mut Closure, first_row: bool) -> Self {
        closure.next_generation();
        let mut threads = Vec::new();
        // The row at which a search begins is there, so this is not the end.
        let spot = Spot { first_row, end: AtEnd::Fail };
        let empty = closure.take(program, program.start(), NOT_FRESH, 0, spot, &mut threads);
        let states: Vec<StateId> = threads.iter().map(|thread| thread.state).collect();
        let symbols = states.iter().filter_map(|state| symbol_of(program, *state)).collect();
        Self { states, symbols, empty }
    }

    /// Whether any of the rows to try can be one that satisfies, or may satisfy, `letter`.
    #[inline]
    pub(crate) fn is_tested(&self, letter: Letter) -> bool {
        !self.symbols.intersection(letter).is_empty()
    }
}

/// The variable of a state that consumes a row.
pub(crate) fn symbol_of(program: &Program, state: StateId) -> Option<crate::SymbolId> {
    if let State::Row { symbol, .. } = program.state(state) { Some(*symbol) } else { None }
}
