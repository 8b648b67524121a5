//! Zipf's distribution with exponent 1, in whole numbers so that every machine draws the same.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Draws ranks from 0; rank `k` has weight `1 / (k + 1)`.
#[derive(Debug)]
pub(crate) struct Zipf {
    cumulative: Vec<u64>,
}

impl Zipf {
    pub(crate) fn new(ranks: u32) -> Self {
        let mut sum = 0;
        let cumulative = (1..=u64::from(ranks))
            .map(|rank| {
                sum += (1 << 32) / rank;
                sum
            })
            .collect();
        Self { cumulative }
    }

    pub(crate) fn draw(&self, random: &mut ChaCha8Rng) -> usize {
        let total = self.cumulative.last().copied().unwrap_or(1);
        let point = random.random_range(0..total);
        self.cumulative.partition_point(|sum| *sum <= point)
    }
}
