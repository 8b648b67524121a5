//! DataFusion's rules for logical plans, some of them kept from what they do wrong.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{NullEquality, Result};
use datafusion::logical_expr::utils::{can_hash, split_conjunction};
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, Join, JoinType, LogicalPlan};
use datafusion::optimizer::{ApplyOrder, Optimizer, OptimizerConfig, OptimizerRule};

use crate::careful_simplification::CarefulSimplification;
use crate::membership::CarefulDecorrelation;

/// DataFusion's rules in their order.
pub fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let careful = |rule: Arc<dyn OptimizerRule + Send + Sync>| -> Arc<dyn OptimizerRule + Send + Sync> {
        let is_wrong = match rule.name() {
            "eliminate_cross_join" => has_fixed_join,
            "extract_equijoin_predicate" => is_join_of_nulls,
            "push_down_filter" => is_fixed_filter,
            "decorrelate_predicate_subquery" => return Arc::new(CarefulDecorrelation::default()),
            "simplify_expressions" => return Arc::new(CarefulSimplification::default()),
            _ => return rule,
        };
        Arc::new(Unless { is_wrong, rule })
    };
    Optimizer::new().rules.into_iter().map(careful).collect()
}

/// A rule that leaves plans alone that it would make others of.
#[derive(Debug)]
struct Unless {
    is_wrong: fn(&LogicalPlan) -> bool,
    rule: Arc<dyn OptimizerRule + Send + Sync>,
}

impl OptimizerRule for Unless {
    fn name(&self) -> &str {
        self.rule.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.rule.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if (self.is_wrong)(&plan) { Ok(Transformed::no(plan)) } else { self.rule.rewrite(plan, config) }
    }
}

/// `EliminateCrossJoin` puts inner joins into another order. In DataFusion 55 it loses a condition that takes more than two
/// relations, as the second in `a CROSS JOIN b JOIN c ON c.x = a.x AND c.y = a.y + b.y`, and it compares the keys of all joins as
/// the outermost one does, so that `IS NOT DISTINCT FROM` becomes `=` or the other way round. Plans with such joins keep their order.
fn has_fixed_join(plan: &LogicalPlan) -> bool {
    let mut found = false;
    // The closure does not fail.
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Join(join) = node
            && join.join_type == JoinType::Inner
        {
            found = is_fixed(join);
        }
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found
}

fn is_fixed(join: &Join) -> bool {
    let can_be_key = |key: &Expr, input: &LogicalPlan| {
        is_of_one_relation(key, input) && key.get_type(input.schema()).is_ok_and(|of| can_hash(&of))
    };
    join.null_equality == NullEquality::NullEqualsNull
        || !join.on.iter().all(|(left, right)| can_be_key(left, &join.left) && can_be_key(right, &join.right))
}

/// Whether all columns of an expression, and there are some, come from one of the relations that `input` joins.
fn is_of_one_relation(expr: &Expr, input: &LogicalPlan) -> bool {
    let columns = expr.column_refs();
    if columns.is_empty() {
        return false;
    }
    let mut relation = input;
    while let LogicalPlan::Join(join) = relation
        && join.join_type == JoinType::Inner
    {
        let sides = [join.left.as_ref(), join.right.as_ref()];
        let from = |side: &&LogicalPlan| columns.iter().all(|column| side.schema().has_column(column));
        match sides.into_iter().find(from) {
            Some(side) => relation = side,
            None => return false,
        }
    }
    true
}

/// `ExtractEquijoinPredicate` makes keys of a join of conditions with `=`. In DataFusion 55 it compares them as the join does with its other keys, so
/// that NULL is equal to NULL in `a JOIN b ON a.x IS NOT DISTINCT FROM b.x WHERE a.y = b.y`. There it stays a condition.
fn is_join_of_nulls(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Join(join) if join.null_equality == NullEquality::NullEqualsNull)
}

