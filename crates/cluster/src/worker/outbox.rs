//! Where the subtasks of a worker put what they say to the coordinator that leads, whichever that is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::UnboundedSender;

use crate::rpc::{FromWorker, from_worker};

/// Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Outbox(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    /// Counts conversations.
    conversation: u64,
    out: Option<UnboundedSender<FromWorker>>,
}

impl Outbox {
    /// A conversation begins.
    pub(super) fn open(&self, out: UnboundedSender<FromWorker>) {
        let mut open = self.state();
        *open = Open { conversation: open.conversation + 1, out: Some(out) };
    }

    /// It is over. Says whether there was one.
    pub(super) fn close(&self) -> bool {
        self.state().out.take().is_some()
    }

    /// Which conversation it is: who leads now does not know what was said in another one.
    pub(super) fn conversation(&self) -> u64 {
        self.state().conversation
    }

    /// Says something, if there is anybody to hear it.
    pub(super) fn say(&self, content: from_worker::Content) {
        if let Some(out) = &self.state().out {
            let _ = out.send(FromWorker { content: Some(content) });
        }
    }

    fn state(&self) -> MutexGuard<'_, Open> {
        // No call leaves it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
