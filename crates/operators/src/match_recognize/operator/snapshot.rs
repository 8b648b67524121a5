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
                counters: self.partitions.counters(&changed, changes.counters()),
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
    /// Where the search stands in some partitions, into columns that have room.
    fn counters(&self, ids: &[PartitionId], mut counters: Counters) -> Counters {
        let Self { rows, runs, needed, reported, .. } = self;
        let needed = needed.as_deref().unwrap_or_default();
        counters.reserve(ids.len());
        // No more than there are kept rows, which are counted like this as well.
        let behind = |seen: u64, row: u64| (seen - row) as u32;
        // Column by column, as nearly all of the cost is to wait for memory, and so it is waited for many at a time; few at a time, as
        // columns have memory in common.
        for ids in ids.chunks(NEAR) {
            let done = counters.seen.len();
            counters.seen.extend(ids.iter().map(|id| rows[*id as usize].seen()));
            let ids_and_seen = ids.iter().zip(&counters.seen[done..]);
            counters.kept.extend(ids_and_seen.clone().map(|(id, seen)| behind(*seen, rows[*id as usize].first())));
            counters.unsearched.extend(ids_and_seen.clone().map(|(id, seen)| behind(*seen, runs.rows_seen(*id))));
            counters.matches.extend(ids.iter().map(|id| runs.matches(*id)));
            counters.open.extend(ids_and_seen.clone().map(|(id, seen)| behind(*seen, needed[*id as usize])));
            if !reported.is_empty() {
                counters.unreported.extend(ids_and_seen.map(|(id, seen)| behind(*seen, reported[*id as usize])));
            }
        }
        counters
    }
}