/// `PushDownFilter` puts a condition that reads no column below an aggregation, which gives a row even if the condition leaves it none:
/// `SELECT COUNT(*) FROM a HAVING (SELECT MAX(x) FROM b) > 100`, `a LEFT JOIN (SELECT COUNT(*) AS n FROM b) ON FALSE`. Such filters stay above.
fn is_fixed_filter(plan: &LogicalPlan) -> bool {
    let (mut input, mut has_no_columns) = (plan, false);
    while let LogicalPlan::Filter(filter) = input {
        has_no_columns |= split_conjunction(&filter.predicate).iter().any(|part| part.column_refs().is_empty());
        input = &filter.input;
    }
    has_no_columns && matches!(input, LogicalPlan::Aggregate(aggregate) if is_over_nothing(aggregate))
}

/// Whether an aggregation gives a row even if there are none to aggregate: without groups, and with grouping sets, of which one may be empty.
pub fn is_over_nothing(aggregate: &Aggregate) -> bool {
    let groups = &aggregate.group_expr;
    groups.is_empty() || groups.iter().any(|group| matches!(group, Expr::GroupingSet(_)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::logical_expr::builder::table_scan;
    use datafusion::logical_expr::{LogicalPlanBuilder, Operator, binary_expr, col};
    use datafusion::optimizer::OptimizerContext;

    use super::*;

    fn relation(name: &str) -> LogicalPlan {
        let columns = vec![Field::new("x", DataType::Int64, true), Field::new("y", DataType::Int64, true)];
        table_scan(Some(name), &Schema::new(columns), None).unwrap().build().unwrap()
    }

    fn optimized(plan: LogicalPlan) -> String {
        let optimizer = Optimizer::with_rules(optimizer_rules());
        optimizer.optimize(plan, &OptimizerContext::new(), |_, _| {}).unwrap().display_indent().to_string()
    }

    #[test]
    fn a_condition_on_three_relations_is_kept() {
        let plan = LogicalPlanBuilder::from(relation("a"))
            .cross_join(relation("b"))
            .unwrap()
            .join_on(
                relation("c"),
                JoinType::Inner,
                [col("c.x").eq(col("a.x")), col("c.y").eq(col("a.y") + col("b.y"))],
            )
            .unwrap()
            .build()
            .unwrap();
        let optimized = optimized(plan);
        assert!(optimized.contains("a.y + b.y = c.y"), "{optimized}");
        assert!(optimized.contains("a.x = c.x"), "{optimized}");
    }

    #[test]
    fn joins_that_compare_nulls_in_other_ways_stay_apart() {
        let plan = LogicalPlanBuilder::from(relation("a"))
            .join_on(relation("b"), JoinType::Inner, [binary_expr(col("a.y"), Operator::IsNotDistinctFrom, col("b.y"))])
            .unwrap()
            .join_on(relation("c"), JoinType::Inner, [col("c.x").eq(col("a.x"))])
            .unwrap()
            .build()
            .unwrap();
        let optimized = optimized(plan);
        let joins: Vec<&str> = optimized.lines().map(str::trim).filter(|line| line.starts_with("Inner Join")).collect();
        assert_eq!(joins, ["Inner Join: a.x = c.x", "Inner Join: a.y = b.y"]);
    }

    #[test]
    fn relations_between_commas_are_joined_by_their_keys() {
        let plan = LogicalPlanBuilder::from(relation("a"))
            .cross_join(relation("b"))
            .unwrap()
            .cross_join(relation("c"))
            .unwrap()
            .filter(col("a.x").eq(col("c.x")).and(col("c.y").eq(col("b.y"))))
            .unwrap()
            .build()
            .unwrap();
        let optimized = optimized(plan);
        assert!(!optimized.contains("Cross Join"), "{optimized}");
    }

    #[test]
    fn the_rules_that_do_wrong_are_there_under_their_names() {
        let rules: Vec<String> = Optimizer::new().rules.iter().map(|rule| rule.name().to_owned()).collect();
        for name in [
            "decorrelate_predicate_subquery",
            "eliminate_cross_join",
            "extract_equijoin_predicate",
            "push_down_filter",
            "simplify_expressions",
        ] {
            assert!(rules.iter().any(|rule| rule == name), "{name} is not among {rules:?}");
        }
        let careful: Vec<String> = optimizer_rules().iter().map(|rule| rule.name().to_owned()).collect();
        assert_eq!(careful, rules);
    }
}
