//! What is kept of each partition between two watermarks: dense columns by partition id, so that an idle partition costs a few words
//! and a stage touches only what it needs.

use std::collections::{HashMap, VecDeque};

use dipper_pattern::Match;

use super::partition_rows::PartitionRows;
use super::partitions::PartitionId;
use super::search::Runs;

/// Stands for "no time" in [`PartitionStates::wakeups`] and [`PartitionStates::held`].
pub(super) const NO_TIME: i64 = i64::MAX;

/// The partitions.
#[derive(Debug)]
pub(super) struct PartitionStates {
    /// The rows that may still be referred to.
    pub(super) rows: Vec<PartitionRows>,
    /// The searches. They lag behind the rows where a condition looks ahead.
    pub(super) runs: Runs,
    /// The entry of each partition in the index of deadlines; only with WITHIN.
    pub(super) wakeups: Vec<i64>,
    /// The entry of each partition in the watermark's hold; only if there is one.
    pub(super) held: Vec<i64>,
    /// Every row before this one has been put out or belongs to a match; only for WITH UNMATCHED ROWS.
    pub(super) reported: Vec<u64>,
    /// Matches whose measures look ahead, at rows that have not come.
    pub(super) waiting: HashMap<PartitionId, VecDeque<Match>>,
    kept: Kept,
}

/// Which of the columns there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    /// With WITHIN.
    pub(super) wakeups: bool,
    /// With a time attribute in the output.
    pub(super) held: bool,
    /// With unmatched rows in the output.
    pub(super) reported: bool,
}

impl PartitionStates {
    /// No partition yet.
    pub(super) fn new(runs: Runs, kept: Kept) -> Self {
        let (rows, wakeups, held, reported) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { rows, runs, wakeups, held, reported, waiting: HashMap::new(), kept }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.rows.len()
    }

    /// Makes room for partitions up to `count`.
    pub(super) fn grow(&mut self, count: usize) {
        if count <= self.count() {
            return;
        }
        self.rows.resize_with(count, PartitionRows::default);
        self.runs.grow(count);
        let length = |kept: bool| if kept { count } else { 0 };
        self.wakeups.resize(length(self.kept.wakeups), NO_TIME);
        self.held.resize(length(self.kept.held), NO_TIME);
        self.reported.resize(length(self.kept.reported), 0);
    }

    /// Lets go of everything.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.runs.clear();
        self.wakeups.clear();
        self.held.clear();
        self.reported.clear();
        self.waiting.clear();
    }

    /// The rows of a partition that are searched or waiting to be.
    pub(super) fn rows(&self, id: PartitionId) -> &PartitionRows {
        &self.rows[id as usize]
    }

    /// The first match that waits for rows to come.
    pub(super) fn first_waiting(&self, id: PartitionId) -> Option<&Match> {
        if self.waiting.is_empty() { None } else { self.waiting.get(&id)?.front() }
    }

    /// The first row that something open may still refer to, PREV apart: the search, which needs the rows from `needed` on, rows that
    /// wait to be searched, or matches that wait to be put out.
    pub(super) fn first_open_row(&self, id: PartitionId, needed: u64) -> u64 {
        let waiting = self.first_waiting(id).map_or(u64::MAX, |found| found.start);
        needed.min(self.runs.rows_seen(id)).min(waiting)
    }
}
