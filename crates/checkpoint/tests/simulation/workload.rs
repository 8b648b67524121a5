//! What the simulated job computes, and what it must come to: the undisturbed run as a function of how far the sources are.

use std::collections::BTreeMap;

use crate::chance::Chance;
use dipper_checkpoint::{Manifest, TaskId};

pub(crate) const KEYS: u8 = 6;
pub(crate) const SOURCE: usize = 0;
pub(crate) const KEYED: usize = 1;

/// The input: splits of keyed values, the same in every run.
pub(crate) struct Workload {
    splits: Vec<Vec<(u8, u64)>>,
}

/// A row between tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Row {
    Input {
        split: usize,
        index: usize,
        key: u8,
        value: u64,
    },
    /// For every input row: how many of its key its split has had.
    Count {
        split: usize,
        index: usize,
        key: u8,
        count: u64,
    },
    /// For every key, when all inputs have ended.
    Total {
        key: u8,
        sum: u64,
    },
}

impl Row {
    pub(crate) fn key(self) -> u8 {
        match self {
            Self::Input { key, .. } | Self::Count { key, .. } | Self::Total { key, .. } => key,
        }
    }
}

/// The state of one key. It depends on all splits, but not on how they interleave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeyState {
    sum: u64,
    counts: BTreeMap<usize, u64>,
}

pub(crate) type State = BTreeMap<u8, KeyState>;

/// Takes an input row into the state; returns what is emitted.
pub(crate) fn apply(state: &mut State, row: Row) -> Row {
    let Row::Input { split, index, key, value } = row else { panic!("{row:?} is no input") };
    let state = state.entry(key).or_default();
    state.sum += value;
    let count = state.counts.entry(split).or_default();
    *count += 1;
    Row::Count { split, index, key, count: *count }
}

/// What is emitted at the end. The state stays: who has flushed must know it, and not do it again.
pub(crate) fn totals(state: &State) -> Vec<Row> {
    state.iter().map(|(&key, state)| Row::Total { key, sum: state.sum }).collect()
}

/// How far a manifest has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    /// By split.
    pub(crate) offsets: Vec<usize>,
    /// The keyed tasks have flushed.
    pub(crate) is_flushed: bool,
}

impl Cut {
    /// Of a manifest; an opening from nothing has no offsets.
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let mut offsets = BTreeMap::new();
        for (_, snapshot) in manifest.tasks.iter().filter(|(id, _)| id.task == SOURCE) {
            offsets.extend(decode_offsets(&snapshot.inline));
        }
        let mut keyed = manifest.tasks.iter().filter(|(id, _)| id.task == KEYED);
        let is_flushed = !manifest.tasks.is_empty() && keyed.all(|(_, snapshot)| snapshot.finished);
        Self { offsets: offsets.into_values().collect(), is_flushed }
    }
}

pub(crate) fn encode_offsets(offsets: &BTreeMap<usize, usize>) -> Vec<u8> {
    offsets.iter().flat_map(|(&split, &offset)| [split as u8, offset as u8]).collect()
}

pub(crate) fn decode_offsets(inline: &[u8]) -> BTreeMap<usize, usize> {
    inline.chunks(2).map(|pair| (usize::from(pair[0]), usize::from(pair[1]))).collect()
}

impl Workload {
    pub(crate) fn random(chance: &mut Chance) -> Self {
        // Some keys are rare: their state stays the same from one checkpoint to the next.
        let key = |chance: &mut Chance| {
            let keys = chance.between(0..u64::from(KEYS)) + 1;
            chance.between(0..keys) as u8
        };
        let row = |chance: &mut Chance| (key(chance), chance.between(1..100));
        let split = |chance: &mut Chance| (0..chance.between(0..81)).map(|_| row(chance)).collect();
        let splits = (0..chance.between(1..5)).map(|_| split(chance)).collect();
        Self { splits }
    }

    pub(crate) fn splits(&self) -> usize {
        self.splits.len()
    }

    pub(crate) fn read(&self, split: usize, index: usize) -> Option<Row> {
        self.splits[split].get(index).map(|&(key, value)| Row::Input { split, index, key, value })
    }

    /// What the undisturbed run has in its state and has written, in order of rows, when its sources stand at the cut.
    pub(crate) fn at(&self, cut: &Cut) -> (State, Vec<Row>) {
        let mut state = State::new();
        let mut written = Vec::new();
        for (split, &offset) in cut.offsets.iter().enumerate() {
            let rows = (0..offset).filter_map(|index| self.read(split, index));
            written.extend(rows.map(|row| apply(&mut state, row)));
        }
        if cut.is_flushed {
            written.extend(totals(&state));
        }
        written.sort_unstable();
        (state, written)
    }
}

/// The names that staged output and snapshot files get: of an attempt, an epoch and a task.
pub(crate) fn name(attempt: u64, epoch: u64, task: TaskId, part: impl std::fmt::Display) -> String {
    format!("{attempt}/{epoch}/{}.{}/{part}", task.task, task.subtask)
}
