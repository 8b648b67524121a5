//! What every data set promises to those who read it.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::HashSet;

use crate::{DISORDER_MS, Kind, Size, write_events};

fn data(kind: Kind, keys: Option<u32>, rows: u64, seed: u64) -> String {
    let mut out = Vec::new();
    write_events(kind, Size { keys }, rows, seed, DISORDER_MS, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Milliseconds since year 0, every month taken to have 31 days: good enough to compare.
fn millis(ts: &str) -> i64 {
    let number = |from: usize, to: usize| ts[from..to].parse::<i64>().unwrap();
    let days = (number(0, 4) * 12 + number(5, 7)) * 31 + number(8, 10);
    ((days * 24 + number(11, 13)) * 60 + number(14, 16)) * 60_000 + number(17, 19) * 1000 + number(20, 23)
}

#[test]
fn a_seed_decides_the_bytes() {
    for kind in Kind::ALL {
        let once = data(kind, None, 3_000, 1);
        assert_eq!(once.lines().count(), 3_001, "{kind:?}");
        assert_eq!(once, data(kind, None, 3_000, 1), "{kind:?}");
        assert_ne!(once, data(kind, None, 3_000, 2), "{kind:?}");
    }
}

#[test]
fn rows_are_out_of_order_by_less_than_two_seconds_and_no_key_has_two_at_once() {
    for kind in Kind::ALL {
        let (keys, rows) = kind.example_size();
        let text = data(kind, Some(keys), rows, 7);
        assert!(text.len() < 60_000, "{kind:?}");
        let mut latest = 0;
        let mut seen = HashSet::new();
        for line in text.lines().skip(1) {
            let mut columns = line.split(',');
            let (key, ts) = (columns.next().unwrap(), columns.next().unwrap());
            assert!(millis(ts) > latest - 2_000, "{kind:?}: {line}");
            latest = latest.max(millis(ts));
            assert!(seen.insert((key, ts)), "{kind:?}: {line}");
        }
    }
}

#[test]
fn popular_symbols_tick_more() {
    let text = data(Kind::Ticks, None, 20_000, 1);
    let ticks = |symbol: &str| text.lines().filter(|line| line.starts_with(symbol)).count();
    assert!(ticks("AAA,") > 10 * ticks("AAZ,").max(1));
}
