//! SQL types and Arrow's: the same mapping in `CREATE TABLE` and in CAST.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::DataFusionError;
use datafusion::logical_expr::planner::TypePlanner;
use dipper_graph::into_datafusion;
use dipper_types::{Error, Result};
use sqlparser::ast::{
    ArrayElemTypeDef, BinaryLength, CharacterLength, DataType as SqlType, ExactNumberInfo, TimezoneInfo,
};

const DECIMAL_DIGITS_MAX: u64 = 38;

/// The length that Flink's STRING and BYTES stand for.
const LENGTH_MAX: u64 = 2_147_483_647;

/// The zone of TIMESTAMP_LTZ: an instant, shown in UTC.
const UTC: &str = "UTC";

/// The Arrow type of an SQL type.
pub(super) fn arrow_type(sql: &SqlType) -> Result<DataType> {
    known(sql)?.ok_or_else(|| Error::unsupported(format!("the type {sql} is not supported")))
}

fn known(sql: &SqlType) -> Result<Option<DataType>> {
    Ok(Some(match sql {
        SqlType::Boolean | SqlType::Bool => DataType::Boolean,
        SqlType::TinyInt(_) => DataType::Int8,
        SqlType::SmallInt(_) | SqlType::Int2(_) => DataType::Int16,
        SqlType::Int(_) | SqlType::Integer(_) | SqlType::Int4(_) => DataType::Int32,
        SqlType::BigInt(_) | SqlType::Int8(_) => DataType::Int64,
        SqlType::Float(_) | SqlType::Real | SqlType::Float4 => DataType::Float32,
        SqlType::Double(_) | SqlType::DoublePrecision | SqlType::Float8 => DataType::Float64,
        SqlType::Decimal(digits) | SqlType::Numeric(digits) | SqlType::Dec(digits) => decimal(digits)?,
        SqlType::Text => DataType::Utf8,
        SqlType::String(length) => unlimited(sql, *length, DataType::Utf8)?,
        SqlType::Char(length)
        | SqlType::Character(length)
        | SqlType::Varchar(length)
        | SqlType::CharVarying(length)
        | SqlType::CharacterVarying(length) => unlimited(sql, characters(*length), DataType::Utf8)?,
        SqlType::Bytea => DataType::Binary,
        SqlType::Bytes(length) | SqlType::Binary(length) => unlimited(sql, *length, DataType::Binary)?,
        SqlType::Varbinary(length) => unlimited(sql, octets(*length), DataType::Binary)?,
        SqlType::Date => DataType::Date32,
        SqlType::Time(precision, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => match unit(*precision, 0)? {
            unit @ (TimeUnit::Second | TimeUnit::Millisecond) => DataType::Time32(unit),
            unit => DataType::Time64(unit),
        },
        SqlType::Timestamp(precision, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            DataType::Timestamp(unit(*precision, 6)?, None)
        }
        SqlType::Timestamp(precision, _) => instant(*precision)?,
        SqlType::Custom(name, modifiers) if name.to_string().eq_ignore_ascii_case("TIMESTAMP_LTZ") => {
            let precision = match modifiers.as_slice() {
                [] => None,
                [one] => Some(one.parse().map_err(|_| bad_precision(one))?),
                _ => return Err(bad_precision(&modifiers.join(", "))),
            };
            instant(precision)?
        }
        SqlType::Array(ArrayElemTypeDef::AngleBracket(element) | ArrayElemTypeDef::SquareBracket(element, None)) => {
            match known(element)? {
                Some(element) => DataType::List(Arc::new(Field::new_list_field(element, true))),
                None => return Ok(None),
            }
        }
        _ => return Ok(None),
    }))
}

/// A type without a limit to its length: Flink's longest is none, any other would have to be checked.
fn unlimited(sql: &SqlType, length: Option<u64>, data_type: DataType) -> Result<DataType> {
    if length.is_none_or(|length| length == LENGTH_MAX) {
        return Ok(data_type);
    }
    let instead = if data_type == DataType::Utf8 { "STRING" } else { "BYTES" };
    Err(Error::unsupported(format!("the length in {sql} is not supported"))
        .with_hint(format!("use {instead}, which has no limit")))
}

fn characters(length: Option<CharacterLength>) -> Option<u64> {
    match length {
        Some(CharacterLength::IntegerLength { length, .. }) => Some(length),
        Some(CharacterLength::Max) | None => None,
    }
}

fn octets(length: Option<BinaryLength>) -> Option<u64> {
    match length {
        Some(BinaryLength::IntegerLength { length }) => Some(length),
        Some(BinaryLength::Max) | None => None,
    }
}

fn instant(precision: Option<u64>) -> Result<DataType> {
    Ok(DataType::Timestamp(unit(precision, 6)?, Some(UTC.into())))
}

/// The coarsest unit that holds a precision, but for timestamps nothing coarser than milliseconds.
fn unit(precision: Option<u64>, default: u64) -> Result<TimeUnit> {
    match precision.unwrap_or(default) {
        0..=3 => Ok(TimeUnit::Millisecond),
        4..=6 => Ok(TimeUnit::Microsecond),
        7..=9 => Ok(TimeUnit::Nanosecond),
        more => Err(bad_precision(&more.to_string())),
    }
}

fn bad_precision(text: &str) -> Error {
    Error::invalid(format!("precision {text} of a time: it goes from 0 to 9"))
}

fn decimal(digits: &ExactNumberInfo) -> Result<DataType> {
    let (precision, scale) = match *digits {
        ExactNumberInfo::None => (10, 0),
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    if !(1..=DECIMAL_DIGITS_MAX).contains(&precision) || scale < 0 || scale as u64 > precision {
        return Err(Error::invalid(format!(
            "DECIMAL({precision}, {scale}): 1 to 38 digits, of them 0 to all behind the point"
        )));
    }
    Ok(DataType::Decimal128(precision as u8, scale as i8))
}

/// Our types in CAST and in typed literals.
#[derive(Debug)]
pub(crate) struct SqlTypes;

impl TypePlanner for SqlTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>, DataFusionError> {
        let known = known(sql_type).map_err(into_datafusion)?;
        Ok(known.map(|data_type| Arc::new(Field::new("", data_type, true))))
    }
}
