//! The rows of one partition that are still kept: from their index in the partition to their sequence number in the store.

use std::collections::VecDeque;
use std::ops::Range;

use dipper_types::{Error, Result};

use super::row_store::{Addresses, RowStore};
use super::stretches::ListId;

/// The kept rows of a partition: the last of those seen. There is one record for each key ever seen, so it is small.
#[derive(Debug, Default)]
pub(super) struct PartitionRows {
    seen: u64,
    kept: u32,
    /// How many rows of the present step are the partition's: a note of [`super::partitions::bring_together`], 0 otherwise.
    pub(super) in_step: u32,
    stretches: Stretches,
}

/// Where the kept rows are.
#[derive(Debug)]
enum Stretches {
    /// They follow one another from this sequence number on.
    One(u64),
    /// In several stretches of consecutive ones, which the store lists.
    Many(ListId),
}

impl Default for Stretches {
    fn default() -> Self {
        Self::One(0)
    }
}

impl PartitionRows {
    /// How many rows the partition has had.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// The first of the kept rows.
    pub(super) fn first(&self) -> u64 {
        self.seen - u64::from(self.kept)
    }

    /// A partition that has had so many rows and keeps none of them.
    pub(super) fn behind(seen: u64) -> Self {
        Self { seen, ..Self::default() }
    }

    /// New rows with consecutive sequence numbers, which are the store's latest.
    pub(super) fn append(&mut self, first_seq: u64, count: usize, store: &mut RowStore) -> Result<()> {
        let first = self.first();
        match &mut self.stretches {
            Stretches::One(seq) if self.kept == 0 => *seq = first_seq,
            Stretches::One(seq) if *seq + u64::from(self.kept) == first_seq => {}
            Stretches::One(seq) => {
                let both = [(first, *seq), (self.seen, first_seq)];
                self.stretches = Stretches::Many(store.stretches.list(both));
            }
            Stretches::Many(list) => {
                let stretches = store.stretches.of_mut(*list);
                let follows = stretches.back().is_some_and(|(row, seq)| seq + (self.seen - row) == first_seq);
                if !follows {
                    stretches.push_back((self.seen, first_seq));
                }
            }
        }
        self.grow(count)
    }

    /// A partition whose rows are these.
    pub(super) fn stretch(seqs: Range<u64>) -> Result<Self> {
        let mut rows = Self { stretches: Stretches::One(seqs.start), ..Self::default() };
        rows.grow((seqs.end - seqs.start) as usize)?;
        Ok(rows)
    }

    fn grow(&mut self, count: usize) -> Result<()> {
        self.seen += count as u64;
        let kept = u32::try_from(count).ok().and_then(|count| self.kept.checked_add(count));
        self.kept = kept.ok_or_else(|| {
            Error::invalid("an open match holds more than 4,294,967,295 rows of one partition")
                .with_hint("bound the match, with WITHIN for example")
        })?;
        Ok(())
    }

    /// Lets go of the rows before `row`.
    pub(super) fn release_before(&mut self, row: u64, store: &mut RowStore) {
        let (first, row) = (self.first(), row.min(self.seen));
        if row <= first {
            return;
        }
        match &mut self.stretches {
            Stretches::One(seq) => {
                store.release(*seq..*seq + (row - first));
                *seq += row - first;
            }
            Stretches::Many(list) => {
                let mut from = first;
                while from < row
                    && let Some((start, seq)) = store.stretches.of(*list).front().copied()
                {
                    let stretches = store.stretches.of_mut(*list);
                    let end = stretches.get(1).map_or(self.seen, |next| next.0);
                    let until = end.min(row);
                    if until == end {
                        stretches.pop_front();
                    }
                    store.release(seq + (from - start)..seq + (until - start));
                    from = until;
                }
                let stretches = store.stretches.of(*list);
                if stretches.len() <= 1 {
                    let seq = stretches.front().map_or(0, |(start, seq)| seq + (row - start));
                    store.stretches.give_back(*list);
                    self.stretches = Stretches::One(seq);
                }
            }
        }
        self.kept = (self.seen - row) as u32;
    }

    /// The sequence number of the first of some rows that the partition has, if those of the others follow without a gap.
    #[inline]
    pub(super) fn first_seq_of(&self, rows: Range<u64>, store: &RowStore) -> Option<u64> {
        let kept_from = self.first();
        if rows.start < kept_from || rows.end > self.seen {
            return None;
        }
        match &self.stretches {
            Stretches::One(seq) => Some(seq + (rows.start - kept_from)),
            Stretches::Many(list) => {
                let stretches = store.stretches.of(*list);
                let index = stretch_of(stretches, rows.start);
                let (start, seq) = stretches[index];
                let goes_on = stretches.get(index + 1).is_none_or(|next| rows.end <= next.0);
                goes_on.then(|| seq + (rows.start - start))
            }
        }
    }

