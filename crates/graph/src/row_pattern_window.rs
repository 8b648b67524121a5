//! A bound row pattern in a window as data: `OVER (… ROWS BETWEEN CURRENT ROW AND … PATTERN (…) …)`.

use serde::{Deserialize, Serialize};

use crate::{MatchRecognizeSpec, Measure};

/// Which rows of a frame a match may start at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FrameSearch {
    /// `INITIAL`: the current row only.
    Initial,
    /// `SEEK`: the first row from which there is a match.
    Seek,
}

/// A window with a row pattern and what is asked of it. Each row that is not skipped has a *frame*, from itself on; a match is looked for in the
/// frame, as if there were no other rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowPatternWindowSpec {
    /// Partitions, order, pattern, conditions, measures and skip, as in `MATCH_RECOGNIZE`. What goes out is another thing: for each row the
    /// columns `remaining`, then the measures, then the window functions.
    pub clause: MatchRecognizeSpec,
    /// The window functions: aggregates over the rows of the match, over no rows where there is none.
    pub functions: Vec<Measure>,
    /// How many rows behind the current one belong to the frame; `None` for all.
    pub following: Option<u64>,
    /// Where a match may start.
    pub search: FrameSearch,
}
