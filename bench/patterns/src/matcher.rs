//! The matcher proper: letters go in, matches come out. Letters are made beforehand, so that nothing else is measured.

mod letters;
mod queries;

use std::ops::Range;
use std::sync::Arc;

use anyhow::Result;
use dipper_pattern::{CompileLimits, DfaMatcher, DfaRuns, Letter, Match, Program, Rows, SearchOptions, Skip, parse};
use letters::Letters;
pub(crate) use queries::QUERIES;

use crate::clock::Stopwatch;
use crate::layout::Layout;
use crate::measurement::Pass;

/// How many rows go in at once: a batch of the operator.
const CHUNK_ROWS: usize = 8192;

/// A pattern and the rows it meets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MatcherQuery {
    /// As in PATTERN (…).
    pub(crate) pattern: &'static str,
    /// What rows may be.
    pub(crate) letters: Letters,
    /// Their partitions.
    pub(crate) layout: Layout,
    /// AFTER MATCH SKIP.
    pub(crate) skip: Skip,
}

/// Letters, those of a partition together.
#[derive(Debug, Default)]
struct Chunk {
    letters: Vec<Letter>,
    /// The partitions and their stretches of `letters`.
    spans: Vec<(usize, Range<usize>)>,
}

/// The engine: the only place that calls it.
struct Engine {
    matcher: DfaMatcher,
    partitions: Vec<DfaRuns>,
}

impl Engine {
    fn new(query: &MatcherQuery, partitions: u64) -> Result<Self> {
        let program = Program::compile(&parse(query.pattern)?.pattern, CompileLimits::default())?;
        let options = SearchOptions { skip: query.skip, ..SearchOptions::default() };
        let matcher = DfaMatcher::new(Arc::new(program), options);
        let partitions = (0..partitions).map(|_| matcher.start()).collect();
        Ok(Self { matcher, partitions })
    }

    fn push(&mut self, chunk: &Chunk, found: &mut Vec<Match>) -> Result<()> {
        for (partition, span) in &chunk.spans {
            let runs = &mut self.partitions[*partition];
            let rows = Rows { letters: &chunk.letters[span.clone()], poison: &[], times: &[] };
            self.matcher.push(runs, rows, found)?;
        }
        Ok(())
    }

    fn finish(&mut self, found: &mut Vec<Match>) -> Result<()> {
        for runs in &mut self.partitions {
            self.matcher.finish(runs, found)?;
        }
        Ok(())
    }
}

/// Executes a query once.
pub(crate) fn pass(query: &MatcherQuery, rows: u64) -> Result<Pass> {
    let mut engine = Engine::new(query, query.layout.partitions(rows))?;
    let mut source = letters::Source::new(query, rows);
    let (mut chunk, mut found) = (Chunk::default(), Vec::new());
    let (mut watch, mut matches, mut rows_out) = (Stopwatch::default(), 0, 0);
    let mut count = |found: &[Match]| {
        matches += found.len() as u64;
        rows_out += found.iter().map(|found| found.symbols.len() as u64).sum::<u64>();
    };
    while source.fill(&mut chunk) {
        watch.time(|| {
            // Letting go of the matches is a part of having them.
            found.clear();
            engine.push(&chunk, &mut found)
        })?;
        count(&found);
    }
    watch.time(|| {
        found.clear();
        engine.finish(&mut found)
    })?;
    count(&found);
    Ok(Pass { seconds: watch.seconds(), rows, matches, rows_out, ..Pass::default() })
}
