//! CPU usage: every host reports every fifteen seconds; now and then it is above 90 for one to three minutes, or for
//! five and a half to eight.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Scenario, Size, hundredths};
use crate::timeline::Timeline;

const INTERVAL_MS: i64 = 15_000;

pub(crate) struct Cpu {
    hosts: Vec<Host>,
    rounds: i64,
    start_ms: Option<i64>,
}

#[derive(Default)]
struct Host {
    level: i64,
    high_left: u32,
}

impl Cpu {
    pub(crate) fn new(size: Size) -> Self {
        let hosts = (0..size.keys.unwrap_or(200)).map(|_| Host { level: 4_000, high_left: 0 }).collect();
        Self { hosts, rounds: 0, start_ms: None }
    }
}

impl Scenario for Cpu {
    fn header(&self) -> &'static str {
        "host,ts,usage"
    }

    fn mean_gap_ms(&self) -> i64 {
        INTERVAL_MS / 2
    }

    fn act(&mut self, now_ms: i64, random: &mut ChaCha8Rng, timeline: &mut Timeline) {
        let start_ms = *self.start_ms.get_or_insert(now_ms);
        // Rounds are on time, though this function is called at random times: at least once in an interval.
        while start_ms + self.rounds * INTERVAL_MS < now_ms + INTERVAL_MS {
            for (number, host) in self.hosts.iter_mut().enumerate() {
                if host.high_left > 0 {
                    host.high_left -= 1;
                    host.level = random.random_range(9_050..=9_990);
                } else {
                    let walked = host.level + random.random_range(-600..=600);
                    host.level = walked.clamp(500, 8_900);
                    match random.random_range(0..600) {
                        0..6 => host.high_left = random.random_range(4..=12),
                        6..9 => host.high_left = random.random_range(22..=32),
                        _ => {}
                    }
                }
                let ts_ms = start_ms + self.rounds * INTERVAL_MS + (number % 1000) as i64;
                timeline.push(&format!("host-{:02}", number + 1), ts_ms, hundredths(host.level));
            }
            self.rounds += 1;
        }
    }
}
