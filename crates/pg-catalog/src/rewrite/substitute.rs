//! Columns that are put as expressions into the query that names them.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Ident, Select, SelectItem, VisitMut, VisitorMut};

use super::name::folded;

/// Columns and what they are: the name of the relation, of the column, and its value.
#[derive(Default)]
pub(super) struct Columns(Vec<(Ident, Ident, Expr)>);

impl Columns {
    pub(super) fn add(&mut self, relation: Ident, column: Ident, value: Expr) {
        self.0.push((relation, column, value));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts the values in place of the columns. A column of the result keeps its name.
    pub(super) fn put_into(&mut self, select: &mut Select) {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) = item
                && let Some((_, name, _)) = self.find(expr)
            {
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: name.clone() };
            }
        }
        let _ = select.visit(self);
    }

    fn find(&self, expr: &Expr) -> Option<&(Ident, Ident, Expr)> {
        let same = |a: &Ident, b: &Ident| folded(a) == folded(b);
        self.0.iter().find(|(relation, column, _)| match expr {
            Expr::Identifier(ident) => same(ident, column),
            Expr::CompoundIdentifier(idents) => {
                matches!(idents.as_slice(), [first, second] if same(first, relation) && same(second, column))
            }
            _ => false,
        })
    }
}

impl VisitorMut for Columns {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some((_, _, value)) = self.find(expr) {
            *expr = value.clone();
        }
        ControlFlow::Continue(())
    }
}
