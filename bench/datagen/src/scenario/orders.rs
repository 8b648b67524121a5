//! Orders: placed, then delivered after some hours; when that takes more than a day the customer sends a reminder, and
//! after a reminder some get a refund, with or without a delivery.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Scenario, Size, chance, hundredths, seconds};
use crate::timeline::Timeline;

const HOUR: i64 = 3_600;

pub(crate) struct Orders {
    placed: u64,
}

impl Orders {
    /// There is a new key for each order, so `size` has nothing to say.
    pub(crate) fn new(_size: Size) -> Self {
        Self { placed: 0 }
    }
}

impl Scenario for Orders {
    fn header(&self) -> &'static str {
        "order_id,ts,event,amount"
    }

    fn mean_gap_ms(&self) -> i64 {
        1_800_000
    }

    fn act(&mut self, now_ms: i64, random: &mut ChaCha8Rng, timeline: &mut Timeline) {
        self.placed += 1;
        let order = format!("order-{:05}", self.placed);
        let amount = random.random_range(900..=25_000);
        let mut ts_ms = now_ms;
        let mut event =
            |ts_ms: i64, event: &str| timeline.push(&order, ts_ms, format!("{event},{}", hundredths(amount)));
        event(ts_ms, "placed");
        if chance(random, 65) {
            ts_ms += seconds(random, 3 * HOUR, 22 * HOUR);
            event(ts_ms, "delivered");
            // Sent back for other reasons.
            if chance(random, 8) {
                ts_ms += seconds(random, 2 * HOUR, 40 * HOUR);
                event(ts_ms, "refund");
            }
            return;
        }
        ts_ms += seconds(random, 24 * HOUR, 36 * HOUR);
        event(ts_ms, "reminder");
        if chance(random, 60) {
            ts_ms += seconds(random, HOUR, 20 * HOUR);
            event(ts_ms, "delivered");
        }
        if chance(random, 50) {
            ts_ms += seconds(random, HOUR, 24 * HOUR);
            event(ts_ms, "refund");
        }
    }
}
