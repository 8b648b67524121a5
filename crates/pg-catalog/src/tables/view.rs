//! What `pg_catalog` has for people: `pg_tables`, `pg_views`, `pg_indexes`.

use super::{Made, Row, catalog, row, system};
use crate::cell::Cell;
use crate::functions::definition::index_definition;
use crate::kind::Kind::{self, Bool, Name, Text};
use crate::snapshot::Snapshot;

pub(super) const TABLES: &[Made] =
    &[catalog("pg_tables", TABLE, tables), catalog("pg_views", VIEW, views), catalog("pg_indexes", INDEX, indexes)];

const TABLE: &[(&str, Kind)] = &[
    ("schemaname", Name),
    ("tablename", Name),
    ("tableowner", Name),
    ("tablespace", Name),
    ("hasindexes", Bool),
    ("hasrules", Bool),
    ("hastriggers", Bool),
    ("rowsecurity", Bool),
];

fn tables(snapshot: &Snapshot) -> Vec<Row> {
    let row = |schema: &str, name: &str, has_index: bool| {
        row![schema, name, "dipper", Cell::Null, has_index, false, false, false]
    };
    let of_system = system().iter().filter(|definition| !definition.is_view());
    let of_users = snapshot.entries.iter().filter(|entry| !entry.relation.is_view);
    of_system
        .map(|definition| row(definition.schema, &definition.name, false))
        .chain(of_users.map(|entry| row(&entry.relation.schema, &entry.relation.name, entry.key.is_some())))
        .collect()
}

const VIEW: &[(&str, Kind)] = &[("schemaname", Name), ("viewname", Name), ("viewowner", Name), ("definition", Text)];

fn views(snapshot: &Snapshot) -> Vec<Row> {
    let of_system = system().iter().filter(|definition| definition.is_view());
    let of_users = snapshot.entries.iter().filter(|entry| entry.relation.is_view);
    of_system
        .map(|definition| row![definition.schema, definition.name.as_str(), "dipper", Cell::Null])
        .chain(of_users.map(|entry| {
            let relation = &entry.relation;
            row![relation.schema.as_str(), relation.name.as_str(), "dipper", relation.definition.as_deref()]
        }))
        .collect()
}

const INDEX: &[(&str, Kind)] =
    &[("schemaname", Name), ("tablename", Name), ("indexname", Name), ("tablespace", Name), ("indexdef", Text)];

fn indexes(snapshot: &Snapshot) -> Vec<Row> {
    let row = |(entry, key): (&crate::snapshot::Entry, &crate::snapshot::Key)| {
        let (schema, name) = (entry.relation.schema.as_str(), entry.relation.name.as_str());
        row![schema, name, key.name.as_str(), Cell::Null, index_definition(entry, key, true)]
    };
    snapshot.keys().map(row).collect()
}
