//! `information_schema`: schemas, tables, views and columns.

use arrow::datatypes::DataType;

use super::{Made, Row, fields, information, row, system};
use crate::cell::Cell;
use crate::kind::Kind::{self, Int4, Name, Text};
use crate::snapshot::Snapshot;
use crate::types::{PgType, format_type, pg_type, pg_type_of};

pub(super) const TABLES: &[Made] = &[
    information("schemata", SCHEMATA, schemata),
    information("tables", TABLE, tables),
    information("views", VIEW, views),
    information("columns", COLUMN, columns),
    information("information_schema_catalog_name", &[("catalog_name", Name)], catalog_name),
];

fn catalog_name(snapshot: &Snapshot) -> Vec<Row> {
    vec![row![snapshot.backend.database.as_str()]]
}

const SCHEMATA: &[(&str, Kind)] = &[
    ("catalog_name", Name),
    ("schema_name", Name),
    ("schema_owner", Name),
    ("default_character_set_catalog", Name),
    ("default_character_set_schema", Name),
    ("default_character_set_name", Name),
    ("sql_path", Text),
];

fn schemata(snapshot: &Snapshot) -> Vec<Row> {
    let database = snapshot.backend.database.as_str();
    let row = |(name, _): &(String, u32)| {
        row![database, name.as_str(), "dipper", Cell::Null, Cell::Null, Cell::Null, Cell::Null]
    };
    snapshot.schemas.iter().map(row).collect()
}

const TABLE: &[(&str, Kind)] = &[
    ("table_catalog", Name),
    ("table_schema", Name),
    ("table_name", Name),
    ("table_type", Text),
    ("self_referencing_column_name", Name),
    ("reference_generation", Text),
    ("user_defined_type_catalog", Name),
    ("user_defined_type_schema", Name),
    ("user_defined_type_name", Name),
    ("is_insertable_into", Text),
    ("is_typed", Text),
    ("commit_action", Text),
];

fn tables(snapshot: &Snapshot) -> Vec<Row> {
    let row = |schema: &str, name: &str, is_view: bool, is_insertable: bool| {
        let mut row =
            row![snapshot.backend.database.as_str(), schema, name, if is_view { "VIEW" } else { "BASE TABLE" }];
        row.extend(std::iter::repeat_n(Cell::Null, 5));
        row.extend(row![yes_or_no(is_insertable), "NO", Cell::Null]);
        row
    };
    let of_system =
        system().iter().map(|definition| row(definition.schema, &definition.name, definition.is_view(), false));
    let of_users = snapshot.entries.iter().map(|entry| {
        let relation = &entry.relation;
        row(&relation.schema, &relation.name, relation.is_view, !relation.is_view)
    });
    of_system.chain(of_users).collect()
}

pub(super) fn yes_or_no(yes: bool) -> &'static str {
    if yes { "YES" } else { "NO" }
}

const VIEW: &[(&str, Kind)] = &[
    ("table_catalog", Name),
    ("table_schema", Name),
    ("table_name", Name),
    ("view_definition", Text),
    ("check_option", Text),
    ("is_updatable", Text),
    ("is_insertable_into", Text),
    ("is_trigger_updatable", Text),
    ("is_trigger_deletable", Text),
    ("is_trigger_insertable_into", Text),
];

fn views(snapshot: &Snapshot) -> Vec<Row> {
    let row = |schema: &str, name: &str, definition: Option<&str>| {
        let database = snapshot.backend.database.as_str();
        row![database, schema, name, definition, "NONE", "NO", "NO", "NO", "NO", "NO"]
    };
    let of_system = system().iter().filter(|definition| definition.is_view());
    let of_users = snapshot.entries.iter().map(|entry| &entry.relation).filter(|relation| relation.is_view);
    of_system
        .map(|definition| row(definition.schema, &definition.name, None))
        .chain(of_users.map(|relation| row(&relation.schema, &relation.name, relation.definition.as_deref())))
        .collect()
}

const COLUMN: &[(&str, Kind)] = &[
    ("table_catalog", Name),
    ("table_schema", Name),
    ("table_name", Name),
    ("column_name", Name),
    ("ordinal_position", Int4),
    ("column_default", Text),
    ("is_nullable", Text),
    ("data_type", Text),
    ("character_maximum_length", Int4),
    ("character_octet_length", Int4),
    ("numeric_precision", Int4),
    ("numeric_precision_radix", Int4),
    ("numeric_scale", Int4),
    ("datetime_precision", Int4),
    ("interval_type", Text),
    ("interval_precision", Int4),
    ("character_set_catalog", Name),
    ("character_set_schema", Name),
    ("character_set_name", Name),
    ("collation_catalog", Name),
    ("collation_schema", Name),
    ("collation_name", Name),
    ("domain_catalog", Name),
    ("domain_schema", Name),
    ("domain_name", Name),
    ("udt_catalog", Name),
    ("udt_schema", Name),
    ("udt_name", Name),
    ("scope_catalog", Name),
    ("scope_schema", Name),
    ("scope_name", Name),
    ("maximum_cardinality", Int4),
    ("dtd_identifier", Name),
    ("is_self_referencing", Text),
    ("is_identity", Text),
    ("identity_generation", Text),
    ("identity_start", Text),
    ("identity_increment", Text),
    ("identity_maximum", Text),
    ("identity_minimum", Text),
    ("identity_cycle", Text),
    ("is_generated", Text),
    ("generation_expression", Text),
    ("is_updatable", Text),
];

