//! The automaton, made as it is needed: states are ordered lists of ways of matching, transitions say what a letter makes of them.
//!
//! A state of this automaton is what the thread engine holds in its hands between two rows, without the rows: the list of
//! [threads](crate::ThreadMatcher) in order of preference, in groups by start. What a row does to such a list depends on the list and the
//! row's letter alone, so it is worked out once and remembered.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use super::mix::BuildMix;
use super::starts::Moves;
use crate::program::NOT_FRESH;
use crate::threads::{AtEnd, BEHIND_A_ROW, Closure, Entry, Spot, Thread, symbol_of};
use crate::{Edge, Letter, Program, State, StateId, SymbolId, SymbolSet};

/// The index of a state of the automaton.
pub(super) type Node = u32;

/// At the partition's first row, nothing open.
pub(super) const FIRST: Node = 0;
/// At any other row, nothing open.
pub(super) const IDLE: Node = 1;
/// Nothing is open, and nothing begins.
pub(super) const DEAD: Node = 2;

/// The index of a thread that stands at a start, where nothing has been matched yet.
pub(super) const NO_THREAD: u32 = u32::MAX;
/// The index of a group that begins with the row.
pub(super) const NEW_GROUP: u32 = u32::MAX;

/// The bit of a label that says that its row is excluded. Symbols are below 64.
pub(super) const EXCLUDED: u8 = 0x80;

/// Patterns of up to so many variables have a table with a slot for each letter; others look letters up.
const DENSE_SYMBOLS_MAX: usize = 8;

/// Where a thread came from: the thread of the list before, and the label it gave to the row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Back {
    pub(super) from: u32,
    pub(super) label: u8,
}

/// What completes by a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Completion {
    /// A match that ends with the row.
    Row,
    /// The empty match before the row.
    Empty,
    /// A condition that failed to evaluate is the next to be asked for.
    Poisoned(SymbolId),
}

/// What is short: a row costs so many steps at most where starts are taken one after another.
pub(super) const SHORT_ROWS_MAX: usize = 8;

/// The one group that completes, and by which way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted {
    /// The group of the list before, or [`NEW_GROUP`].
    pub(super) group: u32,
    pub(super) back: Back,
    pub(super) completion: Completion,
}

impl Accepted {
    /// The row behind the last of a match that completes by row `row`.
    pub(super) fn end(self, row: u64) -> u64 {
        if self.completion == Completion::Empty { row } else { row + 1 }
    }
}

/// What a letter makes of a state.
#[derive(Debug)]
pub(super) struct Transition {
    pub(super) letter: Letter,
    pub(super) poison: SymbolSet,
    pub(super) accepted: Option<Accepted>,
    /// For each group of the new list the group of the old one it continues, or [`NEW_GROUP`].
    pub(super) continues: Box<[u32]>,
}

/// An ordered list of ways of matching.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Ways {
    /// State and freshness of each thread, in order of preference.
    threads: Box<[(StateId, u16)]>,
    /// Behind the last thread of each group.
    ends: Box<[u32]>,
    begins: Begins,
}

/// Whether a search begins at the next row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Begins {
    No,
    AtFirstRow,
    AtRow,
}

/// What the table says of a state and a letter.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Step {
    /// The transition; 0 if it is not known yet.
    pub(super) transition: u32,
    /// Where it leads, and in the highest bits what happens on the way.
    next: u32,
}

impl Step {
    /// A group completes, unless it is as [`Self::REPEATS`] says.
    pub(super) const COMPLETES: u32 = 1 << 31;
    /// A group of the list before goes.
    pub(super) const GOES: u32 = 1 << 30;
    /// The only group of the list before completes and goes on.
    pub(super) const REPEATS: u32 = 1 << 29;
    /// The row begins a group.
    const BEGINS: u32 = 1 << 28;
    /// Any of these.
    const EVENTS: u32 = Self::COMPLETES | Self::GOES | Self::REPEATS | Self::BEGINS;
    /// The groups are not those of the list before.
    pub(super) const MOVES: u32 = Self::GOES | Self::BEGINS;

    /// Where it leads.
    #[inline]
    pub(super) const fn next(self) -> Node {
        self.next & !Self::EVENTS
    }

    /// What happens.
    #[inline]
    pub(super) const fn events(self) -> u32 {
        self.next & Self::EVENTS
    }

    /// Whether any of `events` happens.
    #[inline]
    pub(super) const fn does(self, events: u32) -> bool {
        self.next & events != 0
    }
}

