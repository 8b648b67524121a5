//! The search in frames: which match, if any, each row of a partition sees.

use std::convert::Infallible;
use std::ops::Range;

use dipper_graph::{FrameSearch, RowPatternWindowSpec, Specialised};
use dipper_pattern::{Edge, Match, OnSkipError, Pattern, SearchOptions, Timeouts, resume};
use dipper_types::{Error, Result};

use super::super::conditions::DividedConditions;
use super::super::kept_columns::KeptColumns;
use super::super::partition_rows::PartitionRows;
use super::super::search::{NewRows, Place, Search, SearchLimits};
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
    pub(super) frame: PartitionRows,
    /// The match; its rows count from the frame's first.
    pub(super) found: Match,
}

impl Frames {
    /// Makes pattern and conditions executable; keeps the columns they read.
    pub(super) fn new(spec: &RowPatternWindowSpec, limits: SearchLimits, kept: &mut KeptColumns) -> Result<Self> {
        let mut clause = spec.clause.clone();
        if spec.search == FrameSearch::Initial {
            // Anchored, a search ends with its first row and tests no condition that does not matter.
            clause.pattern = Pattern::Concat(vec![Pattern::Anchor(Edge::Start), clause.pattern]);
        }
        let searched = Specialised::new(&clause)?;
        let conditions = DividedConditions::new(&searched, &clause.variables, &clause.input_schema, kept)?;
        let reach = Reach::new(&conditions, spec.following);
        let options = SearchOptions {
            skip: clause.after_match.skip,
            within: None,
            timeouts: Timeouts::Hide,
            on_skip_error: clause.after_match.on_error,
            step_budget: None,
        };
        let (letters, history) = (conditions.letters, conditions.history);
        let in_symbols = SearchOptions { skip: searched.skip(options.skip), ..options.clone() };
        let search = Search::new(searched, in_symbols, limits, letters, history, clause.variables.clone());
        Ok(Self { search, options, mode: spec.search, reach })
    }

    /// What the conditions say of rows.
    pub(super) fn letters<'a>(&'a self, rows: &'a Rows) -> FrameLetters<'a> {
        FrameLetters::new(self.search.letters(), rows, self.reach)
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
        let frame = PartitionRows::stretch(rows.clone())?;
        let mut runs = self.search.runs();
        runs.grow(1);
        let place = Place { id: 0, rows: &frame, store: &all.store };
        let mut found = Vec::new();
        let mut offset = 0;
        while found.is_empty() && runs.first_needed_row(place.id) < starts {
            if offset == rows.end - rows.start {
                self.search.finish(&mut runs, place, &mut found)?;
                break;
            }
            let (letters, index) = letters.at(rows.start, offset)?;
            let new = NewRows { letters, times: &[], values: &[], start: index, end: index + 1 };
            self.search.push(&mut runs, place, new, &mut found)?;
            offset += 1;
        }
        self.search.release(&runs);
        self.search.name_variables(&mut found);
        Ok(found.into_iter().next().map(|found| FrameMatch { frame, found }))
    }

    /// How many rows, from the first of its frame on, a match leaves behind.
    fn rows_passed(&self, found: &mut Match) -> Result<u64> {
        // What cannot be skipped to has been an error already, unless it need not be one.
        let options = SearchOptions { on_skip_error: OnSkipError::NextRow, ..self.options.clone() };
        resume::<Infallible>(found, &options).map_err(|error| Error::internal(error.to_string()))
    }
}
