//! What a subtask of a job with checkpoints hears and says about them.

use dipper_checkpoint::SourceMode;
use dipper_operator_api::{Committable, Prepared};
use dipper_state::StateSnapshot;
use dipper_types::{Epoch, Error, OperatorId, Result};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// What the coordinator says to the thread of a subtask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// To sources: a checkpoint begins.
    Trigger { epoch: Epoch, mode: SourceMode },
    /// A checkpoint has been given up.
    Aborted(Epoch),
}

/// What the thread of a subtask hands over to its acknowledger.
#[derive(Debug)]
pub(crate) enum HandedOver {
    /// A barrier has been aligned.
    Barrier { epoch: Epoch, snapshots: Vec<(OperatorId, StateSnapshot)>, prepared: Prepared },
    /// All inputs have ended, and everything has been flushed; what is staged is durable.
    End { snapshots: Vec<(OperatorId, StateSnapshot)>, committables: Vec<Committable> },
}

/// A subtask's connection to the coordinator and to its acknowledger.
#[derive(Debug)]
pub(crate) struct TaskControl {
    notices: UnboundedReceiver<Notice>,
    acknowledger: UnboundedSender<HandedOver>,
    /// The last barrier passed, or what was restored.
    passed: Epoch,
    /// A source that reads no further until it hears more.
    is_waiting: bool,
}

impl TaskControl {
    /// Of a subtask restored from an opening of this epoch.
    pub(crate) fn new(
        notices: UnboundedReceiver<Notice>,
        acknowledger: UnboundedSender<HandedOver>,
        restored: Epoch,
    ) -> Self {
        Self { notices, acknowledger, passed: restored, is_waiting: false }
    }

    /// The next notice. Fails as cancelled when the coordinator has gone.
    pub(crate) async fn notice(&mut self) -> Result<Notice> {
        self.notices.recv().await.ok_or_else(Error::cancelled)
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    /// The last barrier passed.
    pub(crate) fn passed(&self) -> Epoch {
        self.passed
    }

    /// A source is told of a checkpoint: whether it has not heard of it, nor of a later one.
    pub(crate) fn heeds(&mut self, epoch: Epoch, mode: SourceMode) -> bool {
        let heeds = epoch > self.passed;
        if heeds {
            self.is_waiting = mode == SourceMode::Wait;
        }
        heeds
    }

    pub(crate) fn on_abort(&mut self, epoch: Epoch) {
        if epoch >= self.passed {
            self.is_waiting = false;
        }
    }

    /// Hands over, once a barrier has been passed or the end.
    pub(crate) fn hand_over(&mut self, what: HandedOver) {
        if let HandedOver::Barrier { epoch, .. } = &what {
            self.passed = *epoch;
        }
        // Nobody listens when the attempt is over.
        let _ = self.acknowledger.send(what);
    }
}
