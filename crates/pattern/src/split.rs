//! Partial evaluation by position: the program taken apart until each of its rows knows where a condition's navigations lead.
//!
//! In `STRT DOWN+ UP+` the row that `LAST(DOWN.price, 1)` reaches from DOWN's own row does not exist in DOWN's first iteration, and is the
//! row before in every later one. [`Program::split`] makes one state of each pair of a state and what is known there; since what
//! is known follows from the path alone, paths and their order of preference stay the same. The caller gives each row of
//! the result a symbol of its own, with a condition in which the answers have been put in, and [`Split::program`] joins again
//! what did not have to be apart.

use std::collections::HashMap;

use crate::{Program, State, StateId, SymbolId, SymbolSet};

/// A row of the match that a condition asks for. The row under test counts as mapped to the variable it is tested for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Navigation {
    /// The row mapped to one of `symbols` with `offset` such rows before it.
    First {
        /// The variables.
        symbols: SymbolSet,
        /// Counted in rows mapped to `symbols`.
        offset: u64,
    },
    /// The row mapped to one of `symbols` with `offset` such rows behind it.
    Last {
        /// The variables.
        symbols: SymbolSet,
        /// Counted in rows mapped to `symbols`.
        offset: u64,
    },
}

/// Where a navigation leads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Answer {
    /// Nowhere: there is no such row.
    Unmapped,
    /// To the row that many rows before the one under test.
    Back(u32),
    /// To a row farther back than what is looked at.
    Unknown,
}

/// What is known where the program tests a row.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Place {
    /// The variable for which the row is tested.
    pub symbol: SymbolId,
    /// The answers to the navigations of the variable's condition, in their order.
    pub answers: Vec<Answer>,
    /// What the rows before may be, the nearest first.
    pub before: Vec<RowBefore>,
}

/// What a row at some distance before the one under test may be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct RowBefore {
    /// The variables that the match may map it to.
    pub symbols: SymbolSet,
    /// It may lie before the match.
    pub outside: bool,
}

/// A program taken apart.
///
/// ```
/// use dipper_pattern::{Answer, CompileLimits, Navigation, Program, SymbolId, SymbolSet, parse};
/// let parsed = parse("A B+")?;
/// let program = Program::compile(&parsed.pattern, CompileLimits::default())?;
/// // B's condition reads LAST(B.v, 1).
/// let last = Navigation::Last { symbols: SymbolSet::of(&[SymbolId(1)]), offset: 1 };
/// let split = program.split(&[vec![], vec![last]], 1).ok_or("too large")?;
/// let answers: Vec<_> = split.places().iter().map(|place| place.answers.as_slice()).collect();
/// assert_eq!(answers, [&[][..], &[Answer::Unmapped], &[Answer::Back(1)], &[Answer::Back(1)]]);
///
/// let first_and_later = split.program(&[0, 1, 2, 2].map(SymbolId));
/// assert_eq!(first_and_later.listing(&["A", "B1", "B2"].map(str::to_owned)), "\
/// 0  A -> 1
/// 1  B1 -> 2
/// 2  prefer 3, 4
/// 3  B2 -> 2
/// 4  match
/// ");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Split {
    nodes: Vec<Node>,
    places: Vec<Place>,
}

/// A state where one thing is known.
#[derive(Clone, Debug)]
struct Node {
    /// With its successors among the nodes.
    state: State,
    /// The state it was made of.
    origin: StateId,
    /// If it tests a row.
    place: Option<usize>,
}

