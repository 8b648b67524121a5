//! Writes milliseconds since 1970 as `YYYY-MM-DD HH:MM:SS.mmm`.

use std::fmt::Write;

/// When all data begins: 2024-01-01 09:30:00.
pub(crate) const START_MS: i64 = 1_704_101_400_000;

/// Appends a timestamp after 1970.
pub(crate) fn write_timestamp(ms: i64, out: &mut String) {
    let (days, ms_of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = date(days);
    let (seconds, millis) = (ms_of_day / 1000, ms_of_day % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    // Writing to a string cannot fail.
    let _ = write!(out, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{millis:03}");
}

/// The date that is `days` after 1970-01-01, by counting years and months.
fn date(mut days: i64) -> (i64, i64, i64) {
    let is_leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let mut year = 1970;
    while days >= 365 + i64::from(is_leap(year)) {
        days -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + i64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
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
