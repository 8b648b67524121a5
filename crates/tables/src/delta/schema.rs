//! Delta's schema, a JSON text in the log, and Arrow's.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use dipper_types::{Error, ErrorKind, Result, sql_type_name};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::spec::SQL_TYPE;

#[derive(Serialize, Deserialize)]
struct StructType {
    #[serde(rename = "type")]
    kind: String,
    fields: Vec<StructField>,
}

#[derive(Serialize, Deserialize)]
struct StructField {
    name: String,
    /// A name, or an object for nested types.
    #[serde(rename = "type")]
    data_type: Value,
    nullable: bool,
    #[serde(default)]
    metadata: serde_json::Map<String, Value>,
}

/// The text of a schema whose types are those that files hold.
pub(crate) fn encode(schema: &Schema) -> Result<String> {
    let fields = schema.fields().iter().map(|field| {
        let metadata = field.metadata().iter().map(|(key, value)| (key.clone(), decode_value(value))).collect();
        let data_type = encode_type(field.data_type())?;
        Ok(StructField { name: field.name().clone(), data_type, nullable: field.is_nullable(), metadata })
    });
    let schema = StructType { kind: "struct".to_owned(), fields: fields.collect::<Result<_>>()? };
    serde_json::to_string(&schema).map_err(|error| Error::internal(format!("a schema: {error}")))
}

/// The schema of a text. A type that Dipper does not know is refused by column.
pub(crate) fn decode(text: &str) -> Result<SchemaRef> {
    let schema: StructType = serde_json::from_str(text)
        .map_err(|error| Error::new(ErrorKind::Corrupt, format!("its schema cannot be read: {error}")))?;
    Ok(Arc::new(Schema::new(schema.fields.into_iter().map(decode_field).collect::<Result<Vec<_>>>()?)))
}

fn decode_field(field: StructField) -> Result<FieldRef> {
    let Some(data_type) = decode_type(&field.data_type) else {
        let data_type = field.data_type.as_str().map_or_else(|| field.data_type.to_string(), str::to_owned);
        return Err(Error::unsupported(format!("column '{}' has the type {data_type}", field.name))
            .with_hint("Dipper reads tables of scalar columns and arrays of them"));
    };
    // What others have written is kept as it is: as a JSON text, if it is no text.
    let metadata = field.metadata.into_iter().map(|(key, value)| (key, encode_value(value)));
    let mut metadata: HashMap<String, String> = metadata.collect();
    metadata.entry(SQL_TYPE.to_owned()).or_insert_with(|| sql_type_name(&data_type));
    Ok(Arc::new(Field::new(field.name, data_type, field.nullable).with_metadata(metadata)))
}

/// Marks a metadata value that is no text.
const JSON: &str = "json:";

fn encode_value(value: Value) -> String {
    match value {
        Value::String(text) if !text.starts_with(JSON) => text,
        other => format!("{JSON}{other}"),
    }
}

fn decode_value(text: &str) -> Value {
    let json = text.strip_prefix(JSON).and_then(|json| serde_json::from_str(json).ok());
    json.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn encode_type(data_type: &DataType) -> Result<Value> {
    Ok(Value::String(match data_type {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 => "byte".to_owned(),
        DataType::Int16 => "short".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "long".to_owned(),
        DataType::Float32 => "float".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Utf8 => "string".to_owned(),
        DataType::Binary => "binary".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => "timestamp_ntz".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamp".to_owned(),
        DataType::List(element) => {
            let (kind, contains_null) = (encode_type(element.data_type())?, element.is_nullable());
            return Ok(serde_json::json!({"type": "array", "elementType": kind, "containsNull": contains_null}));
        }
        other => return Err(Error::internal(format!("the type {other} has not been refused"))),
    }))
}

fn decode_type(value: &Value) -> Option<DataType> {
    if value.get("type").and_then(Value::as_str) == Some("array") {
        let element = decode_type(value.get("elementType")?)?;
        let contains_null = value.get("containsNull").and_then(Value::as_bool).unwrap_or(true);
        return Some(DataType::List(Arc::new(Field::new("element", element, contains_null))));
    }
    Some(match value.as_str()? {
        "boolean" => DataType::Boolean,
        "byte" => DataType::Int8,
        "short" => DataType::Int16,
        "integer" => DataType::Int32,
        "long" => DataType::Int64,
        "float" => DataType::Float32,
        "double" => DataType::Float64,
        "string" => DataType::Utf8,
        "binary" => DataType::Binary,
        "date" => DataType::Date32,
        "timestamp_ntz" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        decimal => {
            let arguments = decimal.strip_prefix("decimal(")?.strip_suffix(')')?;
            let (precision, scale) = arguments.split_once(',')?;
            let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
            ((1..=38).contains(&precision) && (0..=precision as i8).contains(&scale))
                .then_some(DataType::Decimal128(precision, scale))?
        }
    })
}

/// Whether a column holds timestamps without a zone, which need a feature of the protocol.
pub(crate) fn has_timestamp_without_zone(schema: &Schema) -> bool {
    fn holds(data_type: &DataType) -> bool {
        match data_type {
            DataType::Timestamp(_, None) => true,
            DataType::List(element) => holds(element.data_type()),
            _ => false,
        }
    }
    schema.fields().iter().any(|field| holds(field.data_type()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::TableSpec;

    #[test]
    fn a_schema_comes_back_as_it_was() {
        let timestamp = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        let list = |element| DataType::List(Arc::new(Field::new("element", element, true)));
        let types = [
            DataType::Boolean,
            DataType::Int8,
            DataType::Int16,
            DataType::Int32,
            DataType::Int64,
            DataType::Float32,
            DataType::Float64,
            DataType::Decimal128(38, 9),
            DataType::Utf8,
            DataType::Binary,
            DataType::Date32,
            timestamp(None),
            timestamp(Some("UTC")),
            list(list(timestamp(None))),
        ];
        let fields = types.iter().enumerate().map(|(index, kind)| Field::new(format!("c{index}"), kind.clone(), true));
        let spec = TableSpec::new(&Schema::new(fields.collect::<Vec<_>>())).unwrap();
        assert_eq!(decode(&encode(spec.schema()).unwrap()).unwrap(), *spec.schema());
    }

    #[test]
    fn metadata_of_others_is_kept_and_unknown_types_are_refused_by_column() {
        let text =
            r#"{"type":"struct","fields":[{"name":"a","type":"long","nullable":false,"metadata":{"n":1,"t":"x"}}]}"#;
        let again = encode(&decode(text).unwrap()).unwrap();
        let again: Value = serde_json::from_str(&again).unwrap();
        let metadata = &again["fields"][0]["metadata"];
        assert_eq!((&metadata["n"], &metadata["t"], &metadata[SQL_TYPE]), (&1.into(), &"x".into(), &"BIGINT".into()));
        let error = decode(&text.replace("\"long\"", "\"variant\"")).unwrap_err();
        assert_eq!(error.to_string(), "column 'a' has the type variant");
        let error = decode(&text.replace("\"long\"", "\"decimal(3,5)\"")).unwrap_err();
        assert_eq!(error.to_string(), "column 'a' has the type decimal(3,5)");
    }
}
