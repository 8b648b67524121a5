//! How Arrow types are called in Postgres, and the other way round.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

use crate::kind::PG_TYPE;

/// A type of Postgres as a row description names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PgType {
    /// Its identifier in `pg_type`.
    pub oid: u32,
    /// What narrows it: of a `numeric` the precision and scale, of a `timestamp` the digits of a second; -1 for none.
    pub modifier: i32,
    /// The bytes of a value, -1 for a type of varying length.
    pub size: i16,
    /// Its name in `pg_type`, as in `int4`; of an array with an underscore in front.
    pub name: &'static str,
}

impl PgType {
    /// How the type is written in SQL, with what narrows it, as in `numeric(10,2)`.
    pub fn sql_name(&self) -> String {
        format_type(self.oid, Some(self.modifier)).unwrap_or_else(|| self.name.to_owned())
    }

    /// Whether it is an array.
    pub fn is_array(&self) -> bool {
        BASES.iter().any(|base| base.array == self.oid)
    }
}

/// A type and its array.
struct Base {
    oid: u32,
    size: i16,
    name: &'static str,
    sql: &'static str,
    array: u32,
    array_name: &'static str,
}

const fn base(
    oid: u32,
    size: i16,
    name: &'static str,
    sql: &'static str,
    array: u32,
    array_name: &'static str,
) -> Base {
    Base { oid, size, name, sql, array, array_name }
}

/// The identifiers are Postgres's own, and clients know them by heart.
const BASES: &[Base] = &[
    base(16, 1, "bool", "boolean", 1000, "_bool"),
    base(17, -1, "bytea", "bytea", 1001, "_bytea"),
    base(18, 1, "char", "\"char\"", 1002, "_char"),
    base(19, 64, "name", "name", 1003, "_name"),
    base(20, 8, "int8", "bigint", 1016, "_int8"),
    base(21, 2, "int2", "smallint", 1005, "_int2"),
    base(22, -1, "int2vector", "int2vector", 1006, "_int2vector"),
    base(23, 4, "int4", "integer", 1007, "_int4"),
    base(24, 4, "regproc", "regproc", 1008, "_regproc"),
    base(25, -1, "text", "text", 1009, "_text"),
    base(26, 4, "oid", "oid", 1028, "_oid"),
    base(27, 6, "tid", "tid", 1010, "_tid"),
    base(28, 4, "xid", "xid", 1011, "_xid"),
    base(30, -1, "oidvector", "oidvector", 1013, "_oidvector"),
    base(114, -1, "json", "json", 199, "_json"),
    base(142, -1, "xml", "xml", 143, "_xml"),
    base(194, -1, "pg_node_tree", "pg_node_tree", 0, ""),
    base(600, 16, "point", "point", 1017, "_point"),
    base(700, 4, "float4", "real", 1021, "_float4"),
    base(701, 8, "float8", "double precision", 1022, "_float8"),
    base(705, -2, "unknown", "unknown", 0, ""),
    base(869, -1, "inet", "inet", 1041, "_inet"),
    base(1033, 12, "aclitem", "aclitem", 1034, "_aclitem"),
    base(1042, -1, "bpchar", "character", 1014, "_bpchar"),
    base(1043, -1, "varchar", "character varying", 1015, "_varchar"),
    base(1082, 4, "date", "date", 1182, "_date"),
    base(1083, 8, "time", "time without time zone", 1183, "_time"),
    base(1114, 8, "timestamp", "timestamp without time zone", 1115, "_timestamp"),
    base(1184, 8, "timestamptz", "timestamp with time zone", 1185, "_timestamptz"),
    base(1186, 16, "interval", "interval", 1187, "_interval"),
    base(1266, 12, "timetz", "time with time zone", 1270, "_timetz"),
    base(1560, -1, "bit", "bit", 1561, "_bit"),
    base(1562, -1, "varbit", "bit varying", 1563, "_varbit"),
    base(1700, -1, "numeric", "numeric", 1231, "_numeric"),
    base(2205, 4, "regclass", "regclass", 2210, "_regclass"),
    base(2206, 4, "regtype", "regtype", 2211, "_regtype"),
    base(2249, -1, "record", "record", 2287, "_record"),
    base(2278, 4, "void", "void", 0, ""),
    base(2950, 16, "uuid", "uuid", 2951, "_uuid"),
    base(3802, -1, "jsonb", "jsonb", 3807, "_jsonb"),
    base(4089, 4, "regnamespace", "regnamespace", 4090, "_regnamespace"),
    base(4096, 4, "regrole", "regrole", 4097, "_regrole"),
];

