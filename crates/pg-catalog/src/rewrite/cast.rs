//! Casts: types of identifiers become functions that know the snapshot, and types DataFusion does not know by name those it does.

use sqlparser::ast::{ArrayElemTypeDef, CastKind, DataType, Expr, Ident, Query, SelectItem, Value};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::{array, call, called, cast_to, last, selects};

pub(super) fn rewrite(expr: &mut Expr) {
    let Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr: inner, data_type, .. } = expr else {
        return;
    };
    let target = Target::of(data_type);
    let inner = inner.as_ref().clone();
    *expr = match target {
        Target::Identifier(function) => call(function, vec![inner]),
        Target::Text => to_text(inner),
        Target::Same => inner,
        Target::Array(element) => to_array(inner, element),
        Target::Other(data_type) => cast_to(inner, data_type),
    };
}

/// What a type of Postgres is here.
enum Target {
    /// A type of identifiers, and the function that casts to it.
    Identifier(&'static str),
    Text,
    /// A type whose values are held as they are.
    Same,
    Array(DataType),
    Other(DataType),
}

impl Target {
    fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Custom(name, modifiers) => {
                let name = last(name).unwrap_or_default().to_lowercase();
                match name.as_str() {
                    "oid" | "xid" | "cid" => Self::Identifier("cast_oid"),
                    "regclass" => Self::Identifier("cast_regclass"),
                    "regtype" => Self::Identifier("cast_regtype"),
                    "regnamespace" => Self::Identifier("cast_regnamespace"),
                    "regrole" => Self::Identifier("cast_regrole"),
                    "regproc" | "regprocedure" | "regoper" | "regoperator" => Self::Identifier("cast_regproc"),
                    "int2vector" | "oidvector" | "anyarray" => Self::Same,
                    "cardinal_number" => Self::Other(DataType::Integer(None)),
                    "name" | "char" | "bpchar" | "unknown" | "pg_lsn" | "tid" | "inet" | "cidr" | "xml" | "aclitem"
                    | "sql_identifier" | "character_data" | "yes_or_no" | "pg_node_tree" | "text" | "varchar"
                    | "json" | "jsonb" | "uuid" => Self::Text,
                    _ => builtin(&name, modifiers)
                        .map_or_else(|| Self::Other(data_type.clone()), |known| Self::of(&known)),
                }
            }
            DataType::Text
            | DataType::Varchar(_)
            | DataType::CharVarying(_)
            | DataType::CharacterVarying(_)
            | DataType::Char(_)
            | DataType::Character(_)
            | DataType::JSON
            | DataType::JSONB
            | DataType::Uuid => Self::Text,
            DataType::Regclass => Self::Identifier("cast_regclass"),
            DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => Self::Array(match Self::of(element) {
                Self::Identifier("cast_regproc") | Self::Text => DataType::Text,
                Self::Identifier(_) => DataType::Integer(None),
                Self::Other(element) => element,
                Self::Array(_) | Self::Same => element.as_ref().clone(),
            }),
            other => Self::Other(other.clone()),
        }
    }
}

/// A type that clients write with `pg_catalog.` in front, as the parser knows it without.
fn builtin(name: &str, modifiers: &[String]) -> Option<DataType> {
    let text = if modifiers.is_empty() { name.to_owned() } else { format!("{name}({})", modifiers.join(",")) };
    let parsed = Parser::new(&PostgreSqlDialect {}).try_with_sql(&text).ok()?.parse_data_type().ok()?;
    (!matches!(parsed, DataType::Custom(..))).then_some(parsed)
}

/// To a text: an identifier of a name prints as the name, a vector as its numbers.
fn to_text(expr: Expr) -> Expr {
    if let Some(function) = array::vector_function(&expr) {
        return call("cast_text", vec![call(function, vec![expr])]);
    }
    if let Some(printed) = printed(&expr) {
        return printed;
    }
    match &expr {
        Expr::Value(value) if matches!(value.value, Value::Null | Value::Placeholder(_)) => {
            cast_to(expr, DataType::Text)
        }
        Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_)) => {
            expr
        }
        _ => call("cast_text", vec![expr]),
    }
}

/// What a cast to a type of names prints.
fn printed(expr: &Expr) -> Option<Expr> {
    if let Some(function) = array::vector_function(expr) {
        return Some(call(function, vec![expr.clone()]));
    }
    let (name, arguments) = called(expr)?;
    if let Some(of) = name.strip_prefix("to_reg").filter(|of| *of != "proc") {
        return Some(call(&format!("name_reg{of}"), vec![expr.clone()]));
    }
    let printing = match name {
        "cast_regclass" => "name_regclass",
        "cast_regtype" => "name_regtype",
        "cast_regnamespace" => "name_regnamespace",
        "cast_regrole" => "name_regrole",
        _ => return None,
    };
    Some(call(printing, arguments.into_iter().cloned().collect()))
}

fn to_array(expr: Expr, element: DataType) -> Expr {
    let expr = match &expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => array::literal(text).unwrap_or(expr),
            _ => expr,
        },
        _ => expr,
    };
    cast_to(expr, DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(element), None)))
}

/// The columns a client gets print identifiers of names as names, and vectors as Postgres prints them.
pub(super) fn print_columns(query: &mut Query) {
    selects(&mut query.body, &mut |select| {
        for item in &mut select.projection {
            match item {
                SelectItem::ExprWithAlias { expr, .. } => {
                    if let Some(printed) = printed(expr) {
                        *expr = printed;
                    }
                }
                // Only a column has no name yet, and it keeps its own.
                SelectItem::UnnamedExpr(expr) => {
                    if let (Some(printed), Some(alias)) = (printed(expr), column(expr)) {
                        *item = SelectItem::ExprWithAlias { expr: printed, alias };
                    }
                }
                _ => {}
            }
        }
    });
}

/// The name of a column.
fn column(expr: &Expr) -> Option<Ident> {
    match expr {
        Expr::Identifier(ident) => Some(ident.clone()),
        Expr::CompoundIdentifier(idents) => idents.last().cloned(),
        _ => None,
    }
}
