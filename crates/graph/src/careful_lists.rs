//! Membership in lists, kept from what DataFusion 55 makes of two lists that one expression is looked up in. Its simplification forgets NULL:
//! `a NOT IN (1, 2) OR a NOT IN (3)` becomes TRUE, `a IN (1, 2) AND a NOT IN (3, NULL)` becomes `a IN (1, 2)`, and so do comparisons with
//! constants that it makes lists of. So while it simplifies, what is looked up in several places is of another name in each of them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, lit,
};
use datafusion::optimizer::simplify_expressions::{ExprSimplifier, SimplifyExpressions};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use crate::checked_arithmetic::rewrite_named;

/// `SimplifyExpressions` that keeps lists apart.
#[derive(Debug, Default)]
pub struct CarefulSimplification(SimplifyExpressions);

impl OptimizerRule for CarefulSimplification {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let apart = rewrite_named(plan, told_apart)?;
        if !apart.transformed {
            return self.0.rewrite(apart.data, config);
        }
        let simplified = self.0.rewrite(apart.data, config)?;
        rewrite_named(simplified.data, as_it_was)
    }
}

/// The expression, simplified with its lists kept apart.
pub(crate) fn simplify(expr: Expr, simplifier: &ExprSimplifier) -> Result<Expr> {
    let apart = told_apart(expr)?;
    let simplified = simplifier.simplify(apart.data)?;
    if apart.transformed { as_it_was(simplified).map(|expr| expr.data) } else { Ok(simplified) }
}

/// The expression in which what is looked up in several lists is called differently at each place.
fn told_apart(expr: Expr) -> Result<Transformed<Expr>> {
    let mut places = HashMap::new();
    count_places(&expr, &mut places)?;
    places.retain(|looked_up, places| *places > 1 && looked_up.any_column_refs());
    if places.is_empty() {
        return Ok(Transformed::no(expr));
    }
    let places: HashMap<Expr, usize> = places.into_iter().map(|(expr, places)| (expr.clone(), places)).collect();
    let mut place = 0_i64;
    let mut named = |expr: Box<Expr>| {
        if !places.contains_key(&expr) {
            return expr;
        }
        place += 1;
        Box::new(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&AT), vec![*expr, lit(place)])))
    };
    expr.transform_down(|part| {
        let named = match part {
            Expr::InList(InList { expr, list, negated }) => Expr::InList(InList { expr: named(expr), list, negated }),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_equality(op) => {
                let (left, right) = match (left.as_ref(), right.as_ref()) {
                    (Expr::Column(_), Expr::Literal(..)) => (named(left), right),
                    (Expr::Literal(..), Expr::Column(_)) => (left, named(right)),
                    _ => (left, right),
                };
                Expr::BinaryExpr(BinaryExpr { left, op, right })
            }
            other => return Ok(Transformed::no(other)),
        };
        Ok(Transformed::yes(named))
    })
}

fn as_it_was(expr: Expr) -> Result<Transformed<Expr>> {
    expr.transform_up(|part| match part {
        Expr::ScalarFunction(mut call) if call.func.inner().is::<At>() && !call.args.is_empty() => {
            Ok(Transformed::yes(call.args.swap_remove(0)))
        }
        other => Ok(Transformed::no(other)),
    })
}

/// At how many places each expression is looked up. What is looked up here or there, or neither here nor there, is so at one place: such lists are
/// put together as they should be.
fn count_places<'a>(expr: &'a Expr, places: &mut HashMap<&'a Expr, usize>) -> Result<()> {
    expr.apply(|part| {
        let Expr::BinaryExpr(BinaryExpr { op: operator @ (Operator::And | Operator::Or), .. }) = part else {
            if let Some((looked_up, _)) = lookup(part) {
                *places.entry(looked_up).or_default() += 1;
            }
            return Ok(TreeNodeRecursion::Continue);
        };
        let mut together: HashMap<&Expr, usize> = HashMap::new();
        let mut open = vec![part];
        while let Some(operand) = open.pop() {
            match operand {
                Expr::BinaryExpr(BinaryExpr { left, op, right }) if op == operator => {
                    open.extend([left.as_ref(), right.as_ref()]);
                }
                other => match lookup(other) {
                    Some((looked_up, negated)) if negated == (*operator == Operator::And) => {
                        together.insert(looked_up, 1);
                        if let Expr::InList(list) = other {
                            count_places(&list.expr, places)?;
                        }
                    }
                    _ => count_places(other, places)?,
                },
            }
        }
        for (looked_up, place) in together {
            *places.entry(looked_up).or_default() += place;
        }
        Ok(TreeNodeRecursion::Jump)
    })?;
    Ok(())
}

/// What an expression looks up in a list, or compares with a constant, and whether it asks for what is not there.
fn lookup(expr: &Expr) -> Option<(&Expr, bool)> {
    match expr {
        Expr::InList(InList { expr, negated, .. }) => Some((expr, *negated)),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_equality(*op) => match (left.as_ref(), right.as_ref()) {
            (column @ Expr::Column(_), Expr::Literal(..)) | (Expr::Literal(..), column @ Expr::Column(_)) => {
                Some((column, *op == Operator::NotEq))
            }
            _ => None,
        },
        _ => None,
    }
}

