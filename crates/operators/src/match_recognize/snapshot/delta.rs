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

/// What changes of a partition with every row, column by column.
#[derive(Debug, Default)]
pub(in super::super) struct Counters {
    /// The first row that is kept.
    pub(in super::super) first: Vec<u64>,
    /// How many rows have been released to it.
    pub(in super::super) seen: Vec<u64>,
    /// How many of them have been searched.
    pub(in super::super) searched: Vec<u64>,
    /// The first row that the search still needs.
    pub(in super::super) needed: Vec<u64>,
    /// How many matches have been found.
    pub(in super::super) matches: Vec<u64>,
    /// The first row that has neither been put out nor belongs to a match; empty where nobody asks.
    pub(in super::super) reported: Vec<u64>,
}

impl Counters {
    /// None, with room for so many.
    pub(in super::super) fn with_capacity(partitions: usize, with_reported: bool) -> Self {
        let room = || Vec::with_capacity(partitions);
        let reported = if with_reported { room() } else { Vec::new() };
        Self { first: room(), seen: room(), searched: room(), needed: room(), matches: room(), reported }
    }
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
