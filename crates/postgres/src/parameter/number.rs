//! Parameters that are numbers with a decimal point: they keep all their digits, or are refused.

use arrow::datatypes::DataType;

use super::kind::NUMERIC;
use crate::encode::is_decimal_text;
use crate::failure::{Failure, Result, invalid_value};
use crate::sqlstate;

/// The digits of a text, those behind the point and what its exponent adds to them.
struct Digits<'a> {
    /// Without zeros before the first and behind the last.
    significant: &'a str,
    /// By which power of ten they count.
    exponent: i64,
}

/// A type for a number that the type of all numbers has no room for; nothing if it has, or no type has.
pub(super) fn roomy(text: &str) -> Option<DataType> {
    if !is_decimal_text(text) || decimal(text, NUMERIC.0, NUMERIC.1).is_ok() {
        return None;
    }
    let all = digits_of(text)?;
    let exponent = parts(text, &all)?.exponent;
    let scale = i8::try_from((-exponent).clamp(0, i64::from(NUMERIC.0))).ok()?;
    decimal(text, NUMERIC.0, scale).ok().map(|_| DataType::Decimal128(NUMERIC.0, scale))
}

/// All digits of a number, without its zeros in front.
fn digits_of(text: &str) -> Option<String> {
    let mantissa = text.split(['e', 'E']).next()?;
    Some(mantissa.chars().filter(char::is_ascii_digit).skip_while(|digit| *digit == '0').collect())
}

fn parts<'a>(text: &str, digits: &'a str) -> Option<Digits<'a>> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().ok()?;
    let behind = mantissa.split_once('.').map_or(0, |(_, behind)| behind.len());
    let significant = digits.trim_end_matches('0');
    let zeros = digits.len() - significant.len();
    Some(Digits { significant, exponent: i64::from(exponent) - behind as i64 + zeros as i64 })
}

/// A number exactly, in units of its last digit.
pub(super) fn decimal(text: &str, precision: u8, scale: i8) -> Result<i128> {
    let target = DataType::Decimal128(precision, scale);
    let digits = digits_of(text).filter(|_| is_decimal_text(text)).ok_or_else(|| invalid_value(&text, &target))?;
    let value = (|| {
        let Digits { significant, exponent } = parts(text, &digits)?;
        if significant.is_empty() {
            return Some(0);
        }
        let factor = 10_i128.checked_pow(u32::try_from(exponent + i64::from(scale)).ok()?)?;
        let value = significant.parse::<i128>().ok()?.checked_mul(factor)?;
        (value < 10_i128.checked_pow(precision.into())?).then_some(value)
    })();
    let value = value.ok_or_else(|| {
        let message = format!("the number {text} does not fit into {target}");
        Failure::new(sqlstate::NUMERIC_OUT_OF_RANGE, message)
            .with_hint("round it, or CAST the parameter to a type with more digits")
    })?;
    Ok(if text.starts_with('-') { -value } else { value })
}
