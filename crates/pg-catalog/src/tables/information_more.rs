//! `information_schema`: privileges, roles and element types.

use super::information::{element, yes_or_no};
use super::{Made, Row, information, row};
use crate::cell::Cell;
use crate::kind::Kind::{self, Name, Text};
use crate::snapshot::Snapshot;
use crate::types::format_type;

pub(super) const TABLES: &[Made] = &[
    information("table_privileges", TABLE_PRIVILEGE, table_privileges),
    information("role_table_grants", TABLE_PRIVILEGE, table_privileges),
    information("column_privileges", COLUMN_PRIVILEGE, column_privileges),
    information("role_column_grants", COLUMN_PRIVILEGE, column_privileges),
    information("enabled_roles", &[("role_name", Name)], roles),
    information("applicable_roles", &[("grantee", Name), ("role_name", Name), ("is_grantable", Text)], no_grants),
    information("element_types", ELEMENT_TYPE, element_types),
    information("character_sets", CHARACTER_SET, character_sets),
];

const TABLE_PRIVILEGE: &[(&str, Kind)] = &[
    ("grantor", Name),
    ("grantee", Name),
    ("table_catalog", Name),
    ("table_schema", Name),
    ("table_name", Name),
    ("privilege_type", Text),
    ("is_grantable", Text),
    ("with_hierarchy", Text),
];

/// What can be done with a table; a view is only read.
fn privileges(is_view: bool) -> &'static [&'static str] {
    if is_view { &["SELECT"] } else { &["INSERT", "SELECT", "TRUNCATE"] }
}

fn table_privileges(snapshot: &Snapshot) -> Vec<Row> {
    let database = snapshot.backend.database.as_str();
    let mut rows = Vec::new();
    for relation in snapshot.entries.iter().map(|entry| &entry.relation) {
        for role in &snapshot.roles {
            rows.extend(privileges(relation.is_view).iter().map(|privilege| {
                let (schema, table) = (relation.schema.as_str(), relation.name.as_str());
                let hierarchy = yes_or_no(*privilege == "SELECT");
                row!["dipper", role.name.as_str(), database, schema, table, *privilege, "NO", hierarchy]
            }));
        }
    }
    rows
}

const COLUMN_PRIVILEGE: &[(&str, Kind)] = &[
    ("grantor", Name),
    ("grantee", Name),
    ("table_catalog", Name),
    ("table_schema", Name),
    ("table_name", Name),
    ("column_name", Name),
    ("privilege_type", Text),
    ("is_grantable", Text),
];

fn column_privileges(snapshot: &Snapshot) -> Vec<Row> {
    let database = snapshot.backend.database.as_str();
    let mut rows = Vec::new();
    for relation in snapshot.entries.iter().map(|entry| &entry.relation) {
        for (role, column) in
            snapshot.roles.iter().flat_map(|role| relation.columns.iter().map(move |column| (role, column)))
        {
            rows.extend(privileges(relation.is_view).iter().filter(|privilege| **privilege != "TRUNCATE").map(
                |privilege| {
                    let (schema, table) = (relation.schema.as_str(), relation.name.as_str());
                    row!["dipper", role.name.as_str(), database, schema, table, column.name.as_str(), *privilege, "NO"]
                },
            ));
        }
    }
    rows
}

fn roles(snapshot: &Snapshot) -> Vec<Row> {
    vec![row![snapshot.backend.user.as_str()]]
}

fn no_grants(_: &Snapshot) -> Vec<Row> {
    Vec::new()
}

const ELEMENT_TYPE: &[(&str, Kind)] = &[
    ("object_catalog", Name),
    ("object_schema", Name),
    ("object_name", Name),
    ("object_type", Text),
    ("collection_type_identifier", Name),
    ("data_type", Text),
    ("udt_catalog", Name),
    ("udt_schema", Name),
    ("udt_name", Name),
    ("dtd_identifier", Name),
];

fn element_types(snapshot: &Snapshot) -> Vec<Row> {
    let database = snapshot.backend.database.as_str();
    let mut rows = Vec::new();
    for entry in &snapshot.entries {
        let (schema, table) = (entry.relation.schema.as_str(), entry.relation.name.as_str());
        rows.extend(entry.columns().filter_map(|(number, column)| {
            let element = element(&column.data_type)?;
            let identifier = number.to_string();
            let name = format_type(element.oid, None).unwrap_or_else(|| element.name.to_owned());
            Some(row![
                database,
                schema,
                table,
                "TABLE",
                identifier.as_str(),
                name,
                database,
                "pg_catalog",
                element.name,
                format!("a{identifier}"),
            ])
        }));
    }
    rows
}

const CHARACTER_SET: &[(&str, Kind)] = &[
    ("character_set_catalog", Name),
    ("character_set_schema", Name),
    ("character_set_name", Name),
    ("character_repertoire", Name),
    ("form_of_use", Name),
    ("default_collate_catalog", Name),
    ("default_collate_schema", Name),
    ("default_collate_name", Name),
];

fn character_sets(snapshot: &Snapshot) -> Vec<Row> {
    let database = snapshot.backend.database.as_str();
    vec![row![Cell::Null, Cell::Null, "UTF8", "UCS", "UTF8", database, "pg_catalog", "C"]]
}
