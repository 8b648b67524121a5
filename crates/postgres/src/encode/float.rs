//! Floating-point numbers: as few digits as tell them from all others, or as many as are asked for.

use std::fmt::LowerExp;

use arrow::array::{Float32Array, Float64Array};
use bytes::{BufMut, BytesMut};

use super::{Format, Style, Write};

/// Single precision: so many digits are always right.
const SINGLE_DIGITS: i32 = 6;
/// Double precision: so many digits are always right.
const DOUBLE_DIGITS: i32 = 15;

pub(super) fn singles(array: Float32Array, format: Format, style: &Style) -> Write {
    let digits = style.float_digits;
    match format {
        Format::Text => Box::new(move |row, out| {
            let value = array.value(row);
            text(out, value, special(value.into()), SINGLE_DIGITS, digits);
            Ok(())
        }),
        Format::Binary => Box::new(move |row, out| {
            out.put_f32(array.value(row));
            Ok(())
        }),
    }
}

pub(super) fn doubles(array: Float64Array, format: Format, style: &Style) -> Write {
    let digits = style.float_digits;
    match format {
        Format::Text => Box::new(move |row, out| {
            let value = array.value(row);
            text(out, value, special(value), DOUBLE_DIGITS, digits);
            Ok(())
        }),
        Format::Binary => Box::new(move |row, out| {
            out.put_f64(array.value(row));
            Ok(())
        }),
    }
}

/// What has no digits.
fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("Infinity")
    } else if value == f64::NEG_INFINITY {
        Some("-Infinity")
    } else if value == 0.0 {
        Some(if value.is_sign_negative() { "-0" } else { "0" })
    } else {
        None
    }
}

fn text(out: &mut BytesMut, value: impl LowerExp, special: Option<&str>, sure_digits: i32, extra_digits: i32) {
    if let Some(special) = special {
        return out.put_slice(special.as_bytes());
    }
    let (written, places) = if extra_digits > 0 {
        (format!("{value:e}"), sure_digits)
    } else {
        let places = (sure_digits + extra_digits).max(1);
        (format!("{value:.*e}", (places - 1) as usize), places)
    };
    // Rust writes both as `-1.25e-7`.
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (minus, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(|digit| *digit != '.').collect();
    let digits = digits.trim_end_matches('0');
    out.put_slice(minus.as_bytes());
    out.put_slice(placed(digits, exponent, places).as_bytes());
}

/// The digits, the first of which counts ten to the power of `exponent`, with a point or an exponent as C writes them.
fn placed(digits: &str, exponent: i32, places: i32) -> String {
    if !(-4..places).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{first}{point}{rest}e{sign}{:02}", exponent.abs());
    }
    let Ok(before) = usize::try_from(exponent + 1) else {
        return format!("0.{}{digits}", "0".repeat((-exponent - 1) as usize));
    };
    match before {
        0 => format!("0.{digits}"),
        _ if digits.len() <= before => format!("{digits}{}", "0".repeat(before - digits.len())),
        _ => format!("{}.{}", &digits[..before], &digits[before..]),
    }
}
