//! The operator's state at a barrier: nothing is on its way between two elements, so it is what the stages hold.

use dipper_state::{Redistribution, StateWriter};
use dipper_types::{Error, Result};

use super::super::partition_states::PartitionStates;
use super::super::partitions::PartitionId;
use super::super::snapshot::{Counters, Delta, Progress};
use super::MatchRecognizeOperator;

/// How many partitions have what is kept of them in a processor's cache.
const NEAR: usize = 4096;

impl MatchRecognizeOperator {
    /// Hands over what has changed since the last snapshot, or since the job began.
    pub(super) fn hand_over(&mut self, state: &mut StateWriter) -> Result<()> {
        let changes = self.changes.as_mut();
        let changes = changes.ok_or_else(|| Error::internal("MATCH_RECOGNIZE has not been told of checkpoints"))?;
        if self.ended {
            // Nothing is left, and nothing is to come.
            changes.tables.all().into_iter().for_each(|table| state.replace(table));
        } else {
            let (changed, new) = changes.take(self.keys.count());
            let mut others = self.buffer.hand_over(&mut changes.buffered, &changes.tables)?;
            others.extend(changes.take_waiting(&self.partitions.waiting, &changed));
            let delta = Delta {
                new_keys: self.keys.keys_from(self.keys.count() - new),
                counters: self.partitions.counters(&changed),
                rows: self.store.rows_from(changes.next_seq),
                others,
                changed,
                new,
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
    /// Where the search stands in some partitions.
    fn counters(&self, ids: &[PartitionId]) -> Counters {
        let Self { rows, runs, needed, reported, .. } = self;
        let needed = needed.as_deref().unwrap_or_default();
        let mut counters = Counters::with_capacity(ids.len(), !reported.is_empty());
        // Column by column, as nearly all of the cost is to wait for memory, and so it is waited for many at a time; few at a time, as
        // columns have memory in common.
        for ids in ids.chunks(NEAR) {
            let rows = |id: &PartitionId| &rows[*id as usize];
            counters.first.extend(ids.iter().map(|id| rows(id).first()));
            counters.seen.extend(ids.iter().map(|id| rows(id).seen()));
            counters.searched.extend(ids.iter().map(|id| runs.rows_seen(*id)));
            counters.matches.extend(ids.iter().map(|id| runs.matches(*id)));
            counters.needed.extend(ids.iter().map(|id| needed[*id as usize]));
            if !reported.is_empty() {
                counters.reported.extend(ids.iter().map(|id| reported[*id as usize]));
            }
        }
        counters
    }
}
