//! A join that makes many rows of few gives way to others, and notices when it is cancelled: DataFusion sees to that for what reads, and a
//! join may go on for minutes between two batches that it reads.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::unnest::UnnestExec;

/// The plan, its joins giving way.
pub(super) fn joins(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let multiplies = |node: &Arc<dyn ExecutionPlan>| {
        node.is::<CrossJoinExec>()
            || node.is::<NestedLoopJoinExec>()
            || node.is::<HashJoinExec>()
            || node.is::<SortMergeJoinExec>()
            || node.is::<UnnestExec>()
    };
    let given_way = plan.transform_up(|node| {
        if multiplies(&node) {
            Ok(Transformed::yes(Arc::new(CooperativeExec::new(node))))
        } else {
            Ok(Transformed::no(node))
        }
    });
    given_way.map(|plan| plan.data)
}
