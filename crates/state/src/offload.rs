//! Work for a processor, away from the threads that serve I/O.

use std::sync::OnceLock;
use std::thread::available_parallelism;

use dipper_types::{Error, Result};
use tokio::runtime::{Builder, Runtime};

/// As many as there are processors, and always the same ones: an allocator keeps for a thread what it has freed, so that a new thread
/// begins with memory that nobody has touched. Blocking threads of Tokio's come and go by the dozen.
static THREADS: OnceLock<Option<Runtime>> = OnceLock::new();

/// Runs `work`, which computes and does not wait, on threads that do nothing else.
pub async fn offload<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let start = || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(available_parallelism().map_or(1, usize::from)).thread_name("state").build().ok()
    };
    let running = match THREADS.get_or_init(start) {
        Some(threads) => threads.spawn(async { work() }),
        None => return Err(Error::unavailable("no threads can be started for state")),
    };
    match running.await {
        Ok(done) => done,
        Err(error) if error.is_cancelled() => Err(Error::cancelled()),
        Err(error) => Err(Error::internal(format!("a computation failed: {error}"))),
    }
}
