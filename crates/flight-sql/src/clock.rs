//! The only place in this crate that reads a clock, or takes anything from chance.

#![expect(clippy::disallowed_methods, reason = "the one place of this crate that knows of time and chance")]

use std::fmt::Write;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// How long this process has known of time. It never goes back.
pub(crate) fn now() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

/// 256 random bits in hexadecimal: nobody guesses them.
pub(crate) fn secret() -> String {
    rand::random::<[u8; 32]>().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