/// Looks up by the name in `pg_type`, of a base or an array.
pub(crate) fn by_name(name: &str) -> Option<PgType> {
    BASES.iter().find_map(|base| {
        let narrow = |oid, size, name| PgType { oid, modifier: -1, size, name };
        if base.name == name {
            Some(narrow(base.oid, base.size, base.name))
        } else if base.array != 0 && base.array_name == name {
            Some(narrow(base.array, -1, base.array_name))
        } else {
            None
        }
    })
}

/// How an Arrow type is called in Postgres.
///
/// ```
/// use arrow::datatypes::DataType;
/// let price = dipper_pg_catalog::pg_type(&DataType::Decimal128(10, 2));
/// assert_eq!((price.oid, price.name, price.sql_name().as_str()), (1700, "numeric", "numeric(10,2)"));
/// ```
pub fn pg_type(data_type: &DataType) -> PgType {
    let (name, modifier) = name_and_modifier(data_type);
    named(name, modifier)
}

/// How the values of a field are called in Postgres: as its metadata says, else by its Arrow type.
pub fn pg_type_of(field: &Field) -> PgType {
    field.metadata().get(PG_TYPE).and_then(|name| by_name(name)).unwrap_or_else(|| pg_type(field.data_type()))
}

fn named(name: &str, modifier: i32) -> PgType {
    let text = PgType { oid: 25, modifier: -1, size: -1, name: "text" };
    PgType { modifier, ..by_name(name).unwrap_or(text) }
}

fn name_and_modifier(data_type: &DataType) -> (&'static str, i32) {
    match data_type {
        DataType::Boolean => ("bool", -1),
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => ("int2", -1),
        DataType::UInt16 | DataType::Int32 => ("int4", -1),
        DataType::UInt32 | DataType::Int64 => ("int8", -1),
        DataType::UInt64 => ("numeric", numeric_modifier(20, 0)),
        DataType::Float16 | DataType::Float32 => ("float4", -1),
        DataType::Float64 => ("float8", -1),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => ("numeric", numeric_modifier(*precision, *scale)),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => ("bytea", -1),
        DataType::Date32 | DataType::Date64 => ("date", -1),
        DataType::Time32(unit) | DataType::Time64(unit) => ("time", digits(*unit)),
        DataType::Timestamp(unit, None) => ("timestamp", digits(*unit)),
        DataType::Timestamp(unit, Some(_)) => ("timestamptz", digits(*unit)),
        DataType::Interval(_) | DataType::Duration(_) => ("interval", -1),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::FixedSizeList(item, _) => {
            // Postgres has one array type for all dimensions.
            let element = pg_type_of(item);
            let array = BASES.iter().find(|base| base.oid == element.oid && base.array != 0);
            (array.map_or(element.name, |base| base.array_name), element.modifier)
        }
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => ("json", -1),
        DataType::Dictionary(_, values) => name_and_modifier(values),
        DataType::RunEndEncoded(_, values) => name_and_modifier(values.data_type()),
        _ => ("text", -1),
    }
}

fn numeric_modifier(precision: u8, scale: i8) -> i32 {
    ((i32::from(precision) << 16) | (i32::from(scale) & 0x7ff)) + 4
}

/// The digits of a second. Six are what a type has without a modifier, and Postgres has no more.
fn digits(unit: TimeUnit) -> i32 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond | TimeUnit::Nanosecond => -1,
    }
}

/// How values of a Postgres type are held in Arrow; none for a type that has no counterpart.
pub fn data_type(oid: u32) -> Option<DataType> {
    if let Some(base) = BASES.iter().find(|base| base.array == oid && oid != 0) {
        return Some(DataType::List(Arc::new(Field::new_list_field(data_type(base.oid)?, true))));
    }
    Some(match oid {
        16 => DataType::Boolean,
        17 => DataType::Binary,
        20 => DataType::Int64,
        21 => DataType::Int16,
        // Identifiers are below 2³¹.
        23 | 24 | 26 | 28 | 2205 | 2206 | 4089 | 4096 => DataType::Int32,
        18 | 19 | 25 | 114 | 1042 | 1043 | 2950 | 3802 => DataType::Utf8,
        22 => DataType::List(Arc::new(Field::new_list_field(DataType::Int16, true))),
        30 => DataType::List(Arc::new(Field::new_list_field(DataType::Int32, true))),
        700 => DataType::Float32,
        701 => DataType::Float64,
        1082 => DataType::Date32,
        1083 => DataType::Time64(TimeUnit::Microsecond),
        1114 => DataType::Timestamp(TimeUnit::Microsecond, None),
        1184 => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        1186 => DataType::Interval(IntervalUnit::MonthDayNano),
        1700 => DataType::Decimal128(38, 10),
        _ => return None,
    })
}

