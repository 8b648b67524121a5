//! Whether objects can be seen without their schema, and what is said about them.

use dipper_types::Result;

use super::{Function, strict};
use crate::cell::Cell;
use crate::kind::Kind::{Bool, Int4, Oid, Text};
use crate::snapshot::{Class, Snapshot};

pub(super) const FUNCTIONS: &[Function] = &[
    strict("pg_table_is_visible", 1..=1, Bool, |snapshot, arguments| {
        let is_on_path = |class: Class<'_>| matches!(class.schema(), "public" | "pg_catalog");
        Ok(snapshot.class(arguments[0].oid()).map(is_on_path).into())
    }),
    strict("pg_type_is_visible", 1..=1, Bool, visible),
    strict("pg_function_is_visible", 1..=1, Bool, visible),
    strict("pg_operator_is_visible", 1..=1, Bool, visible),
    strict("pg_collation_is_visible", 1..=1, Bool, visible),
    strict("pg_conversion_is_visible", 1..=1, Bool, visible),
    strict("pg_opclass_is_visible", 1..=1, Bool, visible),
    strict("pg_opfamily_is_visible", 1..=1, Bool, visible),
    strict("pg_statistics_obj_is_visible", 1..=1, Bool, visible),
    strict("pg_ts_config_is_visible", 1..=1, Bool, visible),
    strict("pg_ts_dict_is_visible", 1..=1, Bool, visible),
    strict("pg_ts_parser_is_visible", 1..=1, Bool, visible),
    strict("pg_ts_template_is_visible", 1..=1, Bool, visible),
    strict("obj_description", 1..=2, Text, |snapshot, arguments| {
        let of_class = arguments.get(1).and_then(Cell::text).is_none_or(|class| class == "pg_class");
        let oid = arguments[0].oid();
        if oid == crate::oid::PUBLIC && arguments.get(1).and_then(Cell::text) == Some("pg_namespace") {
            return Ok("standard public schema".into());
        }
        Ok(match snapshot.class(oid) {
            Some(Class::Relation(entry)) if of_class => entry.relation.comment.clone().into(),
            _ => Cell::Null,
        })
    }),
    strict("col_description", 2..=2, Text, |snapshot, arguments| {
        let number = arguments[1].integer().and_then(|number| i16::try_from(number).ok()).unwrap_or_default();
        Ok(match snapshot.class(arguments[0].oid()) {
            Some(Class::Relation(entry)) => entry.column(number).and_then(|column| column.comment.clone()).into(),
            _ => Cell::Null,
        })
    }),
    strict("shobj_description", 2..=2, Text, |_, _| Ok(Cell::Null)),
    strict("pg_relation_is_updatable", 2..=2, Int4, |snapshot, arguments| {
        let is_table =
            matches!(snapshot.class(arguments[0].oid()), Some(Class::Relation(entry)) if !entry.relation.is_view);
        // 8 is INSERT.
        Ok(if is_table { 8 } else { 0 }.into())
    }),
    strict("pg_column_is_updatable", 3..=3, Bool, |_, _| Ok(false.into())),
    strict("pg_relation_filenode", 1..=1, Oid, |_, arguments| Ok(arguments[0].oid().into())),
    strict("pg_tablespace_location", 1..=1, Text, |_, _| Ok("".into())),
    strict("pg_tablespace_databases", 1..=1, Oid, |_, _| Ok(Cell::Null)),
    strict("pg_stat_get_numscans", 1..=1, Int4, |_, _| Ok(0.into())),
];

fn visible(_: &Snapshot, _: &[Cell]) -> Result<Cell> {
    Ok(true.into())
}
