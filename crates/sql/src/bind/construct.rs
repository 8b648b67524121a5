//! What a dataflow refuses, by name, and where it stands: plan nodes know nothing of the text, so its tree is searched for the
//! outermost place.

use std::ops::ControlFlow;

use dipper_types::Span;
use sqlparser::ast::{
    Expr, GroupByExpr, LimitClause, Query, Select, SelectItem, SetExpr, SetQuantifier, Spanned, TableFactor,
    TableWithJoins, Visit, Visitor,
};
use sqlparser::tokenizer::Span as TokenSpan;

use super::context::is_aggregate;
use super::reference::function_name;
use crate::ast::ROW_PATTERN_WINDOW;
use crate::source_text::span;

/// A part of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Construct {
    Join,
    OrderBy,
    Limit,
    Distinct,
    WindowFunction,
    Subquery,
    Unnest,
    Recursion,
    Grouping,
    GroupingSets,
    RowPatternWindow,
}

impl Construct {
    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Join => "a join",
            Self::OrderBy => "ORDER BY",
            Self::Limit => "LIMIT",
            Self::Distinct => "DISTINCT or UNION without ALL",
            Self::WindowFunction => "a window function",
            Self::Subquery => "a subquery in an expression",
            Self::Unnest => "UNNEST",
            Self::Recursion => "a recursive query",
            Self::Grouping => "GROUP BY without a window",
            Self::GroupingSets => "GROUP BY with GROUPING SETS, CUBE or ROLLUP",
            Self::RowPatternWindow => "a row pattern in a window",
        }
    }

    /// Where it stands in a query; `None` if only in a view behind it.
    pub(crate) fn place(self, query: &Query) -> Option<Span> {
        match query.visit(&mut Search { wanted: self }) {
            ControlFlow::Break(found) => Some(found),
            ControlFlow::Continue(()) => None,
        }
    }
}

/// A place that is one.
pub(super) fn known(place: TokenSpan) -> Option<Span> {
    (place != TokenSpan::empty()).then(|| span(place))
}

struct Search {
    wanted: Construct,
}

impl Search {
    fn in_query(&self, query: &Query) -> Option<Span> {
        match self.wanted {
            Construct::OrderBy => query.order_by.as_ref().and_then(|order| known(order.span())),
            Construct::Limit => {
                let limit = query.limit_clause.as_ref().and_then(|clause| match clause {
                    LimitClause::LimitOffset { limit: Some(limit), .. }
                    | LimitClause::OffsetCommaLimit { limit, .. } => known(limit.span()),
                    LimitClause::LimitOffset { .. } => known(clause.span()),
                });
                limit.or_else(|| query.fetch.as_ref().and_then(|fetch| known(fetch.span())))
            }
            Construct::Distinct | Construct::Join => self.in_set_operation(&query.body),
            Construct::Recursion => {
                query.with.as_ref().filter(|with| with.recursive).and_then(|with| known(with.span()))
            }
            _ => None,
        }
    }

    /// UNION without ALL removes duplicates, INTERSECT and EXCEPT join: the place is that of the second query.
    fn in_set_operation(&self, body: &SetExpr) -> Option<Span> {
        let SetExpr::SetOperation { left, op, set_quantifier, right } = body else { return None };
        let is_union = matches!(op, sqlparser::ast::SetOperator::Union);
        let is_all = matches!(set_quantifier, SetQuantifier::All | SetQuantifier::AllByName);
        let is_wanted = if self.wanted == Construct::Join { !is_union } else { !is_all };
        let here = if is_wanted { known(right.span()) } else { None };
        here.or_else(|| self.in_set_operation(left)).or_else(|| self.in_set_operation(right))
    }

    fn in_select(&self, select: &Select) -> Option<Span> {
        match self.wanted {
            Construct::Join => {
                let second = select.from.get(1).and_then(|table| known(table.relation.span()));
                second.or_else(|| select.from.iter().find_map(joined))
            }
            Construct::Distinct => select.distinct.as_ref().and_then(|_| known(select.select_token.0.span)),
            Construct::Grouping => plain_grouping(select),
            Construct::GroupingSets => known(select.group_by.span()),
            _ => None,
        }
    }
}

fn joined(table: &TableWithJoins) -> Option<Span> {
    let nested = match &table.relation {
        TableFactor::NestedJoin { table_with_joins, .. } => joined(table_with_joins),
        _ => None,
    };
    nested.or_else(|| table.joins.first().and_then(|join| known(join.relation.span())))
}

/// The keys of a GROUP BY without a window, or the first aggregate where there is no GROUP BY.
fn plain_grouping(select: &Select) -> Option<Span> {
    let GroupByExpr::Expressions(keys, _) = &select.group_by else { return None };
    let is_window = |key: &Expr| match key {
        Expr::Identifier(name) => name.value.to_lowercase().starts_with("window_"),
        Expr::CompoundIdentifier(parts) => {
            parts.last().is_some_and(|name| name.value.to_lowercase().starts_with("window_"))
        }
        _ => false,
    };
    if keys.iter().any(is_window) {
        return None;
    }
    if !keys.is_empty() {
        return known(select.group_by.span());
    }
    select.projection.iter().find_map(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => aggregate(expr),
        _ => None,
    })
}

fn aggregate(expr: &Expr) -> Option<Span> {
    let found = sqlparser::ast::visit_expressions(expr, |part| match part {
        Expr::Function(function) if function.over.is_none() && is_aggregate(&function_name(function)) => {
            ControlFlow::Break(known(function.span()))
        }
        _ => ControlFlow::Continue(()),
    });
    found.break_value().flatten()
}

impl Visitor for Search {
    type Break = Span;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Span> {
        self.in_query(query).map_or(ControlFlow::Continue(()), ControlFlow::Break)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Span> {
        self.in_select(select).map_or(ControlFlow::Continue(()), ControlFlow::Break)
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<Span> {
        match table {
            TableFactor::UNNEST { .. } if self.wanted == Construct::Unnest => {
                known(table.span()).map_or(ControlFlow::Continue(()), ControlFlow::Break)
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Span> {
        let is_wanted = match expr {
            Expr::Subquery(_)
            | Expr::InSubquery { .. }
            | Expr::Exists { .. }
            | Expr::AnyOp { .. }
            | Expr::AllOp { .. } => self.wanted == Construct::Subquery,
            Expr::Function(function) => match self.wanted {
                Construct::WindowFunction => function.over.is_some(),
                Construct::Unnest => function_name(function) == "unnest",
                Construct::RowPatternWindow => function_name(function) == ROW_PATTERN_WINDOW,
                _ => false,
            },
            _ => false,
        };
        let place = if is_wanted { known(expr.span()) } else { None };
        place.map_or(ControlFlow::Continue(()), ControlFlow::Break)
    }
}
