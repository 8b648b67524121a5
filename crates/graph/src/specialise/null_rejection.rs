//! Which NULLs a condition rules out: a row of the match has passed its variable's condition, so that what the condition is not true of
//! is not in it.

use datafusion::logical_expr::{Expr, Operator};

use crate::{Define, FrameColumn, Logical, Target};

/// Whether a condition cannot be true of a row in which `column` is NULL.
pub(super) fn rejects_null(define: &Define, column: usize) -> bool {
    let frame = &define.condition.frame;
    let is_own = |target: &Target| {
        let own_row = match target.logical {
            Logical::Current => true,
            Logical::Last { symbols, offset, .. } => offset == 0 && symbols.contains(define.symbol),
            Logical::First { .. } => false,
        };
        own_row && target.shift == 0
    };
    let names = frame.columns.iter().zip(frame.schema.fields()).filter_map(|(read, field)| match read {
        FrameColumn::Input { column: read, target } if *read == column && is_own(target) => Some(field.name().as_str()),
        _ => None,
    });
    Nulls { names: names.collect() }.rule_out(&define.condition.expr.0)
}

/// Columns that are supposed to be NULL.
struct Nulls<'a> {
    names: Vec<&'a str>,
}

impl Nulls<'_> {
    /// Whether a condition is false or NULL then, whatever else holds.
    fn rule_out(&self, condition: &Expr) -> bool {
        match condition {
            Expr::BinaryExpr(both) if both.op == Operator::And => {
                self.rule_out(&both.left) || self.rule_out(&both.right)
            }
            Expr::BinaryExpr(either) if either.op == Operator::Or => {
                self.rule_out(&either.left) && self.rule_out(&either.right)
            }
            Expr::IsNotNull(value) => self.make_null(value),
            Expr::IsTrue(condition) => self.rule_out(condition),
            other => self.make_null(other),
        }
    }

    /// Whether a value is NULL then, whatever else holds.
    fn make_null(&self, value: &Expr) -> bool {
        match value {
            Expr::Column(column) => self.names.contains(&column.name.as_str()),
            Expr::Literal(value, _) => value.is_null(),
            Expr::BinaryExpr(of) if is_strict(of.op) => self.make_null(&of.left) || self.make_null(&of.right),
            Expr::Not(value) | Expr::Negative(value) => self.make_null(value),
            Expr::Cast(cast) => self.make_null(&cast.expr),
            Expr::TryCast(cast) => self.make_null(&cast.expr),
            Expr::Between(between) => self.make_null(&between.expr),
            Expr::Like(like) => self.make_null(&like.expr) || self.make_null(&like.pattern),
            Expr::InList(list) => self.make_null(&list.expr) && !list.list.is_empty(),
            _ => false,
        }
    }
}

/// Whether an operator with a NULL yields NULL.
fn is_strict(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::Plus
            | Operator::Minus
            | Operator::Multiply
            | Operator::Divide
            | Operator::Modulo
    )
}
