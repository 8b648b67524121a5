//! Matches on their way out: what is known of each, and the variables of their rows, all in two lists.

use dipper_pattern::{Match, Status, SymbolId};

use super::partitions::PartitionId;

/// Matches of many partitions.
#[derive(Debug, Default)]
pub(super) struct FoundMatches {
    heads: Vec<Head>,
    symbols: Vec<SymbolId>,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    partition: PartitionId,
    status: Status,
    number: u64,
    start: u64,
    first_seq: Option<u64>,
    deadline: Option<i64>,
    /// Its first variable in the common list.
    first_symbol: usize,
    len: usize,
}

/// A match and where it was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    /// The partition.
    pub(super) partition: PartitionId,
    /// Whether the match is whole.
    pub(super) status: Status,
    /// Counts from 1 in each partition.
    pub(super) number: u64,
    /// Its first row in the partition.
    pub(super) start: u64,
    /// The sequence number of the first row, if those of the others follow without a gap.
    pub(super) first_seq: Option<u64>,
    /// When it ran out of time.
    pub(super) deadline: Option<i64>,
    /// The variable of each row.
    pub(super) symbols: &'a [SymbolId],
}

impl FoundMatches {
    /// Adds one. `first_seq` is the sequence number of its first row if those of the others follow without a gap.
    #[inline]
    pub(super) fn push(&mut self, partition: PartitionId, first_seq: Option<u64>, found: &Match) {
        let (first_symbol, len) = (self.symbols.len(), found.symbols.len());
        self.symbols.extend_from_slice(&found.symbols);
        self.heads.push(Head {
            partition,
            status: found.status,
            number: found.number,
            start: found.start,
            first_seq,
            deadline: found.deadline,
            first_symbol,
            len,
        });
    }

    /// Forgets them, and keeps memory for so many matches and rows.
    pub(super) fn clear(&mut self, matches: usize, rows: usize) {
        self.heads.clear();
        self.heads.shrink_to(matches);
        self.symbols.clear();
        self.symbols.shrink_to(rows);
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.heads.len()
    }

    /// One of them.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Found<'_> {
        let Head { partition, status, number, start, first_seq, deadline, first_symbol, len } = self.heads[index];
        let symbols = &self.symbols[first_symbol..first_symbol + len];
        Found { partition, status, number, start, first_seq, deadline, symbols }
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = Found<'_>> {
        (0..self.len()).map(|index| self.get(index))
    }
}

impl<'a> Found<'a> {
    /// A match by itself.
    pub(super) fn of(partition: PartitionId, found: &'a Match) -> Self {
        let Match { number, start, symbols, status, deadline, .. } = found;
        let (number, start, status, deadline) = (*number, *start, *status, *deadline);
        Self { partition, status, number, start, first_seq: None, deadline, symbols }
    }

    /// The sequence number of a row of the match, if it is one and it is known without asking the partition.
    #[inline]
    pub(super) fn seq_of(&self, row: i64) -> Option<u64> {
        let offset = u64::try_from(row).ok()?.checked_sub(self.start)?;
        (offset < self.symbols.len() as u64).then_some(self.first_seq? + offset)
    }
}
