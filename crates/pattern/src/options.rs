//! How to search: where to go on after a match, how long a match may last, and what to tell of those that ran out of time.

use serde::{Deserialize, Serialize};

use crate::SymbolSet;

/// Where the search goes on after a match (`AFTER MATCH SKIP …`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Skip {
    /// At the row behind the match's last.
    #[default]
    PastLastRow,
    /// At the row behind the match's first.
    ToNextRow,
    /// At the first row mapped to one of these variables.
    ToFirst(SymbolSet),
    /// At the last row mapped to one of these variables.
    ToLast(SymbolSet),
}

/// How far the rows of a match may lie from its first (`WITHIN …`), in the unit of the times handed in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Within {
    /// The length; it must be positive.
    pub span: i64,
    /// Whether a row exactly `span` after the first still belongs.
    pub inclusive: bool,
}

impl Within {
    /// The time at which a match that starts at `start` is out of time: `start + span`, at most `i64::MAX`.
    pub const fn deadline(self, start: i64) -> i64 {
        start.saturating_add(self.span)
    }

    /// Whether a row of time `time` comes too late for a match with this deadline.
    #[inline]
    pub const fn is_late(self, time: i64, deadline: i64) -> bool {
        if self.inclusive { time > deadline } else { time >= deadline }
    }
}

/// Which matches to report when some ran out of time (`{SHOW | ONLY} TIMEOUT MATCHES`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Timeouts {
    /// Complete matches; a start that timed out is a start that failed.
    #[default]
    Hide,
    /// Complete and timed-out matches.
    Show,
    /// Timed-out matches; complete ones still take numbers and still skip.
    Only,
}

/// What to do when `SKIP TO variable` has no row to go to, or would go to the match's own first row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum OnSkipError {
    /// Report an error.
    #[default]
    Fail,
    /// Report the match as [`crate::Match::skip_failed`] and go on at the row behind its first.
    NextRow,
}

/// Everything that governs a search apart from the pattern.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SearchOptions {
    /// Where to go on after a match.
    pub skip: Skip,
    /// How long a match may last.
    pub within: Option<Within>,
    /// Whether matches that ran out of time are reported. Has no effect without `within`.
    pub timeouts: Timeouts,
    /// What to do when skipping is not possible.
    pub on_skip_error: OnSkipError,
    /// The most steps that one start row may cost in [`crate::BacktrackMatcher`] between two rows; `None` for no bound.
    pub step_budget: Option<u64>,
}
