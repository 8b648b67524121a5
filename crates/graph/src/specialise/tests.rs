//! Which NULLs conditions rule out. What folding finds is shown where conditions are evaluated: in the operator's tests.
#![allow(clippy::unwrap_used, reason = "a test")]

use arrow::datatypes::DataType;
use datafusion::logical_expr::{BinaryExpr, Operator, case, cast, col, lit};
use datafusion::prelude::Expr;
use dipper_pattern::{SymbolId, SymbolSet};

use super::null_rejection::rejects_null;
use crate::{BoundExpr, Define, FrameBuilder, FrameColumn, Logical, Semantics, Target};

const V: usize = 0;
const W: usize = 1;

/// The condition of variable 0; `last` and `before` are not values of the row under test, `own` is.
fn define(expr: Expr) -> Define {
    let mut frame = FrameBuilder::default();
    let last = |symbol| Logical::Last {
        symbols: SymbolSet::of(&[SymbolId(symbol)]),
        offset: 0,
        semantics: Semantics::Running,
    };
    for (name, column, target) in [
        ("v", V, Target::CURRENT),
        ("w", W, Target::CURRENT),
        ("own", V, Target { logical: last(0), shift: 0 }),
        ("last", V, Target { logical: last(1), shift: 0 }),
        ("before", V, Target { logical: Logical::Current, shift: -1 }),
    ] {
        frame.add(FrameColumn::Input { column, target }, name, DataType::Int64);
    }
    let condition = frame.finish(expr.clone(), DataType::Boolean);
    assert_eq!(condition.expr, BoundExpr(expr));
    Define { symbol: SymbolId(0), condition }
}

#[test]
fn a_condition_that_is_never_true_of_null_rules_it_out() {
    let one = || lit(1_i64);
    let distinct = |left: Expr, right: Expr| {
        Expr::BinaryExpr(BinaryExpr::new(Box::new(left), Operator::IsDistinctFrom, Box::new(right)))
    };
    for (condition, rejects) in [
        (col("v").gt(one()), true),
        (col("own").gt(one()), true),
        (col("last").gt(one()), false),
        (col("before").gt(one()), false),
        (col("w").gt(one()), false),
        ((col("w") - cast(col("v"), DataType::Int64)).lt_eq(one()), true),
        (Expr::Not(Box::new(col("v").eq(one()))), true),
        (col("v").is_not_null(), true),
        (col("v").is_null(), false),
        (col("v").gt(one()).is_not_true(), false),
        (col("v").gt(one()).is_true(), true),
        (distinct(col("v"), one()), false),
        (col("v").between(one(), col("w")), true),
        (col("v").in_list(vec![one(), col("w")], true), true),
        (case(col("v")).when(one(), lit(false)).otherwise(lit(true)).unwrap(), false),
        (col("v").gt(one()).and(col("w").gt(one())), true),
        (col("v").gt(one()).or(col("w").gt(one())), false),
        (col("v").gt(one()).or(col("v").lt(col("last"))), true),
    ] {
        let text = BoundExpr(condition.clone()).to_string();
        assert_eq!(rejects_null(&define(condition), V), rejects, "{text}");
    }
}
