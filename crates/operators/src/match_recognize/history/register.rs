//! The usual aggregates over numbers as registers: followed row by row, and back, without DataFusion.

use arrow::datatypes::DataType;
use dipper_pattern::{Path, SymbolSet};

use super::super::aggregates::Aggregate;
use super::super::partition_rows::PartitionRows;
use super::super::row_store::RowStore;
use super::super::scalar::{Inputs, Program, Undecided, Value, is_copied, read};
use super::memory::KnownRows;

/// How to follow an aggregate in a register.
#[derive(Debug)]
pub(super) struct RegisterSpec {
    function: Function,
    argument: Program,
    filter: Option<Program>,
    /// The columns that the programs read.
    columns: Vec<StoredColumn>,
}

#[derive(Debug, Clone, Copy)]
enum Function {
    Count,
    Sum,
    Average,
    /// The average of decimals, with more digits than they have: this many times as many.
    AverageOfDecimals {
        factor: i64,
    },
    Min,
    Max,
}

/// The values of an aggregate along a path.
#[derive(Debug, Default)]
pub(super) struct Register {
    /// After each row of the path, as far as it has been followed.
    states: Vec<State>,
}

/// An aggregate of some rows.
#[derive(Debug, Clone, Copy)]
struct State {
    /// How many values there were that are not NULL.
    count: i64,
    total: Total,
}

/// Their sum, or the least or greatest of them.
#[derive(Debug, Clone, Copy)]
enum Total {
    Int(i64),
    Float(f64),
}

/// The rows of a partition, where the store has them.
#[derive(Clone, Copy)]
pub(super) struct StoredRows<'a> {
    pub(super) rows: &'a PartitionRows,
    pub(super) store: &'a RowStore,
    pub(super) known: &'a KnownRows,
}

/// A column that programs read.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredColumn {
    pub(super) slot: usize,
    /// Which of the copied columns it is.
    copy: Option<usize>,
}

/// The columns of which searches keep copies: those of numbers that programs read.
#[derive(Debug, Default)]
pub(super) struct CopiedColumns(Vec<usize>);

impl CopiedColumns {
    /// Has a column copied if it can be.
    pub(super) fn column(&mut self, slot: usize, data_type: &DataType) -> StoredColumn {
        let copy = is_copied(data_type).then(|| {
            self.0.iter().position(|known| *known == slot).unwrap_or_else(|| {
                self.0.push(slot);
                self.0.len() - 1
            })
        });
        StoredColumn { slot, copy }
    }

    /// Their slots.
    pub(super) fn slots(&self) -> &[usize] {
        &self.0
    }
}

impl<'a> StoredRows<'a> {
    /// The value of a column on a row of the partition; NULL where there is no such row.
    pub(super) fn read(self, column: StoredColumn, row: i64) -> Result<Value<'a>, Undecided> {
        if let Some(value) = column.copy.and_then(|copy| self.known.value(copy, row)) {
            return Ok(value);
        }
        let Some(seq) = self.rows.seq_of(row, self.store) else { return Ok(Value::Null) };
        let (column, index) = self.store.cell(column.slot, seq).ok_or(Undecided)?;
        read(column, index)
    }
}

/// One row, as the argument of an aggregate sees it.
struct ArgumentRow<'a, 'b> {
    rows: StoredRows<'a>,
    columns: &'b [StoredColumn],
    row: i64,
}

impl<'a> Inputs<'a> for ArgumentRow<'a, '_> {
    fn input(&mut self, column: usize) -> Result<Value<'a>, Undecided> {
        self.rows.read(*self.columns.get(column).ok_or(Undecided)?, self.row)
    }
}

impl RegisterSpec {
    /// The register of an aggregate; `None` if its values are left to DataFusion. Has copied what it reads.
    pub(super) fn new(aggregate: &Aggregate, copied: &mut CopiedColumns) -> Option<Self> {
        let (call, schema) = (aggregate.function(), aggregate.schema());
        let result = call.field();
        if call.is_distinct() || !call.order_bys().is_empty() || result.data_type() != aggregate.data_type() {
            return None;
        }
        let [argument] = &call.expressions()[..] else { return None };
        let argument_type = argument.data_type(schema).ok()?;
        let is_number = |data_type: &DataType| {
            matches!(data_type, DataType::Int64 | DataType::UInt64 | DataType::Float64 | DataType::Decimal128(..))
        };
        let function = match (call.fun().name(), result.data_type()) {
            ("count", DataType::Int64) => Function::Count,
            ("sum", result) if is_number(result) && is_number(&argument_type) => Function::Sum,
            ("avg", DataType::Float64) if argument_type == DataType::Float64 => Function::Average,
            ("avg", DataType::Decimal128(_, scale)) => match argument_type {
                DataType::Decimal128(_, of) => {
                    let digits = u32::try_from(scale.checked_sub(of)?).ok()?;
                    Function::AverageOfDecimals { factor: 10_i64.checked_pow(digits)? }
                }
                _ => return None,
            },
            ("min" | "max", result) if *result == argument_type && result.is_primitive() => {
                if call.fun().name() == "min" { Function::Min } else { Function::Max }
            }
            _ => return None,
        };
        let slots = aggregate.slots()?;
        let filter = match aggregate.filter() {
            Some(filter) => Some(Program::new(filter, schema)?),
            None => None,
        };
        let argument = Program::new(argument, schema)?;
        let columns = slots.into_iter().zip(schema.fields());
        let columns = columns.map(|(slot, field)| copied.column(slot, field.data_type())).collect();
        Some(Self { function, argument, filter, columns })
    }

