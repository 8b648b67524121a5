//! Values of columns in the formats of the protocol, text and binary, as PostgreSQL writes them.
//!
//! A column is looked at once ([`column`]); what comes of it writes the value of any row.

mod binary;
mod calendar;
mod column;
mod float;
mod json;
mod list;
mod number;
mod shown;
mod time;

pub(crate) use calendar::{POSTGRES_EPOCH_DAYS, POSTGRES_EPOCH_MICROS};
pub(crate) use column::{Column, columns};
pub(crate) use number::{digits_of_groups, is_decimal_text};
pub(crate) use shown::{Shown, shown};

use bytes::BytesMut;

use crate::failure::Result;

/// How a value is written. The numbers are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text = 0,
    Binary = 1,
}

/// What a client has set about how values are written as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Style {
    /// In which zone a moment is shown.
    pub(crate) time_zone: String,
    /// `extra_float_digits`: above zero as few digits as tell a number from all others.
    pub(crate) float_digits: i32,
    /// Whether bytes are written with escapes instead of as hexadecimal digits.
    pub(crate) escapes_bytes: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { time_zone: "UTC".to_owned(), float_digits: 1, escapes_bytes: false }
    }
}

/// Writes the value of a row, which is not null.
pub(crate) type Write = Box<dyn Fn(usize, &mut BytesMut) -> Result<()> + Send + Sync>;

#[cfg(test)]
mod tests;
