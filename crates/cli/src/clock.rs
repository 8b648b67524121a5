//! The only file of the command line that reads a clock: how long statements take and when the terminal is refreshed.
#![expect(clippy::disallowed_methods, reason = "this is the clock")]

use std::time::{Duration, Instant};

use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often progress is drawn and rows that wait for their chunk are shown.
pub(crate) const REFRESH: Duration = Duration::from_millis(200);

/// How long what has been cancelled may take to end before it is left alone.
const PATIENCE: Duration = Duration::from_secs(2);

/// Measures how long something takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Waits for the future, but no longer than a person would; `None` if it takes longer.
pub(crate) async fn patiently<F: Future>(future: F) -> Option<F::Output> {
    tokio::time::timeout(PATIENCE, future).await.ok()
}

/// Ticks at the pace of the terminal.
pub(crate) fn refresh() -> Interval {
    ticks(REFRESH)
}

/// Ticks once a second.
pub(crate) fn seconds() -> Interval {
    ticks(Duration::from_secs(1))
}

fn ticks(pace: Duration) -> Interval {
    let mut ticks = interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    ticks
}
