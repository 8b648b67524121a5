//! Lists of the stretches in which the rows of a partition lie, for the partitions that have more than one. Lists come and go with
//! every batch, so their memory is used again.

use std::collections::VecDeque;

/// Lists that shrink to nothing keep room for so many stretches.
const KEPT_CAPACITY: usize = 16;

/// A list in use.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListId(u32);

/// First row and its sequence number of each stretch of consecutive rows, ascending, list by list.
#[derive(Debug, Default)]
pub(super) struct StretchLists {
    lists: Vec<VecDeque<(u64, u64)>>,
    free: Vec<ListId>,
}

impl StretchLists {
    /// A new list.
    pub(super) fn list(&mut self, stretches: [(u64, u64); 2]) -> ListId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.lists.push(VecDeque::new());
            ListId(self.lists.len() as u32 - 1)
        });
        self.of_mut(id).extend(stretches);
        id
    }

    /// A list.
    pub(super) fn of(&self, id: ListId) -> &VecDeque<(u64, u64)> {
        &self.lists[id.0 as usize]
    }

    /// A list, to be changed.
    pub(super) fn of_mut(&mut self, id: ListId) -> &mut VecDeque<(u64, u64)> {
        &mut self.lists[id.0 as usize]
    }

    /// A list is not in use any more.
    pub(super) fn give_back(&mut self, id: ListId) {
        let list = self.of_mut(id);
        list.clear();
        list.shrink_to(KEPT_CAPACITY);
        self.free.push(id);
    }

    /// None is.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
