//! Conditions on floating point numbers leave no rows out before these are read. NaN is the greatest number, but the bounds that Parquet files
//! have of their values, and those that other engines note, pass over it.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, conjunction, split_conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;

/// DataFusion's rules with ours in both places: before conditions that come about as the query runs are pushed to scans (a node that is built
/// anew would lose its own), and after it.
pub(super) fn with_rule() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    let last_push = rules.iter().rposition(|rule| rule.name().starts_with("FilterPushdown"));
    rules.insert(last_push.unwrap_or(rules.len()), Arc::new(FloatConditions));
    rules.push(Arc::new(FloatConditions));
    rules
}

/// Takes such conditions from scans. They are tested above as well, as all conditions are.
#[derive(Debug)]
struct FloatConditions;

impl PhysicalOptimizerRule for FloatConditions {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let without = |node| Ok(scan_without(&node).map_or_else(|| Transformed::no(node), Transformed::yes));
        plan.transform_up(without).map(|plan| plan.data)
    }

    fn name(&self) -> &'static str {
        "FloatConditions"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The scan without such conditions; nothing if it is no scan with any.
fn scan_without(node: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
    let (scan, source) = node.downcast_ref::<DataSourceExec>()?.downcast_to_file_source::<ParquetSource>()?;
    let condition = source.filter()?;
    let schema = source.table_schema().table_schema();
    let all = split_conjunction(&condition);
    let kept: Vec<Arc<dyn PhysicalExpr>> =
        all.iter().filter(|part| !is_of_floats(part, schema)).map(|part| Arc::clone(part)).collect();
    if kept.len() == all.len() {
        return None;
    }
    let source = Arc::new(source.with_predicate(conjunction(kept)));
    Some(DataSourceExec::from_data_source(FileScanConfigBuilder::from(scan.clone()).with_source(source).build()))
}

fn is_of_floats(condition: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    let is_float = |name: &str| schema.field_with_name(name).is_ok_and(|field| has_floats(field.data_type()));
    collect_columns(condition).iter().any(|column| is_float(column.name()))
}

fn has_floats(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(element) => has_floats(element.data_type()),
        scalar => scalar.is_floating(),
    }
}
