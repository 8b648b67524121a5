//! Calls that are made again when an error may pass.

use std::time::Duration;

use futures::future::BoxFuture;
use object_store::Error as StoreError;

use crate::clock::{Stopwatch, sleep};
use crate::store_error::may_pass;

/// How often, and with what pauses between. Stores over HTTP retry for themselves as well, for minutes: what has taken long enough is not
/// tried again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retry {
    calls_max: u32,
    first_pause: Duration,
    patience: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { calls_max: 6, first_pause: Duration::from_millis(50), patience: Duration::from_secs(5) }
    }
}

impl Retry {
    /// Without pauses.
    #[cfg(test)]
    pub(crate) fn at_once(calls_max: u32) -> Self {
        Self { calls_max, first_pause: Duration::ZERO, patience: Duration::MAX }
    }

    /// Calls until the answer is final.
    pub(crate) async fn call<'a, T>(
        self,
        call: impl Fn() -> BoxFuture<'a, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let mut calls = 1;
        let begun = Stopwatch::start();
        loop {
            match call().await {
                Err(error) if may_pass(&error) && calls < self.calls_max && begun.elapsed() < self.patience => {
                    self.pause(calls).await;
                }
                answer => return answer,
            }
            calls += 1;
        }
    }

    /// The pause after so many calls: each twice as long as the one before.
    async fn pause(self, calls: u32) {
        let pause = self.first_pause * (1 << (calls - 1).min(10));
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
}
