//! What the task notes between two snapshots, so that a snapshot costs what has changed, not what there is.

use std::collections::HashMap;
use std::sync::Arc;

use dipper_state::StateWriter;

use super::super::event_time_buffer::HandedRuns;
use super::super::partitions::PartitionId;
use super::delta::{Delta, Standing, latest};
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
    /// The partitions that have changed since, in the order in which they have: of several notes of one the last is right.
    notes: Vec<Standing>,
    /// At so many notes those that are out of date are left out.
    notes_max: usize,
}

/// Fewer notes than these are not looked through; in tests nearly all are.
const NOTES_MIN: usize = if cfg!(test) { 4 } else { 1 << 18 };

impl Changes {
    /// What the ledger tells of has been handed over, and no rows that wait.
    pub(in super::super) fn since(ledger: Ledger, tables: Tables) -> Self {
        Self {
            known: ledger.partitions(),
            tables: Arc::new(tables),
            buffered: HandedRuns::default(),
            waiting: HashMap::new(),
            next_seq: 0,
            ledger: Arc::new(SharedLedger::new(ledger)),
            notes: Vec::new(),
            notes_max: NOTES_MIN,
        }
    }

    /// A partition has changed: it stands like this now.
    #[inline]
    pub(in super::super) fn note(&mut self, standing: Standing) {
        if self.notes.len() >= self.notes_max {
            self.leave_out_old_notes();
        }
        self.notes.push(standing);
    }

    /// Takes as many steps as there have been notes since the last time, so that a barrier finds no more than twice what it needs.
    #[cold]
    fn leave_out_old_notes(&mut self) {
        latest(&mut self.notes);
        self.notes_max = (2 * self.notes.len()).max(NOTES_MIN);
    }

    /// The notes of partitions that have changed, out of so many, and how many partitions are new; afterwards there are none.
    pub(in super::super) fn take(&mut self, partitions: usize) -> (Vec<Standing>, usize) {
        let new = partitions - std::mem::replace(&mut self.known, partitions);
        self.notes_max = NOTES_MIN;
        (std::mem::replace(&mut self.notes, self.ledger.room()), new)
    }

    /// What has changed goes into the ledger and into the snapshot, beside the task.
    pub(in super::super) fn hand_over(&self, delta: Delta, state: &mut StateWriter) {
        let (ledger, tables) = (Arc::clone(&self.ledger), Arc::clone(&self.tables));
        state.later(move |state| ledger.enter(delta, &tables, state));
    }
}
