//! How the rows of a query are divided among partitions.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Spreads consecutive rows over distant keys. A prime that divides none of the numbers of keys in use.
const SCATTER: u64 = 2_654_435_761;

/// The partition of each row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Layout {
    /// The same for all.
    One,
    /// One of so many, each once in as many rows, in a scattered order.
    Turns(u64),
    /// One of so many, drawn.
    Drawn(u64),
    /// One after another, of so many rows each.
    Blocks(u64),
}

impl Layout {
    /// The partition of a row.
    pub(crate) fn partition(self, row: u64, random: &mut ChaCha8Rng) -> u64 {
        match self {
            Self::One => 0,
            Self::Turns(count) => row % count * SCATTER % count,
            Self::Drawn(count) => random.random_range(0..count),
            Self::Blocks(rows) => row / rows,
        }
    }

    /// How many partitions so many rows have, at most.
    pub(crate) fn partitions(self, rows: u64) -> u64 {
        match self {
            Self::One => 1,
            Self::Turns(count) | Self::Drawn(count) => count,
            Self::Blocks(block) => rows.div_ceil(block),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn in_turns_each_partition_has_one_row_of_each_turn() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for count in [1_000, 100_000] {
            let layout = Layout::Turns(count);
            let turn: BTreeSet<u64> = (count..2 * count).map(|row| layout.partition(row, &mut random)).collect();
            assert_eq!(turn, (0..count).collect());
        }
    }

    #[test]
    fn no_layout_makes_more_partitions_than_it_says() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for layout in [Layout::One, Layout::Turns(7), Layout::Drawn(7), Layout::Blocks(7)] {
            let most = (0..100).map(|row| layout.partition(row, &mut random)).max();
            assert!(most < Some(layout.partitions(100)), "{layout:?}");
        }
    }
}
