//! The match so far, as conditions see it.

use serde::{Deserialize, Serialize};

use crate::{SymbolId, SymbolSet};

/// The match so far: the rows from its start to the row under test, which already belongs to the variable being tested.
#[derive(Debug)]
pub struct Path<'a> {
    pub(super) start: u64,
    pub(super) number: u64,
    pub(super) kept: usize,
    pub(super) trail: &'a Trail,
}

impl Path<'_> {
    /// The match's first row.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The variable of each row from the first on; the last is the row under test.
    pub fn labels(&self) -> &[SymbolId] {
        &self.trail.labels
    }

    /// The number the match will have.
    pub fn match_number(&self) -> u64 {
        self.number
    }

    /// How many leading labels are the same, of the same rows, as at the previous question asked for this partition: what
    /// a cache of running values, one for each row of the match, may keep. 0 for a new start row. Always less than the
    /// number of labels.
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// The row that is the `n`-th from the end of those mapped to a variable of `set`; 0 is the last.
    ///
    /// Takes time proportional to `n` and the number of variables in `set`, whatever the length of the match.
    pub fn last(&self, set: SymbolSet, n: usize) -> Option<u64> {
        if set.contains_all(self.trail.used) {
            let offset = self.trail.labels.len().checked_sub(1)?.checked_sub(n)?;
            return Some(self.start + offset as u64);
        }
        if let Some(positions) = self.trail.only_positions(set) {
            let index = positions.len().checked_sub(n)?.checked_sub(1)?;
            return Some(self.start + u64::from(positions[index]));
        }
        self.select(set, n, |positions, taken| positions.len().checked_sub(taken + 1), u32::gt)
    }

    /// The row that is the `n`-th of those mapped to a variable of `set`; 0 is the first.
    ///
    /// Takes time proportional to `n` and the number of variables in `set`, whatever the length of the match.
    pub fn first(&self, set: SymbolSet, n: usize) -> Option<u64> {
        if set.contains_all(self.trail.used) {
            return (n < self.trail.labels.len()).then(|| self.start + n as u64);
        }
        if let Some(positions) = self.trail.only_positions(set) {
            return positions.get(n).map(|offset| self.start + u64::from(*offset));
        }
        self.select(set, n, |_, taken| Some(taken), u32::lt)
    }

    /// How many rows are mapped to a variable of `set`.
    pub fn count(&self, set: SymbolSet) -> usize {
        set.iter().map(|symbol| self.trail.positions(symbol).len()).sum()
    }

    /// Merges the position lists of `set` from one end up to the `n`-th: `index` says where a list of which some are taken
    /// goes on, `before` which of two offsets comes first.
    fn select(
        &self,
        set: SymbolSet,
        n: usize,
        index: impl Fn(&[u32], usize) -> Option<usize>,
        before: impl Fn(&u32, &u32) -> bool,
    ) -> Option<u64> {
        let mut taken = [0_usize; crate::MAX_SYMBOLS];
        let mut left = n;
        loop {
            let mut best: Option<(u32, SymbolId)> = None;
            for symbol in set.iter() {
                let positions = self.trail.positions(symbol);
                let offset = index(positions, taken[symbol.index()]).and_then(|index| positions.get(index)).copied();
                if let Some(offset) = offset
                    && best.is_none_or(|(other, _)| before(&offset, &other))
                {
                    best = Some((offset, symbol));
                }
            }
            let (offset, symbol) = best?;
            if left == 0 {
                return Some(self.start + u64::from(offset));
            }
            left -= 1;
            taken[symbol.index()] += 1;
        }
    }
}

/// The labels of the match so far, and for each variable its rows as offsets from the first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Trail {
    pub(super) labels: Vec<SymbolId>,
    /// Whether each row is excluded; no row is behind the end.
    pub(super) excluded: Vec<bool>,
    positions: Vec<Vec<u32>>,
    used: SymbolSet,
}

impl Trail {
    /// Maps the next row; `false` if there is no room for it.
    pub(super) fn push(&mut self, symbol: SymbolId, excluded: bool) -> bool {
        let Ok(offset) = u32::try_from(self.labels.len()) else { return false };
        if self.positions.len() <= symbol.index() {
            self.positions.resize(symbol.index() + 1, Vec::new());
        }
        self.positions[symbol.index()].push(offset);
        if excluded {
            self.excluded.resize(self.labels.len(), false);
            self.excluded.push(true);
        }
        self.labels.push(symbol);
        // Variables stay here after their rows are gone: all that is asked is that none is missing.
        self.used.insert(symbol);
        true
    }

    /// Undoes all but the first `length` rows.
    pub(super) fn truncate(&mut self, length: usize) {
        while self.labels.len() > length {
            if let Some(symbol) = self.labels.pop() {
                self.positions[symbol.index()].pop();
            }
        }
        self.excluded.truncate(length);
    }

    pub(super) fn clear(&mut self) {
        self.truncate(0);
        self.used = SymbolSet::EMPTY;
    }

    /// How much memory the trail takes.
    pub(super) fn bytes(&self) -> usize {
        let positions: usize = self.positions.iter().map(Vec::capacity).sum();
        self.labels.capacity() + self.excluded.capacity() + positions * size_of::<u32>()
    }

    fn positions(&self, symbol: SymbolId) -> &[u32] {
        self.positions.get(symbol.index()).map_or(&[], Vec::as_slice)
    }

    /// The rows mapped to a variable of `set`, if no more than one of them can have any.
    fn only_positions(&self, set: SymbolSet) -> Option<&[u32]> {
        let set = set.intersection(self.used);
        (set.len() <= 1).then(|| set.iter().next().map_or(&[][..], |symbol| self.positions(symbol)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_follow_the_labels_through_undoing() {
        let (a, b, c) = (SymbolId(0), SymbolId(1), SymbolId(2));
        let mut trail = Trail::default();
        for symbol in [a, b, a, c, c] {
            assert!(trail.push(symbol, false));
        }
        trail.truncate(4);
        trail.push(b, true);
        let path = Path { start: 10, number: 1, kept: 0, trail: &trail };
        assert_eq!(path.labels(), [a, b, a, c, b]);
        let set = SymbolSet::of;
        assert_eq!(
            (path.last(set(&[a]), 0), path.last(set(&[a]), 1), path.last(set(&[a]), 2)),
            (Some(12), Some(10), None)
        );
        assert_eq!(
            (path.first(set(&[b]), 0), path.first(set(&[b]), 1), path.first(set(&[b]), 2)),
            (Some(11), Some(14), None)
        );
        assert_eq!(
            (0..5).map(|n| path.last(set(&[b, c]), n)).collect::<Vec<_>>(),
            [Some(14), Some(13), Some(11), None, None]
        );
        assert_eq!(
            (0..4).map(|n| path.first(set(&[b, c]), n)).collect::<Vec<_>>(),
            [Some(11), Some(13), Some(14), None]
        );
        assert_eq!((path.last(SymbolSet::all(3), 4), path.last(SymbolSet::all(3), 5)), (Some(10), None));
        assert_eq!((path.first(SymbolSet::all(64), 4), path.first(SymbolSet::all(64), 5)), (Some(14), None));
        assert_eq!((path.count(set(&[a, b])), path.count(set(&[SymbolId(9)]))), (4, 0));
    }
}
