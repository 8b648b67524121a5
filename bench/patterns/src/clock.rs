//! The only file of the harness that reads a clock: how long the measured calls take.
#![expect(clippy::disallowed_methods, reason = "this is the clock")]

use std::time::{Duration, Instant};

/// Adds up the time of the calls that are measured; what happens between them costs nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stopwatch {
    elapsed: Duration,
}

impl Stopwatch {
    /// Measures one call.
    pub(crate) fn time<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = call();
        self.elapsed += start.elapsed();
        result
    }

    /// The sum so far.
    pub(crate) fn seconds(self) -> f64 {
        self.elapsed.as_secs_f64()
    }
}
