//! What there is: catalogs, schemas, tables, keys. Everything is in one schema of one catalog.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow_flight::sql::metadata::{GetCatalogsBuilder, GetTablesBuilder};
use arrow_flight::sql::{Command, CommandGetDbSchemas, CommandGetPrimaryKeys, CommandGetTableTypes, CommandGetTables};
use dipper_session::{Column, Session, Table};

use crate::rows::wire_type;
use crate::status::{Result, of_arrow, of_flight, status};
use crate::{sql_info, type_info};

/// The schema that everything is in.
pub(crate) const SCHEMA: &str = "public";
/// What tables are called among the types of tables.
const TABLE: &str = "TABLE";
/// What views are called among the types of tables.
const VIEW: &str = "VIEW";

/// What a command of the catalog answers; `None` if it is not one.
pub(crate) async fn answer(command: Command, session: &mut Session, database: &str) -> Result<Option<RecordBatch>> {
    let rows = match command {
        Command::CommandGetCatalogs(command) => {
            let mut rows: GetCatalogsBuilder = command.into_builder();
            rows.append(database);
            rows.build().map_err(of_flight)
        }
        Command::CommandGetDbSchemas(command) => schemas(command, database),
        Command::CommandGetTableTypes(command) => table_types(command),
        Command::CommandGetTables(command) => tables(command, &relations(session).await?, database),
        Command::CommandGetPrimaryKeys(command) => primary_keys(&command, &relations(session).await?, database),
        Command::CommandGetExportedKeys(_)
        | Command::CommandGetImportedKeys(_)
        | Command::CommandGetCrossReference(_) => Ok(RecordBatch::new_empty(foreign_keys_schema())),
        Command::CommandGetSqlInfo(command) => sql_info::rows(&command),
        Command::CommandGetXdbcTypeInfo(command) => type_info::rows(command),
        _ => return Ok(None),
    };
    rows.map(Some)
}

async fn relations(session: &mut Session) -> Result<Vec<Table>> {
    session.relations().await.map_err(|error| status(&error))
}

/// The columns of what a command of the catalog answers; `None` if it is not one.
pub(crate) fn columns(command: &Command) -> Option<SchemaRef> {
    let columns = match command {
        Command::CommandGetCatalogs(command) => command.into_builder().schema(),
        Command::CommandGetDbSchemas(command) => command.clone().into_builder().schema(),
        Command::CommandGetTableTypes(command) => command.into_builder().schema(),
        Command::CommandGetTables(command) => command.clone().into_builder().schema(),
        Command::CommandGetPrimaryKeys(_) => primary_keys_schema(),
        Command::CommandGetExportedKeys(_)
        | Command::CommandGetImportedKeys(_)
        | Command::CommandGetCrossReference(_) => foreign_keys_schema(),
        Command::CommandGetSqlInfo(_) => sql_info::columns(),
        Command::CommandGetXdbcTypeInfo(_) => type_info::columns(),
        _ => return None,
    };
    Some(columns)
}

fn schemas(command: CommandGetDbSchemas, database: &str) -> Result<RecordBatch> {
    let mut rows = command.into_builder();
    rows.append(database, SCHEMA);
    rows.build().map_err(of_flight)
}

fn table_types(command: CommandGetTableTypes) -> Result<RecordBatch> {
    let mut rows = command.into_builder();
    rows.append(TABLE);
    rows.append(VIEW);
    rows.build().map_err(of_flight)
}

fn tables(mut command: CommandGetTables, tables: &[Table], database: &str) -> Result<RecordBatch> {
    // A list of types may be long; only ours matter.
    let wanted = |kind: &str| command.table_types.is_empty() || command.table_types.iter().any(|wanted| wanted == kind);
    let (with_tables, with_views) = (wanted(TABLE), wanted(VIEW));
    command.table_types.clear();
    let mut rows: GetTablesBuilder = command.into_builder();
    for table in tables.iter().filter(|table| if table.is_view { with_views } else { with_tables }) {
        let kind = if table.is_view { VIEW } else { TABLE };
        rows.append(database, SCHEMA, &table.name, kind, &table_schema(table, database)).map_err(of_flight)?;
    }
    rows.build().map_err(of_flight)
}

