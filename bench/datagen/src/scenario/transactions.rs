//! Card transactions: mostly of 5 to 200, with three things planted: three large ones (from 1000) within an hour, a tiny
//! one (below 1) followed by a large one within ten minutes, and more than ten within an hour.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Actors, Scenario, Size, hundredths, seconds};
use crate::timeline::Timeline;

const MERCHANTS: [&str; 8] = ["bakery", "bookshop", "electronics", "fuel", "grocer", "jeweller", "pharmacy", "travel"];

pub(crate) struct Transactions {
    accounts: Actors,
}

impl Transactions {
    pub(crate) fn new(size: Size) -> Self {
        Self { accounts: Actors::new("acc-", size.keys.unwrap_or(10_000)) }
    }
}

fn usual(random: &mut ChaCha8Rng) -> i64 {
    random.random_range(500..=20_000)
}

fn large(random: &mut ChaCha8Rng) -> i64 {
    random.random_range(100_000..=900_000)
}

impl Scenario for Transactions {
    fn header(&self) -> &'static str {
        "account,ts,amount,merchant"
    }

    fn mean_gap_ms(&self) -> i64 {
        // Each account does something about every two hours.
        (7_200_000 / self.accounts.free_from_ms.len() as i64).max(1)
    }

    fn act(&mut self, now_ms: i64, random: &mut ChaCha8Rng, timeline: &mut Timeline) {
        let Some(account) = self.accounts.draw_free(now_ms, random) else { return };
        // The gap before each transaction and its amount.
        let planned: Vec<(i64, i64)> = match random.random_range(0..100) {
            0..5 => (0..3).map(|_| (seconds(random, 60, 1_100), large(random))).collect(),
            5..10 => vec![(0, random.random_range(1..100)), (seconds(random, 20, 590), large(random))],
            10..14 => {
                let count = random.random_range(11..=15);
                (0..count).map(|_| (seconds(random, 5, 200), usual(random))).collect()
            }
            // A single large one proves nothing.
            14..18 => vec![(0, large(random))],
            _ => vec![(0, usual(random))],
        };
        let name = self.accounts.name(account);
        let mut ts_ms = now_ms;
        for (gap_ms, amount) in planned {
            ts_ms += gap_ms;
            let merchant = MERCHANTS[random.random_range(0..MERCHANTS.len())];
            timeline.push(&name, ts_ms, format!("{},{merchant}", hundredths(amount)));
        }
        self.accounts.occupy(account, ts_ms + seconds(random, 60, 900));
    }
}
