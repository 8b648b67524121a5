//! Arrays: `ANY('{a,b}')`, `ARRAY(SELECT …)`, patterns against each element, and vectors, which count from 0.

use sqlparser::ast::{
    AccessExpr, Array, BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query,
    Subscript, Value,
};

use super::operator::binary;
use super::{boolean, call, last, number, subquery, text};

/// Columns that are an `int2vector`.
const INT2_VECTORS: [&str; 3] = ["indkey", "indoption", "partattrs"];

/// Columns that are an `oidvector`.
const OID_VECTORS: [&str; 5] = ["indclass", "indcollation", "proargtypes", "partclass", "partcollation"];

pub(super) fn rewrite(expr: &mut Expr) {
    match expr {
        Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => {
            if let Expr::Nested(inner) = right.as_ref()
                && !matches!(inner.as_ref(), Expr::Subquery(_))
            {
                *right = inner.clone();
            }
            if let Expr::Value(value) = right.as_ref()
                && let Value::SingleQuotedString(text) = &value.value
                && let Some(array) = literal(text)
            {
                **right = array;
            }
            each_pattern(expr);
        }
        Expr::Like { any: true, pattern, .. } | Expr::ILike { any: true, pattern, .. } => {
            let pattern = if let Expr::Nested(inner) = pattern.as_ref() { inner } else { pattern };
            if let Expr::Array(array) = pattern.as_ref() {
                let alternatives = array.elem.clone().into_iter().map(|element| one_pattern(expr, element)).collect();
                *expr = any_of(alternatives);
            }
        }
        Expr::Function(function) if last(&function.name).is_some_and(|name| name.eq_ignore_ascii_case("array")) => {
            if let FunctionArguments::Subquery(query) = &function.args {
                *expr = of_query(query.as_ref().clone());
            }
        }
        Expr::Function(function) if last(&function.name).is_some_and(|name| name.eq_ignore_ascii_case("coalesce")) => {
            empty_arrays(function);
        }
        Expr::CompoundFieldAccess { root, access_chain } => {
            // A vector counts from 0, an array from 1.
            if is_vector(root)
                && let [AccessExpr::Subscript(Subscript::Index { index })] = access_chain.as_slice()
            {
                let place = binary(index.clone(), BinaryOperator::Plus, number(1));
                *expr = call("array_element", vec![root.as_ref().clone(), place]);
            }
        }
        _ => {}
    }
}

/// An element of a column: the parts of the name of the column are not fields.
pub(super) fn of_column(expr: &mut Expr) {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else {
        return;
    };
    let mut name = match root.as_ref() {
        Expr::Identifier(ident) => vec![ident.clone()],
        Expr::CompoundIdentifier(idents) => idents.clone(),
        _ => return,
    };
    let parts = access_chain.iter().map_while(|access| match access {
        AccessExpr::Dot(Expr::Identifier(part)) => Some(part.clone()),
        _ => None,
    });
    name.extend(parts);
    let rest = access_chain.split_off(name.len() - root_parts(root));
    let column = if name.len() == 1 { Expr::Identifier(name.remove(0)) } else { Expr::CompoundIdentifier(name) };
    *expr =
        if rest.is_empty() { column } else { Expr::CompoundFieldAccess { root: Box::new(column), access_chain: rest } };
}

/// How many parts a name has.
fn root_parts(root: &Expr) -> usize {
    if let Expr::CompoundIdentifier(idents) = root { idents.len() } else { 1 }
}

/// In `coalesce(names, '{}')` the text is an array.
fn empty_arrays(function: &mut Function) {
    if let FunctionArguments::List(list) = &mut function.args {
        for argument in &mut list.args {
            if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument
                && matches!(expr, Expr::Value(value) if value.value == Value::SingleQuotedString("{}".to_owned()))
            {
                *expr = call("make_array", Vec::new());
            }
        }
    }
}

