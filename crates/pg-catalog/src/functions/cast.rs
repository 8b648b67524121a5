//! Casts between names and identifiers: `'t'::regclass`, `oid::regtype::text` and the like, written as functions by the rewriting.

use std::collections::HashMap;
use std::sync::LazyLock;

use arrow::array::AsArray;
use arrow::datatypes::Int32Type;
use dipper_types::{Error, Result};

use super::text::quote_identifier;
use super::{Function, strict};
use crate::cell::Cell;
use crate::kind::Kind::{Oid, Text};
use crate::snapshot::Snapshot;
use crate::{tables, types};

pub(super) const FUNCTIONS: &[Function] = &[
    strict("cast_oid", 1..=1, Oid, |_, arguments| number(&arguments[0])),
    strict("cast_text", 1..=1, Text, |_, arguments| Ok(arguments[0].print().into())),
    strict("cast_regclass", 1..=1, Oid, |snapshot, arguments| by_name(&arguments[0], |name| class_oid(snapshot, name))),
    strict("cast_regtype", 1..=1, Oid, |_, arguments| by_name(&arguments[0], type_oid)),
    strict("cast_regnamespace", 1..=1, Oid, |snapshot, arguments| {
        by_name(&arguments[0], |name| schema_oid(snapshot, name))
    }),
    strict("cast_regrole", 1..=1, Oid, |snapshot, arguments| by_name(&arguments[0], |name| role_oid(snapshot, name))),
    // Columns of functions hold names, so a function is its name.
    strict("cast_regproc", 1..=1, Text, |_, arguments| {
        let name = arguments[0].print().unwrap_or_default();
        let by_number = arguments[0].integer().and_then(|_| function_name(arguments[0].oid()));
        Ok(by_number.unwrap_or_else(|| name.trim_start_matches("pg_catalog.").to_owned()).into())
    }),
    strict("name_regclass", 1..=1, Text, |snapshot, arguments| {
        let oid = by_name(&arguments[0], |name| class_oid(snapshot, name))?.oid();
        Ok(class_name(snapshot, oid).into())
    }),
    strict("name_regtype", 1..=1, Text, |_, arguments| {
        let oid = by_name(&arguments[0], type_oid)?.oid();
        let name = types::format_type(oid, None).or_else(|| shipped_type(oid));
        Ok(name.unwrap_or_else(|| unknown(oid)).into())
    }),
    strict("name_regnamespace", 1..=1, Text, |snapshot, arguments| {
        let oid = by_name(&arguments[0], |name| schema_oid(snapshot, name))?.oid();
        Ok(snapshot.schema(oid).map_or_else(|| unknown(oid), quote_identifier).into())
    }),
    strict("name_regrole", 1..=1, Text, |snapshot, arguments| {
        let oid = by_name(&arguments[0], |name| role_oid(snapshot, name))?.oid();
        Ok(snapshot.role(oid).map_or_else(|| unknown(oid), quote_identifier).into())
    }),
    strict("to_regclass", 1..=1, Oid, |snapshot, arguments| found(&arguments[0], |name| class_oid(snapshot, name))),
    strict("to_regtype", 1..=1, Oid, |_, arguments| found(&arguments[0], type_oid)),
    strict("to_regnamespace", 1..=1, Oid, |snapshot, arguments| {
        found(&arguments[0], |name| schema_oid(snapshot, name))
    }),
    strict("to_regrole", 1..=1, Oid, |snapshot, arguments| found(&arguments[0], |name| role_oid(snapshot, name))),
    strict("to_regproc", 1..=1, Text, |_, arguments| {
        let name = arguments[0].text().map(|name| name.trim_start_matches("pg_catalog."));
        Ok(name.filter(|name| function_oid(name).is_some()).into())
    }),
];

/// An identifier of a number, or of the function whose name stands in a column of functions.
fn number(cell: &Cell) -> Result<Cell> {
    match (cell.integer(), cell.text()) {
        (Some(_), _) => Ok(cell.oid().into()),
        (None, Some("-")) => Ok(0.into()),
        (None, Some(name)) => function_oid(name)
            .map(Cell::from)
            .ok_or_else(|| Error::invalid(format!("invalid input syntax for type oid: \"{name}\""))),
        (None, None) => Ok(Cell::Null),
    }
}

/// The identifier of a name, or the one a number already is.
fn by_name(cell: &Cell, find: impl FnOnce(&str) -> Result<u32>) -> Result<Cell> {
    match (cell.integer(), cell.text()) {
        (Some(_), _) => Ok(cell.oid().into()),
        (None, Some("-")) => Ok(0.into()),
        (None, Some(name)) => Ok(find(name)?.into()),
        (None, None) => Ok(Cell::Null),
    }
}

/// The identifier of a name, null for one that is not there.
fn found(cell: &Cell, find: impl FnOnce(&str) -> Result<u32>) -> Result<Cell> {
    Ok(cell.text().and_then(|name| find(name).ok()).into())
}

