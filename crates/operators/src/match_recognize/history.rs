//! Conditions that look at the match so far: evaluated by the search, one row at a time.
//!
//! What of them depends only on rows at a fixed distance has been evaluated ahead ([`super::letters`]); the rest is asked only
//! where that part holds. Running aggregates follow the path that the search explores: they keep a state for each of its rows
//! and fall back to it when the search does.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, StringArray};
use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Accumulator;
use dipper_graph::{FrameColumn, FromDataFusion, Logical, Target};
use dipper_pattern::{BacktrackRuns, Conditions, Path, SymbolId, SymbolSet};
use dipper_types::{Error, Result};

use super::aggregates::{Aggregate, MatchRows};
use super::frame_expr::FrameExpression;
use super::kept_columns::KeptColumns;
use super::letters::Letters;
use super::partition_rows::PartitionRows;
use super::row_store::{Addresses, RowStore};

/// The conditions that look at the match so far.
#[derive(Debug)]
pub(super) struct History {
    /// By symbol.
    conditions: Vec<Option<HistoryCondition>>,
    aggregates: Vec<Aggregate>,
    calls: Vec<FrameColumn>,
    variables: Vec<String>,
}

#[derive(Debug)]
struct HistoryCondition {
    /// What is left when the letter says that the part evaluated ahead holds.
    rest: FrameOfMatch,
    /// The whole condition, for rows on which the part evaluated ahead has failed: the rest may make that part irrelevant.
    whole: FrameOfMatch,
}

#[derive(Debug)]
struct FrameOfMatch {
    columns: Vec<HistoryColumn>,
    expression: FrameExpression,
}

#[derive(Debug, Clone, Copy)]
enum HistoryColumn {
    Value { slot: usize, target: Target },
    Exists { target: Target },
    Classifier { target: Target },
    Aggregate(usize),
    MatchNumber,
}

/// The search in one partition.
#[derive(Debug, Default)]
pub(super) struct HistoryRuns {
    /// The search itself.
    pub(super) runs: BacktrackRuns,
    /// What else its conditions need.
    pub(super) memory: HistoryMemory,
}

/// What the conditions remember of one partition.
#[derive(Debug, Default)]
pub(super) struct HistoryMemory {
    /// Letter and poison of each row from `first` on.
    letters: VecDeque<(SymbolSet, SymbolSet)>,
    first: u64,
    aggregates: Vec<RunningAggregate>,
}

/// An aggregate over the rows of the path that has last been asked about.
#[derive(Debug, Default)]
struct RunningAggregate {
    accumulator: Option<Box<dyn Accumulator>>,
    /// The path's leading labels that have been looked at, and how many of those are still the same.
    seen: usize,
    kept: usize,
    /// The rows that count, as offsets from the match's first.
    fed: Vec<usize>,
    /// How many of them the accumulator has been fed.
    fresh_from: usize,
    /// The accumulator's state after each of them, if it can be restored.
    states: Vec<Vec<ScalarValue>>,
}

/// Answers the search in one partition.
pub(super) struct PartitionConditions<'a> {
    pub(super) history: &'a History,
    pub(super) letters: &'a Letters,
    pub(super) rows: &'a PartitionRows,
    pub(super) store: &'a RowStore,
    pub(super) memory: &'a mut HistoryMemory,
}

impl History {
    /// No condition yet.
    pub(super) fn new(variables: &[String]) -> Self {
        let conditions = variables.iter().map(|_| None).collect();
        Self { conditions, aggregates: Vec::new(), calls: Vec::new(), variables: variables.to_vec() }
    }

    /// Adds the condition of a variable: the whole of it, and what is left when its part evaluated ahead holds.
    pub(super) fn add(
        &mut self,
        symbol: SymbolId,
        whole: FrameExpression,
        rest: FrameExpression,
        input: &SchemaRef,
        kept: &mut KeptColumns,
    ) -> Result<()> {
        let whole = self.frame(whole, input, kept)?;
        let rest = self.frame(rest, input, kept)?;
        self.conditions[symbol.index()] = Some(HistoryCondition { rest, whole });
        Ok(())
    }

    /// Whether there is no condition.
    pub(super) fn is_empty(&self) -> bool {
        self.conditions.iter().all(Option::is_none)
    }