    /// The sequence number of a row, if the partition has it.
    #[inline]
    pub(super) fn seq_of(&self, row: i64, store: &RowStore) -> Option<u64> {
        let first = self.first();
        let row = u64::try_from(row).ok().filter(|row| (first..self.seen).contains(row))?;
        match &self.stretches {
            Stretches::One(seq) => Some(seq + (row - first)),
            Stretches::Many(list) => {
                let stretches = store.stretches.of(*list);
                let (start, seq) = stretches[stretch_of(stretches, row)];
                Some(seq + (row - start))
            }
        }
    }

    /// Adds the addresses of the rows of `rows`; those outside the partition are missing.
    pub(super) fn address(&self, rows: Range<i64>, store: &RowStore, addresses: &mut Addresses) -> Result<()> {
        let (first, seen) = (self.first() as i64, self.seen as i64);
        if rows.start < first {
            addresses.missing((rows.end.min(first) - rows.start) as usize);
        }
        let (from, end) = (rows.start.max(first), rows.end.min(seen));
        if from < end {
            match &self.stretches {
                Stretches::One(seq) => {
                    let seqs = seq + (from - first) as u64..seq + (end - first) as u64;
                    store.address(seqs, addresses)?;
                }
                Stretches::Many(list) => {
                    let stretches = store.stretches.of(*list);
                    for index in stretch_of(stretches, from as u64)..stretches.len() {
                        let (start, seq) = stretches[index];
                        let until = stretches.get(index + 1).map_or(end, |next| end.min(next.0 as i64));
                        let from = from.max(start as i64);
                        if from >= until {
                            break;
                        }
                        let seqs = seq + (from as u64 - start)..seq + (until as u64 - start);
                        store.address(seqs, addresses)?;
                    }
                }
            }
        }
        if rows.end > seen {
            addresses.missing((rows.end - rows.start.max(seen)) as usize);
        }
        Ok(())
    }
}

/// The stretch that holds a row; the last is the likeliest.
fn stretch_of(stretches: &VecDeque<(u64, u64)>, row: u64) -> usize {
    match stretches.back() {
        Some((from, _)) if *from <= row => stretches.len() - 1,
        _ => stretches.partition_point(|(from, _)| *from <= row).saturating_sub(1),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Int64Type};

    use super::*;

    #[test]
    fn rows_are_found_wherever_their_stretches_lie() {
        let mut store = RowStore::new(vec![DataType::Int64]);
        let mut rows = PartitionRows::default();
        // Row n of the partition has the value n; other partitions' rows lie between.
        let add = |rows: &mut PartitionRows, store: &mut RowStore, count: i64, others: i64| {
            let first = rows.seen() as i64;
            let values: Int64Array = (first..first + count).chain(std::iter::repeat_n(-1, others as usize)).collect();
            let seq = store.append(vec![Arc::new(values)], (count + others) as usize);
            rows.append(seq, count as usize, store).unwrap();
        };
        let values = |rows: &PartitionRows, store: &RowStore, range: Range<i64>| {
            let mut addresses = Addresses::default();
            rows.address(range, store, &mut addresses).unwrap();
            store.gather(0, &addresses).unwrap().as_primitive::<Int64Type>().iter().collect::<Vec<_>>()
        };
        add(&mut rows, &mut store, 3, 0);
        add(&mut rows, &mut store, 2, 4);
        assert!(matches!(rows.stretches, Stretches::One(_)), "they follow one another");
        add(&mut rows, &mut store, 1, 1);
        add(&mut rows, &mut store, 4, 0);
        let some = |range: Range<i64>| range.map(Some).collect::<Vec<_>>();
        assert_eq!(values(&rows, &store, -1..11), [vec![None], some(0..10), vec![None]].concat());
        assert_eq!(values(&rows, &store, 4..7), some(4..7));
        rows.release_before(4, &mut store);
        assert_eq!(values(&rows, &store, 3..6), [None, Some(4), Some(5)]);
        assert_eq!(
            (rows.seq_of(3, &store), rows.seq_of(4, &store).is_some(), rows.seq_of(10, &store)),
            (None, true, None)
        );
        rows.release_before(8, &mut store);
        assert!(matches!(rows.stretches, Stretches::One(_)), "one is left");
        assert_eq!(values(&rows, &store, 7..10), [None, Some(8), Some(9)]);
        rows.release_before(10, &mut store);
        assert_eq!((rows.seen(), store.live_rows()), (10, 5), "those of others are left");
        add(&mut rows, &mut store, 1, 0);
        assert_eq!(values(&rows, &store, 9..12), [None, Some(10), None]);
        assert!(size_of::<PartitionRows>() <= 32);
    }
}
