//! The expressions of a query's own, those of its subqueries left out: names and windows mean something else there.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Query, Visit, VisitMut, Visitor, VisitorMut};

/// Calls `see` for each expression in `part`, inner ones first, until it breaks.
pub(super) fn visit<B>(part: &impl Visit, see: &mut dyn FnMut(&Expr) -> ControlFlow<B>) -> ControlFlow<B> {
    part.visit(&mut Reading { depth: 0, see })
}

/// As [`visit`], for expressions to be changed.
pub(super) fn visit_mut<B>(
    part: &mut impl VisitMut,
    see: &mut dyn FnMut(&mut Expr) -> ControlFlow<B>,
) -> ControlFlow<B> {
    part.visit(&mut Changing { depth: 0, see })
}

struct Reading<'f, B> {
    /// How many subqueries the walk is in.
    depth: usize,
    see: &'f mut dyn FnMut(&Expr) -> ControlFlow<B>,
}

impl<B> Visitor for Reading<'_, B> {
    type Break = B;

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<B> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<B> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<B> {
        if self.depth == 0 { (self.see)(expr) } else { ControlFlow::Continue(()) }
    }
}

struct Changing<'f, B> {
    depth: usize,
    see: &'f mut dyn FnMut(&mut Expr) -> ControlFlow<B>,
}

impl<B> VisitorMut for Changing<'_, B> {
    type Break = B;

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<B> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<B> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<B> {
        if self.depth == 0 { (self.see)(expr) } else { ControlFlow::Continue(()) }
    }
}
