//! Calls: without the schema in front, special words such as `current_user` as calls, and functions that return rows as `unnest`.

use sqlparser::ast::{AccessExpr, BinaryOperator, Expr, FunctionArguments, ObjectName};

use super::operator::binary;
use super::{array, call, called, last, number, quoted, text};

/// Words that are calls without parentheses.
const WORDS: &[(&str, &str)] = &[
    ("current_user", "current_user"),
    ("current_role", "current_user"),
    ("user", "current_user"),
    ("session_user", "session_user"),
    ("current_catalog", "current_database"),
    ("current_schema", "current_schema"),
];

/// What DataFusion calls otherwise.
const OTHERWISE: &[(&str, &str)] =
    &[("every", "bool_and"), ("jsonb_agg", "json_agg"), ("pg_current_wal_lsn", "pg_export_snapshot")];

pub(super) fn rewrite(expr: &mut Expr) {
    match expr {
        Expr::Identifier(ident) if ident.quote_style.is_none() => {
            if let Some(name) = word(&ident.value) {
                *expr = call(name, Vec::new());
            }
        }
        Expr::Function(function) => {
            if let Some(name) = unqualified(&function.name) {
                function.name = name;
            }
            if matches!(function.args, FunctionArguments::None) {
                if let Some(name) = last(&function.name).and_then(word) {
                    *expr = call(name, Vec::new());
                }
            } else if let Some(rows) = rows(expr) {
                *expr = rows;
            }
        }
        Expr::CompoundFieldAccess { root, access_chain } => {
            if let [AccessExpr::Dot(Expr::Identifier(field))] = access_chain.as_slice() {
                *expr = self::field(root, &field.value);
            }
        }
        _ => {}
    }
}

fn word(name: &str) -> Option<&'static str> {
    WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(name)).map(|(_, name)| *name)
}

/// A name of a function without the schema, as DataFusion calls it; none for a function of somebody else's schema.
pub(super) fn unqualified(name: &ObjectName) -> Option<ObjectName> {
    let parts: Vec<_> = name.0.iter().filter_map(|part| part.as_ident()).collect();
    let (last, schema) = parts.split_last()?;
    let is_of_system =
        schema.iter().all(|part| matches!(part.value.to_lowercase().as_str(), "pg_catalog" | "information_schema"));
    let lower = last.value.to_lowercase();
    let name = OTHERWISE.iter().find(|(name, _)| *name == lower).map_or(lower.as_str(), |(_, name)| *name);
    is_of_system.then(|| ObjectName::from(vec![quoted(name)]))
}

/// A function that returns rows, as the `unnest` of an array; and a position in a vector, which counts from 0.
fn rows(expr: &Expr) -> Option<Expr> {
    let (name, arguments) = called(expr)?;
    let arguments: Vec<_> = arguments.into_iter().cloned().collect();
    if name == "array_position"
        && let Some(vector) = arguments.first()
        && array::is_vector(vector)
    {
        // DataFusion counts from 1.
        return Some(Expr::Nested(Box::new(binary(
            call("array_position", arguments),
            BinaryOperator::Minus,
            number(1),
        ))));
    }
    let array = match name {
        "generate_series" => call("series", arguments),
        "generate_subscripts" => subscripts(arguments.first()?),
        "_pg_expandarray" => call("_pg_expandarray", arguments),
        "pg_partition_ancestors" => call("pg_partition_ancestors", arguments),
        _ => return None,
    };
    Some(call("unnest", vec![array]))
}

/// The positions of an array: a vector counts from 0.
pub(super) fn subscripts(array: &Expr) -> Expr {
    call("array_subscripts", vec![array.clone(), number(first(array))])
}

/// The first position of an array.
pub(super) fn first(array: &Expr) -> i64 {
    i64::from(!array::is_vector(array))
}

/// A field of a row; of an element and its place without making the row.
fn field(root: &Expr, field: &str) -> Expr {
    let bare = if let Expr::Nested(inner) = root { inner } else { root };
    if let Some(("unnest", arguments)) = called(bare)
        && let [expanded] = arguments.as_slice()
        && let Some(("_pg_expandarray", arguments)) = called(expanded)
        && let [array] = arguments.as_slice()
    {
        return match field {
            "x" => call("unnest", vec![(*array).clone()]),
            _ => call("unnest", vec![call("array_subscripts", vec![(*array).clone(), number(1)])]),
        };
    }
    call("get_field", vec![bare.clone(), text(&field.to_lowercase())])
}
