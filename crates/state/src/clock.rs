//! The only place in this crate that reads a clock, or waits for time to pass.

#![expect(clippy::disallowed_methods, reason = "the one place of this crate that knows of time")]

use std::time::{Duration, Instant};

/// Waits.
pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// A monotonic clock that starts when it is made.
#[derive(Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
