//! What a match puts out: one row, or its rows, in the columns of the clause.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use dipper_graph::{MatchRecognizeSpec, RowsPerMatch};
use dipper_pattern::{Match, Status};
use dipper_types::{Error, Result, Timestamp};

use super::found::FoundMatches;
use super::frame_expr::as_type;
use super::kept_columns::KeptColumns;
use super::measures::{MatchBatch, MeasureRow, Measures};
use super::partition_rows::PartitionRows;
use super::partitions::{PartitionId, Partitions};
use super::row_store::{Addresses, RowStore};

/// Rows of one batch, about.
const BATCH_ROWS: usize = 32 * 1024;
/// A batch ends early when its matches have so many rows: measures may read all of them at once.
pub(super) const MATCHED_ROWS: usize = 1 << 20;

/// The columns and rows that go out.
#[derive(Debug)]
pub(super) struct Output {
    schema: SchemaRef,
    columns: Vec<OutputColumn>,
    rows_per_match: RowsPerMatch,
    /// Whether columns of the input are among them.
    shows_input: bool,
}

#[derive(Debug, Clone, Copy)]
enum OutputColumn {
    /// Which key.
    Partition(usize),
    /// Which slot of the current row.
    Input(usize),
    /// Which measure.
    Measure(usize),
}

/// What the rows are made from.
#[derive(Clone, Copy)]
pub(super) struct OutputSources<'a> {
    /// The measures.
    pub(super) measures: &'a Measures,
    /// The keys.
    pub(super) keys: &'a Partitions,
    /// The rows of each partition.
    pub(super) partitions: &'a [PartitionRows],
    /// Their rows.
    pub(super) store: &'a RowStore,
    /// The time at which this happens.
    pub(super) processing_time: Timestamp,
}

/// Rows on their way out, in order.
#[derive(Debug, Default)]
pub(super) struct OutputRows {
    matches: FoundMatches,
    /// The partition of each row.
    partitions: Vec<PartitionId>,
    /// The rows as they are in the input; only if they show columns of it.
    current: Vec<Stretch>,
    measured: Vec<MeasureRow>,
    /// For each row its index in `measured`; only if rows of no match go out as well.
    measure_of: Vec<Option<u32>>,
    matched_rows: usize,
    skip_errors: usize,
}

/// Consecutive rows of one partition.
#[derive(Debug)]
struct Stretch {
    partition: PartitionId,
    rows: Range<u64>,
    /// The sequence number of the first, if those of the others follow without a gap.
    first_seq: Option<u64>,
}

impl Output {
    /// Keeps the columns that go out.
    pub(super) fn new(spec: &MatchRecognizeSpec, kept: &mut KeptColumns) -> Result<Self> {
        let mut columns: Vec<OutputColumn> = (0..spec.partition_by.len()).map(OutputColumn::Partition).collect();
        let all_rows = spec.rows_per_match != RowsPerMatch::One;
        if all_rows {
            let mut shown = spec.partition_by.clone();
            for key in &spec.order_by {
                if !shown.contains(&key.column) {
                    shown.push(key.column);
                    columns.push(OutputColumn::Input(kept.keep(key.column)?));
                }
            }
        }
        columns.extend((0..spec.measures.len()).map(OutputColumn::Measure));
        if all_rows {
            for column in &spec.remaining {
                columns.push(OutputColumn::Input(kept.keep(*column)?));
            }
        }
        if columns.len() != spec.output_schema.fields().len() {
            let (has, wants) = (columns.len(), spec.output_schema.fields().len());
            return Err(Error::internal(format!("MATCH_RECOGNIZE puts out {has} columns, not {wants}")));
        }
        let shows_input = columns.iter().any(|column| matches!(column, OutputColumn::Input(_)));
        Ok(Self { schema: Arc::clone(&spec.output_schema), columns, rows_per_match: spec.rows_per_match, shows_input })
    }

    /// Whether each match is one row.
    pub(super) fn is_one_row(&self) -> bool {
        self.rows_per_match == RowsPerMatch::One
    }

    /// Whether rows of no match go out.
    pub(super) fn shows_unmatched(&self) -> bool {
        self.rows_per_match == RowsPerMatch::AllWithUnmatched
    }