/// The automaton so far.
#[derive(Debug)]
pub(super) struct Cache {
    program: Arc<Program>,
    closure: Closure,
    first_entry: Entry,
    entry: Entry,
    /// Every row begins a search within the same list, where equal ways stand for one another; else each start has its own list.
    shared: bool,
    has_end_anchor: bool,
    /// Whether every match has a row, none more than [`SHORT_ROWS_MAX`], and none waits for the end behind its last.
    is_short: bool,
    states: Vec<Ways>,
    ids: HashMap<Ways, Node>,
    transitions: Vec<Transition>,
    /// What each transition does to the groups.
    moves: Vec<Moves>,
    /// For each transition, where its part of `backs` begins.
    backs_of: Vec<u32>,
    /// For each thread that a transition makes, where it came from.
    backs: Vec<Back>,
    /// By state and letter, for patterns with few variables.
    dense: Vec<Step>,
    dense_bits: Option<u32>,
    /// By state and what it tests of letter and poison, for other patterns.
    sparse: HashMap<(Node, Letter, SymbolSet), Step, BuildMix>,
    /// The variables that each state tests a row for: what else a row satisfies makes no difference.
    tested: Vec<SymbolSet>,
    bytes: usize,
    bytes_max: usize,
    /// For each state, in which row and by which class it was last come to: a note of [`super::apart`].
    come_to: Vec<(u64, u32)>,
    row: u64,
    /// States and transitions looked at.
    steps: Cell<u64>,
}

impl Cache {
    pub(super) fn new(program: &Arc<Program>, shared: bool, bytes_max: usize) -> Self {
        let mut closure = Closure::new(program);
        let symbols = program.symbols();
        let highest = (u64::BITS - symbols.0.leading_zeros()) as usize;
        let mut cache = Self {
            first_entry: Entry::new(program, &mut closure, true),
            entry: Entry::new(program, &mut closure, false),
            program: Arc::clone(program),
            closure,
            shared,
            has_end_anchor: program.has_end_anchor(),
            is_short: program.is_within(SHORT_ROWS_MAX) && !program.has_end_anchor(),
            states: Vec::new(),
            ids: HashMap::new(),
            transitions: Vec::new(),
            moves: vec![Moves::new(&[])],
            backs_of: Vec::new(),
            backs: Vec::new(),
            dense: Vec::new(),
            dense_bits: (highest <= DENSE_SYMBOLS_MAX).then_some(highest as u32),
            sparse: HashMap::default(),
            tested: Vec::new(),
            bytes: 0,
            bytes_max,
            come_to: Vec::new(),
            row: 0,
            steps: Cell::new(0),
        };
        // FIRST, IDLE and DEAD.
        for begins in [Begins::AtFirstRow, Begins::AtRow, Begins::No] {
            cache.add_state(Ways { threads: Box::default(), ends: Box::default(), begins });
        }
        // Number 0 stands for a transition that is not known.
        cache.transitions.push(Transition {
            letter: Letter::EMPTY,
            poison: SymbolSet::EMPTY,
            accepted: None,
            continues: Box::default(),
        });
        cache.backs_of.push(0);
        cache
    }

    /// No class has come to a state yet.
    pub(super) fn next_row(&mut self) {
        self.row += 1;
        self.come_to.resize(self.states.len(), (0, 0));
    }

    /// The class that has come to `state` in this row before `class`, if one has.
    pub(super) fn class_at(&mut self, state: Node, class: usize) -> Option<usize> {
        let (row, known) = &mut self.come_to[state as usize];
        if *row == self.row {
            return Some(*known as usize);
        }
        (*row, *known) = (self.row, class as u32);
        None
    }

    /// Whether every match has a row, none more than [`SHORT_ROWS_MAX`], and none waits for the end behind its last.
    pub(super) fn is_short(&self) -> bool {
        self.is_short && !self.entry.empty && !self.first_entry.empty
    }

    /// What a search at a row can begin with.
    pub(super) fn entry(&self, first_row: bool) -> &Entry {
        if first_row { &self.first_entry } else { &self.entry }
    }

    /// The transition `id`.
    #[inline]
    pub(super) fn transition(&self, id: u32) -> &Transition {
        &self.transitions[id as usize]
    }

    /// What transition `id` does to the groups.
    #[inline]
    pub(super) fn moves(&self, id: u32) -> Moves {
        self.moves[id as usize]
    }

    /// Where thread `thread` of the list that transition `id` leads to came from.
    #[inline]
    pub(super) fn back(&self, id: u32, thread: u32) -> Back {
        self.backs[(self.backs_of[id as usize] + thread) as usize]
    }

