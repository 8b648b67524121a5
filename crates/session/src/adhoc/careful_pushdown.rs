//! Conditions are pushed towards the tables where columns can be told apart. DataFusion 55 finds them by their names, and takes the first of several that
//! are called the same: those of a table joined with another that has such a column.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

pub(super) type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// These rules, of which those that push conditions do so carefully.
pub(super) fn in_place_of_pushdown(rules: Vec<Rule>) -> Vec<Rule> {
    let careful = |rule: Rule| -> Rule {
        if rule.name().starts_with("FilterPushdown") { Arc::new(CarefulPushdown(rule)) } else { rule }
    };
    rules.into_iter().map(careful).collect()
}

#[derive(Debug)]
struct CarefulPushdown(Rule);

impl PhysicalOptimizerRule for CarefulPushdown {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let pushed = |node: Arc<dyn ExecutionPlan>| {
            if node.children().into_iter().any(has_columns_of_one_name) {
                return Ok(Transformed::no(node));
            }
            let pushed = self.0.optimize(node, config)?;
            Ok(Transformed::new(pushed, true, TreeNodeRecursion::Jump))
        };
        plan.transform_down(pushed).map(|plan| plan.data)
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

/// Whether there are such columns anywhere in a plan.
fn has_columns_of_one_name(plan: &Arc<dyn ExecutionPlan>) -> bool {
    !has_names_of_its_own(&plan.schema()) || plan.children().into_iter().any(has_columns_of_one_name)
}

fn has_names_of_its_own(schema: &Schema) -> bool {
    let mut names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    names.sort_unstable();
    names.windows(2).all(|pair| pair[0] != pair[1])
}
