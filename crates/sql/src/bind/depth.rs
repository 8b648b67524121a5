//! How deep an expression may go. Much of what comes behind walks it by recursion, `sqlparser`'s `span()` with the largest
//! frames and each batch's evaluation on a worker's stack among it, and an overflowing stack ends the process.

use std::ops::ControlFlow;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr as DfExpr, LogicalPlan};
use dipper_types::{Error, Result, Span};
use sqlparser::ast::{Expr, Spanned, Visit, Visitor};

use crate::source_text::span;

/// In the text, where a chain of `a AND b AND …` is as deep as it has terms.
const TEXT_DEPTH_MAX: usize = 200;

/// In a plan, whose optimiser puts an expression in the place of a column that a subquery or view computes.
const PLAN_DEPTH_MAX: usize = 400;

/// Refuses text that goes too deep. It must come before the first clone and the first `span()`.
pub(crate) fn check_depth<V: Visit>(part: &V) -> Result<()> {
    match part.visit(&mut TextDepth { now: 0 }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(place) => {
            let error = Error::invalid(format!("this expression goes more than {TEXT_DEPTH_MAX} operators deep"))
                .with_hint("break the chain up: IN (…) instead of OR, or a subquery that computes a part");
            Err(match place {
                Some(place) => error.at(place),
                None => error,
            })
        }
    }
}

struct TextDepth {
    now: usize,
}

impl Visitor for TextDepth {
    type Break = Option<Span>;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        self.now += 1;
        if self.now > TEXT_DEPTH_MAX {
            return ControlFlow::Break(first_operand(expr));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _expr: &Expr) -> ControlFlow<Self::Break> {
        self.now -= 1;
        ControlFlow::Continue(())
    }
}

/// The place where a chain begins, found without recursion.
fn first_operand(mut expr: &Expr) -> Option<Span> {
    loop {
        expr = match expr {
            Expr::BinaryOp { left, .. } => left,
            Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => expr,
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_) => return Some(span(expr.span())),
            _ => return None,
        };
    }
}

/// Refuses a plan in which expressions would go too deep once they are put in the place of the columns that they compute.
pub(super) fn check_plan_depth(plan: &LogicalPlan) -> Result<()> {
    if plan_depth(plan) <= PLAN_DEPTH_MAX {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the expressions of nested queries and views add up to more than {PLAN_DEPTH_MAX} operators"
    ))
    .with_hint("compute less in one query: INSERT what is common into a table"))
}

/// The deepest sum of expressions from the top to a table.
fn plan_depth(plan: &LogicalPlan) -> usize {
    let mut deepest = 0;
    // The closure does not fail.
    let _ = plan.apply_expressions(|expr| {
        deepest = deepest.max(expression_depth(expr));
        Ok(TreeNodeRecursion::Continue)
    });
    deepest + plan.inputs().into_iter().map(plan_depth).max().unwrap_or(0)
}

/// How many operators and calls stand above the deepest column or constant.
fn expression_depth(expr: &DfExpr) -> usize {
    struct ExpressionDepth {
        now: usize,
        most: usize,
    }
    impl<'n> datafusion::common::tree_node::TreeNodeVisitor<'n> for ExpressionDepth {
        type Node = DfExpr;

        fn f_down(&mut self, expr: &'n DfExpr) -> datafusion::common::Result<TreeNodeRecursion> {
            self.now += 1;
            if !matches!(expr, DfExpr::Alias(_)) {
                self.most = self.most.max(self.now);
            }
            Ok(TreeNodeRecursion::Continue)
        }

        fn f_up(&mut self, _expr: &'n DfExpr) -> datafusion::common::Result<TreeNodeRecursion> {
            self.now -= 1;
            Ok(TreeNodeRecursion::Continue)
        }
    }
    let mut depth = ExpressionDepth { now: 0, most: 0 };
    // The visitor does not fail.
    let _ = expr.visit(&mut depth);
    let alias = usize::from(matches!(expr, DfExpr::Alias(_)));
    depth.most.saturating_sub(1 + alias)
}