    /// So many states or transitions have been looked at.
    #[inline]
    pub(super) fn count(&self, steps: usize) {
        self.steps.set(self.steps.get() + steps as u64);
    }

    /// How much has been done, in states and transitions looked at.
    pub(super) fn work(&self) -> u64 {
        self.steps.get() + self.closure.steps
    }

    /// About how much memory it takes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many bits of a letter tell all; for patterns of few variables.
    #[inline]
    pub(super) fn dense_bits(&self) -> Option<u32> {
        self.dense_bits
    }

    /// What the letter makes of the state, if it is known.
    #[inline]
    pub(super) fn known(&self, state: Node, letter: Letter) -> Option<Step> {
        let Some(bits) = self.dense_bits else { return self.known_sparse(state, letter) };
        let step = self.dense.get(slot(bits, state, letter)).copied()?;
        (step.transition != 0).then_some(step)
    }

    /// Out of line, to keep the loops that take rows small.
    #[inline(never)]
    fn known_sparse(&self, state: Node, letter: Letter) -> Option<Step> {
        self.sparse.get(&self.key(state, letter, SymbolSet::EMPTY)).copied()
    }

    #[inline]
    fn key(&self, state: Node, letter: Letter, poison: SymbolSet) -> (Node, Letter, SymbolSet) {
        let tested = self.tested[state as usize];
        (state, letter.intersection(tested), poison.intersection(tested))
    }

    /// What the letter makes of the state; `None` if that is not known and there is no room to remember it.
    #[inline]
    pub(super) fn step(&mut self, state: Node, letter: Letter, poison: SymbolSet) -> Option<Step> {
        self.count(1);
        if let Some(bits) = self.dense_bits
            && poison.is_empty()
        {
            let slot = slot(bits, state, letter);
            let step = self.dense[slot];
            if step.transition != 0 {
                return Some(step);
            }
            let step = self.explore(state, letter, poison)?;
            self.dense[slot] = step;
            return Some(step);
        }
        let key = self.key(state, letter, poison);
        if let Some(step) = self.sparse.get(&key) {
            return Some(*step);
        }
        let step = self.explore(state, letter, poison)?;
        self.sparse.insert(key, step);
        self.bytes += size_of::<((Node, Letter, SymbolSet), Step)>();
        Some(step)
    }

    /// The first group that completes where the partition ends, and by which thread. The list stays as it is.
    pub(super) fn at_end(&mut self, state: Node) -> Option<(usize, u32)> {
        if !self.has_end_anchor {
            return None;
        }
        let Self { closure, program, states, .. } = self;
        let ways = &states[state as usize];
        let spot = Spot { first_row: false, end: AtEnd::Pass };
        closure.next_generation();
        let mut dropped = Vec::new();
        let passes = |(id, fresh): &(StateId, u16)| match program.state(*id) {
            State::Anchor { edge: Edge::End, next } => closure.take(program, *next, *fresh, 0, spot, &mut dropped),
            _ => false,
        };
        let thread = ways.threads.iter().position(passes)? as u32;
        Some((ways.ends.partition_point(|end| *end <= thread), thread))
    }

    /// The preferred thread of a list that waits for a row.
    pub(super) fn waiting(&self, state: Node) -> Option<u32> {
        let waits = |(id, _): &(StateId, u16)| symbol_of(&self.program, *id).is_some();
        self.states[state as usize].threads.iter().position(waits).map(|index| index as u32)
    }

