//! The only place in this crate that reads a clock.

#![expect(clippy::disallowed_methods, reason = "the one place of this crate that reads the clock")]

use std::future::Future;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dipper_types::Timestamp;

/// The wall clock, in microseconds since 1970.
pub(crate) fn now_us() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros())
}

/// The wall clock, as the processing time of an operator's call.
pub fn processing_time() -> Timestamp {
    Timestamp(i64::try_from(now_us()).unwrap_or(i64::MAX))
}

/// Waits for `future`, but no longer than `limit`; `None` waits for as long as it takes. `Err` when the time is over.
pub(crate) async fn within<F: Future>(limit: Option<Duration>, future: F) -> Result<F::Output, Silence> {
    match limit {
        None => Ok(future.await),
        Some(limit) => tokio::time::timeout(limit, future).await.map_err(|_| Silence),
    }
}

/// Nothing came in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Silence;

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
