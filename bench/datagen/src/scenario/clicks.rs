//! Page clicks: sessions of a few clicks at most three minutes apart, with at least 35 minutes between two sessions of a
//! user.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Actors, Scenario, Size, seconds};
use crate::timeline::Timeline;

const PAGES: [&str; 8] = ["/", "/search", "/products", "/product", "/cart", "/checkout", "/account", "/help"];

pub(crate) struct Clicks {
    users: Actors,
}

impl Clicks {
    pub(crate) fn new(size: Size) -> Self {
        Self { users: Actors::new("user-", size.keys.unwrap_or(10_000)) }
    }
}

impl Scenario for Clicks {
    fn header(&self) -> &'static str {
        "user_id,ts,page"
    }

    fn mean_gap_ms(&self) -> i64 {
        (5_400_000 / self.users.free_from_ms.len() as i64).max(1)
    }

    fn act(&mut self, now_ms: i64, random: &mut ChaCha8Rng, timeline: &mut Timeline) {
        let Some(user) = self.users.draw_free(now_ms, random) else { return };
        let name = self.users.name(user);
        let mut ts_ms = now_ms;
        for click in 0..random.random_range(1..=12) {
            if click > 0 {
                ts_ms += seconds(random, 2, 180);
            }
            let page = if click == 0 { PAGES[0] } else { PAGES[random.random_range(0..PAGES.len())] };
            timeline.push(&name, ts_ms, page.to_owned());
        }
        self.users.occupy(user, ts_ms + seconds(random, 2_100, 7_200));
    }
}