/// The columns of a table, with what drivers read about each.
fn table_schema(table: &Table, database: &str) -> Schema {
    let field = |column: &Column| {
        let data_type = wire_type(&column.arrow_type);
        let mut about = HashMap::from([
            ("CATALOG_NAME", database.to_owned()),
            ("SCHEMA_NAME", SCHEMA.to_owned()),
            ("TABLE_NAME", table.name.clone()),
            ("TYPE_NAME", column.data_type.clone()),
            ("IS_AUTO_INCREMENT", "0".to_owned()),
            ("IS_CASE_SENSITIVE", "1".to_owned()),
            ("IS_SEARCHABLE", "1".to_owned()),
            ("IS_READ_ONLY", if table.is_view { "1" } else { "0" }.to_owned()),
        ]);
        if let DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) = data_type {
            about.extend([("PRECISION", precision.to_string()), ("SCALE", scale.to_string())]);
        }
        about.extend(column.comment.clone().map(|comment| ("REMARKS", comment)));
        let about = about.into_iter().map(|(key, value)| (format!("ARROW:FLIGHT:SQL:{key}"), value)).collect();
        Field::new(&column.name, data_type, column.is_nullable).with_metadata(about)
    };
    Schema::new(table.columns.iter().map(field).collect::<Vec<_>>())
}

fn primary_keys_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("catalog_name", DataType::Utf8, true),
        Field::new("db_schema_name", DataType::Utf8, true),
        Field::new("table_name", DataType::Utf8, false),
        Field::new("column_name", DataType::Utf8, false),
        Field::new("key_name", DataType::Utf8, true),
        Field::new("key_sequence", DataType::Int32, false),
    ]))
}

fn primary_keys(command: &CommandGetPrimaryKeys, tables: &[Table], database: &str) -> Result<RecordBatch> {
    let is_ours = command.catalog.as_deref().is_none_or(|catalog| catalog == database)
        && command.db_schema.as_deref().is_none_or(|schema| schema == SCHEMA);
    let table = tables.iter().find(|table| is_ours && table.name == command.table);
    let keys: Vec<&str> = table
        .map(|table| table.columns.iter().filter(|column| column.is_key).map(|column| column.name.as_str()).collect())
        .unwrap_or_default();
    let same = |text: &str| Arc::new(StringArray::from(vec![text; keys.len()])) as ArrayRef;
    let columns = vec![
        same(database),
        same(SCHEMA),
        same(&command.table),
        Arc::new(StringArray::from(keys.clone())) as ArrayRef,
        same(&format!("{}_pkey", command.table)),
        Arc::new(Int32Array::from_iter_values((1..).take(keys.len()))) as ArrayRef,
    ];
    RecordBatch::try_new(primary_keys_schema(), columns).map_err(of_arrow)
}

