//! Subqueries in conditions and measures. They are run once, before any row comes, so they must be the same for all of them: what a
//! subquery reads of the clause or of a query around it is refused at its place, and so is a table that never ends.

use std::ops::ControlFlow;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::{Expr as DfExpr, LogicalPlan, Subquery};
use dipper_types::{Error, Result, Span};
use sqlparser::ast::{BinaryOperator, Expr, Ident, ObjectName, Query, Spanned, Visit, Visitor};

use super::correlated::check_correlated;
use super::rewrite::Scope;
use super::{own_expressions, plan_error};
use crate::catalog::{column_name, relation_name};
use crate::logical::{is_unbounded, subquery_of};
use crate::source_text::span;

/// Plans an expression over `schema` that may have subqueries.
pub(super) fn planned(
    text: &Expr,
    schema: &DFSchema,
    scope: &Scope<'_>,
    planner: &mut dyn RelationPlannerContext,
) -> Result<DfExpr> {
    check_comparisons(text, scope)?;
    let names = NamesInside::of(text);
    let planned = planner.sql_to_expr(text.clone(), schema).map_err(|error| {
        let error = plan_error(error);
        // A name that nothing in the subquery explains may be one of the clause around it.
        let is_at = |name: &&Name| error.span().is_some_and(|place| place.start == name.place.start);
        match names.columns.iter().find(is_at).and_then(|name| Some((name, of_the_clause(name, scope)?))) {
            Some((name, what)) => reads(&what, scope).at(name.place),
            None => error,
        }
    })?;
    let mut checked = Ok(());
    // The closure does not fail.
    let _ = planned.apply(|part| {
        if let Some(subquery) = subquery_of(part) {
            checked = check(subquery, &names, scope);
        }
        Ok(if checked.is_ok() { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    checked.map(|()| planned)
}

/// ANY and ALL are answered from the order of the subquery's values, so only what goes by that can be asked.
fn check_comparisons(text: &Expr, scope: &Scope<'_>) -> Result<()> {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    let other = own_expressions::visit(text, &mut |part| match part {
        Expr::AnyOp { compare_op, right, .. } | Expr::AllOp { compare_op, right, .. }
            if matches!(**right, Expr::Subquery(_)) && !matches!(compare_op, Eq | NotEq | Lt | LtEq | Gt | GtEq) =>
        {
            ControlFlow::Break((compare_op.clone(), span(part.span())))
        }
        _ => ControlFlow::Continue(()),
    });
    match other {
        ControlFlow::Break((operator, place)) => {
            let part = scope.part_name();
            let message = format!("{operator} before ANY or ALL of a subquery in {part} is not supported");
            Err(Error::unsupported(message).at(place).with_hint("compare with =, <>, <, <=, > or >="))
        }
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn check(subquery: &Subquery, names: &NamesInside, scope: &Scope<'_>) -> Result<()> {
    if let Some(column) = outer_references(&subquery.subquery).first() {
        let name = names.written(column);
        let what = name.and_then(|name| of_the_clause(name, scope));
        let what = what.unwrap_or_else(|| format!("'{}' of an outer query", column.flat_name()));
        return Err(placed(reads(&what, scope), name.map(|name| name.place)));
    }
    check_correlated(&subquery.subquery)?;
    if is_unbounded(&subquery.subquery) {
        let part = scope.part_name();
        let message =
            format!("a subquery in {part} is computed before the rows come, but the table it reads never ends");
        let read = tables(&subquery.subquery);
        let is_read = |name: &&ObjectName| relation_name(name).is_ok_and(|name| read.contains(&name));
        let table = names.tables.iter().find(is_read).or_else(|| names.tables.first());
        return Err(placed(Error::unsupported(message), table.map(|table| span(table.span()))));
    }
    Ok(())
}

/// The columns that a plan reads of a query around it; those that a subquery in it reads of itself are none.
fn outer_references(plan: &LogicalPlan) -> Vec<Column> {
    let mut found = Vec::new();
    // The closures do not fail.
    let _ = plan.apply(|node| {
        let is_of_node = |column: &Column| node.inputs().iter().any(|input| input.schema().has_column(column));
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let DfExpr::OuterReferenceColumn(_, column) = part {
                    found.push(column.clone());
                }
                if let Some(inner) = subquery_of(part) {
                    found.extend(outer_references(&inner.subquery).into_iter().filter(|column| !is_of_node(column)));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    found
}

fn placed(error: Error, place: Option<Span>) -> Error {
    match place {
        Some(place) => error.at(place),
        None => error,
    }
}

fn reads(what: &str, scope: &Scope<'_>) -> Error {
    let part = scope.part_name();
    Error::invalid(format!("a subquery in {part} cannot read {what}: it is computed once, before the rows come"))
        .with_hint("compare with its value outside of it, as in v > (SELECT MAX(w.v) FROM w)")
}

/// What a name in a subquery is in the clause around it, if it is anything there.
fn of_the_clause(name: &Name, scope: &Scope<'_>) -> Option<String> {
    let (first, column) = match name.parts.as_slice() {
        [column] => (None, column),
        [first, column, ..] => (Some(first), column),
        [] => return None,
    };
    if let Some(variable) = first.and_then(|first| scope.variables.find(first)) {
        return variable.name.map(|name| format!("the pattern variable {name}"));
    }
    let of_input =
        first.is_none_or(|first| scope.input_name.is_some_and(|name| column_name(name) == column_name(first)));
    let column = column_name(column);
    (of_input && scope.input.resolve(&column, name.place).is_ok())
        .then(|| format!("column '{column}' of the clause's input"))
}

/// The tables that a plan reads.
fn tables(plan: &LogicalPlan) -> Vec<String> {
    let mut tables = Vec::new();
    // The closure does not fail.
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            tables.push(scan.table_name.table().to_owned());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    tables
}

/// A column's name, as it is written.
struct Name {
    parts: Vec<Ident>,
    place: Span,
}

/// The names in the subqueries of an expression.
#[derive(Default)]
struct NamesInside {
    columns: Vec<Name>,
    tables: Vec<ObjectName>,
    /// How deep the walk is in subqueries.
    depth: usize,
}

impl NamesInside {
    fn of(text: &Expr) -> Self {
        let mut names = Self::default();
        // The visitor never breaks.
        let _ = text.visit(&mut names);
        names
    }

    /// Where a column of a query around is named, as far as can be told: with its table, else alone.
    fn written(&self, column: &Column) -> Option<&Name> {
        let table = column.relation.as_ref().map(|relation| relation.table());
        let qualified = |name: &&Name| match name.parts.as_slice() {
            [first, last] => Some(column_name(first).as_str()) == table && column_name(last) == column.name,
            _ => false,
        };
        let alone = |name: &&Name| matches!(name.parts.as_slice(), [only] if column_name(only) == column.name);
        self.columns.iter().find(qualified).or_else(|| self.columns.iter().find(alone))
    }
}

impl Visitor for NamesInside {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        self.tables.push(name.clone());
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let parts = match expr {
            _ if self.depth == 0 => return ControlFlow::Continue(()),
            Expr::Identifier(name) => vec![name.clone()],
            Expr::CompoundIdentifier(parts) => parts.clone(),
            _ => return ControlFlow::Continue(()),
        };
        self.columns.push(Name { parts, place: span(expr.span()) });
        ControlFlow::Continue(())
    }
}
