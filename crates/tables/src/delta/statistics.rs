//! Statistics of a file as JSON text in the log. Timestamps have milliseconds there: lower bounds are rounded down, upper ones up.

use std::collections::BTreeMap;
use std::fmt::Write;

use arrow::array::timezone::Tz;
use arrow::compute::kernels::cast_utils::{Parser, parse_decimal, string_to_datetime};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Schema};
use arrow::temporal_conversions::{date32_to_datetime, timestamp_us_to_datetime};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::statistics::{ColumnStatistics, FileStatistics, Value};

/// Dates and timestamps outside of the years 1 to 9999 have no text that all readers understand.
const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;
const MICROSECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_000;

/// The text. Bounds without a text are left out.
pub(crate) fn encode(statistics: &FileStatistics, schema: &Schema) -> String {
    let (mut min, mut max, mut nulls) = (Object::default(), Object::default(), Object::default());
    for field in schema.fields() {
        let (name, data_type) = (field.name(), field.data_type());
        let Some(column) = statistics.columns.get(name) else { continue };
        let bound = |value: &Option<Value>, up| encode_value(value.as_ref()?, data_type, up);
        min.push(name, bound(&column.min, false));
        max.push(name, bound(&column.max, true));
        nulls.push(name, column.nulls.map(|nulls| nulls.to_string()));
    }
    let mut all = Object::default();
    all.push("numRecords", statistics.rows.map(|rows| rows.to_string()));
    all.push("minValues", Some(min.finish()));
    all.push("maxValues", Some(max.finish()));
    all.push("nullCount", Some(nulls.finish()));
    all.push("tightBounds", Some(statistics.tight.to_string()));
    all.finish()
}

/// What of the text is understood: a bound of another form is as good as none. Columns that are not in the schema are dropped.
pub(crate) fn decode(text: &str, schema: &Schema) -> FileStatistics {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Text {
        num_records: Option<u64>,
        tight_bounds: Option<bool>,
        min_values: BTreeMap<String, Box<RawValue>>,
        max_values: BTreeMap<String, Box<RawValue>>,
        null_count: BTreeMap<String, Box<RawValue>>,
    }
    let text: Text = serde_json::from_str(text).unwrap_or_default();
    let columns = schema.fields().iter().map(|field| {
        let bound = |values: &BTreeMap<String, Box<RawValue>>, up| {
            decode_value(values.get(field.name())?.get(), field.data_type(), up)
        };
        let nulls = text.null_count.get(field.name()).and_then(|nulls| nulls.get().parse().ok());
        let column =
            ColumnStatistics { nulls, min: bound(&text.min_values, false), max: bound(&text.max_values, true) };
        (field.name().clone(), column)
    });
    let columns = columns.filter(|(_, column)| *column != ColumnStatistics::default()).collect();
    FileStatistics { rows: text.num_records, tight: text.tight_bounds.unwrap_or(true), columns }
}

fn encode_value(value: &Value, data_type: &DataType, up: bool) -> Option<String> {
    Some(match value {
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => serde_json::to_string(value).ok()?,
        Value::Decimal(value) => {
            let DataType::Decimal128(_, scale) = data_type else { return None };
            decimal_text(*value, (*scale).max(0).unsigned_abs().into())
        }
        Value::Text(text) => serde_json::to_string(text).ok()?,
        Value::Date(days) if DAYS.contains(days) => {
            format!("\"{}\"", date32_to_datetime(*days)?.format("%Y-%m-%d"))
        }
        Value::Timestamp(us) => {
            // An upper bound has its last millisecond whole already, unless its source gave microseconds.
            let ms = us.div_euclid(1000) + i64::from(up && !matches!(us.rem_euclid(1000), 0 | 999));
            let us = ms.checked_mul(1000).filter(|us| MICROSECONDS.contains(us))?;
            let zone = if matches!(data_type, DataType::Timestamp(_, Some(_))) { "Z" } else { "" };
            format!("\"{}{zone}\"", timestamp_us_to_datetime(us)?.format("%Y-%m-%dT%H:%M:%S%.3f"))
        }
        Value::Date(_) => return None,
    })
}

fn decode_value(json: &str, data_type: &DataType, up: bool) -> Option<Value> {
    let text = || serde_json::from_str::<String>(json).ok();
    Some(match data_type {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Value::Integer(json.parse().ok()?),
        DataType::Float32 | DataType::Float64 => Value::Float(json.parse().ok()?),
        DataType::Decimal128(precision, scale) => {
            let value = parse_decimal::<Decimal128Type>(json, *precision, *scale).ok()?;
            // Others write decimals by way of floating point: what may have been rounded is no bound.
            let digits = json.chars().filter(char::is_ascii_digit).count();
            let exact = digits <= 15 || decimal_text(value, (*scale).max(0).unsigned_abs().into()) == json;
            Value::Decimal(exact.then_some(value)?)
        }
        DataType::Utf8 => Value::Text(text()?),
        DataType::Date32 => Value::Date(Date32Type::parse(&text()?)?),
        DataType::Timestamp(..) => {
            let utc: Tz = "UTC".parse().ok()?;
            let us = string_to_datetime(&utc, &text()?).ok()?.timestamp_micros();
            // Others round upper bounds down to a millisecond.
            Value::Timestamp(if up { us.saturating_add(999) } else { us })
        }
        _ => return None,
    })
}

