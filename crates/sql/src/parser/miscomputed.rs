//! What DataFusion plans but computes wrongly, refused where it stands. What takes types or a plan to be told from what is right is refused
//! by the binder.

use std::ops::ControlFlow;

use dipper_types::{Error, Result, Span};
use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Join, JoinConstraint, JoinOperator,
    LimitClause, Query, Select, SetExpr, SetOperator, SetQuantifier, Spanned, TableFactor, UnaryOperator, Visit,
    Visitor, visit_expressions,
};
use sqlparser::tokenizer::Span as TokenSpan;

use crate::source_text::span;

/// Refuses it in a query, or in an expression of ours, whose own subqueries we compute ourselves; what has no place of its own is said to
/// be at `whole`.
pub(super) fn check<V: Visit>(part: &V, whole: Span) -> Result<()> {
    match part.visit(&mut Check { whole, queries: 0, admitted: Vec::new() }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Check {
    whole: Span,
    /// How many queries the walk is in.
    queries: usize,
    /// Each `IN (SELECT …)` that may stand where it stands. The tree stays in its place meanwhile.
    admitted: Vec<*const Expr>,
}

impl Check {
    fn refuse(&self, what: &str, place: TokenSpan, hint: &str) -> ControlFlow<Error> {
        let place = if place == TokenSpan::empty() { self.whole } else { span(place) };
        ControlFlow::Break(Error::unsupported(format!("{what} is not supported")).at(place).with_hint(hint))
    }

    /// The column that a join makes of two is the left one's, also in rows that have only a right one.
    fn joins(&mut self, joins: &[Join]) -> ControlFlow<Error> {
        use JoinOperator::{FullOuter, Inner, Left, LeftOuter, Right, RightOuter};
        for Join { relation, join_operator, .. } in joins {
            let is_inner = matches!(join_operator, JoinOperator::Join(_) | Inner(_));
            let (side, constraint) = match join_operator {
                Right(constraint) | RightOuter(constraint) => (Some("RIGHT"), constraint),
                FullOuter(constraint) => (Some("FULL"), constraint),
                JoinOperator::Join(constraint) | Inner(constraint) | Left(constraint) | LeftOuter(constraint) => {
                    (None, constraint)
                }
                _ => continue,
            };
            let hint = "write ON a.id = b.id, and COALESCE(a.id, b.id) for the column";
            match (side, constraint) {
                (Some(side), JoinConstraint::Using(_)) => {
                    self.refuse(&format!("{side} JOIN … USING"), constraint.span(), hint)?;
                }
                (Some(side), JoinConstraint::Natural) => {
                    let place = match relation {
                        TableFactor::Table { name, .. } => name.span(),
                        _ => TokenSpan::empty(),
                    };
                    self.refuse(&format!("NATURAL {side} JOIN"), place, hint)?;
                }
                (None, JoinConstraint::On(condition)) if is_inner => self.condition(condition)?,
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    /// Rows are told apart, not counted.
    fn set_operations(&self, body: &SetExpr) -> ControlFlow<Error> {
        let mut rest = vec![body];
        while let Some(part) = rest.pop() {
            let SetExpr::SetOperation { op, set_quantifier, left, right } = part else { continue };
            let counts = matches!(set_quantifier, SetQuantifier::All | SetQuantifier::AllByName);
            if counts && !matches!(op, SetOperator::Union) {
                let place = match right.as_ref() {
                    SetExpr::Select(select) => select.select_token.0.span,
                    _ => TokenSpan::empty(),
                };
                let hint = "leave ALL out, or number equal rows with ROW_NUMBER() OVER (PARTITION BY …) on both sides";
                self.refuse(&format!("{op} ALL"), place, hint)?;
            }
            rest.extend([right.as_ref(), left.as_ref()]);
        }
        ControlFlow::Continue(())
    }

    /// Finds where FALSE serves in the place of NULL, which is what `IN (SELECT …)` gives but as a whole condition.
    fn condition(&mut self, condition: &Expr) -> ControlFlow<Error> {
        // With whether it is one of the conditions that must all be true, and whether it is negated as one.
        let mut rest = vec![(condition, true, false)];
        while let Some((part, is_conjunct, is_negated)) = rest.pop() {
            match part {
                Expr::Nested(inner) => rest.push((inner.as_ref(), is_conjunct, is_negated)),
                Expr::UnaryOp { op: UnaryOperator::Not, expr } if is_conjunct => {
                    rest.push((expr.as_ref(), true, !is_negated));
                }
                Expr::BinaryOp { left, op: op @ (BinaryOperator::And | BinaryOperator::Or), right } if !is_negated => {
                    let is_conjunct = is_conjunct && matches!(op, BinaryOperator::And);
                    rest.extend([(right.as_ref(), is_conjunct, false), (left.as_ref(), is_conjunct, false)]);
                }
                // Inside of them, NULL is as good as FALSE.
                Expr::IsTrue(inner) | Expr::IsNotTrue(inner) => rest.push((inner.as_ref(), false, false)),
                Expr::InSubquery { expr, negated, .. } if *negated != is_negated && !reads_rows(expr) => {
                    let hint = "write NOT EXISTS (SELECT … WHERE …)";
                    self.refuse("NOT IN (SELECT …) behind a constant", start(expr), hint)?;
                }
                Expr::InSubquery { negated, .. } if is_conjunct || *negated == is_negated => {
                    self.admitted.push(std::ptr::from_ref(part));
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }
}

impl Visitor for Check {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        // The rows are put out in any order, and the first ones of that are left out.
        if let Some(LimitClause::LimitOffset { limit: None, offset: Some(offset), .. }) = &query.limit_clause
            && self.queries > 0
            && query.order_by.is_some()
            && !is_zero(&offset.value)
        {
            let hint = "say LIMIT as well";
            self.refuse("OFFSET without LIMIT behind the ORDER BY of a subquery", start(&offset.value), hint)?;
        }
        self.queries += 1;
        self.set_operations(&query.body)
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<Error> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        for condition in [&select.selection, &select.having, &select.qualify].into_iter().flatten() {
            self.condition(condition)?;
        }
        for table in &select.from {
            self.joins(&table.joins)?;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<Error> {
        match table {
            TableFactor::NestedJoin { table_with_joins, .. } => self.joins(&table_with_joins.joins),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        match expr {
            Expr::SimilarTo { expr, .. } => {
                self.refuse("SIMILAR TO", start(expr), "write LIKE, or regexp_like(text, '^(…)$')")
            }
            Expr::InSubquery { expr: value, negated, .. }
                if self.queries > 0 && !self.admitted.contains(&std::ptr::from_ref(expr)) =>
            {
                let what = if *negated {
                    "NOT IN (SELECT …) anywhere but in WHERE, HAVING or the ON of an inner join, alone or under AND,"
                } else {
                    "IN (SELECT …) anywhere but in WHERE, HAVING or the ON of an inner join, alone or under AND and OR,"
                };
                let hint =
                    "write EXISTS or NOT EXISTS, which are never NULL; in a select list, (SELECT COUNT(*) …) > 0";
                self.refuse(what, start(value), hint)
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

fn is_zero(value: &Expr) -> bool {
    matches!(value, Expr::Value(value) if value.to_string() == "0")
}

/// Whether the value depends on a row, or on a group of them.
fn reads_rows(mut value: &Expr) -> bool {
    while let Expr::Nested(inner) = value {
        value = inner;
    }
    if matches!(value, Expr::Subquery(_)) {
        return false;
    }
    let counts_rows = |argument: &FunctionArg| matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Wildcard));
    let found = visit_expressions(value, |part| match part {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
        Expr::Function(function) => match &function.args {
            FunctionArguments::List(list) if list.args.iter().any(counts_rows) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        },
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// Where an expression starts, as far as that is known. It is found without recursion: how deep it goes is yet to be checked.
fn start(mut expr: &Expr) -> TokenSpan {
    loop {
        expr = match expr {
            Expr::BinaryOp { left, .. } => left,
            Expr::UnaryOp { expr, .. } | Expr::Nested(expr) | Expr::Cast { expr, .. } => expr,
            Expr::Identifier(name) => return name.span,
            Expr::CompoundIdentifier(_) | Expr::Value(_) | Expr::TypedString(_) => return expr.span(),
            Expr::Function(function) => return function.name.span(),
            Expr::Case { case_token, .. } => return case_token.0.span,
            _ => return TokenSpan::empty(),
        };
    }
}
