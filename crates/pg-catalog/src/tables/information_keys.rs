//! `information_schema`: the primary keys, and the constraints of which there are none.

use super::information::yes_or_no;
use super::{Made, Row, information, row};
use crate::cell::Cell;
use crate::kind::Kind::{self, Int4, Name, Text};
use crate::snapshot::Snapshot;

pub(super) const TABLES: &[Made] = &[
    information("table_constraints", TABLE_CONSTRAINT, table_constraints),
    information("key_column_usage", KEY_COLUMN, key_columns),
    information("constraint_column_usage", CONSTRAINT_COLUMN, constraint_columns),
    information("constraint_table_usage", CONSTRAINT_TABLE, constraint_tables),
];

const TABLE_CONSTRAINT: &[(&str, Kind)] = &[
    ("constraint_catalog", Name),
    ("constraint_schema", Name),
    ("constraint_name", Name),
    ("table_catalog", Name),
    ("table_schema", Name),
    ("table_name", Name),
    ("constraint_type", Text),
    ("is_deferrable", Text),
    ("initially_deferred", Text),
    ("enforced", Text),
    ("nulls_distinct", Text),
];

fn table_constraints(snapshot: &Snapshot) -> Vec<Row> {
    let database = snapshot.backend.database.as_str();
    let rows = snapshot.keys().map(|(entry, key)| {
        let (schema, table) = (entry.relation.schema.as_str(), entry.relation.name.as_str());
        let mut row = row![database, schema, key.name.as_str(), database, schema, table, "PRIMARY KEY"];
        row.extend(row![yes_or_no(false), yes_or_no(false), yes_or_no(true), Cell::Null]);
        row
    });
    rows.collect()
}

const KEY_COLUMN: &[(&str, Kind)] = &[
    ("constraint_catalog", Name),
    ("constraint_schema", Name),
    ("constraint_name", Name),
    ("table_catalog", Name),
    ("table_schema", Name),
    ("table_name", Name),
    ("column_name", Name),
    ("ordinal_position", Int4),
    ("position_in_unique_constraint", Int4),
];

fn key_columns(snapshot: &Snapshot) -> Vec<Row> {
    let database = snapshot.backend.database.as_str();
    let mut rows = Vec::new();
    for (entry, key) in snapshot.keys() {
        let (schema, table) = (entry.relation.schema.as_str(), entry.relation.name.as_str());
        rows.extend((1..).zip(key.columns(entry)).map(|(place, (_, column)): (i32, _)| {
            let name = key.name.as_str();
            row![database, schema, name, database, schema, table, column.name.as_str(), place, Cell::Null]
        }));
    }
    rows
}

const CONSTRAINT_COLUMN: &[(&str, Kind)] = &[
    ("table_catalog", Name),
    ("table_schema", Name),
    ("table_name", Name),
    ("column_name", Name),
    ("constraint_catalog", Name),
    ("constraint_schema", Name),
    ("constraint_name", Name),
];

fn constraint_columns(snapshot: &Snapshot) -> Vec<Row> {
    let database = snapshot.backend.database.as_str();
    let mut rows = Vec::new();
    for (entry, key) in snapshot.keys() {
        let (schema, table) = (entry.relation.schema.as_str(), entry.relation.name.as_str());
        rows.extend(key.columns(entry).map(|(_, column)| {
            row![database, schema, table, column.name.as_str(), database, schema, key.name.as_str()]
        }));
    }
    rows
}

const CONSTRAINT_TABLE: &[(&str, Kind)] = &[
    ("table_catalog", Name),
    ("table_schema", Name),
    ("table_name", Name),
    ("constraint_catalog", Name),
    ("constraint_schema", Name),
    ("constraint_name", Name),
];

fn constraint_tables(snapshot: &Snapshot) -> Vec<Row> {
    let database = snapshot.backend.database.as_str();
    let rows = snapshot.keys().map(|(entry, key)| {
        let (schema, table) = (entry.relation.schema.as_str(), entry.relation.name.as_str());
        row![database, schema, table, database, schema, key.name.as_str()]
    });
    rows.collect()
}
