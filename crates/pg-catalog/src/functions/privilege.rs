//! `has_table_privilege` and the like: everybody may read and insert, nobody may update, delete or create in a schema of the system.

use dipper_types::Result;

use super::{Function, strict};
use crate::cell::Cell;
use crate::kind::Kind::Bool;
use crate::snapshot::Snapshot;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("has_table_privilege", 2..=3, Bool, |snapshot, arguments| {
        of_relation(snapshot, arguments, &["select", "insert", "truncate"])
    }),
    strict("has_any_column_privilege", 2..=3, Bool, |snapshot, arguments| {
        of_relation(snapshot, arguments, &["select", "insert"])
    }),
    strict("has_column_privilege", 3..=4, Bool, |snapshot, arguments| {
        // The column stands before the privilege.
        let mut without_column = arguments.to_vec();
        without_column.remove(arguments.len() - 2);
        of_relation(snapshot, &without_column, &["select", "insert"])
    }),
    strict("has_schema_privilege", 2..=3, Bool, |_, arguments| {
        let schema = arguments[arguments.len() - 2].print().unwrap_or_default();
        let is_users = !matches!(schema.as_str(), "11" | "13000" | "pg_catalog" | "information_schema");
        Ok(any(arguments, if is_users { &["usage", "create"] } else { &["usage"] }))
    }),
    strict("has_database_privilege", 2..=3, Bool, |_, arguments| {
        Ok(any(arguments, &["connect", "create", "temp", "temporary"]))
    }),
    strict("has_function_privilege", 2..=3, Bool, |_, arguments| Ok(any(arguments, &["execute"]))),
    strict("has_language_privilege", 2..=3, Bool, |_, arguments| Ok(any(arguments, &["usage"]))),
    strict("has_type_privilege", 2..=3, Bool, |_, arguments| Ok(any(arguments, &["usage"]))),
    strict("has_tablespace_privilege", 2..=3, Bool, |_, arguments| Ok(any(arguments, &["create"]))),
    strict("has_sequence_privilege", 2..=3, Bool, |_, _| Ok(false.into())),
    strict("has_server_privilege", 2..=3, Bool, |_, _| Ok(false.into())),
    strict("has_foreign_data_wrapper_privilege", 2..=3, Bool, |_, _| Ok(false.into())),
    strict("pg_has_role", 2..=3, Bool, |snapshot, arguments| {
        let role = &arguments[arguments.len() - 2];
        let name = role.integer().and_then(|_| snapshot.role(role.oid())).or_else(|| role.text());
        Ok((name == Some(snapshot.backend.user.as_str()) || name == Some("dipper")).into())
    }),
    strict("row_security_active", 1..=1, Bool, |_, _| Ok(false.into())),
];

fn of_relation(snapshot: &Snapshot, arguments: &[Cell], granted: &[&str]) -> Result<Cell> {
    let relation = &arguments[arguments.len() - 2];
    if let (Some(name), None) = (relation.text(), relation.integer()) {
        // What is not there is an error, as in Postgres.
        super::cast::class_oid(snapshot, name)?;
    }
    Ok(any(arguments, granted))
}

/// Whether one of the privileges that stand in the last argument is granted.
fn any(arguments: &[Cell], granted: &[&str]) -> Cell {
    let asked = arguments.last().and_then(Cell::text).unwrap_or_default().to_lowercase();
    asked.split(',').any(|privilege| granted.contains(&privilege.trim().trim_end_matches(" with grant option"))).into()
}
