//! What the task notes between two snapshots, so that a snapshot costs what has changed, not what there is.

use std::collections::HashMap;
use std::sync::Arc;

use dipper_state::StateWriter;

use super::super::event_time_buffer::HandedRuns;
use super::super::partitions::PartitionId;
use super::delta::{Counters, Delta};
use super::ledger::{Ledger, SharedLedger};
use super::tables::Tables;

/// The notes of an operator in a job that takes checkpoints.
#[derive(Debug)]
pub(in super::super) struct Changes {
    /// The tables.
    pub(in super::super) tables: Arc<Tables>,
    /// The runs of waiting rows that have been handed over.
    pub(in super::super) buffered: HandedRuns,
    /// The numbers of the waiting matches that have been handed over.
    pub(in super::super) waiting: HashMap<PartitionId, Vec<u64>>,
    /// The rows of the store from this sequence number on have not been handed over.
    pub(in super::super) next_seq: u64,
    ledger: Arc<SharedLedger>,
    /// How many partitions have been handed over.
    known: usize,
    /// Those of them that have changed since, as bits: small enough to stay at hand, as every step asks for each of its partitions.
    has_changed: Vec<u64>,
}

impl Changes {
    /// What the ledger tells of has been handed over, and no rows that wait.
    pub(in super::super) fn since(ledger: Ledger, tables: Tables) -> Self {
        let known = ledger.partitions();
        Self {
            tables: Arc::new(tables),
            buffered: HandedRuns::default(),
            waiting: HashMap::new(),
            next_seq: 0,
            ledger: Arc::new(SharedLedger::new(ledger)),
            known,
            has_changed: vec![0; known.div_ceil(64)],
        }
    }

    /// A partition has changed.
    #[inline]
    pub(in super::super) fn mark(&mut self, id: PartitionId) {
        // One that is missing is new, which counts as a change.
        if let Some(word) = self.has_changed.get_mut(id as usize / 64) {
            *word |= 1 << (id % 64);
        }
    }

    /// The partitions that are new or have changed, of so many, in order, and how many of them are new; afterwards none is.
    pub(in super::super) fn take(&mut self, partitions: usize) -> (Vec<PartitionId>, usize) {
        let marked: u32 = self.has_changed.iter().map(|word| word.count_ones()).sum();
        let new = self.known as PartitionId..partitions as PartitionId;
        let mut changed = Vec::with_capacity(marked as usize + new.len());
        for (first, word) in (0..).step_by(64).zip(&mut self.has_changed) {
            let mut rest = std::mem::take(word);
            while rest != 0 {
                changed.push(first + rest.trailing_zeros());
                rest &= rest - 1;
            }
        }
        // The last word has bits of new ones as well.
        changed.truncate(changed.partition_point(|id| *id < new.start));
        changed.extend(new.clone());
        self.known = partitions;
        self.has_changed.resize(partitions.div_ceil(64), 0);
        (changed, new.len())
    }

    /// Columns for the counters of the partitions that have changed.
    pub(in super::super) fn counters(&self) -> Counters {
        self.ledger.room()
    }

    /// What has changed goes into the ledger and into the snapshot, beside the task.
    pub(in super::super) fn hand_over(&self, delta: Delta, state: &mut StateWriter) {
        let (ledger, tables) = (Arc::clone(&self.ledger), Arc::clone(&self.tables));
        state.later(move |state| ledger.enter(delta, &tables, state));
    }
}
