//! A task's half of the protocol: what it has staged and not seen covered by a manifest, and what it says to the coordinator.

use dipper_types::Epoch;

use crate::{Snapshot, Staged};

/// What a task says to its coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskMessage {
    /// Everything before the epoch's barrier is durable.
    Acknowledged {
        /// The checkpoint.
        epoch: Epoch,
        /// The task's state at the barrier. Its files are new, or stand in a completed checkpoint.
        snapshot: Snapshot,
        /// Everything staged that the task does not know to be in a manifest.
        staged: Vec<Staged>,
    },
    /// The task cannot take part in this checkpoint.
    Declined {
        /// The checkpoint.
        epoch: Epoch,
    },
    /// The task's inputs have ended, it has flushed, and everything is durable.
    Finished {
        /// The last barrier that it has passed. Later checkpoints count the task as delivered; this one and earlier ones
        /// need its acknowledgement, which this message may have overtaken.
        passed: Epoch,
        /// The task's state after the flush. All files are new.
        snapshot: Snapshot,
        /// Everything staged that the task does not know to be in a manifest.
        staged: Vec<Staged>,
    },
}

/// The checkpoints of one task, seen from the task. The shell snapshots, stages and uploads; this decides what to say.
///
/// ```
/// use dipper_checkpoint::{Snapshot, TaskCheckpoints, TaskMessage};
/// use dipper_types::Epoch;
///
/// let mut task = TaskCheckpoints::new(Epoch(0));
/// task.on_barrier(Epoch(1), vec![b"part-1".to_vec()]);
/// task.on_barrier(Epoch(2), vec![b"part-2".to_vec()]);
/// assert!(!task.may_store(Epoch(2)));
/// // Checkpoint 1 is given up. Its rows go out with checkpoint 2.
/// task.on_aborted(Epoch(1));
/// assert!(task.may_store(Epoch(2)));
/// let TaskMessage::Acknowledged { staged, .. } = task.on_durable(Epoch(2), Snapshot::default()) else { panic!() };
/// assert_eq!(staged.len(), 2);
/// ```
#[derive(Debug, Clone)]
pub struct TaskCheckpoints {
    /// The last barrier passed.
    passed: Epoch,
    /// What has become of checkpoints up to this one is known.
    settled: Epoch,
    /// In the order of epochs.
    staged: Vec<Staged>,
    /// What was said at the end.
    finished: Option<TaskMessage>,
}

impl TaskCheckpoints {
    /// A task restored from an opening of this epoch.
    pub fn new(restored: Epoch) -> Self {
        Self { passed: restored, settled: restored, staged: Vec::new(), finished: None }
    }

    /// The last barrier passed, or what was restored. A source does not heed a trigger that is not above it.
    pub fn passed(&self) -> Epoch {
        self.passed
    }

    /// Up to which epoch it is known what has become of checkpoints.
    pub fn settled(&self) -> Epoch {
        self.settled
    }

    /// Whether what is handed over at the barrier of this epoch may be stored, incrementally: it is known what has become of every checkpoint
    /// before. The barrier may have overtaken the word of it, because it comes another way, and the snapshot
    /// would refer to files that the checkpoint since completed has made superfluous. The state at the end counts
    /// as that of the epoch after [`passed`](Self::passed).
    pub fn may_store(&self, epoch: Epoch) -> bool {
        epoch.0 <= self.settled.0 + 1
    }

    /// A barrier has been aligned, the state captured, and a sink's rows before it are being staged under these names.
    pub fn on_barrier(&mut self, epoch: Epoch, committables: Vec<Vec<u8>>) {
        self.passed = epoch;
        self.stage(epoch, committables);
    }

    /// The snapshot of this epoch and everything staged up to its barrier are durable. It is said even if the checkpoint
    /// has been given up meanwhile: the coordinator then discards the files.
    pub fn on_durable(&self, epoch: Epoch, snapshot: Snapshot) -> TaskMessage {
        let staged = self.staged.iter().filter(|staged| staged.epoch <= epoch).cloned().collect();
        TaskMessage::Acknowledged { epoch, snapshot, staged }
    }

