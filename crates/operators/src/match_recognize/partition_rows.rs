//! The rows of one partition that are still kept: from their index in the partition to their sequence number in the store.

use std::collections::VecDeque;
use std::ops::Range;

use dipper_types::Result;

use super::row_store::{Addresses, RowStore};

/// The kept rows of a partition: all from some row on.
#[derive(Debug, Default)]
pub(super) struct PartitionRows {
    /// First row and its sequence number of each stretch of consecutive ones, ascending.
    stretches: VecDeque<(u64, u64)>,
    first: u64,
    seen: u64,
}

impl PartitionRows {
    /// How many rows the partition has had.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// New rows with consecutive sequence numbers.
    pub(super) fn append(&mut self, first_seq: u64, count: usize) {
        let follows = self.stretches.back().is_some_and(|(row, seq)| seq + (self.seen - row) == first_seq);
        if !follows {
            self.stretches.push_back((self.seen, first_seq));
        }
        self.seen += count as u64;
    }

    /// Lets go of the rows before `row`.
    pub(super) fn release_before(&mut self, row: u64, store: &mut RowStore) {
        let row = row.min(self.seen);
        while self.first < row
            && let Some((from, seq)) = self.stretches.front().copied()
        {
            let end = self.stretches.get(1).map_or(self.seen, |next| next.0);
            let until = end.min(row);
            store.release(seq + (self.first - from)..seq + (until - from));
            self.first = until;
            if until == end {
                self.stretches.pop_front();
            }
        }
        self.first = self.first.max(row);
        if self.stretches.is_empty() && self.stretches.capacity() > 4 {
            self.stretches = VecDeque::new();
        }
    }

    /// The sequence number of a row, if the partition has it.
    pub(super) fn seq_of(&self, row: i64) -> Option<u64> {
        let row = u64::try_from(row).ok().filter(|row| (self.first..self.seen).contains(row))?;
        let (from, seq) = self.stretches[self.stretch_of(row)?];
        Some(seq + (row - from))
    }

    /// Adds the addresses of the rows of `rows`; those outside the partition are missing.
    pub(super) fn address(&self, rows: Range<i64>, store: &RowStore, addresses: &mut Addresses) -> Result<()> {
        let (first, seen) = (self.first as i64, self.seen as i64);
        if rows.start < first {
            addresses.missing((rows.end.min(first) - rows.start) as usize);
        }
        let (mut from, end) = (rows.start.max(first), rows.end.min(seen));
        let mut stretch = if from < end { self.stretch_of(from as u64).unwrap_or(0) } else { 0 };
        while from < end {
            let (row, seq) = self.stretches[stretch];
            let until = self.stretches.get(stretch + 1).map_or(end, |next| end.min(next.0 as i64));
            let first_seq = seq + (from as u64 - row);
            store.address(first_seq..first_seq + (until - from) as u64, addresses)?;
            from = until;
            stretch += 1;
        }
        if rows.end > seen {
            addresses.missing((rows.end - rows.start.max(seen)) as usize);
        }
        Ok(())
    }

    fn stretch_of(&self, row: u64) -> Option<usize> {
        match self.stretches.back() {
            Some((from, _)) if *from <= row => Some(self.stretches.len() - 1),
            _ => self.stretches.partition_point(|(from, _)| *from <= row).checked_sub(1),
        }
    }
}
