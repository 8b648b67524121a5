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
    fn a_delimiter_is_one_character_or_an_escape() {
        assert_eq!(parse_ascii_char(";").unwrap(), b';');
        assert_eq!(parse_ascii_char("\\t").unwrap(), b'\t');
        assert_eq!(parse_ascii_char("\t").unwrap(), b'\t');
        for text in ["", "ab", "é", "\n"] {
            assert!(parse_ascii_char(text).is_err(), "{text}");
        }
    }
}