    /// All inputs have ended, the task has flushed, and the rest of its output is staged under these names; all of it durable.
    pub fn on_end(&mut self, snapshot: Snapshot, committables: Vec<Vec<u8>>) -> TaskMessage {
        self.stage(Epoch(self.passed.0 + 1), committables);
        let snapshot = Snapshot { finished: true, ..snapshot };
        let message = TaskMessage::Finished { passed: self.passed, snapshot, staged: self.staged.clone() };
        self.finished.insert(message).clone()
    }

    /// The coordinator says that a checkpoint has been completed. A task that has finished answers with its report.
    pub fn on_completed(&mut self, epoch: Epoch) -> Option<TaskMessage> {
        self.staged.retain(|staged| staged.epoch > epoch);
        self.settled = self.settled.max(epoch);
        self.report()
    }

    /// The coordinator says that a checkpoint has been given up, and that nothing more comes of those before it. A task
    /// that has finished answers with its report.
    pub fn on_aborted(&mut self, epoch: Epoch) -> Option<TaskMessage> {
        self.settled = self.settled.max(epoch);
        self.report()
    }

    /// What a task that has finished answers to whatever else it is told.
    pub fn report(&self) -> Option<TaskMessage> {
        self.finished.clone()
    }

    fn stage(&mut self, epoch: Epoch, committables: Vec<Vec<u8>>) {
        self.staged.extend(committables.into_iter().map(|committable| Staged { epoch, committable }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn staged_epochs(message: &TaskMessage) -> Vec<u64> {
        match message {
            TaskMessage::Acknowledged { staged, .. } | TaskMessage::Finished { staged, .. } => {
                staged.iter().map(|staged| staged.epoch.0).collect()
            }
            TaskMessage::Declined { .. } => Vec::new(),
        }
    }

    #[test]
    fn what_an_aborted_checkpoint_staged_goes_out_until_a_later_one_is_completed() {
        let mut task = TaskCheckpoints::new(Epoch(0));
        task.on_barrier(Epoch(1), vec![vec![1]]);
        task.on_barrier(Epoch(2), vec![vec![2]]);
        assert_eq!(staged_epochs(&task.on_durable(Epoch(1), Snapshot::default())), [1]);
        assert_eq!(staged_epochs(&task.on_durable(Epoch(2), Snapshot::default())), [1, 2]);
        task.on_completed(Epoch(2));
        task.on_barrier(Epoch(3), vec![vec![3]]);
        assert_eq!(staged_epochs(&task.on_durable(Epoch(3), Snapshot::default())), [3]);
    }

    #[test]
    fn a_finished_task_reports_again_whenever_it_is_spoken_to() {
        let mut task = TaskCheckpoints::new(Epoch(4));
        assert_eq!(task.on_aborted(Epoch(4)), None);
        let report = task.on_end(Snapshot::default(), vec![vec![9]]);
        assert_eq!(staged_epochs(&report), [5]);
        assert!(matches!(&report, TaskMessage::Finished { passed: Epoch(4), snapshot, .. } if snapshot.finished));
        assert_eq!(task.on_aborted(Epoch(5)), Some(report.clone()));
        assert_eq!(task.on_completed(Epoch(3)), Some(report));
    }

    #[test]
    fn what_a_barrier_hands_over_is_stored_when_every_checkpoint_before_is_settled() {
        let mut task = TaskCheckpoints::new(Epoch(4));
        assert!(task.may_store(Epoch(5)) && !task.may_store(Epoch(6)));
        task.on_completed(Epoch(5));
        assert!(task.may_store(Epoch(6)));
        task.on_aborted(Epoch(7));
        // A new leader says once more what the old one has completed.
        task.on_completed(Epoch(5));
        assert_eq!(task.settled(), Epoch(7));
        assert!(task.may_store(Epoch(8)) && !task.may_store(Epoch(9)));
    }
}
