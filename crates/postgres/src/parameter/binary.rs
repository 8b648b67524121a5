//! Parameters in binary.

use std::fmt::Write as _;

use arrow::datatypes::{DataType, IntervalMonthDayNano};
use bytes::{Buf, Bytes};
use datafusion::common::ScalarValue;

use super::kind::{Kind, NUMERIC, data_type, kind};
use super::{array, text};
use crate::encode::{POSTGRES_EPOCH_DAYS, POSTGRES_EPOCH_MICROS, digits_of_groups};
use crate::failure::{Failure, Result, out_of_range};
use crate::frontend::{Body, invalid_text};
use crate::sqlstate;

/// The value of these bytes.
pub(super) fn value(bytes: &Bytes, kind: Kind, target: &DataType) -> Result<ScalarValue> {
    let mut rest = bytes.clone();
    let value = match kind {
        Kind::Boolean => ScalarValue::from(rest.try_get_u8().map_err(|_| invalid())? != 0),
        Kind::Bytes => ScalarValue::Binary(Some(std::mem::take(&mut rest).to_vec())),
        Kind::Int2 => ScalarValue::from(rest.try_get_i16().map_err(|_| invalid())?),
        Kind::Int4 => ScalarValue::from(rest.try_get_i32().map_err(|_| invalid())?),
        Kind::Int8 => ScalarValue::from(rest.try_get_i64().map_err(|_| invalid())?),
        Kind::Identifier => ScalarValue::from(i64::from(rest.try_get_u32().map_err(|_| invalid())?)),
        Kind::Float4 => ScalarValue::from(rest.try_get_f32().map_err(|_| invalid())?),
        Kind::Float8 => ScalarValue::from(rest.try_get_f64().map_err(|_| invalid())?),
        Kind::Numeric => numeric(&mut rest, target)?,
        Kind::Text => string(std::mem::take(&mut rest))?,
        Kind::JsonBinary => {
            if rest.try_get_u8().map_err(|_| invalid())? != 1 {
                return Err(Failure::new(sqlstate::INVALID_BINARY, "unsupported jsonb version number"));
            }
            string(std::mem::take(&mut rest))?
        }
        Kind::Uuid => uuid(&mut rest)?,
        Kind::Date => {
            let days = i64::from(rest.try_get_i32().map_err(|_| invalid())?) + POSTGRES_EPOCH_DAYS;
            ScalarValue::Date32(Some(days.try_into().map_err(|_| out_of_range("date"))?))
        }
        Kind::Time => ScalarValue::Time64Microsecond(Some(rest.try_get_i64().map_err(|_| invalid())?)),
        Kind::Timestamp => ScalarValue::TimestampMicrosecond(Some(moment(&mut rest)?), None),
        Kind::TimestampWithZone => ScalarValue::TimestampMicrosecond(Some(moment(&mut rest)?), Some("+00:00".into())),
        Kind::Interval => interval(&mut rest)?,
        Kind::Array => items(&mut rest, target)?,
    };
    if rest.has_remaining() { Err(invalid()) } else { Ok(value) }
}

fn string(bytes: Bytes) -> Result<ScalarValue> {
    let text = String::from_utf8(bytes.into()).ok().filter(|text| !text.contains('\0'));
    text.map(ScalarValue::from).ok_or_else(invalid_text)
}

fn uuid(rest: &mut Bytes) -> Result<ScalarValue> {
    let mut text = String::new();
    for index in 0..16 {
        let byte = rest.try_get_u8().map_err(|_| invalid())?;
        let minus = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
        write!(text, "{minus}{byte:02x}").map_err(|_| invalid())?;
    }
    Ok(ScalarValue::from(text))
}

/// Microseconds since 1970.
fn moment(rest: &mut Bytes) -> Result<i64> {
    let micros = rest.try_get_i64().map_err(|_| invalid())?;
    // The first and the last number are not moments but infinity.
    if matches!(micros, i64::MIN | i64::MAX) {
        return Err(Failure::unsupported("a timestamp that is infinite"));
    }
    micros.checked_add(POSTGRES_EPOCH_MICROS).ok_or_else(|| out_of_range("timestamp"))
}

fn interval(rest: &mut Bytes) -> Result<ScalarValue> {
    let micros = rest.try_get_i64().map_err(|_| invalid())?;
    let days = rest.try_get_i32().map_err(|_| invalid())?;
    let months = rest.try_get_i32().map_err(|_| invalid())?;
    let nanos = micros.checked_mul(1_000).ok_or_else(|| out_of_range("interval"))?;
    Ok(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(months, days, nanos))))
}

fn numeric(rest: &mut Bytes, target: &DataType) -> Result<ScalarValue> {
    let digits = digits(rest)?;
    let number = if target.is_numeric() { target.clone() } else { DataType::Decimal128(NUMERIC.0, NUMERIC.1) };
    text::value(&digits, &number)
}

/// A number as text.
pub(super) fn digits(rest: &mut Bytes) -> Result<String> {
    let count = rest.try_get_u16().map_err(|_| invalid())?;
    let weight = rest.try_get_i16().map_err(|_| invalid())?;
    let sign = rest.try_get_u16().map_err(|_| invalid())?;
    let scale = rest.try_get_u16().map_err(|_| invalid())?;
    if usize::from(count) * 2 > rest.remaining() {
        return Err(invalid());
    }
    let groups: Vec<i16> = (0..count).map(|_| rest.get_i16()).collect();
    digits_of_groups(weight, sign, scale, &groups)
        .ok_or_else(|| Failure::unsupported("a number that is NaN or infinite as a parameter of type numeric"))
}

fn items(rest: &mut Bytes, target: &DataType) -> Result<ScalarValue> {
    let mut body = Body(std::mem::take(rest));
    let (dimensions, _, oid) = (body.u32()?, body.u32()?, body.u32()?);
    let (Some(kind), Some(item)) = (kind(oid).filter(|kind| *kind != Kind::Array), data_type(oid)) else {
        return Err(Failure::unsupported(format!("an array of the type with the oid {oid}")));
    };
    let length = match dimensions {
        0 => 0,
        1 => {
            let (length, _first) = (body.u32()?, body.u32()?);
            length as usize
        }
        _ => return Err(array::too_deep()),
    };
    // Every item has at least the four bytes of its length.
    if length > body.0.remaining() / 4 {
        return Err(invalid());
    }
    let item = array::item_of(target).unwrap_or(&item).clone();
    let mut values = Vec::with_capacity(length);
    for _ in 0..length {
        values.push(body.value()?.map(|bytes| value(&bytes, kind, &item)).transpose()?);
    }
    *rest = body.0;
    array::list(values, &item)
}

fn invalid() -> Failure {
    Failure::new(sqlstate::INVALID_BINARY, "incorrect binary data format in bind parameter")
}
