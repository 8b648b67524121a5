//! What an operator counts about itself; the runtime reads it while the operator runs.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use dipper_types::{Timestamp, Watermark};

use crate::Latency;

/// Counters of one operator instance. Writers add, readers may look at any time.
#[derive(Debug)]
pub struct OperatorMetrics {
    /// Rows that came in.
    pub rows_in: AtomicU64,
    /// Rows that went out.
    pub rows_out: AtomicU64,
    /// Rows that arrived at or behind the watermark and were left out.
    pub late_rows: AtomicU64,
    /// Records that could not be decoded and were skipped, because the table says so.
    pub skipped_records: AtomicU64,
    /// Row pattern matches, time-outs included.
    pub matches: AtomicU64,
    /// Matches whose AFTER MATCH SKIP had no place to go and fell back to the next row.
    pub skip_errors: AtomicU64,
    /// Rows with which a match may have begun that is open still, so far as the search tells them apart.
    pub open_matches: AtomicU64,
    /// From the event time of a match's last row until the match has left, of a sample of the matches.
    pub match_latency: Latency,
    watermark_us: AtomicI64,
}

impl Default for OperatorMetrics {
    fn default() -> Self {
        Self {
            rows_in: AtomicU64::default(),
            rows_out: AtomicU64::default(),
            late_rows: AtomicU64::default(),
            skipped_records: AtomicU64::default(),
            matches: AtomicU64::default(),
            skip_errors: AtomicU64::default(),
            open_matches: AtomicU64::default(),
            match_latency: Latency::default(),
            watermark_us: AtomicI64::new(i64::MIN),
        }
    }
}

impl OperatorMetrics {
    /// Adds to a counter of this struct.
    pub fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// The current value of a counter.
    pub fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    /// Sets what goes up and down.
    pub fn set(gauge: &AtomicU64, value: usize) {
        gauge.store(value as u64, Ordering::Relaxed);
    }

    /// Notes the watermark that the operator has reached.
    pub fn set_watermark(&self, watermark: Watermark) {
        self.watermark_us.store(watermark.0.0, Ordering::Relaxed);
    }

    /// The watermark that the operator has reached.
    pub fn watermark(&self) -> Watermark {
        Watermark(Timestamp(self.watermark_us.load(Ordering::Relaxed)))
    }
}
