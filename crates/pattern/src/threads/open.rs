//! The open part of a search: what a partition holds while some match may still come of the rows seen.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::closure::Thread;
use super::history::{CollectScratch, History, NodeId};
use super::{POOL_MAX, Scratch, ThreadRuns};
use crate::{Letter, SymbolId, SymbolSet};

/// Records with more nodes than this are not kept for reuse.
const REUSED_NODES_MAX: usize = 4096;

/// A row, as far as the engine sees it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) letter: Letter,
    pub(super) poison: SymbolSet,
    pub(super) time: i64,
}

impl Row {
    /// The variables that it satisfies, or may satisfy.
    pub(super) fn tested(self) -> SymbolSet {
        self.letter.union(self.poison)
    }
}

/// What the ways of a start row come to, once those before it have failed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Outcome {
    Complete(NodeId),
    Poisoned { symbol: SymbolId, row: u64 },
}

/// The ways that start at one row.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) start: u64,
    /// `None` without WITHIN.
    pub(super) deadline: Option<i64>,
    /// The index behind its last thread; its first is where the group before it ends.
    pub(super) end: usize,
    /// What it comes to if its threads fail.
    pub(super) outcome: Option<Outcome>,
    /// The preferred one of the threads that ran out of time; counts if there is no outcome.
    pub(super) timed_out: Option<NodeId>,
}

/// See the module.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Open {
    /// In order of start, which is the order of preference.
    pub(super) groups: Vec<Group>,
    /// In order of preference.
    pub(super) threads: Vec<Thread>,
    pub(super) history: History,
    /// The rows from the first start on, kept only where SKIP TO may go back.
    pub(super) rows: VecDeque<Row>,
}

impl Open {
    pub(super) fn first_start(&self) -> Option<u64> {
        self.groups.first().map(|group| group.start)
    }

    /// The first deadline after `reached`: what was due until then is done.
    pub(super) fn first_deadline(&self, reached: i64) -> Option<i64> {
        let mut first = 0;
        for group in &self.groups {
            // A group without threads only waits for those before it.
            if group.end > first && group.deadline.is_some_and(|deadline| deadline > reached) {
                return group.deadline;
            }
            first = group.end;
        }
        None
    }

    /// Drops what was matched by ways that have failed.
    pub(super) fn collect(&mut self, scratch: &mut CollectScratch) {
        let Self { groups, threads, history, .. } = self;
        history.collect(scratch, |see| {
            for thread in threads.iter_mut() {
                see(&mut thread.node);
            }
            for group in groups.iter_mut() {
                if let Some(Outcome::Complete(node)) = &mut group.outcome {
                    see(node);
                }
                if let Some(node) = &mut group.timed_out {
                    see(node);
                }
            }
        });
    }

    fn clear(&mut self) {
        self.groups.clear();
        self.threads.clear();
        self.history.clear();
        self.rows.clear();
    }
}

impl Scratch {
    /// The open part of `runs`, made if there is none.
    pub(super) fn open<'a>(&mut self, runs: &'a mut ThreadRuns) -> &'a mut Open {
        runs.open.get_or_insert_with(|| self.pool.pop().unwrap_or_default())
    }

    /// Takes the open part away if nothing is open.
    pub(super) fn close_if_idle(&mut self, runs: &mut ThreadRuns) {
        if runs.open.as_ref().is_none_or(|open| !open.groups.is_empty()) {
            return;
        }
        if let Some(mut open) = runs.open.take()
            && self.pool.len() < POOL_MAX
            && open.history.capacity() <= REUSED_NODES_MAX
        {
            open.clear();
            self.pool.push(open);
        }
    }
}
