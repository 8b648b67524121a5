//! Shopping: users view items, add some to the cart, and buy within half an hour, or later, or remove them, or leave
//! them there.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Actors, Scenario, Size, chance, hundredths, item, seconds};
use crate::timeline::Timeline;

pub(crate) struct Cart {
    users: Actors,
}

impl Cart {
    pub(crate) fn new(size: Size) -> Self {
        Self { users: Actors::new("user-", size.keys.unwrap_or(10_000)) }
    }
}

impl Scenario for Cart {
    fn header(&self) -> &'static str {
        "user_id,ts,event,item,amount"
    }

    fn mean_gap_ms(&self) -> i64 {
        (7_200_000 / self.users.free_from_ms.len() as i64).max(1)
    }

    fn act(&mut self, now_ms: i64, random: &mut ChaCha8Rng, timeline: &mut Timeline) {
        let Some(user) = self.users.draw_free(now_ms, random) else { return };
        let name = self.users.name(user);
        let mut ts_ms = now_ms;
        let mut event = |ts_ms: i64, event: &str, (item, price): &(String, i64)| {
            timeline.push(&name, ts_ms, format!("{event},{item},{}", hundredths(*price)));
        };
        for _ in 0..random.random_range(0..=3) {
            event(ts_ms, "view", &item(random));
            ts_ms += seconds(random, 5, 120);
        }
        let wanted = item(random);
        event(ts_ms, "view", &wanted);
        if chance(random, 80) {
            ts_ms += seconds(random, 3, 60);
            event(ts_ms, "add", &wanted);
            match random.random_range(0..100) {
                0..50 => {
                    ts_ms += seconds(random, 30, 1_500);
                    event(ts_ms, "buy", &wanted);
                }
                50..60 => {
                    ts_ms += seconds(random, 2_100, 4_000);
                    event(ts_ms, "buy", &wanted);
                }
                60..70 => {
                    ts_ms += seconds(random, 10, 900);
                    event(ts_ms, "remove", &wanted);
                }
                // Looks around and forgets.
                70..85 => {
                    for _ in 0..random.random_range(1..=3) {
                        ts_ms += seconds(random, 10, 300);
                        event(ts_ms, "view", &item(random));
                    }
                }
                _ => {}
            }
        }
        // A forgotten cart stays forgotten long enough to be one.
        self.users.occupy(user, ts_ms + seconds(random, 2_400, 4_800));
    }
}
