//! What is kept of one partition between two watermarks.

use std::collections::VecDeque;

use dipper_pattern::Match;

use super::partition_rows::PartitionRows;
use super::search::Runs;

/// One partition.
#[derive(Debug)]
pub(super) struct Partition {
    /// The rows that may still be referred to.
    pub(super) rows: PartitionRows,
    /// The search. It lags behind the rows where a condition looks ahead.
    pub(super) runs: Runs,
    /// Matches whose measures look ahead, at rows that have not come.
    pub(super) waiting: VecDeque<Match>,
    /// Every row before this one has been put out or belongs to a match; only for WITH UNMATCHED ROWS.
    pub(super) reported: u64,
    /// The entry in the index of deadlines.
    pub(super) wakeup: Option<i64>,
    /// The entry in the watermark's hold.
    pub(super) held: Option<i64>,
}

impl Partition {
    /// A partition without rows.
    pub(super) fn new(runs: Runs) -> Self {
        Self { rows: PartitionRows::default(), runs, waiting: VecDeque::new(), reported: 0, wakeup: None, held: None }
    }

    /// The first row that something open may still refer to, PREV apart: the search, rows that wait to be searched, or matches that
    /// wait to be put out.
    pub(super) fn first_open_row(&self) -> u64 {
        let waiting = self.waiting.front().map_or(u64::MAX, |found| found.start);
        self.runs.first_needed_row().min(self.runs.rows_seen()).min(waiting)
    }
}