/// `scale` digits behind the point, always.
fn decimal_text(value: i128, scale: usize) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// A JSON object of values that are JSON already: decimals would not survive as numbers of serde.
#[derive(Default)]
struct Object(String);

impl Object {
    fn push(&mut self, name: &str, json: Option<String>) {
        let (Some(json), Ok(name)) = (json, serde_json::to_string(name)) else { return };
        let separator = if self.0.is_empty() { "" } else { "," };
        let _ = write!(self.0, "{separator}{name}:{json}");
    }

    fn finish(self) -> String {
        format!("{{{}}}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Field, TimeUnit};

    use super::*;

    fn through_json(data_type: &DataType, min: Value, max: Value) -> (String, Option<Value>, Option<Value>) {
        let schema = Schema::new(vec![Field::new("a", data_type.clone(), true)]);
        let column = ColumnStatistics { nulls: Some(2), min: Some(min), max: Some(max) };
        let columns = [("a".to_owned(), column)].into();
        let text = encode(&FileStatistics { rows: Some(9), tight: true, columns }, &schema);
        let mut back = decode(&text, &schema);
        assert_eq!((back.rows, back.tight), (Some(9), true));
        let column = back.columns.remove("a").unwrap();
        assert_eq!(column.nulls, Some(2));
        (text, column.min, column.max)
    }

    #[test]
    fn timestamps_are_rounded_outwards() {
        let ntz = DataType::Timestamp(TimeUnit::Microsecond, None);
        let (text, min, max) = through_json(&ntz, Value::Timestamp(-1), Value::Timestamp(1500));
        assert!(
            text.contains(r#""minValues":{"a":"1969-12-31T23:59:59.999"},"maxValues":{"a":"1970-01-01T00:00:00.002"}"#)
        );
        assert_eq!((min.clone(), max.clone()), (Some(Value::Timestamp(-1000)), Some(Value::Timestamp(2999))));
        let (again, ..) = through_json(&ntz, min.unwrap(), max.unwrap());
        assert_eq!(again, text, "bounds do not drift");
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let (text, _, _) = through_json(&utc, Value::Timestamp(4_000_000), Value::Timestamp(i64::MAX));
        assert!(text.contains(r#""minValues":{"a":"1970-01-01T00:00:04.000Z"},"maxValues":{}"#), "{text}");
    }

    #[test]
    fn decimals_are_exact() {
        let decimal = DataType::Decimal128(38, 2);
        let (low, high) = (Value::Decimal(-5), Value::Decimal(12_345_678_901_234_567_890_123));
        let (text, min, max) = through_json(&decimal, low.clone(), high.clone());
        assert!(text.contains(r#""minValues":{"a":-0.05},"maxValues":{"a":123456789012345678901.23}"#), "{text}");
        assert_eq!((min, max), (Some(low), Some(high)));
        assert_eq!(decode_value("1.2345678901234567e19", &decimal, true), None);
        assert_eq!(decode_value("2.5", &decimal, true), Some(Value::Decimal(250)));
    }

    #[test]
    fn other_types_come_back_as_they_were() {
        for (data_type, low, high) in [
            (DataType::Int64, Value::Integer(i64::MIN), Value::Integer(i64::MAX)),
            (DataType::Float64, Value::Float(-0.1), Value::Float(1e300)),
            (DataType::Utf8, Value::Text("\"a\\\u{1}".to_owned()), Value::Text("ä\u{10ffff}".to_owned())),
            (DataType::Date32, Value::Date(-1), Value::Date(20_000)),
        ] {
            let (_, min, max) = through_json(&data_type, low.clone(), high.clone());
            assert_eq!((min, max), (Some(low), Some(high)));
        }
    }

    #[test]
    fn statistics_of_others_are_read_as_far_as_they_are_understood() {
        let schema = Schema::new(vec![Field::new("a", DataType::Int32, true), Field::new("b", DataType::Utf8, true)]);
        let found =
            decode(r#"{"numRecords":3,"minValues":{"a":"x","b":"y","c":{"d":1}},"nullCount":{"a":0}}"#, &schema);
        assert_eq!(found.rows, Some(3));
        assert_eq!(found.columns["a"], ColumnStatistics { nulls: Some(0), min: None, max: None });
        assert_eq!(found.columns["b"].min, Some(Value::Text("y".to_owned())));
        assert_eq!(decode("no json", &schema).rows, None);
    }
}
