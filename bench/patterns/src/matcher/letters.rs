//! Rows as the matcher sees them: which conditions each satisfies.

use dipper_pattern::{SymbolId, SymbolSet};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{CHUNK_ROWS, Chunk, MatcherQuery};

/// What rows may be. A number stands for the variable that comes first, second … in the pattern.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Letters {
    /// Each variable by itself, in so many percent of the rows.
    Chance(&'static [u32]),
    /// So many variables in turn, each for so many rows of the partition.
    Turns(u8, u64),
    /// The first variable once in so many rows of the partition, the second in the others.
    Lead(u64),
}

impl Letters {
    fn of(self, row: u64, random: &mut ChaCha8Rng) -> SymbolSet {
        match self {
            Self::Chance(percents) => {
                let holds = |(symbol, percent): (usize, &u32)| {
                    (random.random_range(0..100) < *percent).then_some(SymbolId(symbol as u8))
                };
                percents.iter().enumerate().filter_map(holds).collect()
            }
            Self::Turns(symbols, rows) => SymbolSet::of(&[SymbolId((row / rows % u64::from(symbols)) as u8)]),
            Self::Lead(rows) => SymbolSet::of(&[SymbolId(u8::from(!row.is_multiple_of(rows)))]),
        }
    }
}

/// Makes the letters of a query, chunk by chunk.
pub(super) struct Source<'a> {
    query: &'a MatcherQuery,
    rows: u64,
    made: u64,
    /// How many rows each partition has had.
    seen: Vec<u64>,
    random: ChaCha8Rng,
}

impl<'a> Source<'a> {
    pub(super) fn new(query: &'a MatcherQuery, rows: u64) -> Self {
        let seen = vec![0; query.layout.partitions(rows) as usize];
        Self { query, rows, made: 0, seen, random: ChaCha8Rng::seed_from_u64(1) }
    }

    /// Replaces `chunk` by the next; false at the end.
    pub(super) fn fill(&mut self, chunk: &mut Chunk) -> bool {
        let until = self.rows.min(self.made + CHUNK_ROWS as u64);
        let mut rows: Vec<(usize, SymbolSet)> = Vec::with_capacity(CHUNK_ROWS);
        for row in self.made..until {
            let partition = self.query.layout.partition(row, &mut self.random) as usize;
            rows.push((partition, self.query.letters.of(self.seen[partition], &mut self.random)));
            self.seen[partition] += 1;
        }
        self.made = until;
        rows.sort_by_key(|(partition, _)| *partition);
        chunk.letters.clear();
        chunk.spans.clear();
        for together in rows.chunk_by(|a, b| a.0 == b.0) {
            let start = chunk.letters.len();
            chunk.letters.extend(together.iter().map(|(_, letter)| *letter));
            chunk.spans.push((together[0].0, start..chunk.letters.len()));
        }
        !rows.is_empty()
    }
}
