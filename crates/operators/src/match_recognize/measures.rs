//! MEASURES, for all matches of a step at once: navigation becomes gather indices, then expressions run over the gathered
//! columns.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Int64Array, StringArray, TimestampMicrosecondArray, UInt32Array, new_empty_array,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, SchemaRef};
use dipper_graph::{FrameColumn, Logical, Measure, Semantics, Target};
use dipper_pattern::{Match, Status, SymbolSet};
use dipper_types::{Error, Result, Timestamp};

use super::aggregates::{Aggregate, MatchRows};
use super::frame_expr::{FrameExpression, as_type};
use super::kept_columns::KeptColumns;
use super::native_time::native_values;
use super::partition_rows::PartitionRows;
use super::partitions::PartitionId;
use super::row_store::{Addresses, Cells, RowStore};

/// The measures, made executable.
#[derive(Debug)]
pub(super) struct Measures {
    expressions: Vec<FrameExpression>,
    /// For each expression, its frame columns among `columns`.
    reads: Vec<Vec<usize>>,
    columns: Vec<MeasureColumn>,
    targets: Vec<Target>,
    variables: Vec<String>,
    time_slot: Option<usize>,
    one_row: bool,
}

#[derive(Debug)]
struct MeasureColumn {
    source: FrameColumn,
    data_type: DataType,
    kind: ColumnKind,
}

/// How a column is made; `target` is an index into [`Measures::targets`].
#[derive(Debug)]
enum ColumnKind {
    Value { slot: usize, target: usize },
    Exists { target: usize },
    Classifier { target: usize },
    Aggregate { aggregate: Box<Aggregate>, semantics: Semantics },
    MatchNumber,
    Rowtime { slot: usize },
    Proctime,
    Status,
}

/// A match and where it was found.
#[derive(Debug)]
pub(super) struct Found {
    /// The partition.
    pub(super) partition: PartitionId,
    /// The match.
    pub(super) found: Match,
}

/// The row at which the measures of a match are evaluated.
#[derive(Debug, Clone, Copy)]
pub(super) struct MeasureRow {
    /// Index of the match.
    pub(super) found: usize,
    /// The current row, counted from the match's first; 0 for an empty match.
    pub(super) offset: usize,
}

/// What the measures are evaluated over.
#[derive(Clone, Copy)]
pub(super) struct MatchBatch<'a> {
    /// The matches.
    pub(super) matches: &'a [Found],
    /// The rows, in the order of the matches.
    pub(super) rows: &'a [MeasureRow],
    /// All partitions.
    pub(super) partitions: &'a [PartitionRows],
    /// Their rows.
    pub(super) store: &'a RowStore,
    /// The time at which this happens.
    pub(super) processing_time: Timestamp,
}

impl Measures {
    /// Keeps the columns that the measures read. `time_slot` is the column of event time; `one_row` says that each match is
    /// evaluated at its last row only.
    pub(super) fn new(
        measures: &[Measure],
        variables: &[String],
        input: &SchemaRef,
        kept: &mut KeptColumns,
        time_slot: Option<usize>,
        one_row: bool,
    ) -> Result<Self> {
        let (expressions, reads, columns, targets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut all = Self { expressions, reads, columns, targets, variables: variables.to_vec(), time_slot, one_row };
        for measure in measures {
            let what = format!("measure '{}'", measure.name);
            let expression = FrameExpression::new(&measure.value.frame, &measure.value.expr, what)?;
            let columns = expression.columns().iter().zip(expression.types());
            let reads = columns.map(|(column, data_type)| all.column(column, data_type, input, kept));
            let reads = reads.collect::<Result<Vec<_>>>()?;
            all.reads.push(reads);
            all.expressions.push(expression);
        }
        Ok(all)
    }

    /// Whether MATCH_ROWTIME() is among them.
    pub(super) fn read_rowtime(&self) -> bool {
        self.columns.iter().any(|column| matches!(column.kind, ColumnKind::Rowtime { .. }))
    }

    /// How many rows before a match they read at most.
    pub(super) fn back_reach(&self) -> u64 {
        self.targets.iter().map(|target| target.shift.min(0).unsigned_abs()).max().unwrap_or(0)
    }

    /// Whether they read rows behind the current one, which may not have come.
    pub(super) fn look_ahead(&self) -> bool {
        self.targets.iter().any(|target| target.shift > 0)
    }

    /// The last row of the partition that they read of a match.
    pub(super) fn last_row_read(&self, found: &Match) -> Option<i64> {
        let ahead = self.targets.iter().filter(|target| target.shift > 0);
        let last = found.symbols.len().saturating_sub(1);
        ahead.filter_map(|target| positions(target, &[(found, last)]).pop().flatten()).max()
    }

    /// The value of each measure on each row.
    pub(super) fn evaluate(&self, batch: MatchBatch<'_>) -> Result<Vec<ArrayRef>> {
        let rows: Vec<(&Match, usize)> =
            batch.rows.iter().map(|row| (&batch.matches[row.found].found, row.offset)).collect();
        let reached: Vec<Vec<Option<i64>>> = self.targets.iter().map(|target| positions(target, &rows)).collect();
        let cells = reached.iter().map(|rows| batch.cells(rows)).collect::<Result<Vec<_>>>()?;
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let value: ArrayRef = match &column.kind {
                ColumnKind::Value { slot, target } => batch.store.pick(*slot, &cells[*target])?,
                ColumnKind::Exists { target } => {
                    Arc::new(BooleanArray::from(batch.store.exist(&cells[*target]).collect::<Vec<_>>()))
                }
                ColumnKind::Classifier { target } => Arc::new(self.classifiers(batch, &reached[*target])),
                ColumnKind::Aggregate { aggregate, semantics } => self.aggregate(batch, aggregate, *semantics)?,
                ColumnKind::MatchNumber => {
                    Arc::new(Int64Array::from_iter_values(batch.each(|found| found.number as i64)))
                }
                ColumnKind::Status => Arc::new(StringArray::from_iter_values(batch.each(|found| match found.status {
                    Status::Complete => "COMPLETE",
                    Status::Timeout => "TIMEOUT",
                }))),
                ColumnKind::Rowtime { slot } => batch.rowtimes(*slot)?,
                ColumnKind::Proctime => {
                    let Timestamp(now) = batch.processing_time;
                    Arc::new(TimestampMicrosecondArray::from_value(now, batch.rows.len()).with_timezone("UTC"))
                }
            };
            columns.push(as_type(value, &column.data_type)?);
        }
        let measure = |(expression, reads): (&FrameExpression, &Vec<usize>)| {
            let columns = reads.iter().map(|column| ArrayRef::clone(&columns[*column])).collect();
            expression.evaluate(&expression.batch(columns, batch.rows.len())?)
        };
        self.expressions.iter().zip(&self.reads).map(measure).collect()
    }

