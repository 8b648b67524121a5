//! The `datagen` source: rows made up from a seed, as many and as fast as the table says.
//!
//! The same seed gives the same rows, whatever the batches and however often reading begins anew; only a timestamp without
//! `fields.<column>.start` reads the clock.

mod generator;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use dipper_operator_api::{Boundedness, ReadOptions, Source, Split, SplitPosition, SplitReader};
use dipper_types::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::clock::{Stopwatch, sleep};
use crate::options::TableOptions;
use crate::table::{TableDefinition, no_metadata};
use generator::{ColumnGenerator, ColumnSpec};

/// The rate of an endless table that does not say one, as in Flink.
const ROWS_PER_SECOND: u64 = 10_000;
/// Rows with long text come in smaller batches.
const BATCH_TEXT_BYTES: u64 = 16 << 20;
/// With a rate, rows come at most this often.
const TICK: Duration = Duration::from_millis(10);

/// Makes up rows.
#[derive(Debug)]
pub(crate) struct DatagenSource {
    schema: SchemaRef,
    columns: Vec<ColumnSpec>,
    rows: Option<u64>,
    rows_per_second: Option<u64>,
    splits: u64,
    seed: u64,
}

impl DatagenSource {
    pub(crate) fn new(table: &TableDefinition, mut options: TableOptions) -> Result<Self> {
        no_metadata(table, "datagen")?;
        let number_of_rows = options.take_u64("number-of-rows")?;
        let rows_per_second = match options.take_u64("rows-per-second")? {
            None if number_of_rows.is_some() => None,
            None => Some(ROWS_PER_SECOND),
            Some(0) => None,
            Some(rate) => Some(rate),
        };
        let splits = options.take_u64("splits")?.unwrap_or(1);
        if !(1..=1024).contains(&splits) {
            return Err(options.error(format!("option 'splits': {splits} is not between 1 and 1024")));
        }
        let seed = options.take_u64("seed")?.unwrap_or(0);
        let columns = table
            .columns
            .fields()
            .iter()
            .map(|field| ColumnSpec::take(&mut options, field))
            .collect::<Result<Vec<_>>>()?;
        // A sequence that ends ends the table.
        let rows = columns.iter().filter_map(ColumnSpec::rows).chain(number_of_rows).min();
        for (column, field) in columns.iter().zip(table.columns.fields()) {
            column.check_rows(&options, field.name(), rows.unwrap_or(1))?;
        }
        options.finish()?;
        Ok(Self { schema: Arc::clone(&table.columns), columns, rows, rows_per_second, splits, seed })
    }
}

#[async_trait]
impl Source for DatagenSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn boundedness(&self) -> Boundedness {
        if self.rows.is_some() { Boundedness::Bounded } else { Boundedness::Unbounded }
    }

    async fn splits(&self) -> Result<Vec<Split>> {
        Ok((0..self.splits)
            .map(|split| Split { id: format!("datagen-{split}"), description: split.to_string() })
            .collect())
    }

    async fn open(
        &self,
        split: &Split,
        from: Option<&SplitPosition>,
        options: ReadOptions,
    ) -> Result<Box<dyn SplitReader>> {
        let from = from.map(|from| from.decode::<DatagenPosition>(split)).transpose()?;
        if from.as_ref().is_some_and(|from| (from.splits, from.seed) != (self.splits, self.seed)) {
            let error =
                Error::invalid("the rows of 'datagen' have other 'splits' or another 'seed' than those made up before");
            return Err(error.with_hint("leave the table as it was, or start over with --fresh"));
        }
        let made = from.unwrap_or_default();
        let number: u64 =
            split.description.parse().map_err(|_| Error::internal(format!("split '{}' of datagen", split.id)))?;
        let column = |column: &usize| {
            let mut generator = ColumnGenerator::new(self.columns[*column].clone(), self.seed, number, *column);
            match made.words.get(column) {
                Some(words) => generator.skip_words(*words),
                // It was not asked for then.
                None => generator.skip_rows(made.rows)?,
            }
            Ok((*column, generator))
        };
        let columns = options.projection.iter().map(column).collect::<Result<_>>()?;
        let row_bytes: u64 = options.projection.iter().map(|column| self.columns[*column].text_bytes()).sum();
        let batch_rows = (options.batch_rows as u64).min(BATCH_TEXT_BYTES / row_bytes.max(1)).max(1);
        Ok(Box::new(DatagenReader {
            schema: Arc::new(self.schema.project(&options.projection)?),
            columns,
            made: made.rows,
            first_row: number,
            step: self.splits,
            seed: self.seed,
            // This split's share of the rows: every `splits`-th, beginning with its own number.
            rows: self.rows.map(|rows| rows.saturating_sub(number).div_ceil(self.splits)),
            batch_rows,
            pace: self.rows_per_second.map(|rate| Pace {
                rows_per_second: rate as f64 / self.splits as f64,
                made: 0,
                since: Stopwatch::start(),
            }),
        }))
    }
}

/// How far a split has been made up.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DatagenPosition {
    rows: u64,
    /// Of how many splits.
    splits: u64,
    seed: u64,
    /// How many random numbers each column has taken, by its place in the table.
    words: BTreeMap<usize, u64>,
}

struct DatagenReader {
    schema: SchemaRef,
    /// Each with its place in the table.
    columns: Vec<(usize, ColumnGenerator)>,
    /// How many rows have been made, of how many.
    made: u64,
    rows: Option<u64>,
    first_row: u64,
    step: u64,
    seed: u64,
    batch_rows: u64,
    pace: Option<Pace>,
}

/// How many rows may have been made by now.
struct Pace {
    rows_per_second: f64,
    made: u64,
    since: Stopwatch,
}

impl Pace {
    /// Waits until at least one row is due and says how many are.
    async fn due(&self) -> u64 {
        loop {
            let due = (self.since.elapsed().as_secs_f64() * self.rows_per_second) as u64;
            if due > self.made {
                return due - self.made;
            }
            sleep(TICK.max(Duration::from_secs_f64(0.2 / self.rows_per_second))).await;
        }
    }
}

#[async_trait]
impl SplitReader for DatagenReader {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let left = self.rows.map(|rows| rows.saturating_sub(self.made));
        let mut rows = self.batch_rows.min(left.unwrap_or(u64::MAX));
        if rows == 0 {
            return Ok(None);
        }
        if let Some(pace) = &mut self.pace {
            rows = rows.min(pace.due().await);
            pace.made += rows;
        }
        let next_row = self.first_row + self.made * self.step;
        let arrays = self
            .columns
            .iter_mut()
            .map(|(_, column)| column.generate(next_row, self.step, rows as usize))
            .collect::<Result<Vec<_>>>()?;
        self.made += rows;
        let options = RecordBatchOptions::new().with_row_count(Some(rows as usize));
        Ok(Some(RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?))
    }

    fn position(&self) -> SplitPosition {
        let words = self.columns.iter().map(|(column, generator)| (*column, generator.words())).collect();
        let position = DatagenPosition { rows: self.made, splits: self.step, seed: self.seed, words };
        SplitPosition(serde_json::json!(position))
    }
}
