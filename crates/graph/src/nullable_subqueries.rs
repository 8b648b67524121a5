//! Scalar subqueries that may find no row are NULL then, of whatever type their column is. DataFusion 55 takes a subquery for NOT NULL if its column is
//! NOT NULL, so that `(SELECT b FROM t WHERE b = 9) IS NULL` is never true and `COALESCE((SELECT 1 WHERE FALSE), 7)` fails.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::utils::take_function_args;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    Aggregate, ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;

use crate::checked_arithmetic::rewrite_expressions;

/// The rule by which a session that runs plans has nullable subqueries in them.
#[derive(Debug, Default)]
pub struct NullableSubqueries;

impl AnalyzerRule for NullableSubqueries {
    fn name(&self) -> &'static str {
        "nullable_subqueries"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        with_nullable_subqueries(plan)
    }
}

/// The plan in which the columns of scalar subqueries are nullable, but for those that always find a row.
pub fn with_nullable_subqueries(plan: LogicalPlan) -> Result<LogicalPlan> {
    rewrite_expressions(plan, |expr, _| expr.transform_up(nullable))
}

fn nullable(expr: Expr) -> Result<Transformed<Expr>> {
    let Expr::ScalarSubquery(mut subquery) = expr else { return Ok(Transformed::no(expr)) };
    let (qualifier, field) = subquery.subquery.schema().qualified_field(0);
    if field.is_nullable() || always_finds_a_row(&subquery.subquery) {
        return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
    }
    let column = Expr::Column(Column::from((qualifier, field)));
    let call = ScalarFunction::new_udf(Arc::clone(&NULLABLE), vec![column]);
    let column = Expr::ScalarFunction(call).alias_qualified(qualifier.cloned(), field.name());
    subquery.subquery = Arc::new(LogicalPlanBuilder::from(subquery.subquery).project([column])?.build()?);
    Ok(Transformed::yes(Expr::ScalarSubquery(subquery)))
}

/// Whether a plan gives a row whatever its tables hold, as aggregates without groups do.
fn always_finds_a_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(Aggregate { group_expr, .. }) => group_expr.is_empty(),
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        LogicalPlan::Projection(projection) => always_finds_a_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => always_finds_a_row(&alias.input),
        _ => false,
    }
}

static NULLABLE: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Arc::new(ScalarUDF::from(Nullable { signature: Signature::any(1, Volatility::Immutable) })));

/// Its argument, which may be NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Nullable {
    signature: Signature,
}

impl ScalarUDFImpl for Nullable {
    fn name(&self) -> &'static str {
        "nullable"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        take_function_args(self.name(), arguments).map(|[argument]| argument.clone())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let [argument] = take_function_args(self.name(), arguments.arg_fields)?;
        Ok(Arc::new(argument.as_ref().clone().with_nullable(true)))
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        take_function_args(self.name(), call.args).map(|[argument]| argument)
    }
}
