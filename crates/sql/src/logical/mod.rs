//! The logical operators that DataFusion has not, and what can be told from a logical plan: which columns are time
//! attributes, whether it ends.

mod clause_text;
mod column_role;
mod match_recognize;
mod row_pattern_window;
mod subquery;
mod window_tvf;

pub(crate) use column_role::column_index;
pub use column_role::{ColumnRole, column_roles};
pub use match_recognize::MatchRecognizeNode;
pub use row_pattern_window::RowPatternWindowNode;
pub use subquery::{clause_subqueries, with_answers};
pub(crate) use subquery::{subquery_of, without_subqueries};
pub use window_tvf::WindowTvfNode;
pub(crate) use window_tvf::length_text;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;

use crate::bind::DipperTableSource;

/// Whether a plan reads a table that goes on for ever.
pub fn is_unbounded(plan: &LogicalPlan) -> bool {
    any_table(plan, &|source| source.table.unbounded)
}

/// Whether a plan reads a table with a watermark.
pub(crate) fn has_watermark(plan: &LogicalPlan) -> bool {
    any_table(plan, &|source| source.table.watermark.is_some())
}

fn any_table(plan: &LogicalPlan, test: &dyn Fn(&DipperTableSource) -> bool) -> bool {
    let mut found = false;
    // The closure does not fail.
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(source) = scan.source.downcast_ref::<DipperTableSource>()
        {
            found |= test(source);
        }
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found
}
