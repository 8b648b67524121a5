//! The optimiser rules that are safe in a dataflow: they move filters and projections and fold constants, and make no
//! operator that a dataflow has not.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::eliminate_duplicated_expr::EliminateDuplicatedExpr;
use datafusion::optimizer::eliminate_filter::EliminateFilter;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::optimize_unions::OptimizeUnions;
use datafusion::optimizer::propagate_empty_relation::PropagateEmptyRelation;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::{Optimizer, OptimizerRule};
use dipper_graph::{CarefulSimplification, with_checked_arithmetic, with_plain_arithmetic};
use dipper_types::{Error, Result};

use crate::bind::{optimized_by_datafusion, optimizer_context, plan_error};
use crate::logical::is_unbounded;

/// Optimises a bound plan.
pub(crate) fn for_dataflow(plan: LogicalPlan) -> Result<LogicalPlan> {
    if is_unbounded(&plan) {
        refuse_clocks(&plan)?;
    }
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
        Arc::new(OptimizeUnions::new()),
        Arc::new(CarefulSimplification::default()),
        Arc::new(EliminateDuplicatedExpr::new()),
        Arc::new(EliminateFilter::new()),
        Arc::new(PropagateEmptyRelation::new()),
        Arc::new(PushDownFilter::new()),
        Arc::new(OptimizeProjections::new()),
    ];
    let optimized = with_checked_arithmetic(plan)
        .and_then(|plan| Optimizer::with_rules(rules).optimize(plan, &optimizer_context(), |_, _| {}));
    // The operators of a dataflow fail on overflow by themselves.
    optimized.and_then(with_plain_arithmetic).map_err(plan_error)
}

/// Optimises a bound plan as the batch host does.
pub(crate) fn for_batch(plan: &LogicalPlan) -> Result<LogicalPlan> {
    optimized_by_datafusion(plan).map_err(plan_error)
}

/// The clock would be read once, when the query is planned, and a query that goes on for ever would go on with that.
fn refuse_clocks(plan: &LogicalPlan) -> Result<()> {
    let mut found = None;
    // The closures do not fail.
    let _ = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| match part {
                Expr::ScalarFunction(call)
                    if ["now", "current_date", "current_time", "today"].contains(&call.name()) =>
                {
                    found = Some(call.name().to_uppercase());
                    Ok(TreeNodeRecursion::Stop)
                }
                _ => Ok(TreeNodeRecursion::Continue),
            })
        })
    });
    match found {
        Some(function) => {
            Err(Error::unsupported(format!("{function}() in a query over unbounded input is not supported"))
                .with_hint("use the event time of the rows"))
        }
        None => Ok(()),
    }
}