/// Foreign keys of all three questions. There are none.
fn foreign_keys_schema() -> SchemaRef {
    let side = |side: &str| {
        let field = |name: &str, nullable| Field::new(format!("{side}_{name}"), DataType::Utf8, nullable);
        [
            field("catalog_name", true),
            field("db_schema_name", true),
            field("table_name", false),
            field("column_name", false),
        ]
    };
    let rest = [
        Field::new("key_sequence", DataType::Int32, false),
        Field::new("fk_key_name", DataType::Utf8, true),
        Field::new("pk_key_name", DataType::Utf8, true),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ];
    Arc::new(Schema::new(side("pk").into_iter().chain(side("fk")).chain(rest).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;

    use super::*;

    fn column(name: &str, arrow_type: DataType, is_key: bool) -> Column {
        let data_type = dipper_types::sql_type_name(&arrow_type);
        let comment = is_key.then(|| "counts from 1".to_owned());
        Column { name: name.to_owned(), data_type, arrow_type, is_nullable: !is_key, is_key, comment }
    }

    fn both() -> Vec<Table> {
        let table = |name: &str, is_view| Table {
            name: name.to_owned(),
            is_view,
            columns: vec![column("id", DataType::Int64, !is_view), column("price", DataType::Decimal128(12, 4), false)],
            comment: None,
            ddl: String::new(),
        };
        vec![table("trades", false), table("expensive", true)]
    }

    fn found(command: CommandGetTables) -> Vec<String> {
        let rows = tables(command, &both(), "dipper").unwrap();
        rows.column(2).as_string::<i32>().iter().map(|name| name.unwrap().to_owned()).collect()
    }

    #[test]
    fn tables_are_found_by_pattern_and_type() {
        let all = CommandGetTables::default();
        assert_eq!(found(all.clone()), ["expensive", "trades"]);
        assert_eq!(found(CommandGetTables { table_types: vec!["VIEW".to_owned()], ..all.clone() }), ["expensive"]);
        assert!(found(CommandGetTables { table_types: vec!["ALIAS".to_owned(); 100_000], ..all.clone() }).is_empty());
        assert_eq!(
            found(CommandGetTables { table_name_filter_pattern: Some("tra_es".to_owned()), ..all.clone() }),
            ["trades"]
        );
        assert!(found(CommandGetTables { db_schema_filter_pattern: Some("pg%".to_owned()), ..all.clone() }).is_empty());
        assert!(found(CommandGetTables { catalog: Some(String::new()), ..all }).is_empty());
    }

    #[test]
    fn columns_say_what_drivers_ask_for() {
        let schema = table_schema(&both()[0], "dipper");
        let metadata = schema.field(1).metadata();
        assert_eq!(metadata["ARROW:FLIGHT:SQL:TYPE_NAME"], "DECIMAL(12, 4)");
        assert_eq!(metadata["ARROW:FLIGHT:SQL:PRECISION"], "12");
        assert!(!metadata.contains_key("ARROW:FLIGHT:SQL:REMARKS"));
        assert_eq!(schema.field(0).metadata()["ARROW:FLIGHT:SQL:REMARKS"], "counts from 1");
        assert!(!schema.field(0).is_nullable());
    }

    #[test]
    fn keys_are_those_of_the_table_asked_for() {
        let keys = |table: &str, schema: &str| {
            let (table, db_schema) = (table.to_owned(), Some(schema.to_owned()));
            primary_keys(&CommandGetPrimaryKeys { catalog: None, db_schema, table }, &both(), "dipper").unwrap()
        };
        assert_eq!(keys("trades", SCHEMA).column(3).as_string::<i32>().value(0), "id");
        assert_eq!(keys("trades", "other").num_rows() + keys("absent", SCHEMA).num_rows(), 0);
    }

    #[tokio::test]
    async fn rows_have_the_columns_that_were_announced() {
        use arrow_flight::sql::*;
        let commands = [
            Command::CommandGetCatalogs(CommandGetCatalogs {}),
            Command::CommandGetDbSchemas(CommandGetDbSchemas::default()),
            Command::CommandGetTableTypes(CommandGetTableTypes {}),
            Command::CommandGetTables(CommandGetTables::default()),
            Command::CommandGetTables(CommandGetTables { include_schema: true, ..CommandGetTables::default() }),
            Command::CommandGetPrimaryKeys(CommandGetPrimaryKeys::default()),
            Command::CommandGetExportedKeys(CommandGetExportedKeys::default()),
            Command::CommandGetImportedKeys(CommandGetImportedKeys::default()),
            Command::CommandGetCrossReference(CommandGetCrossReference::default()),
            Command::CommandGetSqlInfo(CommandGetSqlInfo::default()),
            Command::CommandGetXdbcTypeInfo(CommandGetXdbcTypeInfo::default()),
        ];
        let mut session = Session::new(dipper_session::SessionConfig::default()).unwrap();
        for command in commands {
            let columns = columns(&command).unwrap();
            assert_eq!(answer(command, &mut session, "dipper").await.unwrap().unwrap().schema(), columns);
        }
    }
}
