//! What each thread has matched so far: chains that share their beginnings.

use serde::{Deserialize, Serialize};

use crate::{Excluded, Labels, SymbolId};

/// The last step of a chain.
pub(crate) type NodeId = u32;

/// The chain without steps.
pub(super) const ROOT: NodeId = NodeId::MAX;

/// The bit of a label that says that its row is excluded. Symbols are below 64.
const EXCLUDED: u8 = 0x80;

/// Fewer nodes than this are not worth collecting; more would weigh where many partitions are open.
const COLLECT_MIN: usize = 32;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Node {
    /// Always an older node, which has a smaller index.
    parent: NodeId,
    label: u8,
}

/// All chains of one partition.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct History {
    nodes: Vec<Node>,
    /// How many nodes were left by the last collection.
    kept: usize,
}

/// Memory for [`History::collect`].
#[derive(Debug, Default)]
pub(super) struct CollectScratch {
    /// For each node `ROOT` if nothing refers to it, else its new index.
    moved: Vec<NodeId>,
}

impl History {
    /// One step more; `None` if there is no room for it.
    #[inline]
    pub(super) fn push(&mut self, parent: NodeId, symbol: SymbolId, excluded: bool) -> Option<NodeId> {
        let id = NodeId::try_from(self.nodes.len()).ok().filter(|id| *id != ROOT)?;
        self.nodes.push(Node { parent, label: symbol.0 | if excluded { EXCLUDED } else { 0 } });
        Some(id)
    }

    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.kept = 0;
    }

    pub(super) fn capacity(&self) -> usize {
        self.nodes.capacity()
    }

    /// The labels of a chain, first row first.
    pub(super) fn labels(&self, last: NodeId) -> (Labels, Excluded) {
        let mut symbols = Labels::new();
        let mut any_excluded = false;
        let mut at = last;
        while let Some(node) = self.nodes.get(at as usize) {
            any_excluded |= node.label & EXCLUDED != 0;
            symbols.push(SymbolId(node.label));
            at = node.parent;
        }
        symbols.reverse();
        let mut excluded = Excluded::default();
        if any_excluded {
            for (index, symbol) in symbols.iter_mut().enumerate() {
                if symbol.0 & EXCLUDED != 0 {
                    excluded.insert(index);
                    symbol.0 &= !EXCLUDED;
                }
            }
        }
        (symbols, excluded)
    }

    /// Whether enough has been added for [`Self::collect`] to pay: what it costs is then shared by what was added.
    #[inline]
    pub(super) fn wants_collection(&self) -> bool {
        self.nodes.len() >= COLLECT_MIN.max(self.kept * 2)
    }

    /// Drops the nodes that none of `roots` reaches, and lets `roots` refer to where the others are now.
    pub(super) fn collect(
        &mut self,
        scratch: &mut CollectScratch,
        mut for_each_root: impl FnMut(&mut dyn FnMut(&mut NodeId)),
    ) {
        let moved = &mut scratch.moved;
        moved.clear();
        moved.resize(self.nodes.len(), ROOT);
        for_each_root(&mut |root| {
            if let Some(mark) = moved.get_mut(*root as usize) {
                *mark = 0;
            }
        });
        // Parents are older, so one pass from the last to the first meets each node after all that may need it, and goes through memory
        // in order, where walking the chains would jump.
        for old in (0..self.nodes.len()).rev() {
            if moved[old] != ROOT
                && let Some(mark) = moved.get_mut(self.nodes[old].parent as usize)
            {
                *mark = 0;
            }
        }
        let mut kept = 0;
        for old in 0..self.nodes.len() {
            if moved[old] != ROOT {
                let Node { parent, label } = self.nodes[old];
                let parent = moved.get(parent as usize).copied().unwrap_or(ROOT);
                self.nodes[kept] = Node { parent, label };
                moved[old] = kept as NodeId;
                kept += 1;
            }
        }
        self.nodes.truncate(kept);
        self.kept = kept;
        for_each_root(&mut |root| {
            if let Some(new) = moved.get(*root as usize) {
                *root = *new;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    #[test]
    fn collection_keeps_what_the_roots_reach() {
        let mut history = History::default();
        let a = history.push(ROOT, SymbolId(0), false).unwrap();
        let dropped = history.push(a, SymbolId(1), false).unwrap();
        let b = history.push(a, SymbolId(2), true).unwrap();
        history.push(dropped, SymbolId(3), false).unwrap();
        let c = history.push(b, SymbolId(4), false).unwrap();
        let mut roots = [c, a, ROOT];
        history.collect(&mut CollectScratch::default(), |see| roots.iter_mut().for_each(see));
        assert_eq!(history.nodes.len(), 3);
        let (symbols, excluded) = history.labels(roots[0]);
        assert_eq!(symbols.as_slice(), [SymbolId(0), SymbolId(2), SymbolId(4)]);
        assert!(!excluded.contains(0) && excluded.contains(1) && !excluded.contains(2));
        assert_eq!(history.labels(roots[1]).0.as_slice(), [SymbolId(0)]);
        assert!(history.labels(roots[2]).0.is_empty());
    }
}
