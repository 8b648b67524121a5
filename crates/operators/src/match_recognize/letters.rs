//! The vectorised part of the conditions: what depends only on a row and on rows at a fixed distance is evaluated for
//! whole batches, ahead of the search, into one letter per row.
//!
//! An evaluation that fails must neither fail the query nor be forgotten: the batch is halved until the rows at fault stand
//! alone, and those carry the variable in their *poison*. The error is raised if the search asks for that variable there.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::record_batch::RecordBatch;
use dipper_graph::FrameColumn;
use dipper_pattern::{Rows, SymbolId, SymbolSet};
use dipper_types::{Error, Result};

use super::frame_expr::FrameExpression;
use super::kept_columns::KeptColumns;
use super::row_store::{Addresses, RowStore};

/// The conditions, or the parts of conditions, that are evaluated ahead of the search.
#[derive(Debug)]
pub(super) struct Letters {
    always: SymbolSet,
    conditions: Vec<LetterCondition>,
    shifts: Vec<i64>,
}

#[derive(Debug)]
struct LetterCondition {
    symbol: SymbolId,
    columns: Vec<LetterColumn>,
    expression: FrameExpression,
}

/// A column of a condition's frame; `shift` is an index into [`Letters::shifts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LetterColumn {
    Value { slot: usize, shift: usize },
    Exists { shift: usize },
}

/// Rows as conditions read them: `shift` is an index into [`Letters::shifts`], and means the rows at that distance from each.
pub(super) trait LetterRows {
    /// The values of a column; NULL where there is no row.
    fn value(&self, slot: usize, shift: usize) -> Result<ArrayRef>;

    /// Whether there is a row.
    fn exists(&self, shift: usize) -> Result<BooleanArray>;
}

/// Rows anywhere in the store, with their addresses at each distance.
pub(super) struct AddressedRows<'a> {
    /// By shift.
    pub(super) shifted: Vec<Addresses>,
    pub(super) store: &'a RowStore,
}

impl LetterRows for AddressedRows<'_> {
    fn value(&self, slot: usize, shift: usize) -> Result<ArrayRef> {
        self.store.gather(slot, &self.shifted[shift])
    }

    fn exists(&self, shift: usize) -> Result<BooleanArray> {
        Ok(self.shifted[shift].exists().map(Some).collect())
    }
}

/// What rows may be.
#[derive(Debug)]
pub(super) struct LetterBatch {
    letters: Vec<SymbolSet>,
    /// Empty if no evaluation failed.
    poison: Vec<SymbolSet>,
}

impl Letters {
    /// No condition yet: every one of `symbols` is always possible.
    pub(super) fn new(symbols: SymbolSet) -> Self {
        Self { always: symbols, conditions: Vec::new(), shifts: Vec::new() }
    }

    /// Adds the condition of a variable; it reads nothing but rows at a fixed distance.
    pub(super) fn add(&mut self, symbol: SymbolId, expression: FrameExpression, kept: &mut KeptColumns) -> Result<()> {
        let mut columns = Vec::new();
        for column in expression.columns() {
            let (target, slot) = match column {
                FrameColumn::Input { column, target } => (target, Some(kept.keep(*column)?)),
                FrameColumn::Exists { target } => (target, None),
                _ => return Err(Error::internal("a condition on the match is not evaluated ahead of the search")),
            };
            let distance =
                target.fixed_distance().ok_or_else(|| Error::internal("a navigation without a fixed distance"))?;
            let shift = self.shifts.iter().position(|shift| *shift == distance).unwrap_or_else(|| {
                self.shifts.push(distance);
                self.shifts.len() - 1
            });
            columns.push(slot.map_or(LetterColumn::Exists { shift }, |slot| LetterColumn::Value { slot, shift }));
        }
        self.always = SymbolSet(self.always.0 & !SymbolSet::of(&[symbol]).0);
        self.conditions.push(LetterCondition { symbol, columns, expression });
        Ok(())
    }