impl Program {
    /// Takes the program apart by what is known of `navigations`: those of each symbol's condition, by symbol. Rows
    /// farther back than `distance_max` are not told apart. `None` if the result would be too large.
    pub fn split(&self, navigations: &[Vec<Navigation>], distance_max: u32) -> Option<Split> {
        let nodes_max = (self.states().len() * GROWTH_MAX + NODES_SPARED).min(NODES_MAX);
        let known = Known::of(navigations, distance_max);
        let mut made = Made::default();
        made.node(self.start(), known.at_start());
        let (mut nodes, mut places) = (Vec::new(), Vec::new());
        while let Some((origin, facts)) = made.pairs.get(nodes.len()).cloned() {
            let state = self.state(origin);
            let (place, facts) = match state {
                State::Row { symbol, .. } => {
                    let facts = known.after(&facts, *symbol);
                    let asked = navigations.get(symbol.index()).map_or(&[][..], Vec::as_slice);
                    let answers = asked.iter().map(|navigation| known.answer(&facts, navigation)).collect();
                    places.push(Place { symbol: *symbol, answers, before: Vec::new() });
                    (Some(places.len() - 1), facts)
                }
                _ => (None, facts),
            };
            let state = state.renumbered(&mut |id| made.node(id, facts.clone()));
            nodes.push(Node { state, origin, place });
            if made.pairs.len() > nodes_max {
                return None;
            }
        }
        let mut split = Split { nodes, places };
        split.look_back(distance_max as usize);
        Some(split)
    }
}

/// How much larger than a program what is made of it may be: by this factor, by this many nodes, and in all.
const GROWTH_MAX: usize = 16;
const NODES_SPARED: usize = 256;
const NODES_MAX: usize = 16_384;

/// The pairs of state and facts so far; the index of a pair is its node.
#[derive(Default)]
struct Made {
    pairs: Vec<(StateId, Facts)>,
    numbers: HashMap<(StateId, Facts), StateId>,
}

impl Made {
    fn node(&mut self, id: StateId, facts: Facts) -> StateId {
        let pairs = &mut self.pairs;
        *self.numbers.entry((id, facts)).or_insert_with_key(|pair| {
            pairs.push(pair.clone());
            pairs.len() as StateId - 1
        })
    }
}

/// For each end and set of variables that is asked for, where its rows are: from that end, one slot for each offset.
type Facts = Vec<Answer>;

/// What is kept track of.
struct Known {
    ends: Vec<Tracked>,
    distance_max: u32,
}

struct Tracked {
    from_first: bool,
    symbols: SymbolSet,
    /// One more than the greatest offset.
    slots: usize,
}

impl Known {
    fn of(navigations: &[Vec<Navigation>], distance_max: u32) -> Self {
        let mut ends: Vec<Tracked> = Vec::new();
        for navigation in navigations.iter().flatten() {
            let (from_first, symbols, offset) = navigation.parts();
            // So far back there is nothing to be known but that it is too far.
            let Some(offset) = usize::try_from(offset).ok().filter(|offset| *offset <= distance_max as usize) else {
                continue;
            };
            match ends.iter_mut().find(|known| (known.from_first, known.symbols) == (from_first, symbols)) {
                Some(known) => known.slots = known.slots.max(offset + 1),
                None => ends.push(Tracked { from_first, symbols, slots: offset + 1 }),
            }
        }
        Self { ends, distance_max }
    }

    fn at_start(&self) -> Facts {
        vec![Answer::Unmapped; self.ends.iter().map(|end| end.slots).sum()]
    }

    /// The facts behind one more row.
    fn after(&self, facts: &Facts, symbol: SymbolId) -> Facts {
        let mut facts = facts.clone();
        for fact in &mut facts {
            if let Answer::Back(distance) = fact {
                *fact = if *distance < self.distance_max { Answer::Back(*distance + 1) } else { Answer::Unknown };
            }
        }
        let mut rest = facts.as_mut_slice();
        for end in &self.ends {
            let (slots, behind) = rest.split_at_mut(end.slots.min(rest.len()));
            rest = behind;
            if !end.symbols.contains(symbol) {
                continue;
            }
            let slot = if end.from_first {
                slots.iter_mut().find(|slot| **slot == Answer::Unmapped)
            } else {
                slots.rotate_right(1);
                slots.first_mut()
            };
            if let Some(slot) = slot {
                *slot = Answer::Back(0);
            }
        }
        facts
    }

    fn answer(&self, facts: &Facts, navigation: &Navigation) -> Answer {
        let (from_first, symbols, offset) = navigation.parts();
        let mut first = 0;
        for end in &self.ends {
            if (end.from_first, end.symbols) == (from_first, symbols) {
                let slot = usize::try_from(offset).ok().filter(|slot| *slot < end.slots);
                return slot.and_then(|slot| facts.get(first + slot)).copied().unwrap_or(Answer::Unknown);
            }
            first += end.slots;
        }
        Answer::Unknown
    }
}

