//! Un-keyed state: small lists that go into the manifest itself.

use dipper_types::SubtaskId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What becomes of a list when the job is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Redistribution {
    /// Every subtask gets the items of all subtasks.
    Union,
    /// Each item goes to one subtask, in turn by order of id.
    BySplit,
}

/// One item of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListItem {
    /// What the item is about, such as a split.
    pub id: String,
    /// What is known about it.
    pub state: Value,
}

/// A list of one subtask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListState {
    /// Who gets the items.
    pub redistribution: Redistribution,
    /// The items.
    pub items: Vec<ListItem>,
}

impl ListState {
    /// The items that a subtask gets of what all subtasks stored: sorted by id, for `Union` in the order of the subtasks among equals.
    pub(crate) fn redistribute<'a>(lists: impl Iterator<Item = &'a Self>, subtask: SubtaskId) -> Vec<ListItem> {
        let lists = lists.collect::<Vec<_>>();
        let by_split = lists.iter().any(|list| list.redistribution == Redistribution::BySplit);
        let mut items: Vec<ListItem> = lists.into_iter().flat_map(|list| list.items.iter().cloned()).collect();
        items.sort_by(|a, b| a.id.cmp(&b.id));
        let mine = |index: usize| !by_split || index % subtask.parallelism.max(1) == subtask.index;
        items.into_iter().enumerate().filter(|(index, _)| mine(*index)).map(|(_, item)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(redistribution: Redistribution, ids: &[&str]) -> ListState {
        let item = |id: &&str| ListItem { id: (*id).to_owned(), state: Value::Null };
        ListState { redistribution, items: ids.iter().map(item).collect() }
    }

    fn ids(lists: &[ListState], index: usize, parallelism: usize) -> Vec<String> {
        let items = ListState::redistribute(lists.iter(), SubtaskId { index, parallelism });
        items.into_iter().map(|item| item.id).collect()
    }

    #[test]
    fn every_split_goes_to_exactly_one_subtask_at_any_parallelism() {
        let lists = [list(Redistribution::BySplit, &["c", "a"]), list(Redistribution::BySplit, &["e", "b", "d"])];
        for parallelism in 1..8 {
            let mut all: Vec<String> = (0..parallelism).flat_map(|index| ids(&lists, index, parallelism)).collect();
            all.sort();
            assert_eq!(all, ["a", "b", "c", "d", "e"]);
        }
        assert_eq!(ids(&lists, 1, 2), ["b", "d"]);
    }

    #[test]
    fn a_union_goes_whole_to_every_subtask() {
        let lists = [list(Redistribution::Union, &["a"]), list(Redistribution::Union, &["b"])];
        assert_eq!(ids(&lists, 0, 2), ["a", "b"]);
        assert_eq!(ids(&lists, 1, 2), ["a", "b"]);
    }
}
