//! Browsing: users view a few items or many, put some into the cart, and buy, or not.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Actors, Scenario, Size, chance, item, seconds};
use crate::timeline::Timeline;

pub(crate) struct Browse {
    users: Actors,
}

impl Browse {
    pub(crate) fn new(size: Size) -> Self {
        Self { users: Actors::new("user-", size.keys.unwrap_or(10_000)) }
    }
}

impl Scenario for Browse {
    fn header(&self) -> &'static str {
        "user_id,ts,event,item"
    }

    fn mean_gap_ms(&self) -> i64 {
        (5_400_000 / self.users.free_from_ms.len() as i64).max(1)
    }

    fn act(&mut self, now_ms: i64, random: &mut ChaCha8Rng, timeline: &mut Timeline) {
        let Some(user) = self.users.draw_free(now_ms, random) else { return };
        let name = self.users.name(user);
        let views = if chance(random, 50) { random.random_range(1..=4) } else { random.random_range(5..=12) };
        let mut ts_ms = now_ms;
        let mut viewed = item(random).0;
        for _ in 0..views {
            viewed = item(random).0;
            timeline.push(&name, ts_ms, format!("view,{viewed}"));
            ts_ms += seconds(random, 3, 90);
        }
        if chance(random, 40) {
            timeline.push(&name, ts_ms, format!("cart,{viewed}"));
            ts_ms += seconds(random, 5, 120);
            if chance(random, 60) {
                timeline.push(&name, ts_ms, format!("buy,{viewed}"));
            }
        }
        self.users.occupy(user, ts_ms + seconds(random, 1_800, 5_400));
    }
}
