//! The queries by name, and how one is measured.

use anyhow::Result;

use crate::csv::{self, CsvQuery};
use crate::matcher::{self, MatcherQuery};
use crate::measurement::{Measurement, Pass};
use crate::memory;
use crate::operator::{self, OperatorQuery};

/// After so many seconds no further execution begins, so that a slow query does not hold up the others.
const PATIENCE_SECONDS: f64 = 20.0;

/// A query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query {
    /// Its name: the level, the query, the variant.
    pub(crate) name: &'static str,
    /// Rows at scale 1.
    pub(crate) rows: u64,
    /// What is done.
    pub(crate) work: Work,
}

/// How much of the engine takes part.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// From letters to matches.
    Matcher(MatcherQuery),
    /// From batches of columns to batches of columns.
    Operator(OperatorQuery),
    /// From a file to nowhere.
    Csv(CsvQuery),
}

/// All queries, level by level.
pub(crate) fn all() -> impl Iterator<Item = Query> {
    matcher::QUERIES.iter().chain(operator::QUERIES).chain(csv::QUERIES).copied()
}

/// The query of a name.
pub(crate) fn named(name: &str) -> Option<Query> {
    all().find(|query| query.name == name)
}

impl Query {
    /// Executes it several times.
    pub(crate) fn measure(&self, runs: usize, scale: f64) -> Result<Measurement> {
        let rows = self.rows_at(scale);
        let mut passes = Vec::with_capacity(runs);
        let mut spent = 0.0;
        while passes.len() < runs.max(1) && spent < PATIENCE_SECONDS {
            let pass = self.pass(rows)?;
            spent += pass.seconds + pass.pass_through_seconds.unwrap_or_default();
            passes.push(pass);
        }
        Measurement::of(self.name, &passes, memory::peak_bytes())
    }

    /// Executes it once.
    pub(crate) fn pass(&self, rows: u64) -> Result<Pass> {
        match &self.work {
            Work::Matcher(query) => matcher::pass(query, rows),
            Work::Operator(query) => operator::pass(query, rows),
            Work::Csv(query) => csv::pass(query, rows),
        }
    }

    fn rows_at(&self, scale: f64) -> u64 {
        ((self.rows as f64 * scale).round() as u64).max(1)
    }
}

#[cfg(test)]
mod tests;