/// What an identifier without an object prints as.
fn unknown(oid: u32) -> String {
    if oid == 0 { "-".to_owned() } else { oid.to_string() }
}

/// The relation or index of a name as SQL writes it, quoted and with a schema or not.
pub(super) fn class_oid(snapshot: &Snapshot, name: &str) -> Result<u32> {
    let parts = split_name(name);
    let found = match parts.as_slice() {
        [name] => snapshot.class_oid(None, name),
        [.., schema, name] => snapshot.class_oid(Some(schema), name),
        [] => None,
    };
    found.ok_or_else(|| {
        Error::invalid(format!("relation \"{}\" does not exist", parts.join(".")))
            .with_hint("look at the list of tables, as in \\d")
    })
}

/// The name of a relation as `regclass` prints it: without the schema where that is on the search path.
fn class_name(snapshot: &Snapshot, oid: u32) -> String {
    snapshot.class(oid).map_or_else(
        || unknown(oid),
        |class| match class.schema() {
            "public" | "pg_catalog" => quote_identifier(class.name()),
            schema => format!("{}.{}", quote_identifier(schema), quote_identifier(class.name())),
        },
    )
}

fn type_oid(name: &str) -> Result<u32> {
    let shipped = || {
        let parts = split_name(name);
        let (name, is_array) = parts.last().map_or(("", false), |name| {
            name.strip_suffix("[]").map_or((name.as_str(), false), |element| (element, true))
        });
        let name = if is_array { format!("_{name}") } else { name.to_owned() };
        SHIPPED_TYPES.iter().find(|(_, found)| **found == name).map(|(oid, _)| *oid)
    };
    types::parse_type(name).or_else(shipped).ok_or_else(|| Error::invalid(format!("type \"{name}\" does not exist")))
}

fn schema_oid(snapshot: &Snapshot, name: &str) -> Result<u32> {
    let name = split_name(name).concat();
    let found = snapshot.schemas.iter().find(|(schema, _)| *schema == name);
    found.map(|(_, oid)| *oid).ok_or_else(|| Error::invalid(format!("schema \"{name}\" does not exist")))
}

fn role_oid(snapshot: &Snapshot, name: &str) -> Result<u32> {
    let name = split_name(name).concat();
    let found = snapshot.roles.iter().find(|role| role.name == name);
    found.map(|role| role.oid).ok_or_else(|| Error::invalid(format!("role \"{name}\" does not exist")))
}

/// The parts of a name: what is quoted stays as it is, the rest is folded to lower case.
pub(super) fn split_name(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut is_quoted = false;
    let mut letters = name.trim().chars().peekable();
    while let Some(letter) = letters.next() {
        let Some(part) = parts.last_mut() else {
            break;
        };
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                letters.next();
                part.push('"');
            }
            '"' => is_quoted = !is_quoted,
            '.' if !is_quoted => parts.push(String::new()),
            letter if is_quoted => part.push(letter),
            letter => part.extend(letter.to_lowercase()),
        }
    }
    parts
}

/// Names by identifier, from a shipped table.
fn names(table: &str, name: &str) -> HashMap<u32, String> {
    let read = || {
        let batch = tables::find(None, table)?.shipped()?;
        let oids = batch.column_by_name("oid")?.as_primitive_opt::<Int32Type>()?;
        let names = batch.column_by_name(name)?.as_string_opt::<i32>()?;
        Some(oids.values().iter().zip(names).filter_map(|(oid, name)| Some((*oid as u32, name?.to_owned()))).collect())
    };
    read().unwrap_or_default()
}

static SHIPPED_TYPES: LazyLock<HashMap<u32, String>> = LazyLock::new(|| names("pg_type", "typname"));
static FUNCTION_NAMES: LazyLock<HashMap<u32, String>> = LazyLock::new(|| names("pg_proc", "proname"));

/// How a type prints that `types` does not know.
pub(super) fn shipped_type(oid: u32) -> Option<String> {
    let name = SHIPPED_TYPES.get(&oid)?;
    Some(
        name.strip_prefix('_')
            .map_or_else(|| quote_identifier(name), |element| format!("{}[]", quote_identifier(element))),
    )
}

fn function_name(oid: u32) -> Option<String> {
    FUNCTION_NAMES.get(&oid).cloned()
}

/// Of several functions of a name, the first one made.
fn function_oid(name: &str) -> Option<u32> {
    FUNCTION_NAMES.iter().filter(|(_, found)| *found == name).map(|(oid, _)| *oid).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_at_dots_outside_of_quotes() {
        assert_eq!(split_name(r#"Public."My ""T"".x""#), ["public", r#"My "T".x"#]);
        assert_eq!(split_name(""), [""]);
        assert_eq!(split_name("\"open"), ["open"]);
    }
}