    fn frame(
        &mut self,
        expression: FrameExpression,
        input: &SchemaRef,
        kept: &mut KeptColumns,
    ) -> Result<FrameOfMatch> {
        let mut columns = Vec::new();
        for (column, data_type) in expression.columns().iter().zip(expression.types()) {
            columns.push(match column {
                FrameColumn::Input { column, target } => {
                    HistoryColumn::Value { slot: kept.keep(*column)?, target: *target }
                }
                FrameColumn::Exists { target } => HistoryColumn::Exists { target: *target },
                FrameColumn::Classifier { target } => HistoryColumn::Classifier { target: *target },
                FrameColumn::MatchNumber => HistoryColumn::MatchNumber,
                FrameColumn::Aggregate(call) => match self.calls.iter().position(|known| known == column) {
                    Some(index) => HistoryColumn::Aggregate(index),
                    None => {
                        self.aggregates.push(Aggregate::new(call, input, data_type, kept)?);
                        self.calls.push(column.clone());
                        HistoryColumn::Aggregate(self.calls.len() - 1)
                    }
                },
                FrameColumn::MatchRowtime | FrameColumn::MatchStatus | FrameColumn::MatchProctime => {
                    let message = "MATCH_ROWTIME(), MATCH_PROCTIME() and MATCH_STATUS() are not supported in DEFINE";
                    return Err(Error::unsupported(message).with_hint("use them in MEASURES"));
                }
            });
        }
        Ok(FrameOfMatch { columns, expression })
    }
}

impl HistoryMemory {
    /// Remembers the letter of the partition's next row.
    pub(super) fn push(&mut self, letter: (SymbolSet, SymbolSet)) {
        self.letters.push_back(letter);
    }

    /// Forgets what concerns the rows before `row`.
    pub(super) fn forget_before(&mut self, row: u64) {
        while self.first < row && self.letters.pop_front().is_some() {
            self.first += 1;
        }
        if self.letters.is_empty() {
            self.letters = VecDeque::new();
            self.aggregates = Vec::new();
        }
    }

    fn letter(&self, row: u64) -> Result<(SymbolSet, SymbolSet)> {
        let index = row.checked_sub(self.first).and_then(|index| self.letters.get(index as usize));
        index.copied().ok_or_else(|| Error::internal(format!("the letter of row {row} has been forgotten")))
    }
}

impl Conditions for PartitionConditions<'_> {
    type Error = Error;

    fn holds(&mut self, symbol: SymbolId, row: u64, path: &Path<'_>) -> Result<bool> {
        for aggregate in &mut self.memory.aggregates {
            aggregate.kept = aggregate.kept.min(path.kept());
        }
        let (letter, poison) = self.memory.letter(row)?;
        let history = self.history;
        match &history.conditions[symbol.index()] {
            None if poison.contains(symbol) => Err(failure_at(self.letters, symbol, row, self.rows, self.store)),
            None => Ok(letter.contains(symbol)),
            Some(condition) if poison.contains(symbol) => self.test(&condition.whole, row, path),
            Some(_) if !letter.contains(symbol) => Ok(false),
            Some(condition) => self.test(&condition.rest, row, path),
        }
    }
}

/// Why the condition of `symbol` fails on a row of a partition.
pub(super) fn failure_at(
    letters: &Letters,
    symbol: SymbolId,
    row: u64,
    rows: &PartitionRows,
    store: &RowStore,
) -> Error {
    let address = |shift: &i64| -> Result<Addresses> {
        let (mut addresses, row) = (Addresses::default(), row as i64 + shift);
        rows.address(row..row + 1, store, &mut addresses)?;
        Ok(addresses)
    };
    match letters.shifts().iter().map(address).collect::<Result<Vec<_>>>() {
        Ok(shifted) => letters.failure(symbol, &shifted, store),
        Err(error) => error,
    }
}

