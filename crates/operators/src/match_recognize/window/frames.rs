//! The search in frames: which match, if any, each row of a partition sees.

use std::convert::Infallible;
use std::ops::Range;

use dipper_graph::{FrameSearch, RowPatternWindowSpec};
use dipper_pattern::{CompileLimits, Edge, Match, OnSkipError, Pattern, Program, SearchOptions, Timeouts, resume};
use dipper_types::{Error, Result};

use super::super::conditions::DividedConditions;
use super::super::kept_columns::KeptColumns;
use super::super::partition::Partition;
use super::super::search::{NewRows, Search};
use super::letters::{FrameLetters, Reach, Rows};

/// Finds the match of each frame.
#[derive(Debug)]
pub(super) struct Frames {
    search: Search,
    options: SearchOptions,
    mode: FrameSearch,
    reach: Reach,
}

/// A match and the frame it was found in, whose rows are a partition of their own.
#[derive(Debug)]
pub(super) struct FrameMatch {
    /// The frame.
    pub(super) frame: Partition,
    /// The match; its rows count from the frame's first.
    pub(super) found: Match,
}

impl Frames {
    /// Makes pattern and conditions executable; keeps the columns they read.
    pub(super) fn new(spec: &RowPatternWindowSpec, kept: &mut KeptColumns) -> Result<Self> {
        let clause = &spec.clause;
        let conditions = DividedConditions::new(clause, kept)?;
        let reach = Reach::new(&conditions, spec.following);
        let pattern = match spec.search {
            // Anchored, a search ends with its first row and tests no condition that does not matter.
            FrameSearch::Initial => Pattern::Concat(vec![Pattern::Anchor(Edge::Start), clause.pattern.clone()]),
            FrameSearch::Seek => clause.pattern.clone(),
        };
        let program = Program::compile(&pattern, CompileLimits::default());
        let program = program.map_err(|error| Error::invalid(error.to_string()))?;
        let options = SearchOptions {
            skip: clause.after_match.skip,
            within: None,
            timeouts: Timeouts::Hide,
            on_skip_error: clause.after_match.on_error,
            step_budget: None,
        };
        let (letters, history) = (conditions.letters, conditions.history);
        let search = Search::new(program, options.clone(), letters, history, clause.variables.clone());
        Ok(Self { search, options, mode: spec.search, reach })
    }

    /// What the conditions say of rows.
    pub(super) fn letters<'a>(&'a self, rows: &'a Rows) -> FrameLetters<'a> {
        FrameLetters::new(self.search.letters(), rows, self.reach)
    }

    /// A partition of no rows.
    pub(super) fn no_rows(&self) -> Partition {
        Partition::new(self.search.start())
    }

    /// Calls `see` for each row of a partition, in their order, with the match that the row sees; skipped rows see none.
    pub(super) fn search_partition(
        &self,
        partition: &Range<u64>,
        rows: &Rows,
        letters: &mut FrameLetters<'_>,
        mut see: impl FnMut(Option<FrameMatch>) -> Result<()>,
    ) -> Result<()> {
        let mut starts = match self.mode {
            FrameSearch::Initial => 1,
            FrameSearch::Seek => u64::MAX,
        };
        let mut next = partition.start;
        for row in partition.clone() {
            if row < next {
                see(None)?;
                continue;
            }
            let mut seen = self.first_match(self.reach.frame(row, partition), starts, rows, letters)?;
            match &mut seen {
                Some(FrameMatch { found, .. }) => next = row + self.rows_passed(found)?,
                // A later frame has the same rows but the first, so it can differ only where conditions look back to those.
                None if self.mode == FrameSearch::Seek && self.reach.following.is_none() => starts = self.reach.back,
                None => {}
            }
            see(seen)?;
        }
        Ok(())
    }

    /// The first match in a frame that starts at one of its first `starts` rows.
    fn first_match(
        &self,
        rows: Range<u64>,
        starts: u64,
        all: &Rows,
        letters: &mut FrameLetters<'_>,
    ) -> Result<Option<FrameMatch>> {
        let mut frame = self.no_rows();
        frame.rows.append(rows.start, (rows.end - rows.start) as usize);
        let mut found = Vec::new();
        let mut offset = 0;
        while found.is_empty() && frame.runs.resolved_before() < starts {
            if offset == rows.end - rows.start {
                self.search.finish(&mut frame.runs, &frame.rows, &all.store, &mut found)?;
                break;
            }
            let (letters, index) = letters.at(rows.start, offset)?;
            let new = NewRows { letters, times: &[], start: index, end: index + 1 };
            self.search.push(&mut frame.runs, &frame.rows, &all.store, new, &mut found)?;
            offset += 1;
        }
        // Only the rows matter from here on.
        frame.runs = self.search.start();
        Ok(found.into_iter().next().map(|found| FrameMatch { frame, found }))
    }

    /// How many rows, from the first of its frame on, a match leaves behind.
    fn rows_passed(&self, found: &mut Match) -> Result<u64> {
        // What cannot be skipped to has been an error already, unless it need not be one.
        let options = SearchOptions { on_skip_error: OnSkipError::NextRow, ..self.options.clone() };
        resume::<Infallible>(found, &options).map_err(|error| Error::internal(error.to_string()))
    }
}
