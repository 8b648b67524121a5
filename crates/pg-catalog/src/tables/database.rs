//! `pg_namespace`, `pg_database` and what is said about objects.

use super::{Made, Row, catalog, row};
use crate::cell::Cell;
use crate::kind::Kind::{self, Bool, Char, Int4, Name, Oid, Text, Texts, Xid};
use crate::oid;
use crate::snapshot::Snapshot;

pub(super) const TABLES: &[Made] = &[
    catalog("pg_namespace", NAMESPACE, namespaces),
    catalog("pg_database", DATABASE, databases),
    catalog("pg_description", DESCRIPTION, descriptions),
];

const NAMESPACE: &[(&str, Kind)] = &[("oid", Oid), ("nspname", Name), ("nspowner", Oid), ("nspacl", Texts)];

fn namespaces(snapshot: &Snapshot) -> Vec<Row> {
    snapshot.schemas.iter().map(|(name, oid)| row![*oid, name.as_str(), oid::OWNER, Cell::Null]).collect()
}

const DATABASE: &[(&str, Kind)] = &[
    ("oid", Oid),
    ("datname", Name),
    ("datdba", Oid),
    ("encoding", Int4),
    ("datlocprovider", Char),
    ("datistemplate", Bool),
    ("datallowconn", Bool),
    ("datconnlimit", Int4),
    ("datfrozenxid", Xid),
    ("datminmxid", Xid),
    ("dattablespace", Oid),
    ("datcollate", Text),
    ("datctype", Text),
    ("daticulocale", Text),
    ("datcollversion", Text),
    ("datacl", Texts),
];

fn databases(snapshot: &Snapshot) -> Vec<Row> {
    let name = snapshot.backend.database.as_str();
    // Texts are compared by their bytes, which is the collation C; 6 is UTF-8.
    vec![row![
        snapshot.database_oid,
        name,
        oid::OWNER,
        6,
        "c",
        false,
        true,
        -1,
        0,
        0,
        oid::DEFAULT_TABLESPACE,
        "C",
        "C",
        Cell::Null,
        Cell::Null,
        Cell::Null,
    ]]
}

const DESCRIPTION: &[(&str, Kind)] = &[("objoid", Oid), ("classoid", Oid), ("objsubid", Int4), ("description", Text)];

fn descriptions(snapshot: &Snapshot) -> Vec<Row> {
    let (class, namespace) = (1259, 2615);
    let mut rows = vec![row![oid::PUBLIC, namespace, 0, "standard public schema"]];
    for entry in &snapshot.entries {
        let comments = entry.columns().map(|(number, column)| (i32::from(number), column.comment.as_deref()));
        for (number, comment) in std::iter::once((0, entry.relation.comment.as_deref())).chain(comments) {
            rows.extend(comment.map(|comment| row![entry.oid, class, number, comment]));
        }
    }
    rows
}
