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
    /// How many there are.
    pub(in super::super) new: usize,
    /// The partitions that have changed, in the order in which they have: of several notes of one the last is right.
    pub(in super::super) notes: Vec<Standing>,
    /// The rows that have come and are kept.
    pub(in super::super) rows: Vec<KeptRows>,
    /// What else there is, each table's deletes before its rows.
    pub(in super::super) others: Vec<OfPartitions>,
}

/// What changes of a partition with every row. Rows are told by how far from the end they are: that is little.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Standing {
    /// Which partition.
    pub(in super::super) id: PartitionId,
    /// How many of its rows, the last, are kept.
    pub(in super::super) kept: u32,
    /// How many rows have been released to it.
    pub(in super::super) seen: u64,
    /// How many of them have not been searched.
    pub(in super::super) unsearched: u32,
    /// How many there are from the first on that the search still needs.
    pub(in super::super) open: u32,
    /// How many matches have been found.
    pub(in super::super) matches: u64,
    /// How many there are from the first on that has neither been put out nor belongs to a match; 0 where nobody asks.
    pub(in super::super) unreported: u32,
}

/// The same of many partitions, column by column.
#[derive(Debug, Default)]
pub(in super::super) struct Counters {
    /// [`Standing::seen`].
    pub(in super::super) seen: Vec<u64>,
    /// [`Standing::kept`].
    pub(in super::super) kept: Vec<u32>,
    /// [`Standing::unsearched`].
    pub(in super::super) unsearched: Vec<u32>,
    /// [`Standing::open`].
    pub(in super::super) open: Vec<u32>,
    /// [`Standing::unreported`].
    pub(in super::super) unreported: Vec<u32>,
    /// [`Standing::matches`].
    pub(in super::super) matches: Vec<u64>,
}

/// Leaves the last note of each partition, in the order of the notes.
pub(super) fn latest(notes: &mut Vec<Standing>) {
    let partitions = notes.iter().map(|note| note.id as usize + 1).max().unwrap_or(0);
    let mut is_known = vec![0_u64; partitions.div_ceil(64)];
    let mut first = notes.len();
    for place in (0..notes.len()).rev() {
        let id = notes[place].id as usize;
        let bit = 1 << (id % 64);
        if is_known[id / 64] & bit == 0 {
            is_known[id / 64] |= bit;
            first -= 1;
            notes[first] = notes[place];
        }
    }
    notes.drain(..first);
}

impl Counters {
    /// Those of some partitions.
    pub(super) fn of(notes: &[Standing]) -> Self {
        let mut counters = Self::default();
        // A few at a time, so that they come from memory once and not for every column.
        for notes in notes.chunks(2048) {
            counters.seen.extend(notes.iter().map(|note| note.seen));
            counters.kept.extend(notes.iter().map(|note| note.kept));
            counters.unsearched.extend(notes.iter().map(|note| note.unsearched));
            counters.open.extend(notes.iter().map(|note| note.open));
            counters.unreported.extend(notes.iter().map(|note| note.unreported));
            counters.matches.extend(notes.iter().map(|note| note.matches));
        }
        counters
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_note_of_a_partition_is_left_and_the_order_is_kept() {
        let note = |id, seen| Standing { id, seen, ..Standing::default() };
        let mut notes = vec![note(70, 1), note(3, 1), note(70, 2), note(0, 5), note(3, 2), note(3, 3)];
        latest(&mut notes);
        let left: Vec<_> = notes.iter().map(|note| (note.id, note.seen)).collect();
        assert_eq!(left, [(70, 2), (0, 5), (3, 3)]);
        latest(&mut notes);
        assert_eq!(notes.len(), 3);
        notes.clear();
        latest(&mut notes);
        assert!(notes.is_empty());
    }
}
