//! What is measured of a query: single passes, and the sum of several.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// One execution.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Pass {
    /// The time of what is measured; data are made outside of it.
    pub(crate) seconds: f64,
    /// Rows that went in.
    pub(crate) rows: u64,
    /// Matches found.
    pub(crate) matches: u64,
    /// Rows that came out.
    pub(crate) rows_out: u64,
    /// What the query holds for each key when all rows have come, in bytes, for those of very many keys.
    pub(crate) bytes_per_key: Option<f64>,
    /// The time of reading the same rows without the query.
    pub(crate) pass_through_seconds: Option<f64>,
}

/// Several executions of one query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measurement {
    /// The query's name.
    pub(crate) query: String,
    /// Rows that go in.
    pub(crate) rows: u64,
    /// Matches found.
    pub(crate) matches: u64,
    /// Rows that come out.
    pub(crate) rows_out: u64,
    /// How often it was executed.
    pub(crate) runs: usize,
    /// The fastest.
    pub(crate) seconds_min: f64,
    /// The one in the middle.
    pub(crate) seconds_median: f64,
    /// By the fastest.
    pub(crate) ns_per_row: f64,
    /// The most memory that the process held at once.
    pub(crate) peak_bytes: Option<u64>,
    /// See [`Pass::bytes_per_key`].
    pub(crate) bytes_per_key: Option<f64>,
    /// The fastest reading of the same rows without the query.
    pub(crate) pass_through_seconds_min: Option<f64>,
    /// The fastest execution over it.
    pub(crate) ratio: Option<f64>,
}

impl Measurement {
    /// Sums up the executions of a query. They must agree in what they found: the data are the same.
    pub(crate) fn of(query: &str, passes: &[Pass], peak_bytes: Option<u64>) -> Result<Self> {
        let found = |pass: &Pass| (pass.rows, pass.matches, pass.rows_out);
        let first = passes.first().cloned().unwrap_or_default();
        ensure!(
            passes.iter().all(|pass| found(pass) == found(&first)),
            "the executions of '{query}' differ in what they found"
        );
        let seconds = sorted(passes.iter().map(|pass| pass.seconds));
        let seconds_min = seconds.first().copied().unwrap_or_default();
        let read = sorted(passes.iter().filter_map(|pass| pass.pass_through_seconds)).first().copied();
        Ok(Self {
            query: query.to_owned(),
            rows: first.rows,
            matches: first.matches,
            rows_out: first.rows_out,
            runs: passes.len(),
            seconds_min,
            seconds_median: seconds.get(seconds.len() / 2).copied().unwrap_or_default(),
            ns_per_row: seconds_min * 1e9 / first.rows.max(1) as f64,
            peak_bytes,
            // Later executions find the memory of the first.
            bytes_per_key: first.bytes_per_key,
            pass_through_seconds_min: read,
            ratio: read.map(|read| seconds_min / read),
        })
    }
}

fn sorted(seconds: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut seconds: Vec<f64> = seconds.collect();
    seconds.sort_by(f64::total_cmp);
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(seconds: f64, matches: u64) -> Pass {
        Pass { seconds, rows: 1_000, matches, pass_through_seconds: Some(seconds / 2.0), ..Pass::default() }
    }

    #[test]
    fn the_fastest_and_the_middle_execution_are_told() {
        let sum = Measurement::of("q", &[pass(3.0, 7), pass(1.0, 7), pass(2.0, 7)], None).unwrap();
        assert_eq!((sum.seconds_min, sum.seconds_median, sum.ns_per_row), (1.0, 2.0, 1e6));
        assert_eq!((sum.matches, sum.runs, sum.ratio), (7, 3, Some(2.0)));
    }

    #[test]
    fn executions_that_find_different_things_are_an_error() {
        let error = Measurement::of("q", &[pass(1.0, 7), pass(1.0, 8)], None).unwrap_err();
        assert_eq!(error.to_string(), "the executions of 'q' differ in what they found");
    }
}
