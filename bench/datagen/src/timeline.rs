//! Puts the events of many actors into one stream: ordered by time, but for a bounded disorder.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::Kind;
use crate::scenario::Size;
use crate::timestamp::{START_MS, write_timestamp};

/// Events that have happened but not yet arrived.
///
/// An event arrives up to the disorder after it happened, so it stands behind events that are later by less than that.
#[derive(Debug)]
pub(crate) struct Timeline {
    waiting: BinaryHeap<Reverse<Waiting>>,
    delays: ChaCha8Rng,
    disorder_ms: i64,
    pushed: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    arrival_ms: i64,
    /// Ties are broken by the order of creation.
    number: u64,
    ts_ms: i64,
    key: String,
    rest: String,
}

impl Timeline {
    /// Adds an event of the actor `key` at `ts_ms`; `rest` are the columns behind `key` and `ts`.
    pub(crate) fn push(&mut self, key: &str, ts_ms: i64, rest: String) {
        let delay = self.delays.random_range(0..=self.disorder_ms);
        self.waiting.push(Reverse(Waiting {
            arrival_ms: ts_ms + delay,
            number: self.pushed,
            ts_ms,
            key: key.to_owned(),
            rest,
        }));
        self.pushed += 1;
    }
}

/// Writes a header and `rows` events, none more than `disorder_ms` behind a later one.
pub fn write_events(
    kind: Kind,
    size: Size,
    rows: u64,
    seed: u64,
    disorder_ms: i64,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut scenario = kind.scenario(size);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut delays = ChaCha8Rng::seed_from_u64(seed);
    delays.set_stream(1);
    let mut timeline = Timeline { waiting: BinaryHeap::new(), delays, disorder_ms, pushed: 0 };
    writeln!(out, "{}", scenario.header())?;
    let mut now_ms = START_MS;
    let mut written = 0;
    let mut line = String::new();
    while written < rows {
        // Whatever happens from here on happens after now, so what has arrived by now is complete.
        while let Some(Reverse(event)) = timeline.waiting.peek()
            && event.arrival_ms < now_ms
            && written < rows
        {
            line.clear();
            line.push_str(&event.key);
            line.push(',');
            write_timestamp(event.ts_ms, &mut line);
            line.push(',');
            line.push_str(&event.rest);
            line.push('\n');
            out.write_all(line.as_bytes())?;
            timeline.waiting.pop();
            written += 1;
        }
        scenario.act(now_ms, &mut random, &mut timeline);
        now_ms += random.random_range(0..=scenario.mean_gap_ms() * 2);
    }
    Ok(())
}
