//! Conditions that look at the match so far: evaluated by the search, one row at a time.
//!
//! What of them depends only on rows at a fixed distance has been evaluated ahead ([`super::letters`]); the rest is asked only
//! where that part holds. A condition is a [`Program`] if it can be, and otherwise, or where the program is undecided, a DataFusion
//! expression over one row. Running aggregates follow the path that the search explores: they keep a state for each of its rows and
//! fall back to it when the search does.

mod accumulation;
mod memory;
mod register;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, StringArray};
use arrow::datatypes::SchemaRef;
use dipper_graph::{FrameColumn, Logical, Target};
use dipper_pattern::{Conditions, Path, SymbolId};
use dipper_types::{Error, Result};

use self::accumulation::PathRows;
pub(super) use self::memory::{HistoryRuns, MemoryBudget};
use self::memory::{KnownRows, RunningAggregate, RunningAggregates};
use self::register::{CopiedColumns, RegisterSpec, StoredColumn, StoredRows};
use super::aggregates::Aggregate;
use super::frame_expr::FrameExpression;
use super::kept_columns::KeptColumns;
use super::letters::{AddressedRows, Letters};
use super::partition_rows::PartitionRows;
use super::row_store::{Addresses, RowStore};
use super::scalar::{Inputs, Program, Undecided, Value, read, to_array};

/// The conditions that look at the match so far.
#[derive(Debug)]
pub(super) struct History {
    /// By symbol.
    conditions: Vec<Option<HistoryCondition>>,
    aggregates: Vec<HistoryAggregate>,
    calls: Vec<FrameColumn>,
    copied: CopiedColumns,
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
    program: Option<Program>,
}

#[derive(Debug, Clone, Copy)]
enum HistoryColumn {
    Value { column: StoredColumn, target: Target },
    Exists { target: Target },
    Classifier { target: Target },
    Aggregate(usize),
    MatchNumber,
}

#[derive(Debug)]
struct HistoryAggregate {
    aggregate: Aggregate,
    /// Without one, it is DataFusion that accumulates.
    register: Option<RegisterSpec>,
}

/// Answers the search in one partition.
pub(super) struct PartitionConditions<'a> {
    pub(super) history: &'a History,
    pub(super) letters: &'a Letters,
    pub(super) rows: &'a PartitionRows,
    pub(super) store: &'a RowStore,
    pub(super) known: &'a KnownRows,
    pub(super) aggregates: &'a mut RunningAggregates,
    /// Rows that have been gone through once more, and are to be counted.
    pub(super) extra_steps: u64,
}

/// The frame of a condition, read column by column.
struct FrameInputs<'a, 'b> {
    conditions: &'b mut PartitionConditions<'a>,
    columns: &'b [HistoryColumn],
    row: u64,
    path: &'b Path<'b>,
}

