//! What has changed, as the task gives it away at a barrier: whole columns, and partitions by their ids.

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;
use dipper_state::TableSpec;

use super::super::partitions::PartitionId;

/// What has changed since the last snapshot.
#[derive(Debug, Default)]
pub(in super::super) struct Delta {
    /// The keys of new partitions in the order of their ids, batch by batch, column by column.
    pub(in super::super) new_keys: Vec<Vec<ArrayRef>>,
    /// The partitions that are new or have changed, in order.
    pub(in super::super) changed: Vec<PartitionId>,
    /// How many of them, the last, are new.
    pub(in super::super) new: usize,
    /// Where the search stands in each of the changed ones.
    pub(in super::super) counters: Counters,
    /// The rows that have come and are kept.
    pub(in super::super) rows: Vec<KeptRows>,
    /// What else there is, each table's deletes before its rows.
    pub(in super::super) others: Vec<OfPartitions>,
}

/// What changes of a partition with every row, column by column. Rows are told by how far from the end they are: that is little.
#[derive(Debug, Default)]
pub(in super::super) struct Counters {
    /// How many rows have been released to it.
    pub(in super::super) seen: Vec<u64>,
    /// How many of them, the last, are kept.
    pub(in super::super) kept: Vec<u32>,
    /// How many of them have not been searched.
    pub(in super::super) unsearched: Vec<u32>,
    /// How many there are from the first on that the search still needs.
    pub(in super::super) open: Vec<u32>,
    /// How many there are from the first on that has neither been put out nor belongs to a match; empty where nobody asks.
    pub(in super::super) unreported: Vec<u32>,
    /// How many matches have been found.
    pub(in super::super) matches: Vec<u64>,
}

impl Counters {
    /// None, with room for so many that the next time costs no new memory: new pages come into being when they are first written to.
    pub(in super::super) fn with_room(partitions: usize) -> Self {
        Self {
            seen: written_to(partitions, 1),
            kept: written_to(partitions, 1),
            unsearched: written_to(partitions, 1),
            open: written_to(partitions, 1),
            unreported: Vec::new(),
            matches: written_to(partitions, 1),
        }
    }

    /// Makes room for so many, where there is not enough.
    pub(in super::super) fn reserve(&mut self, partitions: usize) {
        self.seen.reserve(partitions);
        for column in [&mut self.kept, &mut self.unsearched, &mut self.open] {
            column.reserve(partitions);
        }
        self.matches.reserve(partitions);
    }

    /// The first row that is kept of a partition.
    pub(in super::super) fn first(&self, index: usize) -> u64 {
        self.seen[index] - u64::from(self.kept[index])
    }

    /// How many of its rows have been searched.
    pub(in super::super) fn searched(&self, index: usize) -> u64 {
        self.seen[index] - u64::from(self.unsearched[index])
    }

    /// The first row that the search still needs.
    pub(in super::super) fn needed(&self, index: usize) -> u64 {
        self.seen[index] - u64::from(self.open[index])
    }
}

/// Zeros would not do: they come as pages that nobody has touched.
fn written_to<T: Clone>(room: usize, value: T) -> Vec<T> {
    let mut column = vec![value; room];
    column.clear();
    column
}

/// Rows of the store, some of which are alive.
#[derive(Debug)]
pub(in super::super) struct KeptRows {
    /// The kept columns by slot, then the partition of each row and its index there.
    pub(in super::super) columns: Vec<ArrayRef>,
    /// Which are alive.
    pub(in super::super) live: BooleanBuffer,
}

/// Rows of a table, or keys, that name their partitions by id.
#[derive(Debug)]
pub(in super::super) struct OfPartitions {
    /// The table.
    pub(in super::super) table: TableSpec,
    /// Whether these are the keys of rows that are gone.
    pub(in super::super) are_gone: bool,
    /// The partition of each.
    pub(in super::super) ids: Vec<PartitionId>,
    /// Where its number stands among the columns, if it does.
    pub(in super::super) number_at: Option<usize>,
    /// The other columns.
    pub(in super::super) columns: Vec<ArrayRef>,
}
