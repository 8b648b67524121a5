//! The rows that go out: those that came in, each with the measures of the match that it sees and the aggregates over it.

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use dipper_graph::RowPatternWindowSpec;
use dipper_pattern::{Excluded, Labels, Match, Status};
use dipper_types::{Error, Result, Timestamp};

use super::super::found::{Found, FoundMatches};
use super::super::frame_expr::as_type;
use super::super::kept_columns::KeptColumns;
use super::super::measures::{MatchBatch, MeasureRow, Measures};
use super::super::output::MATCHED_ROWS;
use super::super::partition_rows::PartitionRows;
use super::super::partitions::PartitionId;
use super::super::row_store::{Addresses, RowStore};
use super::frames::FrameMatch;

/// Rows that go out at once.
const BATCH_ROWS: usize = 8192;

/// What goes out of each row.
#[derive(Debug)]
pub(super) struct Output {
    schema: SchemaRef,
    /// The input's columns, as slots.
    columns: Vec<usize>,
    /// NULL where there is no match.
    measures: Measures,
    /// Over no rows where there is no match.
    functions: Measures,
}

/// Rows on their way out: consecutive ones of the store.
#[derive(Debug)]
pub(super) struct OutputRows {
    first: u64,
    /// For each row its match.
    seen: Vec<Option<u32>>,
    matches: FoundMatches,
    skip_errors: usize,
    frames: Vec<PartitionRows>,
    matched_rows: usize,
}

impl Output {
    /// Makes measures and functions executable; keeps the columns they read.
    pub(super) fn new(spec: &RowPatternWindowSpec, kept: &mut KeptColumns) -> Result<Self> {
        let clause = &spec.clause;
        let columns = clause.remaining.iter().map(|column| kept.keep(*column)).collect::<Result<Vec<_>>>()?;
        let mut of_match =
            |measures| Measures::new(measures, &clause.variables, &clause.input_schema, kept, None, true);
        let (measures, functions) = (of_match(&clause.measures)?, of_match(&spec.functions)?);
        let schema = Arc::clone(&clause.output_schema);
        if columns.len() + clause.measures.len() + spec.functions.len() != schema.fields().len() {
            return Err(Error::internal("a window with a row pattern puts out other columns than planned"));
        }
        Ok(Self { schema, columns, measures, functions })
    }

    /// The batch of some rows, evaluated at `now`.
    pub(super) fn batch(&self, mut rows: OutputRows, store: &RowStore, now: Timestamp) -> Result<RecordBatch> {
        let count = rows.seen.len();
        let mut current = Addresses::default();
        store.address(rows.first..rows.first + count as u64, &mut current)?;
        let mut columns =
            self.columns.iter().map(|slot| store.gather(*slot, &current)).collect::<Result<Vec<ArrayRef>>>()?;
        let seen = UInt32Array::from(rows.seen);
        for value in evaluate(&self.measures, &rows.matches, &rows.frames, store, now)? {
            // Without any match there is nothing to take from, not even for a NULL.
            let of_rows =
                if value.is_empty() { new_null_array(value.data_type(), count) } else { take(&value, &seen, None)? };
            columns.push(of_rows);
        }
        // A match without rows stands for no match.
        let no_match = rows.matches.len() as u32;
        rows.matches.push(no_match, None, &empty_match());
        rows.frames.push(PartitionRows::default());
        let seen: UInt32Array = seen.iter().map(|found| Some(found.unwrap_or(no_match))).collect();
        for value in evaluate(&self.functions, &rows.matches, &rows.frames, store, now)? {
            columns.push(take(&value, &seen, None)?);
        }
        let typed = columns.into_iter().zip(self.schema.fields());
        let columns = typed.map(|(column, field)| as_type(column, field.data_type())).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

/// The value of each measure for each match.
fn evaluate(
    measures: &Measures,
    matches: &FoundMatches,
    frames: &[PartitionRows],
    store: &RowStore,
    now: Timestamp,
) -> Result<Vec<ArrayRef>> {
    let last = |(found, of): (usize, Found<'_>)| MeasureRow { found, offset: of.symbols.len().saturating_sub(1) };
    let rows: Vec<MeasureRow> = matches.iter().enumerate().map(last).collect();
    measures.evaluate(MatchBatch { matches, rows: &rows, partitions: frames, store, processing_time: now })
}

fn empty_match() -> Match {
    Match {
        number: 0,
        start: 0,
        symbols: Labels::new(),
        excluded: Excluded::default(),
        status: Status::Complete,
        deadline: None,
        skip_failed: false,
    }
}

impl OutputRows {
    /// No rows yet, the next being `first`.
    pub(super) fn from(first: u64) -> Self {
        Self {
            first,
            seen: Vec::new(),
            matches: FoundMatches::default(),
            skip_errors: 0,
            frames: Vec::new(),
            matched_rows: 0,
        }
    }

    /// The next row and the match that it sees.
    pub(super) fn push(&mut self, seen: Option<FrameMatch>) {
        let Some(FrameMatch { frame, found }) = seen else {
            self.seen.push(None);
            return;
        };
        self.matched_rows += found.symbols.len();
        self.seen.push(Some(self.matches.len() as u32));
        self.skip_errors += usize::from(found.skip_failed);
        self.matches.push(self.frames.len() as PartitionId, None, &found);
        self.frames.push(frame);
    }

    /// The row behind those pushed.
    pub(super) fn end(&self) -> u64 {
        self.first + self.seen.len() as u64
    }

    /// Whether there are rows.
    pub(super) fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Whether it is time to put them out.
    pub(super) fn is_full(&self) -> bool {
        self.seen.len() >= BATCH_ROWS || self.matched_rows >= MATCHED_ROWS
    }

    /// How many matches the rows see, and after how many of them skipping was not possible.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.matches.len(), self.skip_errors)
    }
}
