//! The only file of the measurement that reads a clock.
#![expect(clippy::disallowed_methods, reason = "this is the clock")]

use std::time::Instant;

/// Runs since it was made.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// How long it has run.
    pub(crate) fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
