//! `pg_index` and `pg_constraint`: the primary keys.

use std::collections::HashMap;
use std::sync::LazyLock;

use arrow::array::AsArray;
use arrow::datatypes::Int32Type;

use super::{Made, Row, catalog, is_collated, row};
use crate::cell::Cell;
use crate::kind::Kind::{self, Bool, Char, Int2, Int2s, Int4, Name, Oid, Oids, Text};
use crate::oid;
use crate::snapshot::Snapshot;
use crate::types::{PgType, pg_type};

pub(super) const TABLES: &[Made] =
    &[catalog("pg_index", INDEX, indexes), catalog("pg_constraint", CONSTRAINT, constraints)];

const INDEX: &[(&str, Kind)] = &[
    ("indexrelid", Oid),
    ("indrelid", Oid),
    ("indnatts", Int2),
    ("indnkeyatts", Int2),
    ("indisunique", Bool),
    ("indnullsnotdistinct", Bool),
    ("indisprimary", Bool),
    ("indisexclusion", Bool),
    ("indimmediate", Bool),
    ("indisclustered", Bool),
    ("indisvalid", Bool),
    ("indcheckxmin", Bool),
    ("indisready", Bool),
    ("indislive", Bool),
    ("indisreplident", Bool),
    ("indkey", Int2s),
    ("indcollation", Oids),
    ("indclass", Oids),
    ("indoption", Int2s),
    ("indexprs", Text),
    ("indpred", Text),
];

fn indexes(snapshot: &Snapshot) -> Vec<Row> {
    let rows = snapshot.keys().map(|(entry, key)| {
        let count = key.columns.len();
        let collations: Vec<u32> = key
            .columns(entry)
            .map(|(_, column)| if is_collated(&column.data_type) { oid::DEFAULT_COLLATION } else { 0 })
            .collect();
        let classes: Vec<u32> =
            key.columns(entry).map(|(_, column)| operator_class(&pg_type(&column.data_type))).collect();
        row![
            key.index_oid,
            entry.oid,
            count as i16,
            count as i16,
            true,
            false,
            true,
            false,
            true,
            false,
            true,
            false,
            true,
            true,
            false,
            key.columns.clone(),
            collations,
            classes,
            vec![0i16; count],
            Cell::Null,
            Cell::Null,
        ]
    });
    rows.collect()
}

/// How an index orders a type: the operator class of `btree`.
fn operator_class(pg_type: &PgType) -> u32 {
    const ANY_ARRAY: u32 = 2277;
    /// The default classes, by the type they are of.
    static CLASSES: LazyLock<HashMap<u32, u32>> = LazyLock::new(|| {
        let read = || {
            let batch = super::find(None, "pg_opclass")?.shipped()?;
            let numbers = |name: &str| Some(batch.column_by_name(name)?.as_primitive_opt::<Int32Type>()?.values());
            let is_default = batch.column_by_name("opcdefault")?.as_boolean_opt()?;
            let rows = numbers("opcmethod")?.iter().zip(numbers("opcintype")?).zip(numbers("oid")?).enumerate();
            let classes =
                rows.filter(|(row, ((method, _), _))| **method as u32 == oid::BTREE && is_default.value(*row));
            Some(classes.map(|(_, ((_, of), class))| (*of as u32, *class as u32)).collect())
        };
        read().unwrap_or_default()
    });
    let of = if pg_type.is_array() { ANY_ARRAY } else { pg_type.oid };
    CLASSES.get(&of).copied().unwrap_or_default()
}

const CONSTRAINT: &[(&str, Kind)] = &[
    ("oid", Oid),
    ("conname", Name),
    ("connamespace", Oid),
    ("contype", Char),
    ("condeferrable", Bool),
    ("condeferred", Bool),
    ("convalidated", Bool),
    ("conrelid", Oid),
    ("contypid", Oid),
    ("conindid", Oid),
    ("conparentid", Oid),
    ("confrelid", Oid),
    ("confupdtype", Char),
    ("confdeltype", Char),
    ("confmatchtype", Char),
    ("conislocal", Bool),
    ("coninhcount", Int4),
    ("connoinherit", Bool),
    ("conkey", Int2s),
    ("confkey", Int2s),
    ("conpfeqop", Oids),
    ("conppeqop", Oids),
    ("conffeqop", Oids),
    ("confdelsetcols", Int2s),
    ("conexclop", Oids),
    ("conbin", Text),
];

fn constraints(snapshot: &Snapshot) -> Vec<Row> {
    let rows = snapshot.keys().map(|(entry, key)| {
        row![
            key.constraint_oid,
            key.name.as_str(),
            entry.schema_oid,
            "p",
            false,
            false,
            true,
            entry.oid,
            0,
            key.index_oid,
            0,
            0,
            " ",
            " ",
            " ",
            true,
            0,
            true,
            key.columns.clone(),
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
        ]
    });
    rows.collect()
}
