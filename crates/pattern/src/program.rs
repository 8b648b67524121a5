//! The compiled pattern: an automaton as data. Immutable, and shared by every partition.

use serde::{Deserialize, Serialize};

use crate::ast::display_name;
use crate::{Edge, SymbolId, SymbolSet};

/// The index of a state in its program.
pub type StateId = u32;

/// Stands for "no enclosing loop iteration began at this place". Otherwise the depth of the outermost one that did:
/// iterations inside it began here as well, so that one number says it all.
pub(crate) const NOT_FRESH: u16 = u16::MAX;

/// One instruction of a compiled row pattern.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum State {
    /// Consumes one row that satisfies the condition of `symbol`.
    Row {
        /// The variable.
        symbol: SymbolId,
        /// Whether it stands inside `{- … -}`.
        excluded: bool,
        /// Where to go on.
        next: StateId,
    },
    /// Tries alternatives in order; an earlier one is preferred.
    Split {
        /// The alternatives.
        alternatives: Box<[StateId]>,
    },
    /// Passes without consuming, at an end of the partition.
    Anchor {
        /// Which end.
        edge: Edge,
        /// Where to go on.
        next: StateId,
    },
    /// Begins an iteration of a loop whose body may match without a row.
    Begin {
        /// How many such loops stand around this one.
        depth: u16,
        /// The body.
        next: StateId,
    },
    /// Ends such an iteration: an empty one leaves the loop.
    End {
        /// The depth given to its `Begin`.
        depth: u16,
        /// Where an iteration with rows goes on.
        again: StateId,
        /// Where an empty iteration goes on: behind the loop.
        exit: StateId,
    },
    /// Reports a match.
    Accept,
}

/// A compiled row pattern.
///
/// ```
/// use dipper_pattern::{CompileLimits, Program, parse};
/// let parsed = parse("A B*? C")?;
/// let program = Program::compile(&parsed.pattern, CompileLimits::default())?;
/// assert_eq!(program.listing(&parsed.names()), "\
/// 0  A -> 1
/// 1  prefer 2, 4
/// 2  C -> 3
/// 3  match
/// 4  B -> 1
/// ");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Program {
    states: Vec<State>,
    start: StateId,
    loop_depth: u16,
}

impl Program {
    /// Takes the states as they were compiled, and numbers them in the order in which they are met.
    pub(crate) fn new(compiled: &[State], start: StateId) -> Self {
        let mut numbers = vec![StateId::MAX; compiled.len()];
        let mut order = Vec::with_capacity(compiled.len());
        let mut stack = vec![start];
        while let Some(id) = stack.pop() {
            let Some(number) = numbers.get_mut(id as usize).filter(|number| **number == StateId::MAX) else { continue };
            let Some(state) = compiled.get(id as usize) else { continue };
            *number = order.len() as StateId;
            order.push(state);
            state.for_each_successor(|successor| stack.push(successor));
            // The first successor is to be met first.
            let first = stack.len() - state.successor_count();
            if let Some(successors) = stack.get_mut(first..) {
                successors.reverse();
            }
        }
        let number = |id: StateId| numbers.get(id as usize).copied().unwrap_or(StateId::MAX);
        let states: Vec<State> = order.into_iter().map(|state| state.renumbered(&mut |id| number(id))).collect();
        let loop_depth = states
            .iter()
            .map(|state| if let State::Begin { depth, .. } = state { depth + 1 } else { 0 })
            .max()
            .unwrap_or(0);
        Self { states, start: number(start), loop_depth }
    }

    /// The states.
    pub fn states(&self) -> &[State] {
        &self.states
    }

    /// The state `id`; a program refers to no state that it does not have.
    #[inline]
    pub(crate) fn state(&self, id: StateId) -> &State {
        &self.states[id as usize]
    }

    /// Where a match starts.
    pub fn start(&self) -> StateId {
        self.start
    }

    /// How deep loops whose bodies may match without a row stand in one another: the number of distinct `depth`s.
    pub fn loop_depth(&self) -> u16 {
        self.loop_depth
    }

    /// Whether no match has more than so many rows.
    pub(crate) fn is_within(&self, rows: usize) -> bool {
        let mut from = vec![self.start];
        for _ in 0..=rows {
            from = self.behind_a_row(from);
            if from.is_empty() {
                return true;
            }
        }
        false
    }

    /// Where one may be who stands at `from` and takes a row.
    fn behind_a_row(&self, mut from: Vec<StateId>) -> Vec<StateId> {
        let (mut met, mut behind) = (vec![false; self.states.len()], Vec::new());
        while let Some(id) = from.pop() {
            if std::mem::replace(&mut met[id as usize], true) {
                continue;
            }
            match self.state(id) {
                State::Row { next, .. } => behind.push(*next),
                state => state.for_each_successor(|successor| from.push(successor)),
            }
        }
        behind
    }

