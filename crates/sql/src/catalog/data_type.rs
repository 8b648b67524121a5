//! SQL types and Arrow's: the same mapping in `CREATE TABLE` and in CAST.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::DataFusionError;
use datafusion::logical_expr::planner::TypePlanner;
use dipper_graph::into_datafusion;
use dipper_types::{Error, Result};
use sqlparser::ast::{ArrayElemTypeDef, DataType as SqlType, ExactNumberInfo, TimezoneInfo};

const DECIMAL_DIGITS_MAX: u64 = 38;

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
        SqlType::String(_)
        | SqlType::Text
        | SqlType::Char(_)
        | SqlType::Character(_)
        | SqlType::Varchar(_)
        | SqlType::CharVarying(_)
        | SqlType::CharacterVarying(_) => DataType::Utf8,
        SqlType::Bytes(_) | SqlType::Bytea | SqlType::Binary(_) | SqlType::Varbinary(_) => DataType::Binary,
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

/// The name a user knows a type by.
pub fn sql_type_name(data_type: &DataType) -> String {
    let precision = |unit: &TimeUnit| match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    match data_type {
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::UInt8 => "TINYINT UNSIGNED".to_owned(),
        DataType::UInt16 => "SMALLINT UNSIGNED".to_owned(),
        DataType::UInt32 => "INT UNSIGNED".to_owned(),
        DataType::UInt64 => "BIGINT UNSIGNED".to_owned(),
        DataType::Float16 | DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            format!("DECIMAL({precision}, {scale})")
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "BYTES".to_owned()
        }
        DataType::Date32 | DataType::Date64 => "DATE".to_owned(),
        DataType::Time32(unit) | DataType::Time64(unit) => format!("TIME({})", precision(unit)),
        DataType::Timestamp(unit, None) => format!("TIMESTAMP({})", precision(unit)),
        DataType::Timestamp(unit, Some(_)) => format!("TIMESTAMP_LTZ({})", precision(unit)),
        DataType::Interval(_) => "INTERVAL".to_owned(),
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => {
            format!("ARRAY<{}>", sql_type_name(element.data_type()))
        }
        DataType::Dictionary(_, value) => sql_type_name(value),
        DataType::Null => "NULL".to_owned(),
        other => other.to_string(),
    }
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
