//! Writes milliseconds since 1970 as `YYYY-MM-DD HH:MM:SS.mmm`.

use std::time::{Duration, SystemTime};

/// When all data begins: 2024-01-01 09:30:00.
pub(crate) const START_MS: i64 = 1_704_101_400_000;

/// Appends a timestamp after 1970.
pub(crate) fn write_timestamp(ms: i64, out: &mut String) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(ms.unsigned_abs());
    let text = humantime::format_rfc3339_millis(time).to_string();
    out.push_str(&text.trim_end_matches('Z').replace('T', " "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (ms, expected) in [
            (START_MS, "2024-01-01 09:30:00.000"),
            (0, "1970-01-01 00:00:00.000"),
            (1_709_251_199_999, "2024-02-29 23:59:59.999"),
            (1_735_689_599_001, "2024-12-31 23:59:59.001"),
        ] {
            let mut text = String::new();
            write_timestamp(ms, &mut text);
            assert_eq!(text, expected);
        }
    }
}