    /// The variables that its rows are tested for.
    pub fn symbols(&self) -> SymbolSet {
        let symbol = |state: &State| if let State::Row { symbol, .. } = state { Some(*symbol) } else { None };
        self.states.iter().filter_map(symbol).collect()
    }

    /// Whether the program asks for the end of the partition.
    pub fn has_end_anchor(&self) -> bool {
        self.states.iter().any(|state| matches!(state, State::Anchor { edge: Edge::End, .. }))
    }

    /// The automaton as text, one state on a line.
    pub fn listing(&self, names: &[String]) -> String {
        let width = self.states.len().saturating_sub(1).to_string().len();
        let lines =
            self.states.iter().enumerate().map(|(id, state)| format!("{id:>width$}  {}\n", state.describe(names)));
        lines.collect::<Vec<_>>().concat()
    }

    /// The automaton as a drawing for Graphviz. The numbers on the arrows of a choice are the order of preference.
    pub fn to_dot(&self, names: &[String]) -> String {
        let mut lines =
            vec!["digraph pattern {".to_owned(), "  rankdir=LR;".to_owned(), "  start [shape=point];".to_owned()];
        lines.push(format!("  start -> {};", self.start));
        for (id, state) in self.states.iter().enumerate() {
            let (shape, label) = match state {
                State::Row { symbol, excluded, .. } => ("box", row_name(*symbol, *excluded, names)),
                State::Split { .. } => ("diamond", String::new()),
                State::Anchor { edge, .. } => ("circle", if *edge == Edge::Start { "^" } else { "$" }.to_owned()),
                State::Begin { .. } => ("circle", "(".to_owned()),
                State::End { .. } => ("circle", ")".to_owned()),
                State::Accept => ("doublecircle", "match".to_owned()),
            };
            let label = label.replace('\\', "\\\\").replace('"', "\\\"");
            lines.push(format!("  {id} [shape={shape}, label=\"{label}\"];"));
            let mut place = 0;
            state.for_each_successor(|successor| {
                place += 1;
                let label = match state {
                    State::Split { .. } => format!(" [label=\"{place}\"]"),
                    State::End { .. } if place == 2 => " [label=\"empty\"]".to_owned(),
                    _ => String::new(),
                };
                lines.push(format!("  {id} -> {successor}{label};"));
            });
        }
        lines.push("}\n".to_owned());
        lines.join("\n")
    }
}

fn row_name(symbol: SymbolId, excluded: bool, names: &[String]) -> String {
    let name = display_name(symbol, names);
    if excluded { format!("{{- {name} -}}") } else { name }
}

impl State {
    /// Calls `see` for the states that may follow, in order of preference.
    pub(crate) fn for_each_successor(&self, mut see: impl FnMut(StateId)) {
        match self {
            Self::Row { next, .. } | Self::Anchor { next, .. } | Self::Begin { next, .. } => see(*next),
            Self::Split { alternatives } => alternatives.iter().copied().for_each(see),
            Self::End { again, exit, .. } => {
                see(*again);
                see(*exit);
            }
            Self::Accept => {}
        }
    }

    fn successor_count(&self) -> usize {
        match self {
            Self::Row { .. } | Self::Anchor { .. } | Self::Begin { .. } => 1,
            Self::Split { alternatives } => alternatives.len(),
            Self::End { .. } => 2,
            Self::Accept => 0,
        }
    }

    /// The state with its successors, in order of preference, replaced by what `number` makes of them.
    pub(crate) fn renumbered(&self, number: &mut impl FnMut(StateId) -> StateId) -> Self {
        match self {
            Self::Row { symbol, excluded, next } => {
                Self::Row { symbol: *symbol, excluded: *excluded, next: number(*next) }
            }
            Self::Split { alternatives } => {
                Self::Split { alternatives: alternatives.iter().map(|id| number(*id)).collect() }
            }
            Self::Anchor { edge, next } => Self::Anchor { edge: *edge, next: number(*next) },
            Self::Begin { depth, next } => Self::Begin { depth: *depth, next: number(*next) },
            Self::End { depth, again, exit } => Self::End { depth: *depth, again: number(*again), exit: number(*exit) },
            Self::Accept => Self::Accept,
        }
    }

    fn describe(&self, names: &[String]) -> String {
        match self {
            Self::Row { symbol, excluded, next } => {
                format!("{} -> {next}", row_name(*symbol, *excluded, names))
            }
            Self::Split { alternatives } if alternatives.is_empty() => "fail".to_owned(),
            Self::Split { alternatives } => {
                let list: Vec<String> = alternatives.iter().map(ToString::to_string).collect();
                format!("prefer {}", list.join(", "))
            }
            Self::Anchor { edge: Edge::Start, next } => format!("^ -> {next}"),
            Self::Anchor { edge: Edge::End, next } => format!("$ -> {next}"),
            Self::Begin { depth, next } => format!("begin loop {depth} -> {next}"),
            Self::End { depth, again, exit } => format!("end loop {depth} -> {again}, if empty {exit}"),
            Self::Accept => "match".to_owned(),
        }
    }
}
