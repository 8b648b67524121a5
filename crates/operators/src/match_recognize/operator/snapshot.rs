//! The operator's state at a barrier: nothing is on its way between two elements, so it is what the stages hold.

use dipper_state::{Redistribution, StateWriter};
use dipper_types::{Error, Result};

use super::super::partition_states::PartitionStates;
use super::super::partitions::PartitionId;
use super::super::snapshot::{Delta, Progress, Standing};
use super::MatchRecognizeOperator;

impl MatchRecognizeOperator {
    /// Hands over what has changed since the last snapshot, or since the job began.
    pub(super) fn hand_over(&mut self, state: &mut StateWriter) -> Result<()> {
        let changes = self.changes.as_mut();
        let changes = changes.ok_or_else(|| Error::internal("MATCH_RECOGNIZE has not been told of checkpoints"))?;
        if self.ended {
            // Nothing is left, and nothing is to come.
            changes.tables.all().into_iter().for_each(|table| state.replace(table));
        } else {
            let (notes, new) = changes.take(self.keys.count());
            let mut others = self.buffer.hand_over(&mut changes.buffered, &changes.tables)?;
            others.extend(changes.take_waiting(&self.partitions.waiting, &notes));
            let delta = Delta {
                new_keys: self.keys.keys_from(self.keys.count() - new),
                new,
                notes,
                rows: self.store.rows_from(changes.next_seq),
                others,
            };
            changes.next_seq = self.store.next_seq();
            changes.hand_over(delta, state);
        }
        let progress = Progress { passed: self.buffer.passed(), forwarded: self.forwarded };
        state.put_list(Progress::LIST, Redistribution::Union, vec![progress.to_item()]);
        Ok(())
    }
}

impl PartitionStates {
    /// Where the search of a partition stands, which needs the rows from `needed` on.
    #[inline]
    pub(super) fn standing(&self, id: PartitionId, needed: u64) -> Standing {
        let (rows, seen) = (self.rows(id), self.rows(id).seen());
        // No more than there are kept rows, which are counted like this as well.
        let behind = |row: u64| (seen - row) as u32;
        Standing {
            id,
            kept: behind(rows.first()),
            seen,
            unsearched: behind(self.runs.rows_seen(id)),
            open: behind(needed),
            matches: self.runs.matches(id),
            unreported: self.reported.get(id as usize).map_or(0, |reported| behind(*reported)),
        }
    }
}