    /// The distances at which the conditions read rows.
    pub(super) fn shifts(&self) -> &[i64] {
        &self.shifts
    }

    /// The letters of `count` rows.
    pub(super) fn evaluate(&self, count: usize, rows: &dyn LetterRows) -> Result<LetterBatch> {
        let mut batch = LetterBatch { letters: vec![self.always; count], poison: Vec::new() };
        let mut gathered: Vec<(LetterColumn, ArrayRef)> = Vec::new();
        for condition in &self.conditions {
            let frame = condition.frame(count, rows, &mut gathered)?;
            batch.test(condition, &frame, 0);
        }
        Ok(batch)
    }

    /// Why the condition of `symbol` fails on the only one of `rows`.
    pub(super) fn failure(&self, symbol: SymbolId, rows: &dyn LetterRows) -> Error {
        let failure = |condition: &LetterCondition| -> Result<()> {
            condition.expression.test(&condition.frame(1, rows, &mut Vec::new())?).map(drop)
        };
        let condition = self.conditions.iter().find(|condition| condition.symbol == symbol);
        match condition.map(failure) {
            Some(Err(error)) => error,
            _ => Error::internal("a condition that failed does so no more"),
        }
    }
}

impl LetterCondition {
    fn frame(
        &self,
        count: usize,
        rows: &dyn LetterRows,
        gathered: &mut Vec<(LetterColumn, ArrayRef)>,
    ) -> Result<RecordBatch> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for wanted in &self.columns {
            if let Some((_, column)) = gathered.iter().find(|(column, _)| column == wanted) {
                columns.push(ArrayRef::clone(column));
                continue;
            }
            let column: ArrayRef = match *wanted {
                LetterColumn::Value { slot, shift } => rows.value(slot, shift)?,
                LetterColumn::Exists { shift } => Arc::new(rows.exists(shift)?),
            };
            gathered.push((*wanted, ArrayRef::clone(&column)));
            columns.push(column);
        }
        self.expression.batch(columns, count)
    }
}

impl LetterBatch {
    /// The same for the rows of `range`, as the automaton takes them.
    pub(super) fn rows<'a>(&'a self, range: Range<usize>, times: &'a [i64]) -> Rows<'a> {
        Rows {
            letters: &self.letters[range.clone()],
            poison: self.poison.get(range.clone()).unwrap_or_default(),
            times: times.get(range).unwrap_or_default(),
        }
    }

    /// The variables that row `index` may be, and those of which that could not be found out.
    pub(super) fn get(&self, index: usize) -> (SymbolSet, SymbolSet) {
        (self.letters[index], self.poison.get(index).copied().unwrap_or_default())
    }

    fn test(&mut self, condition: &LetterCondition, frame: &RecordBatch, first: usize) {
        let bit = SymbolSet::of(&[condition.symbol]);
        let rows = frame.num_rows();
        match condition.expression.test(frame) {
            Ok(holds) => {
                let holds = match holds.nulls() {
                    Some(nulls) => holds.values() & nulls.inner(),
                    None => holds.values().clone(),
                };
                let letters = self.letters[first..first + rows].chunks_mut(u64::BITS as usize);
                for (letters, word) in letters.zip(holds.bit_chunks().iter_padded()) {
                    for (index, letter) in letters.iter_mut().enumerate() {
                        letter.0 |= (word >> index & 1) << condition.symbol.0;
                    }
                }
            }
            Err(_) if rows > 1 => {
                let half = rows / 2;
                self.test(condition, &frame.slice(0, half), first);
                self.test(condition, &frame.slice(half, rows - half), first + half);
            }
            Err(_) if rows == 1 => {
                self.poison.resize(self.letters.len(), SymbolSet::EMPTY);
                self.poison[first] = self.poison[first].union(bit);
            }
            Err(_) => {}
        }
    }
}
