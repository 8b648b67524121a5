//! The only place in this crate that waits, or takes anything from chance.

#![expect(clippy::disallowed_methods, reason = "the one place of this crate that knows of time and chance")]

use std::time::Duration;

use tokio::time::Instant;

/// A moment by which something must have happened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// After this time; `None` for never.
    pub(crate) fn after(time: Option<Duration>) -> Self {
        Self(time.and_then(|time| Instant::now().checked_add(time)))
    }

    /// Waits for it.
    pub(crate) async fn reached(self) {
        match self.0 {
            Some(moment) => tokio::time::sleep_until(moment).await,
            None => std::future::pending().await,
        }
    }
}

/// Waits.
pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Waits for `future`, but no longer than `limit`; `None` when the time is over.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}

/// Bytes that nobody can guess.
pub(crate) fn secret<const N: usize>() -> [u8; N] {
    rand::random()
}
