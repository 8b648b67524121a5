//! The operator: batches of columns and watermarks go in, batches of columns come out and are dropped. One thread, no connector.

mod plan;
mod queries;
mod rows;

use anyhow::Result;
use dipper_operator_api::OperatorMetrics;
use dipper_operator_api::harness::OperatorHarness;
use dipper_operators::MatchRecognizeOperator;
pub(crate) use queries::QUERIES;
use rows::Data;

use crate::clock::Stopwatch;
use crate::measurement::Pass;
use crate::memory;

/// With fewer keys, what they hold cannot be told from what the process holds anyway.
const MANY_KEYS: u64 = 100_000;

/// A clause and the rows it meets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OperatorQuery {
    /// The MATCH_RECOGNIZE clause behind ORDER BY.
    pub(crate) clause: &'static str,
    /// The rows.
    pub(crate) data: Data,
    /// How many come in a batch; a watermark that releases them follows each.
    pub(crate) batch_rows: usize,
}

/// Executes a query once.
pub(crate) fn pass(query: &OperatorQuery, rows: u64) -> Result<Pass> {
    let spec = plan::clause(query)?;
    let mut operator = OperatorHarness::open(MatchRecognizeOperator::new(&spec)?)?;
    let mut watch = Stopwatch::default();
    let before = memory::resident_bytes();
    for batch in rows::Source::new(query, rows, &spec.input_schema) {
        let (batch, watermark_us) = batch?;
        watch.time(|| {
            operator.batch(batch)?;
            operator.watermark_us(watermark_us)?;
            drop(operator.take());
            anyhow::Ok(())
        })?;
    }
    let after = memory::resident_bytes();
    watch.time(|| {
        operator.end()?;
        drop(operator.take());
        anyhow::Ok(())
    })?;
    let keys = query.data.partitions(rows);
    let held = before.zip(after).map(|(before, after)| after.saturating_sub(before));
    Ok(Pass {
        seconds: watch.seconds(),
        rows,
        matches: OperatorMetrics::get(&operator.metrics().matches),
        rows_out: OperatorMetrics::get(&operator.metrics().rows_out),
        bytes_per_key: held.filter(|_| keys >= MANY_KEYS).map(|held| held as f64 / keys as f64),
        pass_through_seconds: None,
    })
}
