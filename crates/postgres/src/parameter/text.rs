//! Parameters as text.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use super::number::decimal;
use super::{array, cast};
use crate::encode::is_decimal_text;
use crate::failure::{Failure, Result, invalid_value};
use crate::sqlstate;

/// The value that a text says, as one of the type `target`. A moment that names no zone is one of UTC, as in a literal.
pub(super) fn value(text: &str, target: &DataType) -> Result<ScalarValue> {
    let trimmed = text.trim();
    let wrong = || invalid_value(&text, target);
    match target {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(ScalarValue::from(text)),
        DataType::Boolean => boolean(trimmed).map(ScalarValue::from).ok_or_else(wrong),
        number if number.is_integer() => {
            let is_number = is_decimal_text(trimmed) && !trimmed.contains(['.', 'e', 'E']);
            if !is_number {
                return Err(wrong());
            }
            let parsed = trimmed.parse::<i128>().ok().and_then(|value| integer(value, number));
            parsed.ok_or_else(|| {
                let message = format!("value \"{trimmed}\" is out of range for type {number}");
                Failure::new(sqlstate::NUMERIC_OUT_OF_RANGE, message)
            })
        }
        number if number.is_floating() => {
            let number = trimmed.parse::<f64>().map_err(|_| wrong())?;
            cast(ScalarValue::from(number), target)
        }
        DataType::Decimal128(precision, scale) => {
            let value = decimal(trimmed, *precision, *scale)?;
            Ok(ScalarValue::Decimal128(Some(value), *precision, *scale))
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            cast(ScalarValue::Binary(Some(bytes(text).ok_or_else(wrong)?)), target)
        }
        DataType::Timestamp(..) | DataType::Date32 if matches!(trimmed, "infinity" | "-infinity") => {
            Err(Failure::unsupported("a timestamp that is infinite"))
        }
        DataType::Date32 => {
            // A time, or a zone, that stands behind it does not count; an era would.
            let (date, behind) = trimmed.split_once([' ', 'T']).unwrap_or((trimmed, ""));
            let is_plain = !behind.contains(|character: char| character.is_alphabetic() && character != 'Z');
            let value = Some(ScalarValue::from(date)).filter(|_| is_plain).ok_or_else(wrong)?;
            cast(value, target).map_err(|_| wrong())
        }
        DataType::Timestamp(_, None) => {
            // What it says of a zone does not count.
            let time = trimmed.find([' ', 'T']).unwrap_or(trimmed.len());
            let end = trimmed[time..].find(['+', '-', 'Z']).map_or(trimmed.len(), |end| time + end);
            cast(ScalarValue::from(trimmed[..end].trim_end()), target).map_err(|_| wrong())
        }
        list if array::item_of(list).is_some() => {
            let item = array::item_of(list).unwrap_or(list);
            let items = array::items(text)?;
            let items = items.into_iter().map(|text| text.map(|text| value(&text, item)).transpose());
            array::list(items.collect::<Result<Vec<_>>>()?, item)
        }
        other => cast(ScalarValue::from(trimmed), other).map_err(|_| wrong()),
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// The number as one of the type, if it is in its range.
fn integer(value: i128, target: &DataType) -> Option<ScalarValue> {
    Some(match target {
        DataType::Int8 => i8::try_from(value).ok()?.into(),
        DataType::Int16 => i16::try_from(value).ok()?.into(),
        DataType::Int32 => i32::try_from(value).ok()?.into(),
        DataType::Int64 => i64::try_from(value).ok()?.into(),
        DataType::UInt8 => u8::try_from(value).ok()?.into(),
        DataType::UInt16 => u16::try_from(value).ok()?.into(),
        DataType::UInt32 => u32::try_from(value).ok()?.into(),
        DataType::UInt64 => u64::try_from(value).ok()?.into(),
        _ => return None,
    })
}

/// Bytes as hexadecimal digits or with escapes.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if let Some(digits) = text.strip_prefix(b"\\x") {
        let digit = |digit: u8| char::from(digit).to_digit(16).map(|digit| digit as u8);
        let pairs = digits.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?));
        return pairs.collect();
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((first, behind)) = rest.split_first() {
        rest = match (first, behind) {
            (b'\\', [b'\\', behind @ ..]) => {
                bytes.push(b'\\');
                behind
            }
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', behind @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                behind
            }
            (b'\\', _) => return None,
            (byte, behind) => {
                bytes.push(*byte);
                behind
            }
        };
    }
    Some(bytes)
}
