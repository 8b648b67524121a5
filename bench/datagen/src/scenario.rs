//! What happens: one file for each kind of events.

pub(crate) mod browse;
pub(crate) mod cart;
pub(crate) mod clicks;
pub(crate) mod cpu;
pub(crate) mod heartbeats;
pub(crate) mod orders;
pub(crate) mod ticks;
pub(crate) mod transactions;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::timeline::Timeline;

/// How large a scenario is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Number of symbols, users, devices …; the scenario's own if not given.
    pub keys: Option<u32>,
}

/// A world in which something happens every now and then.
///
/// The times of one actor's events are all different, so that their order never hangs on how ties are broken.
pub(crate) trait Scenario {
    /// The names of the columns.
    fn header(&self) -> &'static str;

    /// The mean time between two calls of [`Scenario::act`], in milliseconds.
    fn mean_gap_ms(&self) -> i64;

    /// Something begins at `now_ms`: adds its events, none of them earlier.
    fn act(&mut self, now_ms: i64, random: &mut ChaCha8Rng, timeline: &mut Timeline);
}

/// Actors that do one thing at a time.
#[derive(Debug)]
pub(crate) struct Actors {
    prefix: &'static str,
    free_from_ms: Vec<i64>,
}

impl Actors {
    pub(crate) fn new(prefix: &'static str, count: u32) -> Self {
        Self { prefix, free_from_ms: vec![i64::MIN; count as usize] }
    }

    /// An actor who is free at `now_ms`, if the one drawn is.
    pub(crate) fn draw_free(&self, now_ms: i64, random: &mut ChaCha8Rng) -> Option<usize> {
        let actor = random.random_range(0..self.free_from_ms.len());
        (self.free_from_ms[actor] <= now_ms).then_some(actor)
    }

    pub(crate) fn name(&self, actor: usize) -> String {
        format!("{}{:03}", self.prefix, actor + 1)
    }

    /// Keeps the actor busy until `until_ms`.
    pub(crate) fn occupy(&mut self, actor: usize, until_ms: i64) {
        self.free_from_ms[actor] = until_ms;
    }
}

/// Hundredths as a decimal number.
pub(crate) fn hundredths(value: i64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}

/// A time in milliseconds, drawn between two numbers of seconds.
pub(crate) fn seconds(random: &mut ChaCha8Rng, from: i64, to: i64) -> i64 {
    random.random_range(from * 1000..=to * 1000)
}

/// True in `percent` of all cases.
pub(crate) fn chance(random: &mut ChaCha8Rng, percent: u32) -> bool {
    random.random_range(0..100) < percent
}

/// The items that are for sale: their names and prices in hundredths.
pub(crate) fn item(random: &mut ChaCha8Rng) -> (String, i64) {
    let number = random.random_range(1..=40_i64);
    (format!("item-{number:02}"), number * 437 % 20_000 + 199)
}
