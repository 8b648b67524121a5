//! The only place in this crate that waits, or takes anything from chance.

#![expect(clippy::disallowed_methods, reason = "the one place of this crate that waits")]

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use dipper_types::{Error, ErrorKind, Result};
use futures::{StreamExt, stream};
use tokio::time::Instant;

use crate::{JobControl, JobHandle, Rows};

/// Waits.
pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// A number that nobody else has.
pub(crate) fn nonce() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish()
}

/// When a query has to be done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    pub(crate) fn after(timeout: Duration) -> Self {
        Self(Instant::now() + timeout)
    }

    /// What the work gives, or the error that it has taken too long.
    pub(crate) async fn of<T>(self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::time::timeout_at(self.0, work).await.unwrap_or_else(|_| Err(too_long()))
    }

    /// The rows, as long as there is time for them.
    pub(crate) fn keep(self, rows: Rows) -> Rows {
        let Rows { schema, stream, job } = rows;
        let control = job.as_ref().map(JobHandle::control);
        let kept = stream::unfold(Some(stream), move |stream| {
            let control = control.clone();
            async move {
                let mut stream = stream?;
                let item = self.of(async { stream.next().await.transpose() }).await.transpose()?;
                if item.is_ok() {
                    return Some((item, Some(stream)));
                }
                control.inspect(JobControl::cancel);
                Some((item, None))
            }
        });
        Rows { schema, stream: kept.boxed(), job }
    }
}

fn too_long() -> Error {
    Error::new(ErrorKind::Cancelled, "the statement has taken longer than it may")
        .with_hint("SET 'query.timeout' = '…'")
}