    fn column(
        &mut self,
        source: &FrameColumn,
        data_type: &DataType,
        input: &SchemaRef,
        kept: &mut KeptColumns,
    ) -> Result<usize> {
        let known = |column: &MeasureColumn| column.source == *source && column.data_type == *data_type;
        if let Some(index) = self.columns.iter().position(known) {
            return Ok(index);
        }
        let kind = match source {
            FrameColumn::Input { column, target } => {
                ColumnKind::Value { slot: kept.keep(*column)?, target: self.target(target) }
            }
            FrameColumn::Exists { target } => ColumnKind::Exists { target: self.target(target) },
            FrameColumn::Classifier { target } => ColumnKind::Classifier { target: self.target(target) },
            FrameColumn::Aggregate(call) => ColumnKind::Aggregate {
                aggregate: Box::new(Aggregate::new(call, input, data_type, kept)?),
                semantics: call.semantics,
            },
            FrameColumn::MatchNumber => ColumnKind::MatchNumber,
            FrameColumn::MatchStatus => ColumnKind::Status,
            FrameColumn::MatchRowtime => {
                let slot = self.time_slot.ok_or_else(|| {
                    Error::invalid("MATCH_ROWTIME() needs an ORDER BY that begins with a time")
                        .with_hint("order the rows by a timestamp column first")
                })?;
                ColumnKind::Rowtime { slot }
            }
            FrameColumn::MatchProctime => ColumnKind::Proctime,
        };
        self.columns.push(MeasureColumn { source: source.clone(), data_type: data_type.clone(), kind });
        Ok(self.columns.len() - 1)
    }

    fn target(&mut self, target: &Target) -> usize {
        self.targets.iter().position(|known| known == target).unwrap_or_else(|| {
            self.targets.push(*target);
            self.targets.len() - 1
        })
    }

    fn classifiers(&self, batch: MatchBatch<'_>, reached: &[Option<i64>]) -> StringArray {
        let name = |(row, reached): (&MeasureRow, &Option<i64>)| {
            let found = &batch.matches[row.found].found;
            let offset = usize::try_from((*reached)? - found.start as i64).ok()?;
            found.symbols.get(offset).map(|symbol| self.variables[symbol.index()].as_str())
        };
        batch.rows.iter().zip(reached).map(name).collect()
    }

