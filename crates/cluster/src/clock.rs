//! The only place in this crate that reads a clock, or takes anything from chance.

#![expect(clippy::disallowed_methods, reason = "the one place of this crate that knows of time")]

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// How often each side of a conversation says that it is alive.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);

/// After how long without a word the other side is lost.
pub(crate) const SILENCE: Duration = Duration::from_secs(4);

/// A monotonic clock that starts when it is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed_ms(&self) -> u64 {
        self.0.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
    }

    /// Waits until it shows this time; for ever if there is none.
    pub(crate) async fn until(&self, time_ms: Option<u64>) {
        match time_ms {
            Some(time_ms) => tokio::time::sleep_until(self.0 + Duration::from_millis(time_ms)).await,
            None => std::future::pending().await,
        }
    }
}

/// Waits for the next beat of this process. Those who wait have all done so at the same moment: what they say then goes out together.
pub(crate) async fn beat() {
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    let since = FIRST.elapsed().as_secs_f64() / HEARTBEAT.as_secs_f64();
    tokio::time::sleep_until(*FIRST + HEARTBEAT.mul_f64(since.floor() + 1.0)).await;
}

/// Waits.
pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Waits for `future`, but no longer than `limit`; `None` when the time is over.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}

/// Waits for `future`, but no longer than [`SILENCE`]; `None` when the time is over. If this process is paused meanwhile, that counts as one second.
pub(crate) async fn unless_silent<F: Future>(future: F) -> Option<F::Output> {
    tokio::pin!(future);
    for _ in 0..SILENCE.as_secs() {
        if let Some(output) = within(HEARTBEAT, &mut future).await {
            return Some(output);
        }
    }
    None
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A random number from -1 to 1.
pub(crate) fn noise() -> f64 {
    nonce() as f64 / u64::MAX as f64 * 2.0 - 1.0
}

/// A number that no other process has.
pub(crate) fn nonce() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish()
}