    /// Works a transition out, as the thread engine would.
    #[cold]
    fn explore(&mut self, state: Node, letter: Letter, poison: SymbolSet) -> Option<Step> {
        if self.bytes >= self.bytes_max || self.states.len() >= Step::BEGINS as usize {
            return None;
        }
        let ways = self.states[state as usize].clone();
        let mut making = Making { letter, poison, taken: Vec::new(), threads: Vec::new() };
        let (mut ends, mut continues) = (Vec::new(), Vec::new());
        let mut accepted = None;
        self.closure.next_generation();
        let mut first = 0;
        for (group, end) in ways.ends.iter().enumerate() {
            let threads = std::mem::replace(&mut first, *end)..*end;
            let before = making.threads.len();
            for index in threads {
                let found = making.consume(&self.program, &mut self.closure, ways.threads[index as usize].0, index);
                if let Some((back, completion)) = found {
                    accepted = Some(Accepted { group: group as u32, back, completion });
                    break;
                }
            }
            if making.threads.len() > before {
                ends.push(making.threads.len() as u32);
                continues.push(group as u32);
            }
            if accepted.is_some() {
                break;
            }
        }
        if accepted.is_none() && ways.begins != Begins::No {
            let entry = self.entry(ways.begins == Begins::AtFirstRow);
            let (states, empty) = (entry.states.clone(), entry.empty);
            let before = making.threads.len();
            for state in states {
                if let Some((back, completion)) = making.consume(&self.program, &mut self.closure, state, NO_THREAD) {
                    accepted = Some(Accepted { group: NEW_GROUP, back, completion });
                    break;
                }
            }
            if accepted.is_none() && empty {
                let back = Back { from: NO_THREAD, label: 0 };
                accepted = Some(Accepted { group: NEW_GROUP, back, completion: Completion::Empty });
            }
            if making.threads.len() > before {
                ends.push(making.threads.len() as u32);
                continues.push(NEW_GROUP);
            }
        }
        let Making { taken, threads, .. } = making;
        let begins = if self.shared { Begins::AtRow } else { Begins::No };
        let list = threads.iter().map(|thread| (thread.state, thread.fresh)).collect();
        let stay = continues.iter().filter(|group| **group != NEW_GROUP).count();
        let repeats = ways.ends.len() == 1 && continues == [0];
        let completes = match accepted {
            Some(Accepted { group: 0, completion: Completion::Row, .. }) if repeats => Step::REPEATS,
            Some(_) => Step::COMPLETES,
            None => 0,
        };
        let goes = if stay < ways.ends.len() { Step::GOES } else { 0 };
        let begins_group = if stay < continues.len() { Step::BEGINS } else { 0 };
        let next = self.add_state(Ways { threads: list, ends: ends.into(), begins });
        let id = self.transitions.len() as u32;
        self.backs_of.push(self.backs.len() as u32);
        self.backs.extend(threads.iter().map(|thread| taken[thread.node as usize]));
        self.moves.push(Moves::new(&continues));
        self.bytes +=
            size_of::<Transition>() + size_of::<Moves>() + continues.len() * 4 + threads.len() * size_of::<Back>();
        self.transitions.push(Transition { letter, poison, accepted, continues: continues.into() });
        Some(Step { transition: id, next: next | completes | goes | begins_group })
    }

    fn add_state(&mut self, ways: Ways) -> Node {
        if let Some(id) = self.ids.get(&ways) {
            return *id;
        }
        let id = self.states.len() as Node;
        self.bytes += 2 * (ways.threads.len() * size_of::<(StateId, u16)>() + ways.ends.len() * 4 + 64);
        if let Some(bits) = self.dense_bits {
            self.dense.resize(self.dense.len() + (1 << bits), Step::default());
            self.bytes += size_of::<Step>() << bits;
        }
        let rows = ways.threads.iter().filter_map(|(state, _)| symbol_of(&self.program, *state)).collect();
        let begins = match ways.begins {
            Begins::No => SymbolSet::EMPTY,
            Begins::AtFirstRow => self.first_entry.symbols,
            Begins::AtRow => self.entry.symbols,
        };
        self.tested.push(begins.union(rows));
        self.ids.insert(ways.clone(), id);
        self.states.push(ways);
        id
    }
}

/// Where a table for letters of `bits` bits says what `letter` makes of `state`.
#[inline]
pub(super) fn slot(bits: u32, state: u32, letter: Letter) -> usize {
    ((state as usize) << bits) | (letter.0 & ((1 << bits) - 1)) as usize
}

/// A list in the making.
struct Making {
    letter: Letter,
    poison: SymbolSet,
    /// The steps over the row.
    taken: Vec<Back>,
    /// What they lead to; `node` is an index into `taken`.
    threads: Vec<Thread>,
}

impl Making {
    /// Lets a thread take the row; says if it completes.
    fn consume(
        &mut self,
        program: &Program,
        closure: &mut Closure,
        state: StateId,
        from: u32,
    ) -> Option<(Back, Completion)> {
        let State::Row { symbol, excluded, next } = program.state(state) else { return None };
        let back = Back { from, label: symbol.0 | if *excluded { EXCLUDED } else { 0 } };
        if self.poison.contains(*symbol) {
            return Some((back, Completion::Poisoned(*symbol)));
        }
        if !self.letter.contains(*symbol) || closure.has_met(*next) {
            return None;
        }
        let node = self.taken.len() as u32;
        self.taken.push(back);
        let complete = closure.take(program, *next, NOT_FRESH, node, BEHIND_A_ROW, &mut self.threads);
        complete.then_some((back, Completion::Row))
    }
}
