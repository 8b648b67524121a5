//! What a row may be depends on its frame: PREV does not reach before the frame's first row, NEXT not behind its last.
//!
//! Far enough from both ends a letter is the same in every frame, and evaluated once. Near them it is evaluated for a block of
//! neighbouring frames at once, all at the same distance from their first rows.

use std::collections::BTreeMap;
use std::ops::Range;

use dipper_types::{Error, Result};

use super::super::conditions::DividedConditions;
use super::super::letters::{AddressedRows, LetterBatch, Letters};
use super::super::row_store::{Addresses, RowStore};

/// Rows, or frames, that are evaluated at once.
const BLOCK: u64 = 4096;

/// How far the conditions reach, and how long frames are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// Rows that conditions look back.
    pub(super) back: u64,
    /// Rows that conditions look ahead.
    pub(super) ahead: u64,
    /// Rows behind the current one that a frame has at most; `None` for all.
    pub(super) following: Option<u64>,
}

/// The rows of a store in the order of their sequence numbers: partition after partition.
#[derive(Debug)]
pub(super) struct Rows {
    /// All columns.
    pub(super) store: RowStore,
    /// The first row of each partition, ascending, and the number of rows.
    pub(super) bounds: Vec<u64>,
}

/// The letters of rows in frames. Frames must be asked for in ascending order.
pub(super) struct FrameLetters<'a> {
    letters: &'a Letters,
    rows: &'a Rows,
    reach: Reach,
    /// By block of rows.
    inner: BTreeMap<u64, LetterBatch>,
    /// For the frames of one block, by distance from their first rows.
    edges: BTreeMap<u64, LetterBatch>,
    edges_of: u64,
}

impl Reach {
    /// How far the conditions reach in frames of `following` rows behind the first.
    pub(super) fn new(conditions: &DividedConditions, following: Option<u64>) -> Self {
        Self { back: conditions.back, ahead: conditions.ahead, following }
    }

    /// The rows of the frame that starts at `row`.
    pub(super) fn frame(self, row: u64, partition: &Range<u64>) -> Range<u64> {
        let end = self.following.map_or(u64::MAX, |following| row.saturating_add(following).saturating_add(1));
        row..end.min(partition.end)
    }

    /// Whether a condition on the row at `offset` may reach out of the frame but not out of the partition.
    fn is_at_edge(self, offset: u64) -> bool {
        offset < self.back || self.following.is_some_and(|following| offset.saturating_add(self.ahead) > following)
    }
}

impl Rows {
    /// How many.
    pub(super) fn len(&self) -> u64 {
        self.bounds.last().copied().unwrap_or_default()
    }

    /// The rows of each partition.
    pub(super) fn partitions(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.bounds.windows(2).map(|bounds| bounds[0]..bounds[1])
    }

    /// The rows of the partition that a row belongs to.
    fn partition_of(&self, row: u64) -> Range<u64> {
        let next = self.bounds.partition_point(|first| *first <= row);
        let bound = |index: usize| self.bounds.get(index).copied().unwrap_or(row);
        bound(next.saturating_sub(1))..bound(next)
    }
}

impl<'a> FrameLetters<'a> {
    /// Evaluates `letters` on `rows`, as far as they are asked for.
    pub(super) fn new(letters: &'a Letters, rows: &'a Rows, reach: Reach) -> Self {
        Self { letters, rows, reach, inner: BTreeMap::new(), edges: BTreeMap::new(), edges_of: 0 }
    }

    /// The letter of the row at `offset` in the frame that starts at `start`, as a batch and an index in it.
    pub(super) fn at(&mut self, start: u64, offset: u64) -> Result<(&LetterBatch, usize)> {
        let is_at_edge = self.reach.is_at_edge(offset);
        let row = if is_at_edge { start } else { start + offset };
        let block = row / BLOCK;
        if is_at_edge && self.edges_of != block {
            self.edges.clear();
            self.edges_of = block;
        }
        let known = if is_at_edge { self.edges.contains_key(&offset) } else { self.inner.contains_key(&block) };
        if !known {
            let rows = block * BLOCK..self.rows.len().min((block + 1) * BLOCK);
            if is_at_edge {
                let batch =
                    self.evaluate(rows, |start, partition| (start + offset, self.reach.frame(start, partition)))?;
                self.edges.insert(offset, batch);
            } else {
                let batch = self.evaluate(rows, |row, partition| (row, partition.clone()))?;
                self.inner.insert(block, batch);
            }
        }
        let batch = if is_at_edge { self.edges.get(&offset) } else { self.inner.get(&block) };
        let batch = batch.ok_or_else(|| Error::internal("the letters of a frame are lost"))?;
        Ok((batch, (row - block * BLOCK) as usize))
    }

    /// The letters of rows; `seen` gives for each of `rows`, and its partition, the row in question and the rows that its conditions may read.
    fn evaluate(&self, rows: Range<u64>, seen: impl Fn(u64, &Range<u64>) -> (u64, Range<u64>)) -> Result<LetterBatch> {
        let mut questions = Vec::with_capacity((rows.end - rows.start) as usize);
        let mut partition = 0..0;
        for row in rows {
            if !partition.contains(&row) {
                partition = self.rows.partition_of(row);
            }
            questions.push(seen(row, &partition));
        }
        let addresses = |shift: &i64| -> Result<Addresses> {
            let mut addresses = Addresses::default();
            for (row, readable) in &questions {
                match row
                    .checked_add_signed(*shift)
                    .filter(|reached| readable.contains(row) && readable.contains(reached))
                {
                    Some(reached) => self.rows.store.address(reached..reached + 1, &mut addresses)?,
                    None => addresses.missing(1),
                }
            }
            Ok(addresses)
        };
        let shifted = self.letters.shifts().iter().map(addresses).collect::<Result<Vec<_>>>()?;
        self.letters.evaluate(questions.len(), &AddressedRows { shifted, store: &self.rows.store })
    }
}