    /// What the aggregate counts on a row: NULL where the filter leaves the row out.
    fn argument<'a>(&'a self, row: i64, rows: StoredRows<'a>) -> Result<Value<'a>, Undecided> {
        let mut row = ArgumentRow { rows, columns: &self.columns, row };
        // DataFusion evaluates the argument on all rows as well, and fails where that fails.
        let value = self.argument.evaluate(&mut row)?;
        match &self.filter {
            Some(filter) if filter.evaluate(&mut row)? != Value::Bool(true) => Ok(Value::Null),
            _ => Ok(value),
        }
    }

    /// A state with one value more.
    fn add(&self, state: State, value: Value<'_>) -> Result<State, Undecided> {
        let State { count, total } = state;
        let total = match (self.function, value, total) {
            (_, Value::Null, _) => return Ok(state),
            (Function::Count, _, total) => total,
            (Function::Min | Function::Max, Value::Int(value), _) if count == 0 => Total::Int(value),
            (Function::Min | Function::Max, Value::Float(value), _) if count == 0 => Total::Float(value),
            (Function::Min, Value::Int(value), Total::Int(least)) => Total::Int(least.min(value)),
            (Function::Max, Value::Int(value), Total::Int(greatest)) => Total::Int(greatest.max(value)),
            (Function::Min, Value::Float(value), Total::Float(least)) => {
                Total::Float(if least.total_cmp(&value).is_gt() { value } else { least })
            }
            (Function::Max, Value::Float(value), Total::Float(greatest)) => {
                Total::Float(if greatest.total_cmp(&value).is_lt() { value } else { greatest })
            }
            (_, Value::Int(value), Total::Int(sum)) => Total::Int(sum.checked_add(value).ok_or(Undecided)?),
            (_, Value::Float(value), Total::Float(sum)) => Total::Float(sum + value),
            (_, Value::Float(value), Total::Int(_)) if count == 0 => Total::Float(0.0 + value),
            _ => return Err(Undecided),
        };
        Ok(State { count: count + 1, total })
    }

    fn value(&self, state: State) -> Result<Value<'static>, Undecided> {
        Ok(match (self.function, state.total) {
            (Function::Count, _) => Value::Int(state.count),
            _ if state.count == 0 => Value::Null,
            (Function::Average, Total::Float(sum)) => Value::Float(sum / state.count as f64),
            (Function::AverageOfDecimals { factor }, Total::Int(sum)) => {
                Value::Int(sum.checked_mul(factor).ok_or(Undecided)? / state.count)
            }
            (_, Total::Int(total)) => Value::Int(total),
            (_, Total::Float(total)) => Value::Float(total),
        })
    }
}

impl Register {
    /// The value after the last row of a path, with the rows mapped to `symbols` counted.
    pub(super) fn follow(
        &mut self,
        spec: &RegisterSpec,
        symbols: SymbolSet,
        path: &Path<'_>,
        rows: StoredRows<'_>,
    ) -> Result<Value<'static>, Undecided> {
        let labels = path.labels();
        let mut state = self.states.last().copied().unwrap_or(State { count: 0, total: Total::Int(0) });
        for (offset, label) in labels.iter().enumerate().skip(self.states.len()) {
            if symbols.contains(*label) {
                state = spec.add(state, spec.argument(path.start() as i64 + offset as i64, rows)?)?;
            }
            self.states.push(state);
        }
        spec.value(state)
    }

    /// The path has changed behind its first `kept` rows.
    pub(super) fn fall_back(&mut self, kept: usize) {
        self.states.truncate(kept);
    }

    /// How much memory the values take.
    pub(super) fn bytes(&self) -> usize {
        self.states.capacity() * size_of::<State>()
    }
}