/// Whether the values of a type are written as they are held; those of `regclass` and the like are written as names.
pub(crate) fn is_plain(oid: u32) -> bool {
    !matches!(oid, 24 | 2205 | 2206 | 4089 | 4096 | 1008 | 2210 | 2211 | 4090 | 4097)
}

/// The name in `pg_type` of a type.
pub(crate) fn name_of(oid: u32) -> Option<&'static str> {
    BASES.iter().find(|base| base.oid == oid).map(|base| base.name)
}

/// What `format_type` answers for the types known here: the name in SQL; without a modifier also of none.
pub(crate) fn format_type(oid: u32, modifier: Option<i32>) -> Option<String> {
    if let Some(base) = BASES.iter().find(|base| base.array == oid && oid != 0) {
        return Some(format!("{}[]", format_type(base.oid, modifier)?));
    }
    let base = BASES.iter().find(|base| base.oid == oid)?;
    let narrowed = modifier.filter(|modifier| *modifier >= 0);
    Some(match (base.name, narrowed) {
        ("numeric", Some(modifier)) => {
            let (precision, scale) = ((modifier - 4) >> 16, (((modifier - 4) & 0x7ff) ^ 1024) - 1024);
            format!("numeric({precision},{scale})")
        }
        ("time" | "timestamp" | "timestamptz" | "timetz", Some(digits)) => {
            let (head, tail) = base.sql.split_once(' ').unwrap_or((base.sql, ""));
            format!("{head}({digits}) {tail}")
        }
        ("varchar" | "bpchar", Some(modifier)) => format!("{}({})", base.sql, modifier - 4),
        // Without a length it is not what SQL calls character.
        ("bpchar", None) if modifier == Some(-1) => "bpchar".to_owned(),
        _ => base.sql.to_owned(),
    })
}

/// The identifier of a type as SQL or `pg_type` names it, with or without `pg_catalog.`.
pub(crate) fn parse_type(text: &str) -> Option<u32> {
    let text = text.trim().trim_start_matches("pg_catalog.");
    if text == "\"char\"" {
        return Some(18);
    }
    let text = text.trim_matches('"').to_lowercase();
    if let Some(element) = text.strip_suffix("[]") {
        let element = parse_type(element)?;
        return BASES.iter().find(|base| base.oid == element && base.array != 0).map(|base| base.array);
    }
    let (head, tail) = text.split_once('(').map_or((text.as_str(), ""), |(head, rest)| {
        (head.trim(), rest.split_once(')').map_or("", |(_, tail)| tail.trim()))
    });
    let name = if tail.is_empty() { head.to_owned() } else { format!("{head} {tail}") };
    let alias = match name.as_str() {
        "int" => "integer",
        "decimal" => "numeric",
        "float" => "double precision",
        "timestamp" => "timestamp without time zone",
        "time" => "time without time zone",
        "char" => "character",
        name => name,
    };
    BASES.iter().find(|base| base.sql == alias).map(|base| base.oid).or_else(|| by_name(&name).map(|found| found.oid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_called_as_postgres_calls_them() {
        let called = |data_type: DataType| pg_type(&data_type).sql_name();
        assert_eq!(called(DataType::Decimal128(12, -2)), "numeric(12,-2)");
        assert_eq!(called(DataType::UInt64), "numeric(20,0)");
        assert_eq!(called(DataType::Timestamp(TimeUnit::Millisecond, None)), "timestamp(3) without time zone");
        assert_eq!(called(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))), "timestamp with time zone");
        let list = |data_type| DataType::List(Arc::new(Field::new_list_field(data_type, true)));
        assert_eq!(called(list(list(DataType::Utf8))), "text[]");
        assert_eq!(called(list(DataType::Decimal128(5, 1))), "numeric(5,1)[]");
        assert_eq!(called(DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))), "text");
    }

    #[test]
    fn every_base_is_found_by_the_name_it_is_given() {
        for base in BASES.iter().filter(|base| base.name != "bpchar") {
            let sql = format_type(base.oid, None).unwrap();
            assert_eq!(parse_type(&sql), Some(base.oid), "{sql}");
        }
        assert_eq!(parse_type("timestamp(3) with time zone"), Some(1184));
        assert_eq!(parse_type("pg_catalog.numeric(10,2)"), Some(1700));
        assert_eq!(parse_type("_int4"), Some(1007));
        assert_eq!(parse_type("integer[]"), Some(1007));
        assert_eq!(parse_type("no_such"), None);
    }
}
