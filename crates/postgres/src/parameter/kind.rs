//! The types that a parameter can have, by their oid and by their name.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

/// The type of numbers with a decimal point.
pub(super) const NUMERIC_OID: u32 = 1700;

/// The digits of a number whose type says nothing of them, all and those behind the point.
pub(super) const NUMERIC: (u8, i8) = (38, 18);

/// How values of a type look in binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Bytes,
    Int2,
    Int4,
    Int8,
    Identifier,
    Float4,
    Float8,
    Numeric,
    Text,
    /// Text behind a byte that says the version.
    JsonBinary,
    Uuid,
    Date,
    Time,
    Timestamp,
    TimestampWithZone,
    Interval,
    /// An array of any of these; it says itself which.
    Array,
}

/// Oid, oid of the array, name, other name, kind.
const TYPES: &[(u32, u32, &str, &str, Kind)] = &[
    (16, 1000, "bool", "boolean", Kind::Boolean),
    (17, 1001, "bytea", "bytea", Kind::Bytes),
    (18, 1002, "\"char\"", "\"char\"", Kind::Text),
    (19, 1003, "name", "name", Kind::Text),
    (20, 1016, "int8", "bigint", Kind::Int8),
    (21, 1005, "int2", "smallint", Kind::Int2),
    (23, 1007, "int4", "integer", Kind::Int4),
    (23, 1007, "int", "integer", Kind::Int4),
    (25, 1009, "text", "text", Kind::Text),
    (26, 1028, "oid", "oid", Kind::Identifier),
    (114, 199, "json", "json", Kind::Text),
    (700, 1021, "float4", "real", Kind::Float4),
    (701, 1022, "float8", "double precision", Kind::Float8),
    (701, 1022, "float", "double", Kind::Float8),
    (705, 1009, "unknown", "unknown", Kind::Text),
    (1042, 1014, "bpchar", "character", Kind::Text),
    (1042, 1014, "char", "character", Kind::Text),
    (1043, 1015, "varchar", "character varying", Kind::Text),
    (1082, 1182, "date", "date", Kind::Date),
    (1083, 1183, "time", "time without time zone", Kind::Time),
    (1114, 1115, "timestamp", "timestamp without time zone", Kind::Timestamp),
    (1184, 1185, "timestamptz", "timestamp with time zone", Kind::TimestampWithZone),
    (1186, 1187, "interval", "interval", Kind::Interval),
    (1700, 1231, "numeric", "decimal", Kind::Numeric),
    (2950, 2951, "uuid", "uuid", Kind::Uuid),
    (3802, 3807, "jsonb", "jsonb", Kind::JsonBinary),
];

/// How a type looks in binary. What nobody has said is text, as are types of which only the text is known here.
pub(super) fn kind(oid: u32) -> Option<Kind> {
    if oid == 0 {
        return Some(Kind::Text);
    }
    let known = |(own, array, .., kind): &(u32, u32, &str, &str, Kind)| match oid {
        oid if oid == *own => Some(*kind),
        oid if oid == *array => Some(Kind::Array),
        _ => None,
    };
    TYPES.iter().find_map(known)
}

/// The type of a parameter with this oid; nothing where the statement is to say.
pub(crate) fn data_type(oid: u32) -> Option<DataType> {
    let of = |kind| {
        Some(match kind {
            Kind::Boolean => DataType::Boolean,
            Kind::Bytes => DataType::Binary,
            Kind::Int2 => DataType::Int16,
            Kind::Int4 => DataType::Int32,
            Kind::Int8 | Kind::Identifier => DataType::Int64,
            Kind::Float4 => DataType::Float32,
            Kind::Float8 => DataType::Float64,
            Kind::Numeric => DataType::Decimal128(NUMERIC.0, NUMERIC.1),
            Kind::Text | Kind::JsonBinary | Kind::Uuid => DataType::Utf8,
            Kind::Date => DataType::Date32,
            Kind::Time => DataType::Time64(TimeUnit::Microsecond),
            Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Kind::TimestampWithZone => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            Kind::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Kind::Array => return None,
        })
    };
    // "unknown" is what the statement says.
    let known = TYPES.iter().find(|(own, array, ..)| *own == oid || *array == oid).filter(|_| oid != 705)?;
    let item = of(known.4)?;
    Some(if known.0 == oid { item } else { DataType::List(Arc::new(Field::new_list_field(item, true))) })
}

/// The oid of a type with this name, in lower case and with one blank between two words; `name[]` is an array.
pub(crate) fn named(name: &str) -> Option<u32> {
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    let (item, is_array) = name.strip_suffix("[]").map_or((name, false), |item| (item, true));
    let known = TYPES.iter().find(|(_, _, short, long, _)| *short == item || *long == item)?;
    Some(if is_array { known.1 } else { known.0 })
}
