//! Work for a processor, away from the threads that serve I/O.

use dipper_types::{Error, Result};

/// Runs `work` on a thread of its own kind.
pub(crate) async fn offload<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_cancelled() => Err(Error::cancelled()),
        Err(error) => Err(Error::internal(format!("storing or reading state failed: {error}"))),
    }
}
