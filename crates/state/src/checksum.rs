//! XXH3-64, written as sixteen hexadecimal digits: JSON numbers do not hold 64 bits everywhere.

use std::fmt;
use std::hash::Hasher;

use dipper_types::{Error, Result};
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

/// The checksum of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Checksum(pub u64);

impl Checksum {
    /// Of one piece.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(XxHash3_64::oneshot(bytes))
    }

    /// Of several pieces, as if they were one.
    pub(crate) fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hasher = XxHash3_64::new();
        for part in parts {
            hasher.write(part);
        }
        Self(hasher.finish())
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> Self {
        checksum.to_string()
    }
}

impl TryFrom<String> for Checksum {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        let digits = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let value = digits.then(|| u64::from_str_radix(&text, 16).ok()).flatten();
        value.map(Self).ok_or_else(|| Error::invalid(format!("'{text}' is not a checksum of 16 hexadecimal digits")))
    }
}
