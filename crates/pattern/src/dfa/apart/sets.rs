//! Sets of starts with the same outcome: a union-find in which what is known of a set stands at its latest start, which leaves last.

use super::{Apart, Start};

impl Apart {
    pub(super) fn start(&self, number: u64) -> Option<&Start> {
        self.starts.get(usize::try_from(number.checked_sub(self.left)?).ok()?)
    }

    pub(super) fn start_mut(&mut self, number: u64) -> Option<&mut Start> {
        self.starts.get_mut(usize::try_from(number.checked_sub(self.left)?).ok()?)
    }

    /// The latest start of the set that a start belongs to.
    pub(super) fn set_of(&mut self, mut number: u64) -> u64 {
        loop {
            let towards = self.start(number).map_or(0, |start| start.towards);
            if towards == 0 {
                return number;
            }
            let further = self.start(number + towards).map_or(0, |start| start.towards);
            if let Some(start) = self.start_mut(number) {
                start.towards = towards + further;
            }
            number += towards + further;
        }
    }

    /// Makes one of two sets, which are given by their latest starts.
    pub(super) fn link(&mut self, one: u64, other: u64) -> u64 {
        let (earlier, later) = (one.min(other), one.max(other));
        if let Some(start) = self.start_mut(earlier) {
            start.towards = later - earlier;
        }
        later
    }
}
