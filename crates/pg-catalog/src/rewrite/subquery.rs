//! A subquery that stands for a value becomes an aggregate, since DataFusion joins only those to the query around it.

use sqlparser::ast::{
    Expr, FunctionArgumentClause, FunctionArguments, GroupByExpr, LimitClause, OrderBy, OrderByKind, Query, Select,
    SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins, Visit, Visitor,
};
use std::ops::ControlFlow;

use super::{call, folded, last, quoted, relation};

pub(super) fn rewrite(expr: &mut Expr) {
    if let Expr::Subquery(query) = expr {
        first_value(query);
    }
}

/// The value of the first row.
fn first_value(query: &mut Query) {
    let is_limited_to_one = match &query.limit_clause {
        None => false,
        Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, .. }) if limit.to_string() == "1" => true,
        Some(_) => return,
    };
    let is_worth_it =
        matches!(query.body.as_ref(), SetExpr::Select(select) if !select.from.is_empty() && is_plain(select));
    if !is_worth_it {
        return;
    }
    let order = query.order_by.take();
    if aggregate("first_value", query, order.as_ref()).is_none() {
        query.order_by = order;
    } else if is_limited_to_one {
        query.limit_clause = None;
    }
}

/// Makes the one column of a query an aggregate of its rows in an order; none for a query that has not one column.
pub(super) fn aggregate(name: &str, query: &mut Query, order: Option<&OrderBy>) -> Option<()> {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
    let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] =
        select.projection.as_mut_slice()
    else {
        return None;
    };
    if order.is_some() || !refers_outward(item, &select.from) {
        *item = aggregated(name, item, order);
        return Some(());
    }
    // An aggregate may not refer to the query around.
    let column = quoted("value");
    select.projection = vec![SelectItem::ExprWithAlias { expr: item.clone(), alias: column.clone() }];
    let mut outer = relation::query(vec![(aggregated(name, &Expr::Identifier(column.clone()), None), column)])?;
    if let SetExpr::Select(select) = outer.body.as_mut() {
        let alias = Some(TableAlias { explicit: true, name: quoted("rows"), columns: Vec::new(), at: None });
        let subquery = Box::new(query.clone());
        let relation = TableFactor::Derived { lateral: false, subquery, alias, sample: None };
        select.from = vec![TableWithJoins { relation, joins: Vec::new() }];
    }
    *query = outer;
    Some(())
}

/// Whether a column is named of a relation that the query does not read.
fn refers_outward(expr: &Expr, from: &[TableWithJoins]) -> bool {
    struct Outward(Vec<String>);
    impl Visitor for Outward {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::CompoundIdentifier(idents) => match idents.as_slice() {
                    [.., relation, _] if !self.0.contains(&folded(relation)) => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                },
                _ => ControlFlow::Continue(()),
            }
        }
    }
    let factors = from
        .iter()
        .flat_map(|from| std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)));
    let name = |factor: &TableFactor| match factor {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(folded(&alias.name))
        }
        TableFactor::Table { name, .. } => name.0.last().and_then(|part| part.as_ident()).map(folded),
        _ => None,
    };
    expr.visit(&mut Outward(factors.filter_map(name).collect())).is_break()
}

/// An aggregate over the rows in an order.
fn aggregated(name: &str, item: &Expr, order: Option<&OrderBy>) -> Expr {
    let mut aggregate = call(name, vec![item.clone()]);
    if let Some(OrderBy { kind: OrderByKind::Expressions(order), .. }) = order
        && let Expr::Function(function) = &mut aggregate
        && let FunctionArguments::List(list) = &mut function.args
    {
        // A number is the place of the one column.
        let mut order = order.clone();
        for by in &mut order {
            if matches!(&by.expr, Expr::Value(_)) {
                by.expr = item.clone();
            }
        }
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    aggregate
}

/// Whether it has a row for each row that is read.
fn is_plain(select: &Select) -> bool {
    let has_no_groups = matches!(&select.group_by, GroupByExpr::Expressions(groups, _) if groups.is_empty());
    has_no_groups && select.having.is_none() && select.distinct.is_none() && !aggregates(select)
}

/// Whether the columns of a query are aggregates (or rows of an array, of which the first is not the value).
pub(super) fn aggregates(select: &Select) -> bool {
    struct Aggregates;
    impl Visitor for Aggregates {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(function) => match last(&function.name) {
                    Some(name) if AGGREGATES.contains(&name.to_lowercase().as_str()) => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                },
                _ => ControlFlow::Continue(()),
            }
        }
    }
    select.projection.iter().any(|item| match item {
        SelectItem::UnnamedExpr(Expr::Subquery(_)) | SelectItem::ExprWithAlias { expr: Expr::Subquery(_), .. } => false,
        item => item.visit(&mut Aggregates).is_break(),
    })
}

const AGGREGATES: &[&str] = &[
    "array_agg",
    "avg",
    "bool_and",
    "bool_or",
    "count",
    "every",
    "first_value",
    "json_agg",
    "json_object_agg",
    "jsonb_agg",
    "max",
    "min",
    "string_agg",
    "sum",
    "unnest",
];