    fn aggregate(&self, batch: MatchBatch<'_>, aggregate: &Aggregate, semantics: Semantics) -> Result<ArrayRef> {
        let (mut addresses, mut names, mut offsets) = (Addresses::default(), Vec::new(), Vec::new());
        let mut matches = Vec::with_capacity(batch.matches.len());
        for Found { partition, found } in batch.matches {
            let start = offsets.len();
            offsets.extend(mapped(found, aggregate.symbols()));
            let rows = &batch.partitions[*partition as usize];
            for together in offsets[start..].chunk_by(|offset, next| offset + 1 == *next) {
                let first = (found.start as usize + together[0]) as i64;
                rows.address(first..first + together.len() as i64, batch.store, &mut addresses)?;
            }
            if aggregate.reads_classifier() {
                let name = |offset: &usize| self.variables[found.symbols[*offset].index()].as_str();
                names.extend(offsets[start..].iter().map(name));
            }
            matches.push(MatchRows { start, end: offsets.len() });
        }
        let names = || StringArray::from_iter_values(&names);
        let arguments = aggregate.arguments(batch.store, &addresses, names)?;
        if semantics == Semantics::Running && !self.one_row {
            let steps = batch.rows.iter().map(|row| {
                let rows = matches[row.found];
                (row.found, offsets[rows.start..rows.end].partition_point(|offset| *offset <= row.offset))
            });
            return aggregate.running(&arguments, &matches, steps);
        }
        let values = aggregate.of_matches(&arguments, &matches)?;
        if batch.rows.is_empty() {
            return Ok(new_empty_array(values.data_type()));
        }
        let rows: UInt32Array = batch.rows.iter().map(|row| row.found as u32).collect();
        Ok(take(&values, &rows, None)?)
    }
}

impl<'a> MatchBatch<'a> {
    fn each<T>(self, value: impl Fn(&'a Match) -> T) -> impl Iterator<Item = T> {
        self.rows.iter().map(move |row| value(&self.matches[row.found].found))
    }

    fn cells(self, reached: &[Option<i64>]) -> Result<Cells> {
        let mut cells = Cells::with_capacity(reached.len());
        for (row, reached) in self.rows.iter().zip(reached) {
            let partition = self.matches[row.found].partition;
            let rows = &self.partitions[partition as usize];
            self.store.add(reached.and_then(|reached| rows.seq_of(reached, self.store)), &mut cells)?;
        }
        Ok(cells)
    }

    /// The time of each match's last row, or its deadline. A match without rows has the time of the row before which it
    /// stands: a time attribute is never NULL.
    fn rowtimes(self, slot: usize) -> Result<ArrayRef> {
        let last = |found: &Match| Some(found.start as i64 + found.symbols.len().saturating_sub(1) as i64);
        let column = self.store.pick(slot, &self.cells(&self.each(last).collect::<Vec<_>>())?)?;
        if self.each(|found| found.deadline).all(|deadline| deadline.is_none()) {
            return Ok(column);
        }
        let times = native_values(&column)?;
        let of_row = |row: usize| column.is_valid(row).then(|| times[row]);
        let rows = self.each(|found| found.deadline).enumerate();
        let times: Int64Array = rows.map(|(row, deadline)| deadline.or_else(|| of_row(row))).collect();
        as_type(Arc::new(times), column.data_type())
    }
}

/// The rows of a match that are mapped to one of `symbols`, counted from its first.
fn mapped(found: &Match, symbols: SymbolSet) -> impl Iterator<Item = usize> + '_ {
    found.symbols.iter().enumerate().filter(move |(_, symbol)| symbols.contains(**symbol)).map(|(offset, _)| offset)
}

/// The row of the partition that a navigation reaches from each (match, current row). It may lie outside the partition.
fn positions(target: &Target, rows: &[(&Match, usize)]) -> Vec<Option<i64>> {
    let (symbols, nth, semantics, from_end) = match target.logical {
        Logical::Current => {
            let current = |(found, offset): &(&Match, usize)| {
                (!found.is_empty()).then_some(found.start as i64 + *offset as i64 + target.shift)
            };
            return rows.iter().map(current).collect();
        }
        Logical::First { symbols, offset, semantics } => (symbols, offset as usize, semantics, false),
        Logical::Last { symbols, offset, semantics } => (symbols, offset as usize, semantics, true),
    };
    let row_at = |found: &Match, offset: usize| found.start as i64 + offset as i64 + target.shift;
    let mut offsets: Vec<usize> = Vec::new();
    let mut reached = Vec::with_capacity(rows.len());
    for of_match in rows.chunk_by(|(found, _), (next, _)| std::ptr::eq(*found, *next)) {
        if let [(found, current)] = of_match {
            // Only one row asks: what it looks for is often near the end from which it looks.
            let end = match semantics {
                Semantics::Final => found.symbols.len(),
                Semantics::Running => found.symbols.len().min(current + 1),
            };
            let mut mapped = (0..end).filter(|offset| symbols.contains(found.symbols[*offset]));
            let offset = if from_end { mapped.nth_back(nth) } else { mapped.nth(nth) };
            reached.push(offset.map(|offset| row_at(found, offset)));
            continue;
        }
        offsets.clear();
        offsets.extend(of_match.first().into_iter().flat_map(|(found, _)| mapped(found, symbols)));
        for (found, current) in of_match {
            let count = match semantics {
                Semantics::Final => offsets.len(),
                Semantics::Running => offsets.partition_point(|offset| offset <= current),
            };
            let index = if from_end { count.checked_sub(1).and_then(|last| last.checked_sub(nth)) } else { Some(nth) };
            let offset = index.filter(|index| *index < count).map(|index| offsets[index]);
            reached.push(offset.map(|offset| row_at(found, offset)));
        }
    }
    reached
}