impl Navigation {
    fn parts(&self) -> (bool, SymbolSet, u64) {
        match *self {
            Self::First { symbols, offset } => (true, symbols, offset),
            Self::Last { symbols, offset } => (false, symbols, offset),
        }
    }
}

impl Split {
    /// Where rows are tested, each place once.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The program in which the rows at `places()[i]` are tested for `symbols[i]`. Places of one variable with one symbol are one state
    /// again where nothing that follows tells them apart.
    pub fn program(&self, symbols: &[SymbolId]) -> Program {
        let symbol = |place: usize| symbols.get(place).copied().unwrap_or(SymbolId(u8::MAX));
        let first = |node: &Node| (node.origin, node.place.map(symbol));
        let mut classes = numbered(self.nodes.iter().map(first));
        loop {
            let refined = numbered(self.nodes.iter().zip(&classes.of).map(|(node, class)| {
                let mut successors = Vec::new();
                node.state.for_each_successor(|id| successors.push(classes.of.get(id as usize).copied()));
                (*class, successors)
            }));
            if refined.members.len() == classes.members.len() {
                break;
            }
            classes = refined;
        }
        let class = |id: StateId| classes.of.get(id as usize).copied().unwrap_or(StateId::MAX);
        let states: Vec<State> = classes
            .members
            .iter()
            .filter_map(|first| self.nodes.get(*first))
            .map(|node| match (node.state.renumbered(&mut |id| class(id)), node.place) {
                (State::Row { excluded, next, .. }, Some(place)) => {
                    State::Row { symbol: symbol(place), excluded, next }
                }
                (state, _) => state,
            })
            .collect();
        Program::new(&states, class(0))
    }

    /// Finds out what the last rows may be at each place, by following all paths until nothing new is found.
    fn look_back(&mut self, distance_max: usize) {
        let mut before: Vec<Option<Vec<RowBefore>>> = vec![None; self.nodes.len()];
        if let Some(start) = before.first_mut() {
            *start = Some(vec![RowBefore { symbols: SymbolSet::EMPTY, outside: true }; distance_max]);
        }
        let mut open = vec![0];
        while let Some(id) = open.pop() {
            let Some((node, Some(rows))) = self.nodes.get(id).zip(before.get(id).cloned()) else { continue };
            let mut behind = rows;
            if let State::Row { symbol, .. } = node.state {
                behind.rotate_right(1);
                if let Some(nearest) = behind.first_mut() {
                    *nearest = RowBefore { symbols: SymbolSet::of(&[symbol]), outside: false };
                }
            }
            node.state.for_each_successor(|successor| {
                if before.get_mut(successor as usize).is_some_and(|known| join(known, &behind)) {
                    open.push(successor as usize);
                }
            });
        }
        for (node, rows) in self.nodes.iter().zip(before) {
            if let Some(place) = node.place.and_then(|place| self.places.get_mut(place)) {
                place.before = rows.unwrap_or_default();
            }
        }
    }
}

/// Adds what rows may be to what is known of them; whether that was new.
fn join(known: &mut Option<Vec<RowBefore>>, rows: &[RowBefore]) -> bool {
    let Some(known) = known else {
        *known = Some(rows.to_vec());
        return true;
    };
    let mut new = false;
    for (known, row) in known.iter_mut().zip(rows) {
        let joined = RowBefore { symbols: known.symbols.union(row.symbols), outside: known.outside || row.outside };
        new |= joined != *known;
        *known = joined;
    }
    new
}

/// Nodes in classes, numbered in the order of their first members.
struct Classes {
    of: Vec<StateId>,
    /// The first member of each.
    members: Vec<usize>,
}

