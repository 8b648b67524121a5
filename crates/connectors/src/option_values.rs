//! What option values are written like: durations, sizes, booleans, single characters.

use std::time::Duration;

use dipper_types::{Error, Result};

/// Reads a duration as Flink writes it (`5 s`, `30 min`, `500ms`) or in humantime's words (`1h 30m`).
/// A bare number is milliseconds, as in Flink.
pub fn parse_duration(text: &str) -> Result<Duration> {
    let text = text.trim();
    if let Ok(millis) = text.parse::<u64>() {
        return Ok(Duration::from_millis(millis));
    }
    humantime::parse_duration(text).map_err(|_| {
        Error::invalid(format!("'{text}' is not a duration"))
            .with_hint("write it as '500 ms', '5 s', '30 min' or '1 h'")
    })
}

/// Reads a size in bytes: `128mb`, `64 kb`, `1 gb`, a bare number of bytes. Units are powers of 1024, as in Flink.
pub fn parse_size(text: &str) -> Result<u64> {
    let lower = text.trim().to_lowercase();
    let split = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let shift = match lower[split..].trim() {
        "" | "b" | "bytes" => Some(0),
        "k" | "kb" | "kib" | "kibibytes" => Some(10),
        "m" | "mb" | "mib" | "mebibytes" => Some(20),
        "g" | "gb" | "gib" | "gibibytes" => Some(30),
        "t" | "tb" | "tib" | "tebibytes" => Some(40),
        _ => None,
    };
    let number = lower[..split].parse::<u64>().ok();
    shift.zip(number).and_then(|(shift, number): (u32, u64)| number.checked_mul(1 << shift)).ok_or_else(|| {
        Error::invalid(format!("'{text}' is not a size")).with_hint("write it as '128mb', '64 kb' or a number of bytes")
    })
}

/// Reads `true` or `false`.
pub(crate) fn parse_bool(text: &str) -> Result<bool> {
    match text.trim().to_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error::invalid(format!("'{text}' is not a boolean")).with_hint("write 'true' or 'false'")),
    }
}

/// Reads one character below 128; `\t` and its like may be written as escapes.
pub(crate) fn parse_ascii_char(text: &str) -> Result<u8> {
    match text {
        "\\t" => return Ok(b'\t'),
        "\\\\" => return Ok(b'\\'),
        "\\u0001" => return Ok(1),
        _ => {}
    }
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Ok(*byte),
        _ => Err(Error::invalid(format!("'{text}' is not a single ASCII character"))
            .with_hint("write one character such as ',' or ';', or '\\t' for a tab")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::*;

    #[test]
    fn durations_are_read_as_flink_writes_them() {
        for (text, millis) in
            [("5 s", 5_000), ("30 min", 1_800_000), ("500ms", 500), ("250", 250), ("1h 30m", 5_400_000)]
        {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        assert!(parse_duration("soon").is_err());
    }

    #[test]
    fn sizes_have_binary_units() {
        for (text, bytes) in [("128mb", 128 << 20), ("64 kb", 64 << 10), ("7", 7), ("1 GB", 1 << 30)] {
            assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "mb", "1 xb", "99999999999999999999", "99999999999 gb"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_delimiter_is_one_character_or_an_escape() {
        assert_eq!(parse_ascii_char(";").unwrap(), b';');
        assert_eq!(parse_ascii_char("\\t").unwrap(), b'\t');
        assert_eq!(parse_ascii_char("\t").unwrap(), b'\t');
        for text in ["", "ab", "é", "\n"] {
            assert!(parse_ascii_char(text).is_err(), "{text}");
        }
    }
}
