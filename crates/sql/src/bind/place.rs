//! A place for an error of planning that came without one: DataFusion keeps the places of column names only, so the text's tree
//! is searched for what the message speaks of.

use std::ops::ControlFlow;

use dipper_types::{Error, Span};
use sqlparser::ast::{Expr, Query, Select, SelectItem, SetExpr, Spanned, Values, Visit, Visitor};

use super::construct::known;
use super::date_interval::DATE_AND_TIME;
use super::reference::function_name;
use super::window_select::plain_name;
use crate::ast::Query as ParsedQuery;
use crate::catalog::column_name;

/// The error with its place, if it is only that of the whole query.
pub(crate) fn placed(error: Error, query: &ParsedQuery) -> Error {
    if error.span().is_some() {
        return error;
    }
    let message = error.to_string();
    if message.starts_with("projections require unique expression names")
        || message.contains("which would be ambiguous")
    {
        return two_columns_of_one_name(query);
    }
    match query.query.visit(&mut Search { message }) {
        ControlFlow::Break(place) => error.at(place),
        ControlFlow::Continue(()) => error.at(query.span),
    }
}

fn two_columns_of_one_name(query: &ParsedQuery) -> Error {
    struct Duplicates;
    impl Visitor for Duplicates {
        type Break = Error;

        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
            let Some((position, name)) = duplicate_columns(select).into_iter().next_back() else {
                return ControlFlow::Continue(());
            };
            let error = Error::invalid(format!("the query has two columns '{name}'"));
            ControlFlow::Break(match known(select.projection[position].span()) {
                Some(place) => error.at(place),
                None => error,
            })
        }
    }
    let error = match query.query.visit(&mut Duplicates) {
        ControlFlow::Break(error) => error,
        ControlFlow::Continue(()) => Error::invalid("the query has two columns of the same name"),
    };
    error.at(query.span).with_hint("name one of them: AS another_name")
}

/// The positions and names of the columns that may have the name of one before them: beside a wildcard any may, and so may a subquery, which
/// DataFusion calls as its column.
pub(crate) fn duplicate_columns(select: &Select) -> Vec<(usize, String)> {
    let mut seen: Vec<String> = Vec::new();
    let mut duplicates = Vec::new();
    let has_wildcard = select
        .projection
        .iter()
        .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
    for (position, item) in select.projection.iter().enumerate() {
        let (name, is_subquery) = match item {
            SelectItem::UnnamedExpr(expr) => (name_of(expr), matches!(under_casts(expr), Expr::Subquery(_))),
            SelectItem::ExprWithAlias { alias, .. } => (column_name(alias), false),
            _ => continue,
        };
        // DataFusion writes functions in small letters.
        let key = name.to_lowercase();
        if has_wildcard || is_subquery || seen.contains(&key) {
            duplicates.push((position, name));
        }
        seen.push(key);
    }
    duplicates
}

/// What a column is called that is given no name.
fn name_of(expr: &Expr) -> String {
    match under_casts(expr) {
        Expr::Identifier(name) => column_name(name),
        Expr::CompoundIdentifier(parts) => parts.last().map(column_name).unwrap_or_default(),
        Expr::Subquery(query) => match query.body.as_select().map(|select| select.projection.as_slice()) {
            Some([SelectItem::UnnamedExpr(expr)]) => name_of(expr),
            Some([SelectItem::ExprWithAlias { alias, .. }]) => column_name(alias),
            _ => plain_name(expr),
        },
        other => plain_name(other),
    }
}

/// DataFusion names a column without its casts.
fn under_casts(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast { expr, .. } | Expr::Nested(expr) => under_casts(expr),
        other => other,
    }
}

struct Search {
    message: String,
}

impl Search {
    fn mentions(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Function(function) => {
                let name = function_name(function);
                !name.is_empty() && has_word(&self.message.to_lowercase(), &name)
            }
            Expr::BinaryOp { op, .. } => {
                let speaks_of_operators =
                    ["operation", "arithmetic expression", "operator"].iter().any(|word| self.message.contains(word));
                speaks_of_operators && self.message.contains(&format!(" {op} "))
            }
            Expr::Cast { .. } => {
                let lower = self.message.to_lowercase();
                ["cast error", "cannot cast", "unsupported cast", "the length in", "the type", "sql type"]
                    .iter()
                    .any(|words| lower.contains(words))
            }
            Expr::Case { .. } => self.message.contains("CASE "),
            Expr::Like { .. } | Expr::ILike { .. } => self.message.contains("LIKE expression"),
            Expr::InList { .. } => self.message.contains("compatible types to compare"),
            Expr::Between { .. } => self.message.contains("BETWEEN expression"),
            Expr::Substring { .. } => self.message.contains("substring"),
            Expr::Interval(_) => self.message.contains("type interval") || self.message.contains(DATE_AND_TIME),
            Expr::Collate { .. } | Expr::AtTimeZone { .. } => self.message.contains("this form of SQL"),
            _ => false,
        }
    }

    fn in_select(&self, select: &Select) -> Option<Span> {
        if self.message.contains("HAVING clause") || self.message.contains("HAVING condition") {
            return select.having.as_ref().and_then(|having| known(having.span()));
        }
        if self.message.contains("WHERE clause") || self.message.contains("non-boolean predicate") {
            return select.selection.as_ref().and_then(|condition| known(condition.span()));
        }
        if self.message.contains("column with position") {
            return known(select.group_by.span());
        }
        None
    }
}

/// The row of VALUES that a message speaks of.
fn row_place(message: &str, values: &Values) -> Option<Span> {
    let (_, rest) = message.split_once("values in row ")?;
    let number: usize = rest.split(' ').next()?.parse().ok()?;
    values.rows.get(number).and_then(|row| known(row.span()))
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(is_part)
            && !text[at + word.len()..].chars().next().is_some_and(is_part)
    })
}

impl Visitor for Search {
    type Break = Span;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Span> {
        let place = match query.body.as_ref() {
            SetExpr::Values(values) => row_place(&self.message, values),
            _ => None,
        };
        let order = query.order_by.as_ref().filter(|_| self.message.contains("order by"));
        let place = place.or_else(|| order.and_then(|order| known(order.span())));
        place.map_or(ControlFlow::Continue(()), ControlFlow::Break)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Span> {
        self.in_select(select).map_or(ControlFlow::Continue(()), ControlFlow::Break)
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Span> {
        let place = if self.mentions(expr) { known(expr.span()) } else { None };
        place.map_or(ControlFlow::Continue(()), ControlFlow::Break)
    }
}
