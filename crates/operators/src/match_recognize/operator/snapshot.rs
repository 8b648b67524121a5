//! The operator's state at a barrier: nothing is on its way between two elements, so it is what the stages hold.

use dipper_state::{Redistribution, StateWriter};
use dipper_types::{Error, Result};

use super::super::partition_states::PartitionStates;
use super::super::partitions::PartitionId;
use super::super::snapshot::{Counters, Delta, Progress};
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
    /// Where the search stands in some partitions. One column after the other: nearly all of the cost is to wait for memory, and so it is
    /// waited for many at a time.
    fn counters(&self, ids: &[PartitionId]) -> Counters {
        let needed = self.needed.as_deref().unwrap_or_default();
        let (mut first, mut seen) = (Vec::with_capacity(ids.len()), Vec::with_capacity(ids.len()));
        for rows in ids.iter().map(|id| self.rows(*id)) {
            first.push(rows.first());
            seen.push(rows.seen());
        }
        let (mut searched, mut matches) = (Vec::with_capacity(ids.len()), Vec::with_capacity(ids.len()));
        for id in ids {
            searched.push(self.runs.rows_seen(*id));
            matches.push(self.runs.matches(*id));
        }
        let of_each = |column: &[u64]| ids.iter().map(|id| column[*id as usize]).collect();
        let reported = if self.reported.is_empty() { seen.clone() } else { of_each(&self.reported) };
        Counters { first, seen, searched, needed: of_each(needed), matches, reported }
    }
}
