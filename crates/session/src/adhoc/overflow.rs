//! Integer arithmetic that overflows fails, as it does in a dataflow: DataFusion's own would wrap around in silence.
//!
//! What a plan computes in projections, filters and the arguments of aggregates is told so; join conditions, sort keys and what
//! DataFusion folds while it plans are not.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use dipper_graph::{aggregate_fails_on_overflow, fail_on_overflow};

/// The plan, with arithmetic that fails on overflow.
pub(super) fn checked(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    Ok(plan
        .transform_up(|node| {
            checked_node(&node).map(|new| new.map_or_else(|| Transformed::no(node), Transformed::yes))
        })?
        .data)
}

/// The node with other expressions; nothing if it computes nothing that could overflow.
fn checked_node(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
        let exprs = projection.expr().iter().map(|part| &part.expr);
        let Some(exprs) = checked_exprs(exprs)? else { return Ok(None) };
        let named = exprs.into_iter().zip(projection.expr());
        let named = named.map(|(expr, old)| ProjectionExpr { expr, alias: old.alias.clone() });
        let (input, schema) = (Arc::clone(projection.input()), projection.schema());
        return Ok(Some(Arc::new(ProjectionExec::try_new_with_schema_metadata(named, input, &schema)?)));
    }
    if let Some(filter) = node.downcast_ref::<FilterExec>() {
        let predicate = fail_on_overflow(Arc::clone(filter.predicate()))?;
        let new = || FilterExecBuilder::from(filter).with_predicate(predicate.data).build();
        return if predicate.transformed { Ok(Some(Arc::new(new()?))) } else { Ok(None) };
    }
    if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
        let mut changed = false;
        let mut calls = Vec::with_capacity(aggregate.aggr_expr().len());
        for call in aggregate.aggr_expr() {
            let new = aggregate_fails_on_overflow(call)?;
            changed |= new.is_some();
            calls.push(new.map_or_else(|| Arc::clone(call), Arc::new));
        }
        return Ok(changed.then(|| Arc::new(aggregate.with_new_aggr_exprs(calls)) as Arc<dyn ExecutionPlan>));
    }
    Ok(None)
}

/// Nothing if none of them changes.
fn checked_exprs<'a>(
    exprs: impl IntoIterator<Item = &'a Arc<dyn PhysicalExpr>>,
) -> Result<Option<Vec<Arc<dyn PhysicalExpr>>>> {
    let mut changed = false;
    let mut checked = Vec::new();
    for expr in exprs {
        let expr = fail_on_overflow(Arc::clone(expr))?;
        changed |= expr.transformed;
        checked.push(expr.data);
    }
    Ok(changed.then_some(checked))
}
