//! What has been handed over, and which partitions have changed since: so that a snapshot costs what has changed, not what there is.

use std::collections::HashMap;
use std::ops::Range;

use dipper_operator_api::key_groups;
use dipper_types::{Error, KeyGroup, Result};

use super::super::event_time_buffer::HandedRuns;
use super::super::operator::STEP_ROWS;
use super::super::partitions::{PartitionId, Partitions};
use super::tables::Tables;

/// What a partition is known by in stored state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct PartitionKey {
    /// The key group of its key.
    pub(in super::super) group: u16,
    /// Its number among the partitions of the group, in no order that means anything. It is never given to another.
    pub(in super::super) number: u32,
}

/// The notes that are taken from the first snapshot, or from a restore, on.
#[derive(Debug)]
pub(in super::super) struct Changes {
    /// The tables.
    pub(in super::super) tables: Tables,
    /// The runs of waiting rows that have been handed over.
    pub(in super::super) buffered: HandedRuns,
    /// The numbers of the waiting matches that have been handed over.
    pub(in super::super) waiting: HashMap<PartitionId, Vec<u64>>,
    /// By partition; those that are missing are new.
    partitions: Vec<Handed>,
    /// By key group.
    next_number: Vec<u32>,
    /// Those that have changed.
    changed: Vec<PartitionId>,
    /// The same as bits: small enough to stay at hand, as every step asks for each of its partitions.
    has_changed: Vec<u64>,
}

/// What has been handed over of a partition.
#[derive(Debug)]
struct Handed {
    key: PartitionKey,
    /// The kept rows.
    rows: Range<u64>,
}

impl Changes {
    /// Nothing has been handed over.
    pub(in super::super) fn new(tables: Tables) -> Self {
        Self {
            tables,
            buffered: HandedRuns::default(),
            waiting: HashMap::new(),
            partitions: Vec::new(),
            next_number: Vec::new(),
            changed: Vec::new(),
            has_changed: Vec::new(),
        }
    }

    /// A partition has changed.
    #[inline]
    pub(in super::super) fn mark(&mut self, id: PartitionId) {
        // One that is missing is new, which counts as a change.
        if let Some(word) = self.has_changed.get_mut(id as usize / 64) {
            let bit = 1 << (id % 64);
            if *word & bit == 0 && (id as usize) < self.partitions.len() {
                *word |= bit;
                self.changed.push(id);
            }
        }
    }

    /// The next partition has been restored: it is as it was handed over, with these rows.
    pub(in super::super) fn restored(&mut self, key: PartitionKey, rows: Range<u64>) {
        let next = self.next_number_in(key.group);
        *next = (*next).max(key.number + 1);
        self.push(key, rows);
    }

    /// The partitions that are new or have changed, in order, and the first that is new; afterwards none is.
    pub(in super::super) fn take(
        &mut self,
        partitions: &Partitions,
        groups: u16,
    ) -> Result<(Vec<PartitionId>, PartitionId)> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        for id in &changed {
            self.has_changed[*id as usize / 64] = 0;
        }
        let new = self.partitions.len() as PartitionId..partitions.count() as PartitionId;
        changed.extend(new.clone());
        for first in new.clone().step_by(STEP_ROWS) {
            let ids: Vec<PartitionId> = (first..new.end.min(first + STEP_ROWS as PartitionId)).collect();
            for KeyGroup(group) in key_groups(&partitions.keys_of(&ids)?, ids.len(), groups)? {
                let next = self.next_number_in(group);
                let key = PartitionKey { group, number: *next };
                *next = next.checked_add(1).ok_or_else(|| Error::internal("too many partitions in a key group"))?;
                self.push(key, 0..0);
            }
        }
        Ok((changed, new.start))
    }

    /// What a partition that has been handed over is known by.
    #[inline]
    pub(in super::super) fn key(&self, id: PartitionId) -> PartitionKey {
        self.partitions[id as usize].key
    }

    /// The partition keeps these rows: which of them are new, and which that have been handed over are gone.
    pub(in super::super) fn rows(&mut self, id: PartitionId, kept: Range<u64>) -> (Range<u64>, Range<u64>) {
        let handed = std::mem::replace(&mut self.partitions[id as usize].rows, kept.clone());
        (kept.start.max(handed.end)..kept.end, handed.start..kept.start.min(handed.end))
    }

    fn push(&mut self, key: PartitionKey, rows: Range<u64>) {
        self.partitions.push(Handed { key, rows });
        self.has_changed.resize(self.partitions.len().div_ceil(64), 0);
    }

    fn next_number_in(&mut self, group: u16) -> &mut u32 {
        let index = usize::from(group);
        if self.next_number.len() <= index {
            self.next_number.resize(index + 1, 0);
        }
        &mut self.next_number[index]
    }
}
