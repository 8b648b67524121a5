//! Few open starts, taken together: what is to be done for each that a list does not know, its start.

use smallvec::smallvec;

use super::{Apart, Class, Known, NONE, Start};
use crate::Letter;
use crate::dfa::cache::Cache;
use crate::dfa::lists::{ListStep, Lists};

impl Apart {
    /// Lets all starts take the row at once, and starts a match at it. Says whether that is for lists to do.
    #[inline]
    pub(super) fn step_list(&mut self, cache: &mut Cache, lists: &mut Lists, row: u64, letter: Letter) -> bool {
        let Known::List(list) = self.known else { return false };
        let Some(step) = lists.step(cache, list, letter) else { return false };
        debug_assert!(self.next_start <= row, "what is final ends before the row");
        self.known = Known::List(step.next);
        let mut kept = 0;
        for index in 0..usize::from(step.len) {
            let number = self.open[index];
            let (goes, completes) = (step.goes >> index & 1 == 1, step.completes >> index & 1 == 1);
            if let Some(start) = self.starts.get_mut(number.wrapping_sub(self.left) as usize) {
                start.resolved = goes;
                start.outcome = if completes { row + 1 } else { start.outcome };
            }
            self.open[kept] = number;
            kept += usize::from(!goes);
        }
        self.turned = step.goes != 0 || step.does(ListStep::STARTS_FINAL);
        if step.does(ListStep::STARTS) {
            let number = self.left + self.starts.len() as u64;
            let outcome = if step.does(ListStep::STARTS_COMPLETE) { row + 1 } else { NONE };
            let resolved = step.does(ListStep::STARTS_FINAL);
            self.starts.push_back(Start { row, time: 0, towards: 0, resolved, outcome });
            if !resolved {
                self.open[kept] = number;
            }
        } else if self.starts.is_empty() {
            self.base = row + 1;
            return true;
        }
        self.letters.push(letter);
        true
    }

    /// From here on class by class.
    pub(super) fn spread(&mut self, lists: &Lists) {
        let Known::List(list) = self.known else { return };
        self.known = Known::Classes;
        for (state, number) in lists.states(list).iter().zip(self.open) {
            if number >= self.left {
                self.classes.push(Class { state: *state, latest: number, sets: smallvec![number] });
            }
        }
        self.calm = false;
    }
}
