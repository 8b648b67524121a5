//! Event time and watermarks.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A point in event time: microseconds since 1970-01-01 00:00 UTC, whatever the unit of the column it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

/// A promise: no row with a timestamp at or before this one is to come; one that comes nevertheless is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Watermark(pub Timestamp);

impl Watermark {
    /// Nothing is promised yet.
    pub const MIN: Self = Self(Timestamp(i64::MIN));
    /// No row is to come: the end of a bounded input.
    pub const MAX: Self = Self(Timestamp(i64::MAX));

    /// Whether a row of this time is late.
    pub fn has_passed(self, time: Timestamp) -> bool {
        time <= self.0
    }
}

impl fmt::Display for Watermark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MIN => f.write_str("-"),
            Self::MAX => f.write_str("end"),
            Self(Timestamp(us)) => write!(f, "{us} us"),
        }
    }
}
