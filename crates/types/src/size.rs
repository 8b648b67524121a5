//! Sizes in options, as Flink writes them: `64 kb`, `128mb`.

use crate::{Error, Result};

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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        for (text, bytes) in [("128mb", 128 << 20), ("64 kb", 64 << 10), ("7", 7), ("1 GB", 1 << 30)] {
            assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "mb", "1 xb", "99999999999999999999", "99999999999 gb"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
