//! Row pattern variables as small numbers, and sets of them. What a row satisfies is such a set: its *letter*.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most row pattern variables that one pattern may have: a letter is one machine word.
pub const MAX_SYMBOLS: usize = 64;

/// The index of a row pattern variable, in order of first appearance in the pattern.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct SymbolId(pub u8);

impl SymbolId {
    /// The index as a `usize`.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A set of row pattern variables.
///
/// ```
/// use dipper_pattern::{SymbolId, SymbolSet};
/// let set = SymbolSet::of(&[SymbolId(0), SymbolId(3)]);
/// assert!(set.contains(SymbolId(3)));
/// assert_eq!(set.iter().count(), 2);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct SymbolSet(pub u64);

/// The set of variables whose DEFINE condition a row satisfies.
pub type Letter = SymbolSet;

impl SymbolSet {
    /// The set without members.
    pub const EMPTY: Self = Self(0);

    /// The set of the given variables.
    pub fn of(symbols: &[SymbolId]) -> Self {
        symbols.iter().copied().collect()
    }

    /// The set of the first `count` variables.
    pub const fn all(count: usize) -> Self {
        if count >= MAX_SYMBOLS { Self(u64::MAX) } else { Self((1 << count) - 1) }
    }

    /// Whether `symbol` is a member. An index beyond [`MAX_SYMBOLS`] never is.
    #[inline]
    pub const fn contains(self, symbol: SymbolId) -> bool {
        symbol.index() < MAX_SYMBOLS && self.0 >> symbol.0 & 1 == 1
    }

    /// Adds `symbol`. An index beyond [`MAX_SYMBOLS`] is ignored.
    pub const fn insert(&mut self, symbol: SymbolId) {
        if symbol.index() < MAX_SYMBOLS {
            self.0 |= 1 << symbol.0;
        }
    }

    /// The members of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The members of both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether every member of `other` is a member.
    pub const fn contains_all(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether the set has no member.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many members the set has.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The members in ascending order.
    pub fn iter(self) -> impl Iterator<Item = SymbolId> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            if rest == 0 {
                return None;
            }
            let lowest = rest.trailing_zeros();
            rest &= rest - 1;
            Some(SymbolId(lowest as u8))
        })
    }
}

impl FromIterator<SymbolId> for SymbolSet {
    fn from_iter<I: IntoIterator<Item = SymbolId>>(symbols: I) -> Self {
        let mut set = Self::EMPTY;
        for symbol in symbols {
            set.insert(symbol);
        }
        set
    }
}

impl fmt::Debug for SymbolSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|symbol| symbol.0)).finish()
    }
}