impl History {
    /// No condition yet.
    pub(super) fn new(variables: &[String]) -> Self {
        let conditions = variables.iter().map(|_| None).collect();
        let (aggregates, calls, copied) = (Vec::new(), Vec::new(), CopiedColumns::default());
        Self { conditions, aggregates, calls, copied, variables: variables.to_vec() }
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

    /// The slots of the columns that conditions want copies of.
    pub(super) fn copied_slots(&self) -> &[usize] {
        self.copied.slots()
    }

    fn frame(
        &mut self,
        expression: FrameExpression,
        input: &SchemaRef,
        kept: &mut KeptColumns,
    ) -> Result<FrameOfMatch> {
        let mut columns = Vec::new();
        let mut as_they_are = true;
        for (column, data_type) in expression.columns().iter().zip(expression.types()) {
            columns.push(match column {
                FrameColumn::Input { column, target } => {
                    let slot = kept.keep(*column)?;
                    as_they_are &= kept.data_type(slot) == data_type;
                    HistoryColumn::Value { column: self.copied.column(slot, kept.data_type(slot)), target: *target }
                }
                FrameColumn::Exists { target } => HistoryColumn::Exists { target: *target },
                FrameColumn::Classifier { target } => HistoryColumn::Classifier { target: *target },
                FrameColumn::MatchNumber => HistoryColumn::MatchNumber,
                FrameColumn::Aggregate(call) => match self.calls.iter().position(|known| known == column) {
                    Some(index) => HistoryColumn::Aggregate(index),
                    None => {
                        let aggregate = Aggregate::new(call, input, data_type, kept)?;
                        let register = RegisterSpec::new(&aggregate, &mut self.copied);
                        self.aggregates.push(HistoryAggregate { aggregate, register });
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
        let program = as_they_are.then(|| Program::new(expression.physical(), expression.schema())).flatten();
        Ok(FrameOfMatch { columns, expression, program })
    }
}

impl Conditions for PartitionConditions<'_> {
    type Error = Error;

    fn holds(&mut self, symbol: SymbolId, row: u64, path: &Path<'_>) -> Result<bool> {
        self.aggregates.fall_back(path.kept());
        let (letter, poison) = self.known.letter(row)?;
        let history = self.history;
        match &history.conditions[symbol.index()] {
            None if poison.contains(symbol) => Err(failure_at(self.letters, symbol, row, self.rows, self.store)),
            None => Ok(letter.contains(symbol)),
            Some(condition) if poison.contains(symbol) => self.test(&condition.whole, row, path),
            Some(_) if !letter.contains(symbol) => Ok(false),
            Some(condition) => self.test(&condition.rest, row, path),
        }
    }

    fn extra_steps(&mut self) -> u64 {
        std::mem::take(&mut self.extra_steps)
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
        Ok(shifted) => letters.failure(symbol, &AddressedRows { shifted, store }),
        Err(error) => error,
    }
}

impl<'a> PartitionConditions<'a> {
    fn test(&mut self, frame: &'a FrameOfMatch, row: u64, path: &Path<'_>) -> Result<bool> {
        if let Some(program) = &frame.program {
            let mut inputs = FrameInputs { conditions: self, columns: &frame.columns, row, path };
            if let Ok(value) = program.evaluate(&mut inputs) {
                return Ok(value == Value::Bool(true));
            }
        }
        let columns = frame.columns.iter().map(|column| self.column(column, row, path)).collect::<Result<Vec<_>>>()?;
        let holds = frame.expression.test(&frame.expression.batch(columns, 1)?)?;
        Ok(holds.is_valid(0) && holds.value(0))
    }

    /// The value of a frame column for DataFusion.
    fn column(&mut self, column: &HistoryColumn, row: u64, path: &Path<'_>) -> Result<ArrayRef> {
        Ok(match column {
            HistoryColumn::Value { column, target } => {
                let seq = reached(target, row, path).and_then(|row| self.rows.seq_of(row, self.store));
                self.store.value(column.slot, seq)?
            }
            HistoryColumn::Exists { target } => Arc::new(BooleanArray::from(vec![self.exists(target, row, path)])),
            HistoryColumn::Classifier { target } => {
                Arc::new(StringArray::from(vec![self.classifier(target, row, path)]))
            }
            HistoryColumn::Aggregate(index) => self.aggregate(*index, path)?,
            HistoryColumn::MatchNumber => Arc::new(Int64Array::from(vec![path.match_number() as i64])),
        })
    }

    fn exists(&self, target: &Target, row: u64, path: &Path<'_>) -> bool {
        reached(target, row, path).is_some_and(|row| self.rows.seq_of(row, self.store).is_some())
    }

    fn classifier(&self, target: &Target, row: u64, path: &Path<'_>) -> Option<&'a str> {
        let offset = reached(target, row, path).and_then(|row| usize::try_from(row - path.start() as i64).ok());
        let label = path.labels().get(offset?)?;
        Some(self.history.variables[label.index()].as_str())
    }

    /// The value of a running aggregate for DataFusion.
    fn aggregate(&mut self, index: usize, path: &Path<'_>) -> Result<ArrayRef> {
        let HistoryAggregate { aggregate, register } = &self.history.aggregates[index];
        let rows = PathRows { path, rows: self.stored(), variables: &self.history.variables };
        match register {
            None => self.accumulate(index, rows),
            Some(_) => match self.aggregate_value(index, path) {
                Ok(value) => to_array(value, aggregate.data_type()),
                Err(Undecided) => self.accumulate(index, rows),
            },
        }
    }

    fn accumulate(&mut self, index: usize, rows: PathRows<'_>) -> Result<ArrayRef> {
        let accumulation = &mut self.aggregates.of(index, self.history.aggregates.len()).accumulation;
        let value = accumulation.follow(&self.history.aggregates[index].aggregate, rows);
        self.extra_steps += accumulation.take_fed_again();
        value
    }

    fn aggregate_value(&mut self, index: usize, path: &Path<'_>) -> Result<Value<'static>, Undecided> {
        let HistoryAggregate { aggregate, register } = &self.history.aggregates[index];
        let rows = self.stored();
        match register {
            Some(spec) => self.running(index).register.follow(spec, aggregate.symbols(), path, rows),
            None => {
                let value = self.aggregate(index, path).map_err(|_| Undecided)?;
                read(value.as_ref(), 0)?.detached().ok_or(Undecided)
            }
        }
    }

    fn running(&mut self, index: usize) -> &mut RunningAggregate {
        self.aggregates.of(index, self.history.aggregates.len())
    }

    fn stored(&self) -> StoredRows<'a> {
        StoredRows { rows: self.rows, store: self.store, known: self.known }
    }
}

impl<'a> Inputs<'a> for FrameInputs<'a, '_> {
    fn input(&mut self, column: usize) -> Result<Value<'a>, Undecided> {
        let (row, path) = (self.row, self.path);
        match self.columns.get(column).ok_or(Undecided)? {
            HistoryColumn::Value { column, target } => match reached(target, row, path) {
                Some(row) => self.conditions.stored().read(*column, row),
                None => Ok(Value::Null),
            },
            HistoryColumn::Exists { target } => Ok(Value::Bool(self.conditions.exists(target, row, path))),
            HistoryColumn::Classifier { target } => {
                Ok(self.conditions.classifier(target, row, path).map_or(Value::Null, Value::Text))
            }
            HistoryColumn::Aggregate(index) => self.conditions.aggregate_value(*index, path),
            HistoryColumn::MatchNumber => i64::try_from(path.match_number()).map(Value::Int).map_err(|_| Undecided),
        }
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
