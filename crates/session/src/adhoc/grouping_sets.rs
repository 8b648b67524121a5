//! Grouping sets make NULLs of the columns that they group by. DataFusion 55 goes on to think of them what it knew before: that a column is
//! constant, after `WHERE region = 'EU'`, or that its values are told apart by partition. So nothing is known of the rows that are grouped.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateInputMode};
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};

use super::unknown_rows::UnknownRowsExec;

/// Puts a node that hides what is known of them below each aggregation of rows by grouping sets.
#[derive(Debug)]
pub(super) struct GroupingSets;

impl PhysicalOptimizerRule for GroupingSets {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let hidden = |node: Arc<dyn ExecutionPlan>| {
            if !is_by_grouping_sets(&node) {
                return Ok(Transformed::no(node));
            }
            let rows = node.children().into_iter().map(|rows| Arc::new(UnknownRowsExec::new(Arc::clone(rows))) as _);
            let rows = rows.collect();
            node.replace_children(rows, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
                .map(Transformed::yes)
        };
        plan.transform_up(hidden).map(|plan| plan.data)
    }

    fn name(&self) -> &'static str {
        "GroupingSets"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The last of two aggregations groups by what the first made.
fn is_by_grouping_sets(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.downcast_ref::<AggregateExec>().is_some_and(|aggregate| {
        aggregate.group_expr().has_grouping_set() && aggregate.mode().input_mode() == AggregateInputMode::Raw
    })
}
