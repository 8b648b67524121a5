//! `ORDER BY … OFFSET 2` without LIMIT skips the first rows of that order, also in a subquery or a view. DataFusion 55 leaves out the sort there: it
//! holds that nothing asks for the order.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_expr::{Distribution, OrderingRequirements};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::output_requirements::OutputRequirementExec;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};

use super::unknown_rows::UnknownRowsExec;

/// Asks for the order, as DataFusion does where rows are put out, until its rule for that removes what asks; and hides it from who asks above for
/// another one, which would take its place.
#[derive(Debug)]
pub(super) struct SkippedRows;

impl PhysicalOptimizerRule for SkippedRows {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let asked = |node: Arc<dyn ExecutionPlan>| {
            let skips = |limit: &GlobalLimitExec| limit.skip() > 0 && limit.fetch().is_none();
            let in_order = match node.downcast_ref::<GlobalLimitExec>() {
                Some(limit) if skips(limit) => in_order(limit.input())?,
                _ => None,
            };
            let Some(in_order) = in_order else { return Ok(Transformed::no(node)) };
            let skipped = above(node, in_order)?;
            Ok(Transformed::yes(Arc::new(UnknownRowsExec::new(skipped)) as _))
        };
        plan.transform_up(asked).map(|plan| plan.data)
    }

    fn name(&self) -> &'static str {
        "SkippedRows"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The rows with a node that asks for their order; nothing if they are not sorted.
fn in_order(rows: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(projection) = rows.downcast_ref::<ProjectionExec>() {
        return in_order(projection.input())?.map(|input| above(Arc::clone(rows), input)).transpose();
    }
    let sort = rows.downcast_ref::<SortExec>();
    Ok(sort.map(|sort| {
        let order = Some(OrderingRequirements::from(sort.expr().clone()));
        Arc::new(OutputRequirementExec::new(Arc::clone(rows), order, Distribution::SinglePartition, None)) as _
    }))
}

fn above(node: Arc<dyn ExecutionPlan>, input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    node.replace_children(vec![input], ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}
