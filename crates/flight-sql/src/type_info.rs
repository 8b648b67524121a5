//! The types of SQL, as ODBC and JDBC describe them.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow_flight::sql::metadata::{XdbcTypeInfo, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{CommandGetXdbcTypeInfo, Nullable, Searchable, XdbcDataType, XdbcDatetimeSubcode};

use crate::status::{Result, of_flight};

/// The columns of the answer.
pub(crate) fn columns() -> SchemaRef {
    XdbcTypeInfoDataBuilder::new().schema()
}

/// The types, or the one that is asked for.
pub(crate) fn rows(command: CommandGetXdbcTypeInfo) -> Result<RecordBatch> {
    let mut types = XdbcTypeInfoDataBuilder::new();
    for one in all() {
        types.append(one);
    }
    types.build().and_then(|types| command.into_builder(&types).build()).map_err(of_flight)
}

fn all() -> Vec<XdbcTypeInfo> {
    let decimal = XdbcTypeInfo {
        create_params: Some(vec!["precision".to_owned(), "scale".to_owned()]),
        maximum_scale: Some(38),
        ..number("DECIMAL", XdbcDataType::XdbcDecimal, 38)
    };
    let fractions = |one: XdbcTypeInfo, code| XdbcTypeInfo {
        create_params: Some(vec!["fractional digits".to_owned()]),
        maximum_scale: Some(9),
        datetime_subcode: code,
        ..one
    };
    let timestamp = quoted("TIMESTAMP", XdbcDataType::XdbcTimestamp, 29);
    vec![
        one("BOOLEAN", XdbcDataType::XdbcBit, 1),
        number("TINYINT", XdbcDataType::XdbcTinyint, 3),
        number("SMALLINT", XdbcDataType::XdbcSmallint, 5),
        number("INT", XdbcDataType::XdbcInteger, 10),
        number("BIGINT", XdbcDataType::XdbcBigint, 19),
        XdbcTypeInfo { num_prec_radix: Some(2), ..number("FLOAT", XdbcDataType::XdbcReal, 24) },
        XdbcTypeInfo { num_prec_radix: Some(2), ..number("DOUBLE", XdbcDataType::XdbcDouble, 53) },
        decimal,
        XdbcTypeInfo { case_sensitive: true, ..quoted("STRING", XdbcDataType::XdbcVarchar, i32::MAX) },
        XdbcTypeInfo {
            literal_prefix: Some("X'".to_owned()),
            ..quoted("BYTES", XdbcDataType::XdbcVarbinary, i32::MAX)
        },
        quoted("DATE", XdbcDataType::XdbcDate, 10),
        fractions(quoted("TIME", XdbcDataType::XdbcTime, 18), Some(XdbcDatetimeSubcode::XdbcSubcodeTime)),
        fractions(timestamp, Some(XdbcDatetimeSubcode::XdbcSubcodeTimestamp)),
    ]
}

fn one(name: &str, data_type: XdbcDataType, size: i32) -> XdbcTypeInfo {
    XdbcTypeInfo {
        type_name: name.to_owned(),
        data_type,
        sql_data_type: data_type,
        column_size: Some(size),
        nullable: Nullable::NullabilityNullable,
        searchable: Searchable::Full,
        local_type_name: Some(name.to_owned()),
        ..XdbcTypeInfo::default()
    }
}

fn number(name: &str, data_type: XdbcDataType, digits: i32) -> XdbcTypeInfo {
    XdbcTypeInfo {
        unsigned_attribute: Some(false),
        auto_increment: Some(false),
        minimum_scale: Some(0),
        maximum_scale: Some(0),
        num_prec_radix: Some(10),
        ..one(name, data_type, digits)
    }
}

fn quoted(name: &str, data_type: XdbcDataType, size: i32) -> XdbcTypeInfo {
    let quote = || Some("'".to_owned());
    XdbcTypeInfo { literal_prefix: quote(), literal_suffix: quote(), ..one(name, data_type, size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_can_be_asked_for() {
        assert_eq!(rows(CommandGetXdbcTypeInfo { data_type: None }).unwrap().num_rows(), 13);
        let some = rows(CommandGetXdbcTypeInfo { data_type: Some(XdbcDataType::XdbcDecimal as i32) }).unwrap();
        assert_eq!((some.num_rows(), some.schema()), (1, columns()));
    }
}
