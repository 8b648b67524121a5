//! The only place in this crate that reads a clock, or takes anything else from chance.

#![expect(clippy::disallowed_methods, reason = "the one place of this crate that reads the clock")]

use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
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

/// Waits.
pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Waits until the stopwatch shows this time; for ever if there is none.
pub(crate) async fn until(stopwatch: &Stopwatch, time_ms: Option<u64>) {
    match time_ms {
        None => std::future::pending().await,
        Some(time_ms) => sleep(Duration::from_millis(time_ms).saturating_sub(stopwatch.elapsed())).await,
    }
}

/// A number that no other attempt has: the randomness of hash tables, the time and the process.
pub(crate) fn nonce() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u128(now_us());
    hasher.write_u32(std::process::id());
    hasher.finish()
}

/// A random number from -1 to 1.
pub(crate) fn noise() -> f64 {
    nonce() as f64 / u64::MAX as f64 * 2.0 - 1.0
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

    /// What it shows, and starts it anew.
    pub(crate) fn lap(&mut self) -> Duration {
        let start = std::mem::replace(&mut self.0, Instant::now());
        self.0.saturating_duration_since(start)
    }
}
