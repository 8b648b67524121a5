//! `pg_class` and `pg_attribute`: relations, indexes and their columns, those of the users and those of the system.

use arrow::datatypes::{DataType, Field};

use super::{Made, Row, catalog, fields, is_collated, row, system};
use crate::cell::Cell;
use crate::kind::Kind::{self, Bool, Char, Float4, Int2, Int4, Name, Oid, Text, Texts, Xid};
use crate::oid;
use crate::snapshot::Snapshot;
use crate::types::{PgType, pg_type, pg_type_of};

pub(super) const TABLES: &[Made] =
    &[catalog("pg_class", CLASS, classes), catalog("pg_attribute", ATTRIBUTE, attributes)];

const CLASS: &[(&str, Kind)] = &[
    ("oid", Oid),
    ("relname", Name),
    ("relnamespace", Oid),
    ("reltype", Oid),
    ("reloftype", Oid),
    ("relowner", Oid),
    ("relam", Oid),
    ("relfilenode", Oid),
    ("reltablespace", Oid),
    ("relpages", Int4),
    ("reltuples", Float4),
    ("relallvisible", Int4),
    ("reltoastrelid", Oid),
    ("relhasindex", Bool),
    ("relisshared", Bool),
    ("relpersistence", Char),
    ("relkind", Char),
    ("relnatts", Int2),
    ("relchecks", Int2),
    ("relhasrules", Bool),
    ("relhastriggers", Bool),
    ("relhassubclass", Bool),
    ("relrowsecurity", Bool),
    ("relforcerowsecurity", Bool),
    ("relispopulated", Bool),
    ("relreplident", Char),
    ("relispartition", Bool),
    ("relrewrite", Oid),
    ("relfrozenxid", Xid),
    ("relminmxid", Xid),
    ("relacl", Texts),
    ("reloptions", Texts),
    ("relpartbound", Text),
];

/// What differs between the rows of `pg_class`.
struct Class<'a> {
    oid: u32,
    name: &'a str,
    namespace: u32,
    kind: &'static str,
    columns: usize,
    rows: Option<f64>,
    has_index: bool,
}

fn classes(snapshot: &Snapshot) -> Vec<Row> {
    let mut rows: Vec<_> = system()
        .iter()
        .map(|definition| {
            class(&Class {
                oid: definition.oid,
                name: &definition.name,
                namespace: if definition.schema == "pg_catalog" { oid::PG_CATALOG } else { oid::INFORMATION_SCHEMA },
                kind: if definition.is_view() { "v" } else { "r" },
                columns: definition.columns.fields().len(),
                rows: Some(0.0),
                has_index: false,
            })
        })
        .collect();
    for entry in &snapshot.entries {
        let relation = &entry.relation;
        rows.push(class(&Class {
            oid: entry.oid,
            name: &relation.name,
            namespace: entry.schema_oid,
            kind: if relation.is_view { "v" } else { "r" },
            columns: relation.columns.len(),
            rows: relation.rows.map(|rows| rows as f64),
            has_index: entry.key.is_some(),
        }));
        if let Some(key) = &entry.key {
            rows.push(class(&Class {
                oid: key.index_oid,
                name: &key.name,
                namespace: entry.schema_oid,
                kind: "i",
                columns: key.columns.len(),
                rows: relation.rows.map(|rows| rows as f64),
                has_index: false,
            }));
        }
    }
    rows
}

fn class(class: &Class<'_>) -> Row {
    let access_method = match class.kind {
        "r" => oid::HEAP,
        "i" => oid::BTREE,
        _ => 0,
    };
    let file = if class.kind == "v" { 0 } else { class.oid };
    // -1 says that nobody has counted.
    let tuples = if class.kind == "v" { 0.0 } else { class.rows.unwrap_or(-1.0) };
    row![
        class.oid,
        class.name,
        class.namespace,
        0,
        0,
        oid::OWNER,
        access_method,
        file,
        0,
        0,
        tuples,
        0,
        0,
        class.has_index,
        false,
        "p",
        class.kind,
        class.columns as i16,
        0,
        class.kind == "v",
        false,
        false,
        false,
        false,
        true,
        if class.kind == "r" { "d" } else { "n" },
        false,
        0,
        0,
        0,
        Cell::Null,
        Cell::Null,
        Cell::Null,
    ]
}

const ATTRIBUTE: &[(&str, Kind)] = &[
    ("attrelid", Oid),
    ("attname", Name),
    ("atttypid", Oid),
    ("attstattarget", Int4),
    ("attlen", Int2),
    ("attnum", Int2),
    ("attndims", Int4),
    ("attcacheoff", Int4),
    ("atttypmod", Int4),
    ("attbyval", Bool),
    ("attalign", Char),
    ("attstorage", Char),
    ("attcompression", Char),
    ("attnotnull", Bool),
    ("atthasdef", Bool),
    ("atthasmissing", Bool),
    ("attidentity", Char),
    ("attgenerated", Char),
    ("attisdropped", Bool),
    ("attislocal", Bool),
    ("attinhcount", Int4),
    ("attcollation", Oid),
    ("attacl", Texts),
    ("attoptions", Texts),
    ("attfdwoptions", Texts),
    ("attmissingval", Text),
];

/// What differs between the rows of `pg_attribute`.
struct Attribute<'a> {
    relation: u32,
    name: &'a str,
    number: i16,
    pg_type: PgType,
    data_type: &'a DataType,
    is_nullable: bool,
}

fn attributes(snapshot: &Snapshot) -> Vec<Row> {
    let mut rows = Vec::new();
    for definition in system() {
        rows.extend(fields(definition).map(|(number, field)| of_system(definition.oid, number, field)));
    }
    for entry in &snapshot.entries {
        let of = |relation, number, column: &crate::relation::Column, is_nullable| {
            attribute(&Attribute {
                relation,
                name: &column.name,
                number,
                pg_type: pg_type(&column.data_type),
                data_type: &column.data_type,
                is_nullable,
            })
        };
        rows.extend(entry.columns().map(|(number, column)| of(entry.oid, number, column, column.is_nullable)));
        if let Some(key) = &entry.key {
            rows.extend(
                (1..).zip(key.columns(entry)).map(|(place, (_, column))| of(key.index_oid, place, column, true)),
            );
        }
    }
    rows
}

fn of_system(relation: u32, number: i16, field: &Field) -> Row {
    attribute(&Attribute {
        relation,
        name: field.name(),
        number,
        pg_type: pg_type_of(field),
        data_type: field.data_type(),
        is_nullable: field.name() != "oid",
    })
}

fn attribute(attribute: &Attribute<'_>) -> Row {
    let varies = attribute.pg_type.size < 0;
    let align = match attribute.pg_type.size {
        1 => "c",
        2 => "s",
        8 | 16 => "d",
        _ => "i",
    };
    row![
        attribute.relation,
        attribute.name,
        attribute.pg_type.oid,
        -1,
        attribute.pg_type.size,
        attribute.number,
        i32::from(attribute.pg_type.is_array()),
        -1,
        attribute.pg_type.modifier,
        (1..=8).contains(&attribute.pg_type.size),
        align,
        match attribute.pg_type.name {
            "numeric" => "m",
            _ if varies => "x",
            _ => "p",
        },
        "",
        !attribute.is_nullable,
        false,
        false,
        "",
        "",
        false,
        true,
        0,
        if is_collated(attribute.data_type) { oid::DEFAULT_COLLATION } else { 0 },
        Cell::Null,
        Cell::Null,
        Cell::Null,
        Cell::Null,
    ]
}
