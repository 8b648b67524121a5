//! Durations in options, as Flink writes them: `5 s`, `500ms`, `1 min`.

use dipper_types::{Error, Result};

const UNITS: &[(&[&str], u64)] = &[
    (&["", "ms", "milli", "millis", "millisecond", "milliseconds"], 1),
    (&["s", "sec", "secs", "second", "seconds"], 1_000),
    (&["m", "min", "mins", "minute", "minutes"], 60_000),
    (&["h", "hour", "hours"], 3_600_000),
    (&["d", "day", "days"], 86_400_000),
];

/// The milliseconds of a duration.
pub(super) fn parse_duration_ms(text: &str) -> Result<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = text[digits..].trim().to_lowercase();
    let factor = UNITS.iter().find(|(names, _)| names.contains(&unit.as_str())).map(|(_, factor)| *factor);
    match (text[..digits].parse::<u64>(), factor) {
        (Ok(number), Some(factor)) => number.checked_mul(factor),
        _ => None,
    }
    .ok_or_else(|| {
        Error::invalid(format!("'{text}' is no duration")).with_hint("write '500 ms', '5 s', '1 min' or '2 h'")
    })
}
