//! What a match puts out: one row, or its rows, in the columns of the clause.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use dipper_graph::{MatchRecognizeSpec, RowsPerMatch};
use dipper_types::{Error, Result, Timestamp};

use super::frame_expr::as_type;
use super::kept_columns::KeptColumns;
use super::measures::{Found, MatchBatch, MeasureRow, Measures};
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
    matches: Vec<Found>,
    partitions: Vec<PartitionId>,
    /// The current row in its partition.
    current: Vec<u64>,
    measured: Vec<MeasureRow>,
    /// For each row its index in `measured`; only if rows of no match go out as well.
    measure_of: Vec<Option<u32>>,
    matched_rows: usize,
    skip_errors: usize,
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
        Ok(Self { schema: Arc::clone(&spec.output_schema), columns, rows_per_match: spec.rows_per_match })
    }

    /// Whether each match is one row.
    pub(super) fn is_one_row(&self) -> bool {
        self.rows_per_match == RowsPerMatch::One
    }

    /// Whether rows of no match go out.
    pub(super) fn shows_unmatched(&self) -> bool {
        self.rows_per_match == RowsPerMatch::AllWithUnmatched
    }

    /// Adds a match.
    pub(super) fn push_match(&self, rows: &mut OutputRows, found: Found) {
        let index = rows.matches.len();
        let matched = &found.found;
        rows.matched_rows += matched.symbols.len();
        rows.skip_errors += usize::from(matched.skip_failed);
        let offsets = match (self.rows_per_match, matched.symbols.len()) {
            (RowsPerMatch::AllOmitEmpty, 0) => 0..0,
            (_, 0) => 0..1,
            (RowsPerMatch::One, len) => len - 1..len,
            (_, len) => 0..len,
        };
        for offset in offsets {
            if self.rows_per_match != RowsPerMatch::One && matched.excluded.contains(offset) {
                continue;
            }
            if self.shows_unmatched() {
                rows.measure_of.push(Some(rows.measured.len() as u32));
            }
            rows.measured.push(MeasureRow { found: index, offset });
            rows.partitions.push(found.partition);
            rows.current.push(matched.start + offset as u64);
        }
        rows.matches.push(found);
    }

    /// The rows as a batch.
    pub(super) fn batch(&self, rows: &OutputRows, sources: OutputSources<'_>) -> Result<RecordBatch> {
        let OutputSources { measures, keys, partitions, store, processing_time } = sources;
        let batch = MatchBatch { matches: &rows.matches, rows: &rows.measured, partitions, store, processing_time };
        let mut measured = measures.evaluate(batch)?;
        if rows.measured.len() < rows.current.len() {
            // Rows of no match have no measures.
            let of_row: UInt32Array = rows.measure_of.iter().copied().collect();
            for measure in &mut measured {
                *measure = if rows.measured.is_empty() {
                    new_null_array(measure.data_type(), rows.current.len())
                } else {
                    take(measure, &of_row, None)?
                };
            }
        }
        let keys = keys.keys_of(&rows.partitions)?;
        let reads_input = self.columns.iter().any(|column| matches!(column, OutputColumn::Input(_)));
        let current = if reads_input { rows.addresses(partitions, store)? } else { Addresses::default() };
        let column = |(column, field): (&OutputColumn, &arrow::datatypes::FieldRef)| {
            let values = match column {
                OutputColumn::Partition(key) => ArrayRef::clone(&keys[*key]),
                OutputColumn::Measure(measure) => ArrayRef::clone(&measured[*measure]),
                OutputColumn::Input(slot) => store.gather(*slot, &current)?,
            };
            as_type(values, field.data_type())
        };
        let columns = self.columns.iter().zip(self.schema.fields()).map(column).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.current.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

impl OutputRows {
    /// Adds rows of no match.
    pub(super) fn push_unmatched(&mut self, partition: PartitionId, unmatched: Range<u64>) {
        for row in unmatched {
            self.measure_of.push(None);
            self.partitions.push(partition);
            self.current.push(row);
        }
    }

    /// Whether it is time to put them out.
    pub(super) fn is_full(&self) -> bool {
        self.current.len() >= BATCH_ROWS || self.matched_rows >= MATCHED_ROWS
    }

    /// Whether there is nothing to put out.
    pub(super) fn is_empty(&self) -> bool {
        self.current.is_empty()
    }

    fn addresses(&self, partitions: &[PartitionRows], store: &RowStore) -> Result<Addresses> {
        let mut addresses = Addresses::default();
        let mut first = 0;
        while first < self.current.len() {
            let (partition, row) = (self.partitions[first], self.current[first]);
            // Those of a match follow one another.
            let follows =
                |(index, row): &(usize, u64)| self.partitions[*index] == partition && self.current[*index] == *row;
            let count = (first..self.current.len()).zip(row..).take_while(follows).count();
            let together = row as i64..(row + count as u64) as i64;
            partitions[partition as usize].address(together, store, &mut addresses)?;
            first += count;
        }
        Ok(addresses)
    }

    /// How many matches there are, and after how many of them skipping was not possible.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.matches.len(), self.skip_errors)
    }
}
