//! DataFusion's simplification of expressions, kept from what version 55 gets wrong: lists (`careful_lists`) and casts in comparisons (`careful_casts`).
//! While it simplifies, parts of an expression that it must not put together, or must not see, are marked: they stand in a function that it does not know.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, lit,
};
use datafusion::optimizer::simplify_expressions::{ExprSimplifier, SimplifyExpressions};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use crate::careful_casts::hidden;
use crate::careful_lists::{told_apart, with_simple_lookups};
use crate::checked_arithmetic::{readable_columns, rewrite_named};

/// `SimplifyExpressions` that keeps lists apart and leaves casts that change values where they are.
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
        let columns = Arc::new(readable_columns(&plan)?);
        let context = SimplifyContext::builder()
            .with_schema(Arc::clone(&columns))
            .with_config_options(config.options())
            .with_query_execution_start_time(config.query_execution_start_time())
            .build();
        let simplifier = ExprSimplifier::new(context);
        let ready =
            rewrite_named(plan, |expr| with_simple_lookups(expr, |part| simplify_marked(part, &columns, &simplifier)))?;
        let marked = rewrite_named(ready.data, |expr| with_marks(expr, &columns))?;
        let is_aggregate = matches!(marked.data, LogicalPlan::Aggregate(_));
        let simplified = self.0.rewrite(marked.data, config)?;
        let transformed = ready.transformed || simplified.transformed;
        if !marked.transformed {
            return Ok(Transformed::new_transformed(simplified.data, transformed));
        }
        let mut without_marks = rewrite_named(simplified.data, as_it_was)?.data;
        // What was computed of aggregates is now above them.
        if is_aggregate && !matches!(without_marks, LogicalPlan::Aggregate(_)) {
            without_marks = without_marks.map_children(|aggregate| rewrite_named(aggregate, as_it_was))?.data;
        }
        Ok(Transformed::new_transformed(without_marks, transformed))
    }
}

/// The expression over columns of `schema`, simplified in the same way.
pub(crate) fn simplify(expr: Expr, schema: &DFSchema, simplifier: &ExprSimplifier) -> Result<Expr> {
    let ready = with_simple_lookups(expr, |part| simplify_marked(part, schema, simplifier))?;
    simplify_marked(ready.data, schema, simplifier)
}

fn simplify_marked(expr: Expr, schema: &DFSchema, simplifier: &ExprSimplifier) -> Result<Expr> {
    let marked = with_marks(expr, schema)?;
    let simplified = simplifier.simplify(marked.data)?;
    if marked.transformed { as_it_was(simplified).map(|expr| expr.data) } else { Ok(simplified) }
}

fn with_marks(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    hidden(expr, schema)?.transform_data(told_apart)
}

/// The expression with a mark that has a number.
pub(crate) fn marked(expr: Expr, number: usize) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&AT), vec![expr, lit(number as u64)]))
}

fn as_it_was(expr: Expr) -> Result<Transformed<Expr>> {
    expr.transform_up(|part| match part {
        Expr::ScalarFunction(mut call) if call.func.inner().is::<At>() && !call.args.is_empty() => {
            Ok(Transformed::yes(call.args.swap_remove(0)))
        }
        // It was to keep the name that the expression has again.
        Expr::Alias(alias)
            if alias.relation.is_none()
                && alias.metadata.is_none()
                && alias.expr.schema_name().to_string() == alias.name =>
        {
            Ok(Transformed::yes(*alias.expr))
        }
        other => Ok(Transformed::no(other)),
    })
}

static AT: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Arc::new(ScalarUDF::from(At { signature: Signature::any(2, Volatility::Immutable) })));

/// Its first argument, at the place of a number. Nothing computes it, so that a constant with a mark is not folded.
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
        internal_err!("the type of what is marked depends on its field")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        arguments.arg_fields.first().map_or_else(|| internal_err!("nothing is marked"), |field| Ok(Arc::clone(field)))
    }

    fn invoke_with_args(&self, _call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("a mark was left")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use arrow::datatypes::{Field, Schema};
    use datafusion::common::tree_node::TreeNodeRecursion;
    use datafusion::functions_aggregate::expr_fn::sum;
    use datafusion::logical_expr::{cast, col, table_scan};
    use datafusion::optimizer::{Optimizer, OptimizerContext};

    use super::*;

    #[test]
    fn no_mark_is_left_in_a_plan_and_its_names_stay() {
        let table = Schema::new(vec![Field::new("d", DataType::Decimal128(10, 2), true)]);
        let whole = || cast(col("d"), DataType::Int64);
        // Sums of which the simplification makes one.
        let sums = vec![sum(whole() + lit(1_i64)), sum(whole() + lit(2_i64))];
        let plan = table_scan(Some("t"), &table, None)
            .and_then(|scan| scan.filter(whole().eq(lit(1_i64))))
            .and_then(|rows| rows.aggregate(vec![whole()], sums))
            .and_then(|groups| groups.build())
            .unwrap();
        let optimizer = Optimizer::with_rules(vec![Arc::new(CarefulSimplification::default())]);
        let optimized = optimizer.optimize(plan.clone(), &OptimizerContext::new(), |_, _| {}).unwrap();
        assert_eq!(optimized.schema().field_names(), plan.schema().field_names());
        let is_mark = |part: &Expr| matches!(part, Expr::ScalarFunction(call) if call.func.inner().is::<At>());
        optimized
            .apply_with_subqueries(|node| {
                node.apply_expressions(|expr| {
                    assert!(!expr.exists(|part| Ok(is_mark(part)))?, "{expr}");
                    Ok(TreeNodeRecursion::Continue)
                })
            })
            .unwrap();
        assert!(optimized.display_indent().to_string().contains("Filter: CAST(t.d AS Int64) = Int64(1)"));
    }
}