/// A column as `information_schema` describes it.
struct Described<'a> {
    schema: &'a str,
    table: &'a str,
    name: &'a str,
    number: i16,
    is_nullable: bool,
    pg_type: PgType,
    /// A column of a table that takes rows.
    is_updatable: bool,
}

fn columns(snapshot: &Snapshot) -> Vec<Row> {
    let mut rows = Vec::new();
    for definition in system() {
        rows.extend(fields(definition).map(|(number, field)| {
            describe(
                snapshot,
                &Described {
                    schema: definition.schema,
                    table: &definition.name,
                    name: field.name(),
                    number,
                    is_nullable: true,
                    pg_type: pg_type_of(field),
                    is_updatable: false,
                },
            )
        }));
    }
    for entry in &snapshot.entries {
        let relation = &entry.relation;
        rows.extend(entry.columns().map(|(number, column)| {
            describe(
                snapshot,
                &Described {
                    schema: &relation.schema,
                    table: &relation.name,
                    name: &column.name,
                    number,
                    is_nullable: column.is_nullable,
                    pg_type: pg_type(&column.data_type),
                    is_updatable: !relation.is_view,
                },
            )
        }));
    }
    rows
}

fn describe(snapshot: &Snapshot, column: &Described<'_>) -> Row {
    let database = snapshot.backend.database.as_str();
    let number = i32::from(column.number);
    let numbers = Numbers::of(&column.pg_type);
    let mut row =
        row![database, column.schema, column.table, column.name, number, Cell::Null, yes_or_no(column.is_nullable)];
    row.extend(row![
        data_type(&column.pg_type),
        Cell::Null,
        numbers.octets,
        numbers.precision,
        numbers.radix,
        numbers.scale
    ]);
    row.push(numbers.digits.into());
    row.extend(std::iter::repeat_n(Cell::Null, 11));
    row.extend(row![database, "pg_catalog", column.pg_type.name, Cell::Null, Cell::Null, Cell::Null, Cell::Null]);
    row.extend(row![number.to_string(), "NO", "NO"]);
    row.extend(std::iter::repeat_n(Cell::Null, 5));
    row.extend(row!["NO", "NEVER", Cell::Null, yes_or_no(column.is_updatable)]);
    row
}

/// The type without what narrows it; of an array only that it is one.
fn data_type(pg_type: &PgType) -> String {
    if pg_type.is_array() {
        "ARRAY".to_owned()
    } else {
        format_type(pg_type.oid, None).unwrap_or_else(|| pg_type.name.to_owned())
    }
}

/// The numbers that narrow a type.
#[derive(Default)]
struct Numbers {
    octets: Option<i32>,
    precision: Option<i32>,
    radix: Option<i32>,
    scale: Option<i32>,
    digits: Option<i32>,
}

impl Numbers {
    fn of(pg_type: &PgType) -> Self {
        let binary = |bits, scale| Self { precision: Some(bits), radix: Some(2), scale, ..Self::default() };
        match pg_type.name {
            "text" => Self { octets: Some(1 << 30), ..Self::default() },
            "int2" => binary(16, Some(0)),
            "int4" => binary(32, Some(0)),
            "int8" => binary(64, Some(0)),
            "float4" => binary(24, None),
            "float8" => binary(53, None),
            "numeric" if pg_type.modifier >= 0 => {
                let (precision, scale) =
                    ((pg_type.modifier - 4) >> 16, (((pg_type.modifier - 4) & 0x7ff) ^ 1024) - 1024);
                Self { precision: Some(precision), radix: Some(10), scale: Some(scale), ..Self::default() }
            }
            "numeric" => Self { radix: Some(10), ..Self::default() },
            "date" => Self { digits: Some(0), ..Self::default() },
            "time" | "timestamp" | "timestamptz" | "interval" => {
                Self { digits: Some(if pg_type.modifier < 0 { 6 } else { pg_type.modifier }), ..Self::default() }
            }
            _ => Self::default(),
        }
    }
}

/// What an array holds, for `element_types`.
pub(super) fn element(data_type: &DataType) -> Option<PgType> {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::FixedSizeList(item, _) => Some(pg_type_of(item)),
        _ => None,
    }
}
