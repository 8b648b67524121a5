//! What DataFusion plans but computes wrongly, refused where it stands. What takes types or a plan to be told from what is right is refused
//! by the binder.

use std::ops::ControlFlow;

use dipper_types::{Error, Result, Span};
use sqlparser::ast::{
    BinaryOperator, Expr, Function, Join, JoinConstraint, JoinOperator, NamedWindowDefinition, NamedWindowExpr, Query,
    Select, SetExpr, SetOperator, SetQuantifier, Spanned, TableFactor, UnaryOperator, Visit, Visitor, WindowSpec,
    WindowType,
};
use sqlparser::tokenizer::Span as TokenSpan;

use crate::source_text::span;

/// Refuses it in a query, or in an expression of ours, whose own subqueries we compute ourselves; what has no place of its own is said to
/// be at `whole`.
pub(super) fn check<V: Visit>(part: &V, whole: Span) -> Result<()> {
    match part.visit(&mut Check { whole }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Check {
    whole: Span,
}

impl Check {
    fn refuse(&self, what: &str, place: TokenSpan, hint: &str) -> ControlFlow<Error> {
        let place = if place == TokenSpan::empty() { self.whole } else { span(place) };
        ControlFlow::Break(Error::unsupported(format!("{what} is not supported")).at(place).with_hint(hint))
    }

    /// The column that a join makes of two is the left one's, also in rows that have only a right one.
    fn joins(&self, joins: &[Join]) -> ControlFlow<Error> {
        use JoinOperator::{FullOuter, Right, RightOuter};
        for Join { relation, join_operator, .. } in joins {
            let (side, constraint) = match join_operator {
                Right(constraint) | RightOuter(constraint) => ("RIGHT", constraint),
                FullOuter(constraint) => ("FULL", constraint),
                _ => continue,
            };
            let hint = "write ON a.id = b.id, and COALESCE(a.id, b.id) for the column";
            match constraint {
                JoinConstraint::Using(_) => {
                    self.refuse(&format!("{side} JOIN … USING"), constraint.span(), hint)?;
                }
                JoinConstraint::Natural => {
                    let place = match relation {
                        TableFactor::Table { name, .. } => name.span(),
                        _ => TokenSpan::empty(),
                    };
                    self.refuse(&format!("NATURAL {side} JOIN"), place, hint)?;
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    /// What the other window says would be forgotten.
    fn window(&self, WindowSpec { window_name, .. }: &WindowSpec) -> ControlFlow<Error> {
        let Some(base) = window_name else { return ControlFlow::Continue(()) };
        let hint = format!("write OVER {} without parentheses, or the whole specification", base.value);
        self.refuse(&format!("a window built on '{}'", base.value), base.span, &hint)
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
}

impl Visitor for Check {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        self.set_operations(&query.body)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        for NamedWindowDefinition(_, window) in &select.named_window {
            if let NamedWindowExpr::WindowSpec(window) = window {
                self.window(window)?;
            }
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
            // It would be XOR.
            Expr::BinaryOp { left, op: BinaryOperator::BitwiseXor, .. } => {
                self.refuse("^", start(left), "write power(a, b)")
            }
            // The sign would be that of the first field alone.
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } if has_fields(expr) => {
                let hint = "write INTERVAL '…' * -1, or put a sign before each field";
                self.refuse("a minus before an INTERVAL of several fields", start(expr), hint)
            }
            Expr::Function(Function { over: Some(WindowType::WindowSpec(window)), .. }) => self.window(window),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Whether it is an INTERVAL with several numbers.
fn has_fields(mut expr: &Expr) -> bool {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    let Expr::Interval(interval) = expr else { return false };
    let text = interval.value.to_string();
    text.split_whitespace().filter(|word| word.contains(|c: char| c.is_ascii_digit())).count() > 1
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
