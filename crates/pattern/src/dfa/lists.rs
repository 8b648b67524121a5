//! Lists of classes as states: where starts are told apart and few are open, a row costs one look into a table for all of them.
//!
//! This is the automaton over the automaton: its states are the lists of states in which the open starts stand, in order of start, as long as
//! no two stand in the same. What it cannot say in a [`ListStep`] is left to [`super::apart`], which takes class by class.

use std::collections::HashMap;

use super::cache::{Cache, Completion, IDLE, Node, Step, slot};
use crate::{Letter, SymbolSet};

/// So many starts may be open.
pub(super) const LIST_MAX: usize = 8;

/// Nothing is open.
pub(super) const NO_CLASS: u32 = 0;

/// What a letter makes of a list.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct ListStep {
    /// The list that it leads to.
    pub(super) next: u32,
    /// Which starts have no way left, as bits.
    pub(super) goes: u8,
    /// Which starts complete with the row.
    pub(super) completes: u8,
    /// How many starts there were.
    pub(super) len: u8,
    events: u8,
}

impl ListStep {
    /// The row begins a match, for now.
    pub(super) const STARTS: u8 = 1;
    /// The match that it begins is complete.
    pub(super) const STARTS_COMPLETE: u8 = 2;
    /// It is final, too.
    pub(super) const STARTS_FINAL: u8 = 4;
    /// It is not for a list to say.
    const BEYOND: u8 = 64;
    const KNOWN: u8 = 128;

    /// Whether `event` happens.
    #[inline]
    pub(super) const fn does(self, event: u8) -> bool {
        self.events & event != 0
    }
}

/// The lists so far.
#[derive(Debug)]
pub(super) struct Lists {
    lists: Vec<Box<[Node]>>,
    ids: HashMap<Box<[Node]>, u32>,
    /// By list and letter.
    steps: Vec<ListStep>,
    steps_max: usize,
}

impl Lists {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            lists: Vec::new(),
            ids: HashMap::new(),
            steps: Vec::new(),
            steps_max: bytes_max / size_of::<ListStep>() / 4,
        }
    }

    /// The states of a list.
    pub(super) fn states(&self, list: u32) -> &[Node] {
        self.lists.get(list as usize).map_or(&[], |states| states)
    }

    /// What the letter makes of the list, if that can be said.
    #[inline]
    pub(super) fn step(&mut self, cache: &mut Cache, list: u32, letter: Letter) -> Option<ListStep> {
        let bits = cache.dense_bits()?;
        let slot = slot(bits, list, letter);
        let step = match self.steps.get(slot) {
            Some(step) if step.does(ListStep::KNOWN) => *step,
            _ => {
                let step = self.explore(cache, list, letter, bits)?;
                *self.steps.get_mut(slot)? = step;
                step
            }
        };
        cache.count(1);
        (!step.does(ListStep::BEYOND)).then_some(step)
    }

    #[cold]
    fn explore(&mut self, cache: &mut Cache, list: u32, letter: Letter, bits: u32) -> Option<ListStep> {
        if self.lists.is_empty() {
            self.add(&[], bits)?;
        }
        let mut found = ListStep { events: ListStep::KNOWN, ..ListStep::default() };
        let mut next = Vec::new();
        for (index, state) in self.lists[list as usize].iter().enumerate() {
            let step = cache.step(*state, letter, SymbolSet::EMPTY)?;
            found.completes |= u8::from(step.does(Step::COMPLETES | Step::REPEATS)) << index;
            found.goes |= u8::from(step.does(Step::GOES)) << index;
            found.len += 1;
            if !step.does(Step::GOES) {
                next.push(step.next());
            }
        }
        let entry = cache.entry(false);
        if !letter.intersection(entry.symbols).is_empty() {
            let step = cache.step(IDLE, letter, SymbolSet::EMPTY)?;
            let transition = cache.transition(step.transition);
            let completion = transition.accepted.map(|accepted| accepted.completion);
            found.events |= match completion {
                None => 0,
                Some(Completion::Row) => ListStep::STARTS_COMPLETE,
                Some(_) => ListStep::BEYOND,
            };
            let goes_on = !transition.continues.is_empty();
            if goes_on || completion.is_some() {
                found.events |= if goes_on { ListStep::STARTS } else { ListStep::STARTS | ListStep::STARTS_FINAL };
            }
            if goes_on {
                next.push(step.next());
            }
        }
        let joins = (1..next.len()).any(|index| next[..index].contains(&next[index]));
        if joins || next.len() > LIST_MAX {
            found.events |= ListStep::BEYOND;
        } else {
            found.next = self.add(&next, bits)?;
        }
        Some(found)
    }

    fn add(&mut self, states: &[Node], bits: u32) -> Option<u32> {
        if let Some(id) = self.ids.get(states) {
            return Some(*id);
        }
        if self.steps.len() >= self.steps_max {
            return None;
        }
        let id = self.lists.len() as u32;
        self.lists.push(states.into());
        self.ids.insert(states.into(), id);
        self.steps.resize(self.steps.len() + (1 << bits), ListStep::default());
        Some(id)
    }
}