    /// Adds a match of a partition that has these rows.
    pub(super) fn push_match(
        &self,
        rows: &mut OutputRows,
        partition: PartitionId,
        found: &Match,
        of_partition: &PartitionRows,
        store: &RowStore,
    ) {
        let len = found.symbols.len();
        rows.matched_rows += len;
        rows.skip_errors += usize::from(found.skip_failed);
        let first_seq = of_partition.first_seq_of(found.start..found.end(), store);
        let match_index = rows.matches.len();
        rows.matches.push(partition, first_seq, found);
        let shown = match (self.rows_per_match, len) {
            (RowsPerMatch::AllOmitEmpty, 0) => 0..0,
            (_, 0) => 0..1,
            (RowsPerMatch::One, len) => len - 1..len,
            (_, len) => 0..len,
        };
        let leaves_out = self.rows_per_match != RowsPerMatch::One && !found.excluded.is_empty();
        let mut from = shown.start;
        while from < shown.end {
            let mut rest = from..shown.end;
            let until = if leaves_out { rest.find(|row| found.excluded.contains(*row)) } else { None };
            let together = from..until.unwrap_or(shown.end);
            from = together.end + 1;
            if together.is_empty() {
                continue;
            }
            if self.shows_unmatched() {
                let measures = rows.measured.len() as u32..;
                rows.measure_of.extend(measures.take(together.len()).map(Some));
            }
            if self.shows_input {
                rows.current.push(Stretch {
                    partition,
                    rows: found.start + together.start as u64..found.start + together.end as u64,
                    first_seq: first_seq.map(|seq| seq + together.start as u64),
                });
            }
            rows.partitions.extend(std::iter::repeat_n(partition, together.len()));
            rows.measured.extend(together.map(|offset| MeasureRow { found: match_index, offset }));
        }
    }

    /// The rows as a batch.
    pub(super) fn batch(&self, rows: &OutputRows, sources: OutputSources<'_>) -> Result<RecordBatch> {
        let OutputSources { measures, keys, partitions, store, processing_time } = sources;
        let batch = MatchBatch { matches: &rows.matches, rows: &rows.measured, partitions, store, processing_time };
        let mut measured = measures.evaluate(batch)?;
        if rows.measured.len() < rows.partitions.len() {
            // Rows of no match have no measures.
            let of_row: UInt32Array = rows.measure_of.iter().copied().collect();
            for measure in &mut measured {
                *measure = if rows.measured.is_empty() {
                    new_null_array(measure.data_type(), rows.partitions.len())
                } else {
                    take(measure, &of_row, None)?
                };
            }
        }
        let keys = keys.keys_of(&rows.partitions)?;
        let current = rows.addresses(partitions, store)?;
        let column = |(column, field): (&OutputColumn, &arrow::datatypes::FieldRef)| {
            let values = match column {
                OutputColumn::Partition(key) => ArrayRef::clone(&keys[*key]),
                OutputColumn::Measure(measure) => ArrayRef::clone(&measured[*measure]),
                OutputColumn::Input(slot) => store.gather(*slot, &current)?,
            };
            as_type(values, field.data_type())
        };
        let columns = self.columns.iter().zip(self.schema.fields()).map(column).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.partitions.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

impl OutputRows {
    /// Adds rows of no match.
    pub(super) fn push_unmatched(&mut self, partition: PartitionId, unmatched: Range<u64>) {
        let count = (unmatched.end - unmatched.start) as usize;
        self.measure_of.extend(std::iter::repeat_n(None, count));
        self.partitions.extend(std::iter::repeat_n(partition, count));
        self.current.push(Stretch { partition, rows: unmatched, first_seq: None });
    }

    /// None, with the memory of these.
    pub(super) fn emptied(mut self) -> Self {
        fn empty<T>(list: &mut Vec<T>) {
            list.clear();
            list.shrink_to(2 * BATCH_ROWS);
        }
        self.matches.clear(2 * BATCH_ROWS, 2 * MATCHED_ROWS);
        empty(&mut self.partitions);
        empty(&mut self.current);
        empty(&mut self.measured);
        empty(&mut self.measure_of);
        (self.matched_rows, self.skip_errors) = (0, 0);
        self
    }

    /// Whether it is time to put them out.
    pub(super) fn is_full(&self) -> bool {
        self.partitions.len() >= BATCH_ROWS || self.matched_rows >= MATCHED_ROWS
    }

    /// Whether there is nothing to put out.
    pub(super) fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    fn addresses(&self, partitions: &[PartitionRows], store: &RowStore) -> Result<Addresses> {
        let mut addresses = Addresses::default();
        for Stretch { partition, rows, first_seq } in &self.current {
            match first_seq {
                Some(seq) => store.address(*seq..seq + (rows.end - rows.start), &mut addresses)?,
                None => {
                    let rows = rows.start as i64..rows.end as i64;
                    partitions[*partition as usize].address(rows, store, &mut addresses)?;
                }
            }
        }
        Ok(addresses)
    }

    /// The partition and the last row of so many of the complete matches, or a few less, from all over the batch.
    pub(super) fn last_rows(&self, count: usize) -> impl Iterator<Item = (PartitionId, u64)> {
        let step = self.matches.len().div_ceil(count).max(1);
        let chosen = (0..self.matches.len()).step_by(step).map(|index| self.matches.get(index));
        chosen.filter(|found| found.status == Status::Complete && !found.symbols.is_empty()).map(|found| {
            let last = found.start + found.symbols.len() as u64 - 1;
            (found.partition, last)
        })
    }

    /// How many matches there are, and after how many of them skipping was not possible.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.matches.len(), self.skip_errors)
    }
}
