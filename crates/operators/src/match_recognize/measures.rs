//! MEASURES, for all matches of a step at once: navigation becomes gather indices, then expressions run over the gathered
//! columns.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Int64Array, StringArray, TimestampMicrosecondArray, UInt32Array, new_empty_array,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, SchemaRef};
use dipper_graph::{FrameColumn, Logical, Measure, Semantics, Target};
use dipper_pattern::{Match, Status, SymbolId, SymbolSet};
use dipper_types::{Error, Result, Timestamp};

use super::aggregates::{Aggregate, MatchRows};
use super::classifiers::Classifiers;
use super::found::{Found, FoundMatches};
use super::frame_expr::{FrameExpression, as_type};
use super::kept_columns::KeptColumns;
use super::native_time::native_values;
use super::partition_rows::PartitionRows;
use super::row_store::{Addresses, Cells, RowStore};

/// The measures, made executable.
#[derive(Debug)]
pub(super) struct Measures {
    expressions: Vec<FrameExpression>,
    /// For each expression, its frame columns among `columns`.
    reads: Vec<Vec<usize>>,
    columns: Vec<MeasureColumn>,
    targets: Vec<Target>,
    classifiers: Classifiers,
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
    pub(super) matches: &'a FoundMatches,
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
        let mut all =
            Self { expressions, reads, columns, targets, classifiers: Classifiers::new(variables), time_slot, one_row };
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
        // Where a row is does not depend on the partition.
        ahead.filter_map(|target| reached(target, Found::of(0, found), last)).max()
    }

    /// The value of each measure on each row.
    pub(super) fn evaluate(&self, batch: MatchBatch<'_>) -> Result<Vec<ArrayRef>> {
        let mut cells: Vec<Option<Cells>> = self.targets.iter().map(|_| None).collect();
        for column in &self.columns {
            if let ColumnKind::Value { target, .. } | ColumnKind::Exists { target } = column.kind
                && cells[target].is_none()
            {
                cells[target] = Some(batch.cells(&self.targets[target])?);
            }
        }
        let cells_of = |target: usize| {
            cells[target].as_ref().ok_or_else(|| Error::internal("a measure reads rows nobody looked for"))
        };
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let value: ArrayRef = match &column.kind {
                ColumnKind::Value { slot, target } => batch.store.pick(*slot, cells_of(*target)?)?,
                ColumnKind::Exists { target } => {
                    Arc::new(BooleanArray::from(batch.store.exist(cells_of(*target)?).collect::<Vec<_>>()))
                }
                ColumnKind::Classifier { target } => self.classifiers(batch, &self.targets[*target])?,
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
        let target = match target.logical {
            // Each row is mapped to one of all variables, so the last of them is the current one.
            Logical::Last { symbols, offset: 0, semantics }
                if symbols == SymbolSet::all(self.classifiers.count())
                    && (semantics == Semantics::Running || self.one_row) =>
            {
                Target { logical: Logical::Current, ..*target }
            }
            _ => *target,
        };
        self.targets.iter().position(|known| *known == target).unwrap_or_else(|| {
            self.targets.push(target);
            self.targets.len() - 1
        })
    }

    fn classifiers(&self, batch: MatchBatch<'_>, target: &Target) -> Result<ArrayRef> {
        let mut symbols = Vec::with_capacity(batch.rows.len());
        batch.each_reached(target, |found, reached| {
            let offset = reached.and_then(|row| usize::try_from(row - found.start as i64).ok());
            symbols.push(offset.and_then(|offset| found.symbols.get(offset)).copied());
        });
        self.classifiers.column(&symbols)
    }

    /// How many rows of its match, up to each row or in all, are mapped to one of `symbols`.
    fn counts(&self, batch: MatchBatch<'_>, symbols: SymbolSet, semantics: Semantics) -> Int64Array {
        let mut counts = Vec::with_capacity(batch.rows.len());
        for of_match in batch.rows.chunk_by(|row, next| row.found == next.found) {
            let found = batch.matches.get(of_match[0].found);
            if semantics == Semantics::Final || self.one_row {
                let count = mapped(found.symbols, symbols).count() as i64;
                counts.extend(std::iter::repeat_n(count, of_match.len()));
                continue;
            }
            let mut rows = mapped(found.symbols, symbols).peekable();
            let mut count = 0;
            for MeasureRow { offset, .. } in of_match {
                while rows.next_if(|row| row <= offset).is_some() {
                    count += 1;
                }
                counts.push(count);
            }
        }
        Int64Array::from(counts)
    }

    fn aggregate(&self, batch: MatchBatch<'_>, aggregate: &Aggregate, semantics: Semantics) -> Result<ArrayRef> {
        if aggregate.counts_rows() {
            return Ok(Arc::new(self.counts(batch, aggregate.symbols(), semantics)));
        }
        let (mut addresses, mut names, mut offsets) = (Addresses::default(), Vec::new(), Vec::new());
        let mut matches = Vec::with_capacity(batch.matches.len());
        for found in batch.matches.iter() {
            let start = offsets.len();
            offsets.extend(mapped(found.symbols, aggregate.symbols()));
            for together in offsets[start..].chunk_by(|offset, next| offset + 1 == *next) {
                batch.address(found, together[0], together.len(), &mut addresses)?;
            }
            if aggregate.reads_classifier() {
                let name = |offset: &usize| self.classifiers.name(found.symbols[*offset]);
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
    fn each<T>(self, value: impl Fn(Found<'a>) -> T) -> impl Iterator<Item = T> {
        self.rows.iter().map(move |row| value(self.matches.get(row.found)))
    }

    /// Calls with each row's match, and the row of the partition that a navigation reaches from there. It may lie outside the partition.
    fn each_reached(self, target: &Target, mut see: impl FnMut(Found<'a>, Option<i64>)) {
        let mut offsets: Vec<usize> = Vec::new();
        for of_match in self.rows.chunk_by(|row, next| row.found == next.found) {
            let found = self.matches.get(of_match[0].found);
            let (symbols, nth, semantics, from_end) = match target.logical {
                Logical::First { symbols, offset, semantics } if of_match.len() > 1 => {
                    (symbols, offset as usize, semantics, false)
                }
                Logical::Last { symbols, offset, semantics } if of_match.len() > 1 => {
                    (symbols, offset as usize, semantics, true)
                }
                _ => {
                    for row in of_match {
                        see(found, reached(target, found, row.offset));
                    }
                    continue;
                }
            };
            offsets.clear();
            offsets.extend(mapped(found.symbols, symbols));
            let mut count = if semantics == Semantics::Final { offsets.len() } else { 0 };
            for MeasureRow { offset: current, .. } in of_match {
                // The rows ascend.
                while offsets.get(count).is_some_and(|offset| offset <= current) {
                    count += 1;
                }
                let index =
                    if from_end { count.checked_sub(1).and_then(|last| last.checked_sub(nth)) } else { Some(nth) };
                let offset = index.filter(|index| *index < count).map(|index| offsets[index]);
                see(found, offset.map(|offset| found.start as i64 + offset as i64 + target.shift));
            }
        }
    }

    /// The sequence number of a row of a match's partition, if the partition has it.
    #[inline]
    fn seq_of(self, found: Found<'_>, row: i64) -> Option<u64> {
        found.seq_of(row).or_else(|| self.partitions[found.partition as usize].seq_of(row, self.store))
    }

    /// Where the rows are that a navigation reaches.
    fn cells(self, target: &Target) -> Result<Cells> {
        let mut cells = Cells::with_capacity(self.rows.len());
        let mut added = Ok(());
        self.each_reached(target, |found, reached| {
            if let Err(error) = self.store.add(reached.and_then(|row| self.seq_of(found, row)), &mut cells) {
                added = Err(error);
            }
        });
        added.map(|()| cells)
    }

    /// Adds where consecutive rows of a match are, the first counted from the match's first.
    fn address(self, found: Found<'_>, offset: usize, count: usize, addresses: &mut Addresses) -> Result<()> {
        if let Some(seq) = found.first_seq {
            return self.store.address(seq + offset as u64..seq + (offset + count) as u64, addresses);
        }
        let first = (found.start as usize + offset) as i64;
        self.partitions[found.partition as usize].address(first..first + count as i64, self.store, addresses)
    }

    /// The time of each match's last row, or its deadline. A match without rows has the time of the row before which it
    /// stands: a time attribute is never NULL.
    fn rowtimes(self, slot: usize) -> Result<ArrayRef> {
        let mut cells = Cells::with_capacity(self.rows.len());
        for found in self.each(|found| found) {
            let last = (found.start + found.symbols.len().saturating_sub(1) as u64) as i64;
            self.store.add(self.seq_of(found, last), &mut cells)?;
        }
        let column = self.store.pick(slot, &cells)?;
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
fn mapped(of_match: &[SymbolId], symbols: SymbolSet) -> impl DoubleEndedIterator<Item = usize> + '_ {
    of_match.iter().enumerate().filter(move |(_, symbol)| symbols.contains(**symbol)).map(|(offset, _)| offset)
}

/// The row of the partition that a navigation reaches from a row of a match, counted from its first. It may lie outside the partition.
fn reached(target: &Target, found: Found<'_>, current: usize) -> Option<i64> {
    let until = |semantics| match semantics {
        Semantics::Final => found.symbols,
        Semantics::Running => &found.symbols[..found.symbols.len().min(current + 1)],
    };
    let offset = match target.logical {
        Logical::Current => (!found.symbols.is_empty()).then_some(current),
        // What is looked for is often near the end from which one looks.
        Logical::First { symbols, offset, semantics } => mapped(until(semantics), symbols).nth(offset as usize),
        Logical::Last { symbols, offset, semantics } => mapped(until(semantics), symbols).nth_back(offset as usize),
    };
    offset.map(|offset| found.start as i64 + offset as i64 + target.shift)
}