impl PartitionConditions<'_> {
    fn test(&mut self, frame: &FrameOfMatch, row: u64, path: &Path<'_>) -> Result<bool> {
        let columns = frame.columns.iter().map(|column| self.value(column, row, path)).collect::<Result<Vec<_>>>()?;
        let holds = frame.expression.test(&frame.expression.batch(columns, 1)?)?;
        Ok(holds.is_valid(0) && holds.value(0))
    }

    fn value(&mut self, column: &HistoryColumn, row: u64, path: &Path<'_>) -> Result<ArrayRef> {
        Ok(match column {
            HistoryColumn::Value { slot, target } => {
                let seq = reached(target, row, path).and_then(|row| self.rows.seq_of(row));
                self.store.value(*slot, seq)?
            }
            HistoryColumn::Exists { target } => {
                let exists = reached(target, row, path).is_some_and(|row| self.rows.seq_of(row).is_some());
                Arc::new(BooleanArray::from(vec![exists]))
            }
            HistoryColumn::Classifier { target } => {
                let offset = reached(target, row, path).and_then(|row| usize::try_from(row - path.start() as i64).ok());
                let label = offset.and_then(|offset| path.labels().get(offset));
                let name = label.map(|label| self.history.variables[label.index()].as_str());
                Arc::new(StringArray::from(vec![name]))
            }
            HistoryColumn::Aggregate(index) => self.aggregate(*index, path)?,
            HistoryColumn::MatchNumber => Arc::new(Int64Array::from(vec![path.match_number() as i64])),
        })
    }

    fn aggregate(&mut self, index: usize, path: &Path<'_>) -> Result<ArrayRef> {
        if self.memory.aggregates.is_empty() {
            self.memory.aggregates.resize_with(self.history.aggregates.len(), RunningAggregate::default);
        }
        let aggregate = &self.history.aggregates[index];
        let running = &mut self.memory.aggregates[index];
        running.fall_back(aggregate)?;
        let (labels, symbols) = (path.labels(), aggregate.symbols());
        let new = (running.seen..labels.len()).filter(|offset| symbols.contains(labels[*offset]));
        running.fed.extend(new);
        (running.seen, running.kept) = (labels.len(), labels.len());
        // With an order of its own, an aggregate is computed anew each time.
        let fresh = if aggregate.is_ordered() { 0 } else { running.fresh_from };
        let mut addresses = Addresses::default();
        for offset in &running.fed[fresh..] {
            let row = path.start() as i64 + *offset as i64;
            self.rows.address(row..row + 1, self.store, &mut addresses)?;
        }
        let names = || {
            let names =
                running.fed[fresh..].iter().map(|offset| self.history.variables[labels[*offset].index()].as_str());
            StringArray::from_iter_values(names)
        };
        let arguments = aggregate.arguments(self.store, &addresses, names)?;
        let count = running.fed.len() - fresh;
        if aggregate.is_ordered() {
            let mut accumulator = aggregate.start()?;
            aggregate.feed_all(accumulator.as_mut(), &arguments, MatchRows { start: 0, end: count })?;
            return aggregate.column(vec![aggregate.value(accumulator.as_mut())?]);
        }
        let accumulator = match &mut running.accumulator {
            Some(accumulator) => accumulator,
            none => none.insert(aggregate.start()?),
        };
        for row in 0..count {
            aggregate.feed(accumulator.as_mut(), &arguments, row)?;
            if aggregate.is_restorable() {
                running.states.push(accumulator.state().or_plan_error()?);
            }
        }
        running.fresh_from = running.fed.len();
        aggregate.column(vec![aggregate.value(accumulator.as_mut())?])
    }
}

impl RunningAggregate {
    /// Undoes what the search has gone back on since the last use.
    fn fall_back(&mut self, aggregate: &Aggregate) -> Result<()> {
        let kept = self.kept.min(self.seen);
        self.seen = kept;
        let fed = self.fed.partition_point(|offset| *offset < kept);
        if fed == self.fed.len() {
            return Ok(());
        }
        self.fed.truncate(fed);
        if aggregate.is_restorable() && fed > 0 {
            self.states.truncate(fed);
            let mut accumulator = aggregate.start()?;
            if let Some(state) = self.states.last() {
                let state: Vec<ArrayRef> =
                    state.iter().map(|value| value.to_array_of_size(1).or_plan_error()).collect::<Result<_>>()?;
                accumulator.merge_batch(&state).or_plan_error()?;
            }
            self.accumulator = Some(accumulator);
            self.fresh_from = fed;
        } else {
            self.states.clear();
            self.accumulator = None;
            self.fresh_from = 0;
        }
        Ok(())
    }
}

/// The row of the partition that a navigation reaches; it may lie outside the partition.
fn reached(target: &Target, row: u64, path: &Path<'_>) -> Option<i64> {
    let from = match target.logical {
        Logical::Current => Some(row),
        Logical::First { symbols, offset, .. } => path.first(symbols, usize::try_from(offset).ok()?),
        Logical::Last { symbols, offset, .. } => path.last(symbols, usize::try_from(offset).ok()?),
    }?;
    (from as i64).checked_add(target.shift)
}
