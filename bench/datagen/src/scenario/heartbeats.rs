//! Heartbeats: every device reports about every thirty seconds, except when it falls silent for three to ten minutes.
//! The last device falls silent for good after twenty minutes.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Scenario, Size, hundredths};
use crate::timeline::Timeline;

pub(crate) struct Heartbeats {
    devices: Vec<Device>,
    start_ms: Option<i64>,
}

struct Device {
    next_ms: i64,
    temperature: i64,
}

impl Heartbeats {
    pub(crate) fn new(size: Size) -> Self {
        let devices = (0..size.keys.unwrap_or(1_000)).map(|_| Device { next_ms: 0, temperature: 2_150 }).collect();
        Self { devices, start_ms: None }
    }
}

impl Scenario for Heartbeats {
    fn header(&self) -> &'static str {
        "device,ts,temperature"
    }

    fn mean_gap_ms(&self) -> i64 {
        5_000
    }

    fn act(&mut self, now_ms: i64, random: &mut ChaCha8Rng, timeline: &mut Timeline) {
        let start_ms = *self.start_ms.get_or_insert(now_ms);
        let count = self.devices.len();
        for (number, device) in self.devices.iter_mut().enumerate() {
            let gone = number + 1 == count && count > 1 && now_ms > start_ms + 1_200_000;
            if gone || device.next_ms > now_ms {
                continue;
            }
            let ts_ms = if device.next_ms == 0 { now_ms + random.random_range(0..30_000) } else { now_ms };
            device.temperature = (device.temperature + random.random_range(-40..=40)).clamp(1_000, 4_000);
            timeline.push(&format!("device-{:02}", number + 1), ts_ms, hundredths(device.temperature));
            let silent = random.random_range(0..100) < 2;
            let pause_ms =
                if silent { random.random_range(180_000..=600_000) } else { random.random_range(25_000..=30_000) };
            device.next_ms = ts_ms + pause_ms;
        }
    }
}