fn is_equality(operator: Operator) -> bool {
    matches!(operator, Operator::Eq | Operator::NotEq)
}

static AT: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Arc::new(ScalarUDF::from(At { signature: Signature::any(2, Volatility::Immutable) })));

/// Its first argument under another name, by the number of the place. Nothing computes it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct At {
    signature: Signature,
}

impl ScalarUDFImpl for At {
    fn name(&self) -> &'static str {
        "at"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        internal_err!("the type of what is looked up depends on its field")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        arguments
            .arg_fields
            .first()
            .map_or_else(|| internal_err!("nothing is looked up"), |field| Ok(Arc::clone(field)))
    }

    fn invoke_with_args(&self, _call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("a list was left apart")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch};
    use arrow::datatypes::{Field, Schema};
    use datafusion::common::{DFSchema, ScalarValue};
    use datafusion::logical_expr::execution_props::ExecutionProps;
    use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
    use datafusion::logical_expr::simplify::SimplifyContext;
    use datafusion::logical_expr::{col, not, when};
    use datafusion::physical_expr::create_physical_expr;
    use proptest::prelude::*;

    use super::*;

    fn schema() -> DFSchema {
        let columns = ["a", "b"].map(|name| Field::new(name, DataType::Int64, true));
        DFSchema::try_from(Schema::new(columns.to_vec())).unwrap()
    }

    fn simplified(expr: Expr) -> Expr {
        let context = SimplifyContext::builder().with_schema(Arc::new(schema())).build();
        simplify(expr, &ExprSimplifier::new(context)).unwrap()
    }

    /// Of all pairs of NULL and the numbers to 4.
    fn values(expr: &Expr) -> BooleanArray {
        let numbers = || [None, Some(0), Some(1), Some(2), Some(3), Some(4)].into_iter();
        let a: Int64Array = numbers().flat_map(|a| numbers().map(move |_| a)).collect();
        let b: Int64Array = numbers().flat_map(|_| numbers()).collect();
        let columns: Vec<ArrayRef> = vec![Arc::new(a), Arc::new(b)];
        let rows = RecordBatch::try_new(Arc::clone(schema().inner()), columns).unwrap();
        let expr =
            create_physical_expr(expr, &schema(), &ExecutionProps::new(), &PhysicalPlanningContext::default()).unwrap();
        expr.evaluate(&rows).unwrap().into_array(rows.num_rows()).unwrap().as_boolean().clone()
    }

    fn condition() -> impl Strategy<Value = Expr> {
        let column = || prop::sample::select(vec![col("a"), col("b")]);
        let constant = || prop::option::weighted(0.9, 0..5_i64).prop_map(|value| lit(ScalarValue::Int64(value)));
        let one = prop_oneof![
            (column(), constant()).prop_map(|(column, value)| column.eq(value)),
            (column(), constant()).prop_map(|(column, value)| value.not_eq(column)),
            (column(), constant()).prop_map(|(column, value)| column.lt(value)),
            column().prop_map(Expr::is_null),
            (column(), prop::collection::vec(constant(), 1..6), any::<bool>())
                .prop_map(|(column, list, negated)| column.in_list(list, negated)),
            (column(), prop::collection::vec(constant(), 1..4), any::<bool>())
                .prop_map(|(column, list, negated)| (column + lit(1_i64)).in_list(list, negated)),
        ];
        one.prop_recursive(4, 24, 3, |part| {
            prop_oneof![
                3 => (part.clone(), part.clone()).prop_map(|(left, right)| left.and(right)),
                3 => (part.clone(), part.clone()).prop_map(|(left, right)| left.or(right)),
                2 => part.clone().prop_map(not),
                1 => (part.clone(), part.clone(), part)
                    .prop_map(|(condition, yes, no)| when(condition, yes).otherwise(no).unwrap()),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn a_simplified_condition_says_the_same_of_all_rows(condition in condition()) {
            let simplified = simplified(condition.clone());
            prop_assert_eq!(values(&simplified), values(&condition), "{}", simplified);
        }
    }

    #[test]
    fn lists_that_are_one_are_put_together() {
        let equal = |value: i64| col("a").eq(lit(value));
        let list = |values: std::ops::Range<i64>, negated| col("a").in_list(values.map(lit).collect(), negated);
        let any = (2..6).fold(equal(1), |any, value| any.or(equal(value)));
        assert_eq!(simplified(any.and(col("b").eq(lit(1_i64)))), list(1..6, false).and(col("b").eq(lit(1_i64))));
        assert_eq!(simplified(list(0..4, true).and(list(4..7, true))), list(0..7, true));
        let apart = list(0..4, true).or(list(4..8, true));
        assert_eq!(simplified(apart.clone()), apart);
    }
}
