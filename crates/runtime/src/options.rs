//! How a job is run.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::{BuiltIn, Checkpointing, Components};

/// How a job is run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// How many bytes may wait in one channel between two subtasks before the sender is held up. An element that is
    /// larger than that fills the channel alone.
    pub channel_bytes: usize,
    /// The tokio runtime that serves I/O and timers; nothing CPU-bound runs there. It must outlive the job and have its
    /// own worker threads.
    pub io: Handle,
    /// Names the run in what sinks stage and commit; must differ from that of every other run. `None` makes one from the
    /// job's name, the time and the process.
    pub run_id: Option<String>,
    /// How the job takes checkpoints, if it does. Its run is then called by the job and the attempt.
    pub checkpointing: Option<Box<Checkpointing>>,
    /// Where sources, sinks and operators come from.
    pub components: Arc<dyn Components>,
}

impl RunOptions {
    /// 4 MiB per channel, and Dipper's own connectors and operators.
    pub fn new(io: Handle) -> Self {
        Self { channel_bytes: 4 << 20, io, run_id: None, checkpointing: None, components: Arc::new(BuiltIn) }
    }
}
