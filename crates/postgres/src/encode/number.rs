//! Numbers with a decimal point: as text, and as PostgreSQL's groups of four digits.

use std::fmt::Display;
use std::io::Write as _;

use bytes::{BufMut, BytesMut};

/// The sign of a negative number in binary.
const NEGATIVE: u16 = 0x4000;

/// Digits, of which the last `scale` stand behind the point.
pub(crate) struct Decimal {
    /// The digits, without zeros before the first; they begin at `start`. The longest are those of 256 bits.
    digits: [u8; 80],
    start: usize,
    end: usize,
    is_negative: bool,
    scale: i8,
}

impl Decimal {
    /// A whole number divided by ten to the power of `scale`.
    pub(super) fn new(value: impl Display, scale: i8) -> Self {
        let mut digits = [0; 80];
        let room = digits.len();
        let mut rest = &mut digits[..];
        // It has room for all.
        let written = write!(rest, "{value}").map_or(0, |()| room - rest.len());
        let is_negative = digits[0] == b'-';
        let digits_start = usize::from(is_negative);
        let zeros = digits[digits_start..written].iter().take_while(|digit| **digit == b'0').count();
        Self { digits, start: digits_start + zeros, end: written, is_negative, scale }
    }

    /// The digits before and behind the point.
    fn parts(&self) -> (&[u8], &[u8]) {
        let digits = &self.digits[self.start..self.end];
        let behind = usize::try_from(self.scale).unwrap_or(0);
        digits.split_at(digits.len().saturating_sub(behind))
    }

    /// How many digits behind the point are shown.
    fn shown_scale(&self) -> usize {
        usize::try_from(self.scale).unwrap_or(0)
    }

    /// How many zeros stand between the last digit and the point.
    fn zeros_at_end(&self) -> usize {
        if self.start == self.end { 0 } else { usize::from(self.scale.min(0).unsigned_abs()) }
    }

    pub(super) fn write_text(&self, out: &mut BytesMut) {
        let (whole, behind) = self.parts();
        if self.is_negative {
            out.put_u8(b'-');
        }
        if whole.is_empty() {
            out.put_u8(b'0');
        }
        out.put_slice(whole);
        out.put_bytes(b'0', self.zeros_at_end());
        if self.shown_scale() > 0 {
            out.put_u8(b'.');
            out.put_bytes(b'0', self.shown_scale() - behind.len());
            out.put_slice(behind);
        }
    }

    pub(super) fn write_binary(&self, out: &mut BytesMut) {
        let (whole, behind) = self.parts();
        // All digits, with zeros so that the point stands between two groups of four.
        let whole_length = whole.len() + self.zeros_at_end();
        let before = (4 - whole_length % 4) % 4;
        let mut digits = Vec::with_capacity(160);
        digits.resize(before, 0);
        digits.extend(whole.iter().map(|digit| digit - b'0'));
        digits.resize(before + whole_length, 0);
        digits.resize(digits.len() + self.shown_scale() - behind.len(), 0);
        digits.extend(behind.iter().map(|digit| digit - b'0'));
        digits.resize(digits.len().next_multiple_of(4), 0);
        let groups: Vec<i16> = digits
            .chunks_exact(4)
            .map(|group| group.iter().fold(0, |sum, digit| sum * 10 + i16::from(*digit)))
            .collect();
        let zeros = groups.iter().take_while(|group| **group == 0).count();
        let end = groups.iter().rposition(|group| *group != 0).map_or(zeros, |last| last + 1);
        let weight = (before + whole_length) as i16 / 4 - 1 - zeros as i16;
        let is_zero = zeros == end;
        out.put_u16((end - zeros) as u16);
        out.put_i16(if is_zero { 0 } else { weight });
        out.put_u16(if self.is_negative { NEGATIVE } else { 0 });
        out.put_u16(self.shown_scale() as u16);
        groups[zeros..end].iter().for_each(|group| out.put_i16(*group));
    }
}

/// The text of a number that came as groups of four digits; nothing if it is none, as NaN and what is infinite.
pub(crate) fn digits_of_groups(weight: i16, sign: u16, scale: u16, groups: &[i16]) -> Option<String> {
    if !matches!(sign, 0 | NEGATIVE) || groups.iter().any(|group| !(0..10_000).contains(group)) {
        return None;
    }
    let group = |index: i32| usize::try_from(index).ok().and_then(|index| groups.get(index)).copied().unwrap_or(0);
    let weight = i32::from(weight);
    let digits = |indexes: std::ops::RangeInclusive<i32>| {
        indexes.flat_map(|index| format!("{:04}", group(index)).into_bytes()).map(char::from).collect::<String>()
    };
    let mut whole = digits(0..=weight);
    let behind = digits(weight + 1..=weight + i32::from(scale.div_ceil(4)));
    whole.drain(..whole.len() - whole.trim_start_matches('0').len());
    let minus = if sign == NEGATIVE { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { &whole };
    Some(if scale == 0 {
        format!("{minus}{whole}")
    } else {
        format!("{minus}{whole}.{}", &behind[..usize::from(scale)])
    })
}

/// Whether a text is a number, perhaps with a point and an exponent.
pub(crate) fn is_decimal_text(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let unsigned = |text: &str| text.strip_prefix(['-', '+']).unwrap_or(text).to_owned();
    let (mantissa, exponent) = (unsigned(mantissa), unsigned(exponent));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, behind) = mantissa.split_once('.').unwrap_or((&mantissa, ""));
    digits(whole)
        && digits(behind)
        && !(whole.is_empty() && behind.is_empty())
        && digits(&exponent)
        && !exponent.is_empty()
}
