//! Operators: `OPERATOR(pg_catalog.~)` is `~`, collations are dropped (texts are compared by their bytes anyway), and rows are compared column
//! by column.

use std::collections::HashSet;
use std::sync::LazyLock;

use arrow::datatypes::DataType;
use sqlparser::ast::{BinaryOperator, Expr, Value, ValueWithSpan};

use super::{boolean, call};
use crate::tables;

pub(super) fn rewrite(expr: &mut Expr) {
    match expr {
        Expr::Collate { expr: inner, .. } => *expr = std::mem::replace(inner, boolean(false)),
        Expr::BinaryOp { left, op, right } => match op {
            BinaryOperator::PGCustomBinaryOperator(parts) => {
                if let Some(known) = parts.last().and_then(|name| operator(name)) {
                    *op = known;
                } else if let Some((negated, any_case)) = parts.last().and_then(|name| like(name)) {
                    *expr = pattern(left, right, negated, any_case);
                }
            }
            BinaryOperator::PGLikeMatch => *expr = pattern(left, right, false, false),
            BinaryOperator::PGILikeMatch => *expr = pattern(left, right, false, true),
            BinaryOperator::PGNotLikeMatch => *expr = pattern(left, right, true, false),
            BinaryOperator::PGNotILikeMatch => *expr = pattern(left, right, true, true),
            BinaryOperator::NotEq => {
                compare_boolean(left, right);
                compare_function(left, right);
            }
            BinaryOperator::Eq => {
                compare_boolean(left, right);
                compare_function(left, right);
                if let (Expr::Tuple(left), Expr::Tuple(right)) = (left.as_ref(), right.as_ref())
                    && left.len() == right.len()
                {
                    *expr = all_equal(left, right);
                }
            }
            _ => {}
        },
        Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
            escape(pattern, escape_char);
        }
        Expr::InList { expr: row, list, negated } => {
            let Expr::Tuple(row) = row.as_ref() else {
                return;
            };
            let same = |other: &Expr| match other {
                Expr::Tuple(other) if other.len() == row.len() => Some(all_equal(row, other)),
                _ => None,
            };
            let Some(alternatives) = list.iter().map(same).collect::<Option<Vec<_>>>() else {
                return;
            };
            let negated = *negated;
            let any = alternatives
                .into_iter()
                .reduce(|left, right| binary(left, BinaryOperator::Or, right))
                .unwrap_or(boolean(false));
            let any = Expr::Nested(Box::new(any));
            *expr = if negated {
                Expr::UnaryOp { op: sqlparser::ast::UnaryOperator::Not, expr: Box::new(any) }
            } else {
                any
            };
        }
        _ => {}
    }
}

/// `typreceive != 0` asks whether there is a function: its column holds names, and that of none is `-`.
fn compare_function(left: &Expr, right: &mut Expr) {
    const COLUMNS: [&str; 8] =
        ["typinput", "typoutput", "typreceive", "typsend", "typmodin", "typmodout", "typanalyze", "typsubscript"];
    let name = match left {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    };
    let holds_names = name.is_some_and(|name| COLUMNS.contains(&name.value.as_str()));
    let zero = |value: &ValueWithSpan| matches!(&value.value, Value::Number(number, _) if number == "0");
    if holds_names && matches!(right, Expr::Value(value) if zero(value)) {
        *right = Expr::Value(Value::SingleQuotedString("-".to_owned()).into());
    }
}

/// `indisprimary = 't'` compares with a truth value.
fn compare_boolean(left: &mut Expr, right: &mut Expr) {
    let literal = |expr: &Expr| match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => match text.to_lowercase().as_str() {
                "t" | "true" | "yes" | "on" | "1" => Some(true),
                "f" | "false" | "no" | "off" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    if is_boolean(left)
        && let Some(value) = literal(right)
    {
        *right = boolean(value);
    } else if is_boolean(right)
        && let Some(value) = literal(left)
    {
        *left = boolean(value);
    }
}

/// Whether an expression is a column of truth values of a system relation.
fn is_boolean(expr: &Expr) -> bool {
    static COLUMNS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
        let fields = tables::system().iter().flat_map(|definition| definition.columns.fields());
        fields.filter(|field| *field.data_type() == DataType::Boolean).map(|field| field.name().as_str()).collect()
    });
    match expr {
        Expr::Identifier(ident) => COLUMNS.contains(ident.value.as_str()),
        Expr::CompoundIdentifier(idents) => idents.last().is_some_and(|ident| COLUMNS.contains(ident.value.as_str())),
        Expr::Nested(inner) => is_boolean(inner),
        _ => false,
    }
}

/// `LIKE 'pg/_%' ESCAPE '/'` escapes with a backslash.
fn escape(pattern: &mut Expr, escape_char: &mut Option<ValueWithSpan>) {
    let Some(Value::SingleQuotedString(escape)) = escape_char.as_ref().map(|escape| &escape.value) else {
        return;
    };
    let mut letters = escape.chars();
    if let (Some(letter), None) = (letters.next(), letters.next()) {
        if letter != '\\' {
            let doubled = call("replace", vec![pattern.clone(), super::text("\\"), super::text("\\\\")]);
            *pattern = call("replace", vec![doubled, super::text(escape), super::text("\\")]);
        }
        *escape_char = None;
    }
}

fn operator(name: &str) -> Option<BinaryOperator> {
    Some(match name {
        "=" => BinaryOperator::Eq,
        "<>" | "!=" => BinaryOperator::NotEq,
        "<" => BinaryOperator::Lt,
        "<=" => BinaryOperator::LtEq,
        ">" => BinaryOperator::Gt,
        ">=" => BinaryOperator::GtEq,
        "~" => BinaryOperator::PGRegexMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "||" => BinaryOperator::StringConcat,
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        "*" => BinaryOperator::Multiply,
        "/" => BinaryOperator::Divide,
        "%" => BinaryOperator::Modulo,
        "@>" => BinaryOperator::AtArrow,
        "<@" => BinaryOperator::ArrowAt,
        _ => return None,
    })
}

/// Whether the operator is one of `LIKE`, and then whether it is negated and whether it ignores the case.
fn like(name: &str) -> Option<(bool, bool)> {
    match name {
        "~~" => Some((false, false)),
        "!~~" => Some((true, false)),
        "~~*" => Some((false, true)),
        "!~~*" => Some((true, true)),
        _ => None,
    }
}

fn pattern(text: &Expr, pattern: &Expr, negated: bool, any_case: bool) -> Expr {
    let (expr, pattern) = (Box::new(text.clone()), Box::new(pattern.clone()));
    if any_case {
        Expr::ILike { negated, any: false, expr, pattern, escape_char: None }
    } else {
        Expr::Like { negated, any: false, expr, pattern, escape_char: None }
    }
}

pub(super) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn all_equal(left: &[Expr], right: &[Expr]) -> Expr {
    let pairs = left.iter().zip(right).map(|(left, right)| binary(left.clone(), BinaryOperator::Eq, right.clone()));
    Expr::Nested(Box::new(
        pairs.reduce(|left, right| binary(left, BinaryOperator::And, right)).unwrap_or(boolean(true)),
    ))
}