fn numbered<K: Eq + std::hash::Hash>(keys: impl Iterator<Item = K>) -> Classes {
    let mut numbers = HashMap::new();
    let mut classes = Classes { of: Vec::new(), members: Vec::new() };
    for (index, key) in keys.enumerate() {
        let class = *numbers.entry(key).or_insert_with(|| {
            classes.members.push(index);
            classes.members.len() as StateId - 1
        });
        classes.of.push(class);
    }
    classes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;
    use crate::{CompileLimits, parse};

    fn last(symbol: u8, offset: u64) -> Navigation {
        Navigation::Last { symbols: SymbolSet::of(&[SymbolId(symbol)]), offset }
    }

    fn program(text: &str) -> Program {
        Program::compile(&parse(text).unwrap().pattern, CompileLimits::default()).unwrap()
    }

    /// The answers at each place, as text: variable, then where each of its navigations leads.
    fn places(text: &str, navigations: &[Vec<Navigation>], distance_max: u32) -> String {
        let names = parse(text).unwrap().names();
        let split = program(text).split(navigations, distance_max).unwrap();
        let answer = |answer: &Answer| match answer {
            Answer::Unmapped => "-".to_owned(),
            Answer::Back(distance) => distance.to_string(),
            Answer::Unknown => "?".to_owned(),
        };
        let place = |place: &Place| {
            let answers = place.answers.iter().map(answer).collect::<Vec<_>>().join(",");
            format!("{}({answers})", names[place.symbol.index()])
        };
        split.places().iter().map(place).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_place_tells_where_navigations_lead() {
        let of_b = |navigations: Vec<Navigation>| vec![vec![], navigations];
        assert_eq!(places("A B", &of_b(vec![last(0, 0), last(1, 0), last(1, 1)]), 1), "A() B(1,0,-)");
        assert_eq!(places("A B+", &of_b(vec![last(0, 0), last(1, 1)]), 1), "A() B(1,-) B(?,1) B(?,1)");
        assert_eq!(places("A? B", &of_b(vec![last(0, 0)]), 1), "A() B(-) B(1)");
        let union = Navigation::Last { symbols: SymbolSet::all(2), offset: 2 };
        assert_eq!(places("A A B", &of_b(vec![union, last(0, 9)]), 4), "A() A() B(2,?)");
        let first = Navigation::First { symbols: SymbolSet::of(&[SymbolId(0)]), offset: 1 };
        assert_eq!(places("A{3} B", &of_b(vec![first]), 4), "A() A() A() B(2)");
        assert_eq!(places("A{3} B", &of_b(vec![first]), 1), "A() A() A() B(?)");
    }

    #[test]
    fn what_the_rows_before_may_be_is_known() {
        let split = program("A (B | C) D").split(&[], 3).unwrap();
        let before = &split.places().iter().find(|place| place.symbol == SymbolId(3)).unwrap().before;
        let row = |symbols: &[u8], outside| RowBefore {
            symbols: symbols.iter().map(|symbol| SymbolId(*symbol)).collect(),
            outside,
        };
        assert_eq!(*before, [row(&[1, 2], false), row(&[0], false), row(&[], true)]);
        let split = program("A* B").split(&[], 2).unwrap();
        let before = &split.places().iter().find(|place| place.symbol == SymbolId(1)).unwrap().before;
        assert_eq!(*before, [row(&[0], true), row(&[0], true)]);
    }

    #[test]
    fn places_with_one_symbol_are_joined_again() {
        for text in ["A B+ C+", "(A | B C?)* A", "(A? B?)* {- C -}", "(^ A | B)+ $", "PERMUTE(A, B, C)"] {
            let program = program(text);
            let all = vec![last(0, 0), last(0, 1), last(1, 1)];
            let split = program.split(&[all.clone(), all.clone(), all], 2).unwrap();
            let symbols: Vec<SymbolId> = split.places().iter().map(|place| place.symbol).collect();
            assert!(symbols.len() > program.states().iter().filter(|s| matches!(s, State::Row { .. })).count());
            assert_eq!(split.program(&symbols), program, "{text}");
        }
    }

    #[test]
    fn what_would_be_too_large_is_left_whole() {
        let navigations: Vec<Vec<Navigation>> = (0..4).map(|symbol| vec![last(symbol, 8)]).collect();
        assert!(program("(A | B | C | D)+").split(&navigations, 32).is_none());
    }
}