/// `text ~ ANY (ARRAY[…])` is a comparison with each.
fn each_pattern(expr: &mut Expr) {
    let Expr::AnyOp { left, compare_op, right, .. } = expr else {
        return;
    };
    let is_pattern = matches!(
        compare_op,
        BinaryOperator::PGRegexMatch
            | BinaryOperator::PGRegexIMatch
            | BinaryOperator::PGRegexNotMatch
            | BinaryOperator::PGRegexNotIMatch
            | BinaryOperator::PGLikeMatch
    );
    if let (true, Expr::Array(array)) = (is_pattern, right.as_ref()) {
        let alternatives = array.elem.iter().map(|element| {
            let mut one = binary(left.as_ref().clone(), compare_op.clone(), element.clone());
            super::operator::rewrite(&mut one);
            one
        });
        *expr = any_of(alternatives.collect());
    }
}

/// A comparison with any of several patterns, as one with this pattern.
fn one_pattern(expr: &Expr, element: Expr) -> Expr {
    let mut one = expr.clone();
    if let Expr::Like { any, pattern, .. } | Expr::ILike { any, pattern, .. } = &mut one {
        *any = false;
        **pattern = element;
    }
    one
}

fn any_of(alternatives: Vec<Expr>) -> Expr {
    let any = alternatives.into_iter().reduce(|left, right| binary(left, BinaryOperator::Or, right));
    Expr::Nested(Box::new(any.unwrap_or(boolean(false))))
}

/// Whether an expression is a column that is a vector in Postgres.
pub(super) fn is_vector(expr: &Expr) -> bool {
    vector_function(expr).is_some()
}

/// What shows a column that is a vector in Postgres.
pub(super) fn vector_function(expr: &Expr) -> Option<&'static str> {
    let name = match expr {
        Expr::Identifier(ident) => ident,
        Expr::CompoundIdentifier(idents) => idents.last()?,
        Expr::Nested(inner) => return vector_function(inner),
        _ => return None,
    };
    let name = name.value.to_lowercase();
    let of_numbers = INT2_VECTORS.contains(&name.as_str()).then_some("int2_vector");
    of_numbers.or_else(|| OID_VECTORS.contains(&name.as_str()).then_some("oid_vector"))
}

/// The array of a text such as `{a,"b c",NULL}`; none of one that is nested or malformed.
pub(super) fn literal(literal: &str) -> Option<Expr> {
    let inner = literal.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut elements = Vec::new();
    let mut letters = inner.chars().peekable();
    while letters.peek().is_some() {
        let mut element = String::new();
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        let is_quoted = letters.next_if_eq(&'"').is_some();
        loop {
            match letters.next() {
                Some('\\') => element.push(letters.next()?),
                Some('"') if is_quoted => match letters.find(|letter| !letter.is_whitespace()) {
                    Some(',') | None => break,
                    Some(_) => return None,
                },
                Some(',') | None if !is_quoted => break,
                Some('{' | '}' | '"') if !is_quoted => return None,
                Some(letter) => element.push(letter),
                None => return None,
            }
        }
        let plain = if is_quoted { element.as_str() } else { element.trim() };
        elements.push(match plain.parse::<i64>() {
            _ if !is_quoted && plain.eq_ignore_ascii_case("null") => Expr::value(Value::Null),
            Ok(value) if !is_quoted => number(value),
            _ => text(plain),
        });
    }
    Some(Expr::Array(Array { elem: elements, named: true }))
}

/// The array of the rows of a query.
fn of_query(mut query: Query) -> Expr {
    let order = query.order_by.take();
    if subquery::aggregate("array_agg", &mut query, order.as_ref()).is_none() {
        query.order_by = order;
        return Expr::Subquery(Box::new(query));
    }
    call("coalesce", vec![Expr::Subquery(Box::new(query)), call("make_array", Vec::new())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_array_is_read() {
        let read = |text| literal(text).map(|array| array.to_string());
        assert_eq!(read("{r,v}").unwrap(), "ARRAY['r', 'v']");
        assert_eq!(read("{1,2}").unwrap(), "ARRAY[1, 2]");
        assert_eq!(read(r#"{"a,b",NULL,"c\"d"}"#).unwrap(), r#"ARRAY['a,b', NULL, 'c"d']"#);
        assert_eq!(read(r#"{ "a" , "b" ,c }"#).unwrap(), "ARRAY['a', 'b', 'c']");
        assert_eq!(read("{}").unwrap(), "ARRAY[]");
        assert_eq!(read("{{1},{2}}"), None);
        assert_eq!(read("plain"), None);
        assert_eq!(read("{\"open}"), None);
        assert_eq!(read("{\"a\"b}"), None);
    }
}
