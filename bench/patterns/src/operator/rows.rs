//! Rows in columns, made batch by batch while the clock stands still.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Int64Array, TimestampMillisecondArray};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::OperatorQuery;
use crate::layout::Layout;

/// How many users come before one who has put something into the cart comes back, one every [`CART_STEP_MS`].
const CART_LAG_USERS: u64 = 60_000;

/// The time between two users with a new cart.
const CART_STEP_MS: u64 = 10;

/// The rows of a query.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Data {
    /// `v` is drawn from 0 to 99.
    Numbers {
        /// The keys.
        layout: Layout,
        /// The time from one row to the next.
        step_ms: u64,
    },
    /// Users who put something into a cart (`v` is 0) and ten minutes later buy it (1) or look around (2). Two rows for each user.
    Carts,
}

impl Data {
    /// How many keys so many rows have, at most.
    pub(super) fn partitions(self, rows: u64) -> u64 {
        match self {
            Self::Numbers { layout, .. } => layout.partitions(rows),
            Self::Carts => rows.div_ceil(2),
        }
    }

    /// Whether there is more than one key.
    pub(super) fn is_partitioned(self) -> bool {
        !matches!(self, Self::Numbers { layout: Layout::One, .. })
    }

    /// Key, time and number.
    fn row(self, row: u64, random: &mut ChaCha8Rng) -> (u64, u64, u64) {
        match self {
            Self::Numbers { layout, step_ms } => {
                (layout.partition(row, random), row * step_ms, random.random_range(0..100))
            }
            Self::Carts => {
                let (newest, ms) = (row / 2, row * CART_STEP_MS / 2);
                match newest.checked_sub(CART_LAG_USERS) {
                    _ if row.is_multiple_of(2) => (newest, ms, 0),
                    Some(back) => (back, ms, 1 + u64::from(random.random_bool(0.5))),
                    None => (newest, ms, 2),
                }
            }
        }
    }
}

/// Makes batches of the columns that a clause reads, each with the watermark that releases it, in microseconds.
pub(super) struct Source {
    data: Data,
    batch_rows: u64,
    schema: SchemaRef,
    rows: u64,
    made: u64,
    random: ChaCha8Rng,
}

impl Source {
    /// So many rows of the columns of `schema`.
    pub(super) fn new(query: &OperatorQuery, rows: u64, schema: &SchemaRef) -> Self {
        let schema = SchemaRef::clone(schema);
        let batch_rows = query.batch_rows as u64;
        Self { data: query.data, batch_rows, schema, rows, made: 0, random: ChaCha8Rng::seed_from_u64(1) }
    }

    fn batch(&mut self, until: u64) -> Result<(RecordBatch, i64)> {
        let (mut keys, mut times, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        for row in self.made..until {
            let (key, ms, number) = self.data.row(row, &mut self.random);
            keys.push(key as i64);
            times.push(ms as i64);
            numbers.push(number as i64);
        }
        self.made = until;
        let watermark_us = times.last().copied().unwrap_or_default() * 1_000;
        let column = |name: &str| -> ArrayRef {
            match name {
                "k" => Arc::new(Int64Array::from(keys.clone())),
                "ts" => Arc::new(TimestampMillisecondArray::from(times.clone())),
                "ms" => Arc::new(Int64Array::from(times.clone())),
                _ => Arc::new(Int64Array::from(numbers.clone())),
            }
        };
        let columns = self.schema.fields().iter().map(|field| column(field.name())).collect();
        Ok((RecordBatch::try_new(SchemaRef::clone(&self.schema), columns)?, watermark_us))
    }
}

impl Iterator for Source {
    type Item = Result<(RecordBatch, i64)>;

    fn next(&mut self) -> Option<Self::Item> {
        let until = self.rows.min(self.made + self.batch_rows);
        (self.made < until).then(|| self.batch(until))
    }
}
