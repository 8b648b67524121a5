//! Key groups: the unit in which keyed state moves between subtasks. The hash from a row to its key group needs Arrow and
//! stands in `operator-api`.

use serde::{Deserialize, Serialize};

use crate::SubtaskId;

/// How many key groups a job has unless it says otherwise. Fixed for the life of a job.
pub const DEFAULT_KEY_GROUPS: u16 = 128;

/// A group of keys, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyGroup(pub u16);

impl KeyGroup {
    /// The index of the subtask that owns this group: contiguous ranges, as even as they can be.
    ///
    /// ```
    /// use dipper_types::{KeyGroup, DEFAULT_KEY_GROUPS};
    /// assert_eq!(KeyGroup(0).subtask(DEFAULT_KEY_GROUPS, 4), 0);
    /// assert_eq!(KeyGroup(127).subtask(DEFAULT_KEY_GROUPS, 4), 3);
    /// ```
    pub fn subtask(self, key_groups: u16, parallelism: usize) -> usize {
        usize::from(self.0) * parallelism / usize::from(key_groups)
    }
}

/// The key groups `start..end` that one subtask owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyGroupRange {
    /// The first group.
    pub start: u16,
    /// One past the last group.
    pub end: u16,
}

impl KeyGroupRange {
    /// The groups of a subtask: the inverse of [`KeyGroup::subtask`].
    pub fn of(subtask: SubtaskId, key_groups: u16) -> Self {
        let bound = |index: usize| (index * usize::from(key_groups)).div_ceil(subtask.parallelism) as u16;
        Self { start: bound(subtask.index), end: bound(subtask.index + 1) }
    }

    /// Whether the group is in the range.
    pub fn contains(self, group: KeyGroup) -> bool {
        (self.start..self.end).contains(&group.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_group_belongs_to_the_range_of_its_subtask_and_to_no_other() {
        for parallelism in 1..=130 {
            for group in 0..DEFAULT_KEY_GROUPS {
                let owner = KeyGroup(group).subtask(DEFAULT_KEY_GROUPS, parallelism);
                for index in 0..parallelism {
                    let range = KeyGroupRange::of(SubtaskId { index, parallelism }, DEFAULT_KEY_GROUPS);
                    assert_eq!(range.contains(KeyGroup(group)), index == owner, "group {group}, {index}/{parallelism}");
                }
            }
        }
    }
}
