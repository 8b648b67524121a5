//! Price ticks: each symbol's price walks at random, popular symbols trade more.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Scenario, Size, hundredths};
use crate::timeline::Timeline;
use crate::zipf::Zipf;

pub(crate) struct Ticks {
    zipf: Zipf,
    symbols: Vec<Symbol>,
}

struct Symbol {
    name: String,
    cents: i64,
    last_ms: i64,
}

impl Ticks {
    pub(crate) fn new(size: Size) -> Self {
        let count = size.keys.unwrap_or(1000);
        let symbols = (0..count)
            .map(|number| Symbol { name: name(number), cents: 2_000 + i64::from(number % 97) * 150, last_ms: 0 })
            .collect();
        Self { zipf: Zipf::new(count), symbols }
    }
}

/// Letters in the manner of exchanges: `AAA`, `AAB`, …
fn name(number: u32) -> String {
    let mut letters = Vec::new();
    let mut rest = number;
    while letters.len() < 3 || rest > 0 {
        letters.push(char::from(b'A' + (rest % 26) as u8));
        rest /= 26;
    }
    letters.iter().rev().collect()
}

impl Scenario for Ticks {
    fn header(&self) -> &'static str {
        "symbol,ts,price,volume"
    }

    fn mean_gap_ms(&self) -> i64 {
        // A thousand symbols tick a hundred times a second together, five of them once in two seconds.
        if self.symbols.len() < 100 { 2_000 } else { 10 }
    }

    fn act(&mut self, now_ms: i64, random: &mut ChaCha8Rng, timeline: &mut Timeline) {
        let symbol = &mut self.symbols[self.zipf.draw(random)];
        symbol.cents = (symbol.cents + random.random_range(-25..=25)).max(100);
        symbol.last_ms = now_ms.max(symbol.last_ms + 1);
        let volume = random.random_range(1..=50) * 10;
        timeline.push(&symbol.name, symbol.last_ms, format!("{},{volume}", hundredths(symbol.cents)));
    }
}
