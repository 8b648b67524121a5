//! Queries: our clauses put aside by [`rewrite`](super::rewrite), the rest read by `sqlparser`, and what the planner
//! would overlook refused.

use std::ops::ControlFlow;

use dipper_types::{Error, Result, Span};
use sqlparser::ast::{Expr, ObjectNamePart, Select, SetExpr, Spanned, Visit, Visitor};

use super::cursor::Cursor;
use super::miscomputed;
use super::rewrite::Rewriter;
use crate::ast::{COLUMNS_MAX, HOP, MATCH_RECOGNIZE, Query, TUMBLE, too_many_columns};
use crate::source_text::span;

/// Parses the tokens up to the end as one query.
pub(super) fn parse_rest(cursor: &mut Cursor<'_>) -> Result<Query> {
    let start = cursor.here();
    let tokens = cursor.take_rest();
    let whole = cursor.since(start);
    let mut rewriter = Rewriter::new(cursor.context());
    let rewritten = rewriter.rewrite_query(&tokens)?;
    let mut inner = Cursor::new(cursor.context(), rewritten, cursor.end());
    let query = inner.sql(|parser| parser.parse_query())?;
    inner.expect_end()?;
    let mut check = Check { whole };
    if let ControlFlow::Break(error) = query.visit(&mut check) {
        return Err(error);
    }
    miscomputed::check(&query, whole)?;
    let (clauses, windows) = rewriter.into_clauses();
    Ok(Query { query, clauses, windows, span: whole })
}

/// Refuses what parses but has no meaning here.
struct Check {
    whole: Span,
}

impl Check {
    fn refuse(&self, what: &str, place: Span) -> ControlFlow<Error> {
        // Parts that `sqlparser` keeps no place of fall back on the query.
        let place = if place.start.line == 0 { self.whole } else { place };
        ControlFlow::Break(Error::unsupported(format!("{what} is not supported")).at(place))
    }
}

impl Visitor for Check {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &sqlparser::ast::Query) -> ControlFlow<Error> {
        let what = match query.body.as_ref() {
            SetExpr::Insert(_) => Some("INSERT inside a query"),
            SetExpr::Update(_) => Some("UPDATE inside a query"),
            SetExpr::Delete(_) => Some("DELETE inside a query"),
            SetExpr::Merge(_) => Some("MERGE inside a query"),
            _ if !query.locks.is_empty() => Some("FOR UPDATE or FOR SHARE"),
            _ if query.for_clause.is_some() => Some("FOR XML or FOR JSON"),
            _ => None,
        };
        match what {
            Some(what) => self.refuse(what, span(query.body.span())),
            None => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        if let Some(beyond) = select.projection.get(COLUMNS_MAX) {
            return ControlFlow::Break(too_many_columns().at(span(beyond.span())));
        }
        if select.top.is_none() {
            return ControlFlow::Continue(());
        }
        let error = Error::unsupported("SELECT TOP is not supported").at(span(select.select_token.0.span));
        ControlFlow::Break(error.with_hint("write ORDER BY … LIMIT n at the end"))
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else { return ControlFlow::Continue(()) };
        let what = match name.value.as_str() {
            MATCH_RECOGNIZE => "MATCH_RECOGNIZE",
            TUMBLE => "TUMBLE",
            HOP => "HOP",
            _ => return ControlFlow::Continue(()),
        };
        let message = format!("{what} can only stand in FROM");
        ControlFlow::Break(Error::invalid(message).at(span(name.span)))
    }
}
