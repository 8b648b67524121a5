//! The only place in this crate that waits for time to pass.

#![expect(clippy::disallowed_methods, reason = "the one place of this crate that waits")]

use std::time::Duration;

/// Waits.
pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}
