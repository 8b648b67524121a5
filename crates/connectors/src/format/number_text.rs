//! Whether a number as it is written fits a column, digit for digit: what Arrow's parsers cut off or let overflow.

use arrow::datatypes::DataType;

/// How much of a value is shown in a message, in characters.
const SHOWN: usize = 60;

/// The value, cut to what a message can show.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A decimal number: its digits without zeros before and behind, and the power of ten of the last one.
struct Digits {
    count: i64,
    exponent: i64,
}

/// Reads `[+-]digits[.digits][e[+-]digits]`.
fn digits(text: &str) -> Option<Digits> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            // Beyond any number of digits, however long.
            let far = if exponent.starts_with('-') { i64::MIN / 4 } else { i64::MAX / 4 };
            (mantissa, exponent.parse().unwrap_or(far).clamp(i64::MIN / 4, i64::MAX / 4))
        }
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let all = whole.len() + fraction.len();
    let fraction = fraction.len();
    let bytes = || mantissa.bytes().filter(|byte| *byte != b'.');
    let leading = bytes().take_while(|byte| *byte == b'0').count();
    if leading == all {
        return Some(Digits { count: 0, exponent: 0 });
    }
    let trailing = bytes().rev().take_while(|byte| *byte == b'0').count();
    Some(Digits { count: (all - leading - trailing) as i64, exponent: exponent - fraction as i64 + trailing as i64 })
}

/// Whether a number keeps all its digits in a DECIMAL. `None` if the text is no number.
pub(crate) fn decimal_fits(text: &str, precision: u8, scale: i8) -> Option<bool> {
    let number = digits(text)?;
    let (precision, scale) = (i64::from(precision), i64::from(scale));
    Some(number.count == 0 || (-number.exponent <= scale && number.count + number.exponent <= precision - scale))
}

/// Whether a number is a whole one. `None` if the text is no number.
fn is_whole(text: &str) -> Option<bool> {
    digits(text).map(|number| number.count == 0 || number.exponent >= 0)
}

/// Whether the text asks for infinity by name, and not by a number that is too large.
pub(crate) fn names_infinity(text: &str) -> bool {
    text.bytes().all(|byte| !byte.is_ascii_digit())
}

/// Whether the text is a number that a column of this type cannot hold as it is written.
pub(crate) fn is_out_of_range(text: &str, data_type: &DataType) -> bool {
    match data_type {
        DataType::Decimal128(precision, scale) => decimal_fits(text, *precision, *scale) == Some(false),
        DataType::Float32 => text.parse().is_ok_and(f32::is_infinite) && !names_infinity(text),
        DataType::Float64 => text.parse().is_ok_and(f64::is_infinite) && !names_infinity(text),
        _ => false,
    }
}

/// Whether a JSON number can be read into a column of this type without changing it. What is no number is left to the
/// parser.
pub(crate) fn json_number_fits(text: &str, data_type: &DataType) -> bool {
    // Nothing that is so short and has digits only can be beyond 64 bits.
    let is_plain = text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain && !matches!(data_type, DataType::Decimal128(..)) {
        return true;
    }
    if data_type.is_integer() {
        // Arrow reads what is not digits only by way of a double, which is exact below 2^53.
        let is_exact = || text.parse().is_ok_and(|number: f64| number.abs() < 9_007_199_254_740_992.0);
        let is_digits = text.strip_prefix('-').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit());
        return match is_whole(text) {
            None => true,
            Some(_) if is_digits && data_type.is_unsigned_integer() => text.parse::<u64>().is_ok(),
            Some(_) if is_digits => text.parse::<i64>().is_ok(),
            Some(whole) => whole && is_exact(),
        };
    }
    // Without an exponent it takes 39 digits to leave the range of a FLOAT.
    let is_small = data_type.is_floating() && text.len() <= 38 && !text.contains(['e', 'E']);
    is_small || !is_out_of_range(text, data_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_fits_when_it_keeps_all_its_digits() {
        for text in
            ["1.23", "-999.99", "1.2300", "0", "000.10", "1e2", "12300e-4", ".5", "5.", "0e999999999999999999999"]
        {
            assert_eq!(decimal_fits(text, 5, 2), Some(true), "{text}");
        }
        for text in ["1.239", "1000", "1e3", "1e-3", "1e99999999999999999999", "1e-99999999999999999999"] {
            assert_eq!(decimal_fits(text, 5, 2), Some(false), "{text}");
        }
        for text in ["", ".", "-", "x", "1e", "1e+", "1.2.3", "0x10", "--1"] {
            assert_eq!(decimal_fits(text, 5, 2), None, "{text}");
        }
    }

    #[test]
    fn a_whole_column_takes_whole_numbers_that_a_double_has_not_changed() {
        for text in ["5", "-5", "5.0", "5e0", "1.5e1", "9223372036854775807", "-9223372036854775808"] {
            assert!(json_number_fits(text, &DataType::Int64), "{text}");
        }
        for text in ["5.9", "5e-1", "9223372036854775808", "-9223372036854775809", "9007199254740993.0"] {
            assert!(!json_number_fits(text, &DataType::Int64), "{text}");
        }
        assert!(json_number_fits("18446744073709551615", &DataType::UInt64));
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        assert_eq!(shortened(&"ü".repeat(61)), format!("{}…", "ü".repeat(60)));
        assert_eq!(shortened("short"), "short");
    }
}
