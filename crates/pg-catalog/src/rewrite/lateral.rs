//! Rows of an array of the row beside it, as in `FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(attnum, ord)`. DataFusion cannot read
//! from what depends on the row beside, so it reads from the positions an array may have, and each column is a function of the position.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, JoinConstraint, JoinOperator, Query, Select, SetExpr, TableAlias, TableFactor, Visit,
    VisitMut, Visitor,
};

use super::operator::binary;
use super::relation::{Source, query};
use super::substitute::Columns;
use super::{call, number, quoted, selects};
use crate::functions::POSITIONS_MAX;

pub(super) fn rewrite(query: &mut Query) {
    let Query { body, order_by, .. } = query;
    if let SetExpr::Select(select) = body.as_mut() {
        let mut columns = rewrite_select(select);
        if !columns.is_empty() {
            let _ = order_by.visit(&mut columns);
        }
    } else {
        selects(body, &mut |select| {
            rewrite_select(select);
        });
    }
}

fn rewrite_select(select: &mut Select) -> Columns {
    let mut columns = Columns::default();
    let mut conditions = Vec::new();
    for from in &mut select.from {
        conditions.extend(positions(&mut from.relation, &mut columns));
        for join in &mut from.joins {
            let Some(condition) = positions(&mut join.relation, &mut columns) else {
                continue;
            };
            match &mut join.join_operator {
                JoinOperator::Join(JoinConstraint::On(on))
                | JoinOperator::Inner(JoinConstraint::On(on))
                | JoinOperator::Left(JoinConstraint::On(on))
                | JoinOperator::LeftOuter(JoinConstraint::On(on)) => {
                    *on = binary(Expr::Nested(Box::new(on.clone())), BinaryOperator::And, condition);
                }
                _ => conditions.push(condition),
            }
        }
    }
    if columns.is_empty() {
        return columns;
    }
    for condition in conditions {
        select.selection = Some(match select.selection.take() {
            Some(selection) => binary(Expr::Nested(Box::new(selection)), BinaryOperator::And, condition),
            None => condition,
        });
    }
    columns.put_into(select);
    columns
}

/// Reads from the positions instead, and says up to which; none where nothing depends on the row beside.
fn positions(factor: &mut TableFactor, columns: &mut Columns) -> Option<Expr> {
    let source = Source::of(factor)?;
    if !source.arguments.iter().any(names_columns) {
        return None;
    }
    let rows = source.name();
    let position = Expr::CompoundIdentifier(vec![rows.clone(), quoted("position")]);
    let element = |array: &Expr| call("array_element", vec![array.clone(), position.clone()]);
    let (made, count) = match (source.name.as_str(), source.arguments.as_slice()) {
        ("unnest", [array]) => {
            let made = vec![(source.column(0, ""), element(array)), (source.column(1, "ordinality"), position.clone())];
            (made, call("cardinality", vec![array.clone()]))
        }
        ("_pg_expandarray", [array]) => {
            let made = vec![(source.column(0, "x"), element(array)), (source.column(1, "n"), position.clone())];
            (made, call("cardinality", vec![array.clone()]))
        }
        ("generate_subscripts", [array, ..]) => {
            let before = number(super::call::first(array) - 1);
            let value = binary(position.clone(), BinaryOperator::Plus, before);
            (vec![(source.column(0, ""), Expr::Nested(Box::new(value)))], call("cardinality", vec![array.clone()]))
        }
        ("generate_series", [first, end]) => {
            let before = binary(Expr::Nested(Box::new(first.clone())), BinaryOperator::Minus, number(1));
            let value = binary(position.clone(), BinaryOperator::Plus, before.clone());
            let count = binary(Expr::Nested(Box::new(end.clone())), BinaryOperator::Minus, before);
            (vec![(source.column(0, ""), Expr::Nested(Box::new(value)))], count)
        }
        _ => return None,
    };
    for (name, value) in made {
        columns.add(rows.clone(), name, value);
    }
    let all = call("unnest", vec![call("series", vec![number(1), number(POSITIONS_MAX)])]);
    let subquery = Box::new(query(vec![(all, quoted("position"))])?);
    let alias = Some(TableAlias { explicit: true, name: rows, columns: Vec::new(), at: None });
    *factor = TableFactor::Derived { lateral: false, subquery, alias, sample: None };
    Some(binary(position, BinaryOperator::LtEq, call("positions", vec![count])))
}

/// Whether an expression depends on a row.
fn names_columns(expr: &Expr) -> bool {
    struct Names;
    impl Visitor for Names {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Names).is_break()
}
