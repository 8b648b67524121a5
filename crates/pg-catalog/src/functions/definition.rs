//! How objects are written in SQL: `pg_get_indexdef`, `pg_get_constraintdef`, `pg_get_viewdef` and `format_type`.

use dipper_types::Result;

use super::text::quote_identifier;
use super::{Function, lenient, strict};
use crate::cell::Cell;
use crate::kind::Kind::{Bool, Name, Oids, Text};
use crate::snapshot::{Class, Entry, Key, Snapshot};
use crate::types;

pub(super) const FUNCTIONS: &[Function] = &[
    lenient("format_type", 2..=2, Text, format_type),
    strict("pg_get_indexdef", 1..=3, Text, indexdef),
    strict("pg_get_constraintdef", 1..=2, Text, constraintdef),
    strict("pg_get_viewdef", 1..=2, Text, viewdef),
    strict("pg_get_userbyid", 1..=1, Name, |snapshot, arguments| {
        let oid = arguments[0].oid();
        Ok(snapshot.role(oid).map_or_else(|| format!("unknown (OID={oid})"), str::to_owned).into())
    }),
    // Nothing has a default, a sequence, a partition, a rule, a trigger or statistics.
    lenient("pg_get_expr", 2..=3, Text, |_, arguments| Ok(arguments[0].clone())),
    strict("pg_get_serial_sequence", 2..=2, Text, |_, _| Ok(Cell::Null)),
    strict("pg_get_partkeydef", 1..=1, Text, |_, _| Ok(Cell::Null)),
    strict("pg_get_partition_constraintdef", 1..=1, Text, |_, _| Ok(Cell::Null)),
    strict("pg_get_ruledef", 1..=2, Text, |_, _| Ok(Cell::Null)),
    strict("pg_get_triggerdef", 1..=2, Text, |_, _| Ok(Cell::Null)),
    strict("pg_get_statisticsobjdef", 1..=1, Text, |_, _| Ok(Cell::Null)),
    strict("pg_get_statisticsobjdef_columns", 1..=1, Text, |_, _| Ok(Cell::Null)),
    strict("pg_get_function_result", 1..=1, Text, |_, _| Ok(Cell::Null)),
    strict("pg_get_function_arguments", 1..=1, Text, |_, _| Ok(Cell::Null)),
    strict("pg_get_function_identity_arguments", 1..=1, Text, |_, _| Ok(Cell::Null)),
    strict("pg_get_functiondef", 1..=1, Text, |_, _| Ok(Cell::Null)),
    strict("pg_get_function_sqlbody", 1..=1, Text, |_, _| Ok(Cell::Null)),
    strict("pg_index_column_has_property", 3..=3, Bool, |snapshot, arguments| {
        let is_index = matches!(snapshot.class(arguments[0].oid()), Some(Class::Index(..)));
        let property = arguments[2].text().unwrap_or_default();
        Ok(if is_index { (property != "desc" && property != "nulls_first").into() } else { Cell::Null })
    }),
    strict("pg_relation_is_publishable", 1..=1, Bool, |_, _| Ok(false.into())),
    strict("pg_partition_ancestors", 1..=1, Oids, |_, arguments| Ok(vec![arguments[0].oid()].into())),
    strict("pg_partition_root", 1..=1, Text, |_, _| Ok(Cell::Null)),
];

fn format_type(_: &Snapshot, arguments: &[Cell]) -> Result<Cell> {
    if arguments[0].is_null() {
        return Ok(Cell::Null);
    }
    let oid = arguments[0].oid();
    let modifier = arguments[1].integer().map(|modifier| modifier as i32);
    Ok(match types::format_type(oid, modifier) {
        Some(name) => name.into(),
        None if oid == 0 => "-".into(),
        None => super::cast::shipped_type(oid).unwrap_or_else(|| "???".to_owned()).into(),
    })
}

fn indexdef(snapshot: &Snapshot, arguments: &[Cell]) -> Result<Cell> {
    let Some(Class::Index(entry, key)) = snapshot.class(arguments[0].oid()) else {
        return Ok(Cell::Null);
    };
    let column = arguments.get(1).and_then(Cell::integer).unwrap_or_default();
    if column == 0 {
        let is_pretty =
            arguments.get(2).and_then(Cell::boolean).unwrap_or_default() && entry.relation.schema == "public";
        return Ok(index_definition(entry, key, !is_pretty).into());
    }
    let place = usize::try_from(column - 1).unwrap_or(usize::MAX);
    Ok(key.columns(entry).nth(place).map_or_else(String::new, |(_, column)| quote_identifier(&column.name)).into())
}

/// The statement that would make the index of a primary key.
pub(crate) fn index_definition(entry: &Entry, key: &Key, with_schema: bool) -> String {
    let schema = if with_schema { format!("{}.", quote_identifier(&entry.relation.schema)) } else { String::new() };
    let (name, table) = (quote_identifier(&key.name), quote_identifier(&entry.relation.name));
    format!("CREATE UNIQUE INDEX {name} ON {schema}{table} USING btree ({})", key_columns(entry, key))
}

fn key_columns(entry: &Entry, key: &Key) -> String {
    key.columns(entry).map(|(_, column)| quote_identifier(&column.name)).collect::<Vec<_>>().join(", ")
}

fn constraintdef(snapshot: &Snapshot, arguments: &[Cell]) -> Result<Cell> {
    let found = snapshot.constraint(arguments[0].oid());
    Ok(found.map(|(entry, key)| format!("PRIMARY KEY ({})", key_columns(entry, key))).into())
}

fn viewdef(snapshot: &Snapshot, arguments: &[Cell]) -> Result<Cell> {
    let oid = match &arguments[0] {
        Cell::Text(name) => super::cast::class_oid(snapshot, name)?,
        other => other.oid(),
    };
    let definition = match snapshot.class(oid) {
        Some(Class::Relation(entry)) => entry.relation.definition.clone(),
        _ => None,
    };
    Ok(definition.into())
}
