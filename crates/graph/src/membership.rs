//! Membership in what a subquery finds. `x IN (SELECT v …)` is NULL where nothing found is equal but something is NULL. DataFusion 55 makes a join of it,
//! and only of those in conditions. The join tells what is TRUE from the rest, which will do for a condition by itself and under AND and OR; and it knows
//! `NOT IN` by itself, unless it is a constant that is not in.
//!
//! Anywhere else it is taken apart here: is something equal? is something NULL? What asks whether there is a row is never NULL. So are comparisons with
//! ANY and ALL of what a subquery finds, of which DataFusion makes the same, but takes columns of one name for one another.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, Result, ScalarValue, Spans, not_impl_err};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::binary_expr as compare;
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::utils::{conjunction, split_conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Filter, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, lit,
    when,
};
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::{AnalyzerRule, ApplyOrder, OptimizerConfig, OptimizerRule};

use crate::checked_arithmetic::{readable_columns, rewrite_named};

/// The rule by which a session that runs plans has membership in them that DataFusion computes as it is meant.
#[derive(Debug, Default)]
pub struct ExactMembership;

impl AnalyzerRule for ExactMembership {
    fn name(&self) -> &'static str {
        "exact_membership"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        with_exact_membership(plan)
    }
}

/// The plan in which `IN (SELECT …)` stands only where a join can be made of it, EXISTS in conditions only, and ANY and ALL (SELECT …) nowhere.
/// Types are coerced.
pub fn with_exact_membership(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut names = (1..).map(|number| format!("__membership_{number}"));
    let in_node = |node: LogicalPlan| match node {
        LogicalPlan::Filter(filter) => filtered(filter),
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => joined(join),
        LogicalPlan::Aggregate(_) | LogicalPlan::Window(_) => computed_before(node, &mut names),
        LogicalPlan::Projection(_) => {
            let columns = readable_columns(&node)?;
            rewrite_named(node, |expr| expr.transform_up(|part| value(part, &columns, Place::Elsewhere)))
        }
        other => Ok(Transformed::no(other)),
    };
    plan.transform_up_with_subqueries(in_node).map(|plan| plan.data)
}

fn filtered(filter: Filter) -> Result<Transformed<LogicalPlan>> {
    if memberships(&filter.predicate) == 0 {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    }
    let Filter { predicate, input, .. } = filter;
    let predicate = condition(predicate, input.schema(), true)?;
    // Of each a column is made that is called the same, and those that are compared with the query around are told apart by their names.
    let is_ambiguous = |part: &&Expr| part.contains_outer() && memberships(part) > 1;
    if split_conjunction(&predicate.data).iter().any(is_ambiguous) {
        return not_impl_err!(
            "several subqueries under one OR with a comparison with the query around are not supported"
        );
    }
    predicate.map_data(|predicate| Filter::try_new(predicate, input).map(LogicalPlan::Filter))
}

fn memberships(expr: &Expr) -> usize {
    let mut number = 0;
    // The closure does not fail.
    let _ = expr.apply(|part| {
        number += usize::from(is_membership(part));
        Ok(TreeNodeRecursion::Continue)
    });
    number
}

/// Whether a part of an expression asks a subquery whether there is such a row.
pub fn is_membership(part: &Expr) -> bool {
    matches!(part, Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_))
}

/// An inner join, of whose conditions those that ask a subquery stand above it.
fn joined(mut join: Join) -> Result<Transformed<LogicalPlan>> {
    let Some(filter) = join.filter.take_if(|filter| memberships(filter) > 0) else {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    };
    let (above, within): (Vec<_>, Vec<_>) =
        split_conjunction_owned(filter).into_iter().partition(|part| memberships(part) > 0);
    join.filter = conjunction(within);
    let above = conjunction(above).unwrap_or_else(|| lit(true));
    let filter = Filter::try_new(above, Arc::new(LogicalPlan::Join(join)))?;
    filtered(filter).map(|filter| Transformed::yes(filter.data))
}

/// A node above one that computes what its expressions ask subqueries.
fn computed_before(node: LogicalPlan, names: &mut impl Iterator<Item = String>) -> Result<Transformed<LogicalPlan>> {
    let columns = readable_columns(&node)?;
    let mut computed = Vec::new();
    let mut named = |part: Expr| {
        if !is_membership(&part) {
            return Ok(Transformed::no(part));
        }
        let part = part.transform_up(|part| value(part, &columns, Place::Elsewhere))?.data;
        let name = names.next().unwrap_or_default();
        computed.push(part.alias(&name));
        Ok(Transformed::new(Expr::Column(Column::from_name(name)), true, TreeNodeRecursion::Jump))
    };
    let node = rewrite_named(node, |expr| expr.transform_down(&mut named))?;
    if computed.is_empty() {
        return Ok(node);
    }
    let with_columns = |input: LogicalPlan| {
        let columns = input.schema().columns().into_iter().map(Expr::Column);
        let columns: Vec<Expr> = columns.chain(std::mem::take(&mut computed)).collect();
        LogicalPlanBuilder::from(input).project(columns)?.build().map(Transformed::yes)
    };
    node.data.map_children(with_columns)?.map_data(LogicalPlan::recompute_schema)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Of which joins are made.
    Filter,
    Elsewhere,
}

/// A condition that holds where it is TRUE. As one of several that must all hold, NOT IN can stay if it asks the same of all rows.
fn condition(expr: Expr, columns: &DFSchema, is_conjunct: bool) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Not(not) if matches!(*not, Expr::InSubquery(_)) => condition(!*not, columns, is_conjunct),
        Expr::BinaryExpr(BinaryExpr { op: Operator::And, .. }) => {
            expr.map_children(|part| condition(part, columns, is_conjunct))
        }
        Expr::BinaryExpr(BinaryExpr { op: Operator::Or, .. }) | Expr::IsTrue(_) | Expr::IsNotTrue(_) => {
            expr.map_children(|part| condition(part, columns, false))
        }
        Expr::InSubquery(ref is_in) if !is_in.negated || is_conjunct && is_by_itself(is_in) => {
            Ok(Transformed::no(expr))
        }
        other => other.transform_up(|part| value(part, columns, Place::Filter)),
    }
}

fn is_by_itself(is_in: &InSubquery) -> bool {
    is_in.subquery.outer_ref_columns.is_empty()
}

/// A part that may be NULL, and says so.
fn value(part: Expr, columns: &DFSchema, place: Place) -> Result<Transformed<Expr>> {
    match part {
        Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
            let is_in = membership(*expr, Operator::Eq, &subquery, columns, place)?;
            Ok(Transformed::yes(if negated { !is_in } else { is_in }))
        }
        Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) => {
            let is_so = |op| membership(*expr, op, &subquery, columns, place);
            Ok(Transformed::yes(match (quantifier, op.negate()) {
                (SetQuantifier::Any, _) => is_so(op)?,
                (SetQuantifier::All, Some(op)) => !is_so(op)?,
                (SetQuantifier::All, None) => return not_impl_err!("{op} ALL (SELECT …)"),
            }))
        }
        Expr::Exists(Exists { subquery, negated }) if place == Place::Elsewhere => {
            let there_is = Question::of(&subquery).answer(place)?;
            Ok(Transformed::yes(if negated { !there_is } else { there_is }))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// Whether a value compares like this with something that a subquery finds.
fn membership(value: Expr, op: Operator, subquery: &Subquery, columns: &DFSchema, place: Place) -> Result<Expr> {
    let reads_around = !subquery.outer_ref_columns.is_empty();
    if value.contains_outer() || reads_around && is_entangled(&subquery.subquery, &value.column_refs()) {
        return not_impl_err!(
            "NOT IN, ANY, ALL, or an IN that may be NULL, of a subquery that reads the query around it and has a LIMIT, or a table of the same name, is not supported"
        );
    }
    if place == Place::Elsewhere && op != Operator::Eq && value.any_column_refs() {
        return not_impl_err!("ANY and ALL (SELECT …) are not supported but with = and in conditions");
    }
    if subqueries(&subquery.subquery)? > SUBQUERIES_MAX {
        return not_impl_err!("NOT IN (SELECT …) under OR so many times within one another is not supported");
    }
    let found = Question::of(subquery).under_a_name()?;
    let (member, member_is_nullable) = found.member();
    let is_null = member_is_nullable.then(|| found.clone().whether(member.clone().is_null())?.answer(place));
    let value_is_null = value.nullable(columns)?.then(|| Ok(value.clone().is_null().and(found.clone().answer(place)?)));
    let (value, read) = as_outer(value, columns)?;
    let is_so = found.reading(read).whether(compare(value, op, member))?.answer(place)?;
    let unknown = [is_null, value_is_null].into_iter().flatten().collect::<Result<Vec<_>>>()?;
    match unknown.into_iter().reduce(Expr::or) {
        Some(unknown) => when(is_so, lit(true)).when(unknown, lit(ScalarValue::Boolean(None))).otherwise(lit(false)),
        None => Ok(is_so),
    }
}

/// How many subqueries there may be in one that is asked several times.
const SUBQUERIES_MAX: usize = 30;

fn subqueries(plan: &LogicalPlan) -> Result<usize> {
    let mut number = 0;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            number += memberships(expr);
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(number)
}

/// Whether a join that is made of a subquery would lose its LIMIT, or take its columns for such of the query around.
fn is_entangled(subquery: &LogicalPlan, around: &HashSet<&Column>) -> bool {
    let relations: HashSet<_> = around.iter().map(|column| column.relation.as_ref()).collect();
    let mut found = false;
    // The closure does not fail.
    let _ = subquery.apply(|node| {
        found |= matches!(node, LogicalPlan::Limit(_))
            || node.schema().iter().any(|(relation, _)| relations.contains(&relation));
        Ok(match node {
            _ if found => TreeNodeRecursion::Stop,
            // The columns below go by other names above.
            LogicalPlan::SubqueryAlias(_) => TreeNodeRecursion::Jump,
            _ => TreeNodeRecursion::Continue,
        })
    });
    found
}

/// The expression as a subquery reads it, and the columns of the query around that it reads.
fn as_outer(expr: Expr, columns: &DFSchema) -> Result<(Expr, Vec<Expr>)> {
    let mut read = Vec::new();
    let expr = expr.transform_up(|part| match part {
        Expr::Column(column) => {
            let field = Arc::clone(columns.field_from_column(&column)?);
            let outer = Expr::OuterReferenceColumn(field, column);
            read.push(outer.clone());
            Ok(Transformed::yes(outer))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok((expr.data, read))
}

/// Whether a subquery finds a row.
#[derive(Clone)]
struct Question {
    rows: LogicalPlan,
    /// The columns of the query around.
    read: Vec<Expr>,
}

impl Question {
    fn of(subquery: &Subquery) -> Self {
        Self { rows: subquery.subquery.as_ref().clone(), read: subquery.outer_ref_columns.clone() }
    }

    /// The same of rows under a name of their own, so that what they have is not taken for what the query around has under the same name. Of rows that
    /// depend on that, no join could be made then.
    fn under_a_name(mut self) -> Result<Self> {
        if self.read.is_empty() {
            self.rows = LogicalPlanBuilder::from(self.rows).alias("__found")?.build()?;
        }
        Ok(self)
    }

    /// What is found, and whether that may be NULL.
    fn member(&self) -> (Expr, bool) {
        let (qualifier, field) = self.rows.schema().qualified_field(0);
        (Expr::Column(Column::from((qualifier, field))), field.is_nullable())
    }

    fn reading(mut self, columns: Vec<Expr>) -> Self {
        self.read.extend(columns);
        self
    }

    /// Whether it finds one for which the condition on the `member` is true.
    fn whether(self, condition: Expr) -> Result<Self> {
        let rows = LogicalPlanBuilder::from(self.rows).filter(condition)?.build()?;
        Ok(Self { rows, ..self })
    }

    /// What does not depend on a row is asked once.
    fn answer(self, place: Place) -> Result<Expr> {
        let rows = LogicalPlanBuilder::from(self.rows);
        let subquery = |plan: LogicalPlanBuilder| -> Result<Subquery> {
            let outer_ref_columns = self.read.clone();
            Ok(Subquery { subquery: Arc::new(plan.build()?), outer_ref_columns, spans: Spans::default() })
        };
        if place == Place::Filter && !self.read.is_empty() {
            return Ok(Expr::Exists(Exists::new(subquery(rows)?, false)));
        }
        let rows = if self.read.is_empty() { rows.limit(0, Some(1))? } else { rows };
        let number = rows.aggregate(Vec::<Expr>::new(), [count(lit(1_i64))])?;
        Ok(Expr::ScalarSubquery(subquery(number)?).gt(lit(0_i64)))
    }
}

/// `DecorrelatePredicateSubquery` makes joins of subqueries. In DataFusion 55 a constant is NOT IN what has a NULL; here it is compared with each.
#[derive(Debug, Default)]
pub(crate) struct CarefulDecorrelation(DecorrelatePredicateSubquery);

impl OptimizerRule for CarefulDecorrelation {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let in_subqueries = |subquery: LogicalPlan| subquery.transform_down_with_subqueries(with_constants_compared);
        let compared = plan.map_subqueries(in_subqueries)?.transform_data(with_constants_compared)?;
        compared.transform_data(|plan| self.0.rewrite(plan, config))
    }
}

fn with_constants_compared(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Filter(Filter { predicate, input, .. }) = node else { return Ok(Transformed::no(node)) };
    let parts = split_conjunction_owned(predicate).into_iter().map(constant_compared).collect::<Result<Vec<_>>>()?;
    let is_other = parts.iter().any(|part| part.transformed);
    let predicate = conjunction(parts.into_iter().map(|part| part.data)).unwrap_or_else(|| lit(true));
    let filter = Filter::try_new(predicate, input)?;
    Ok(Transformed::new_transformed(LogicalPlan::Filter(filter), is_other))
}

fn constant_compared(condition: Expr) -> Result<Transformed<Expr>> {
    let (part, is_not) = match &condition {
        Expr::Not(part) => (part.as_ref(), true),
        part => (part, false),
    };
    let Expr::InSubquery(InSubquery { expr: constant, subquery, negated }) = part else {
        return Ok(Transformed::no(condition));
    };
    if *negated == is_not || constant.any_column_refs() || constant.contains_outer() {
        return Ok(Transformed::no(condition));
    }
    let found = Question::of(subquery).under_a_name()?;
    let (member, _) = found.member();
    let may_be_equal = member.eq(constant.as_ref().clone()).is_not_false();
    found.whether(may_be_equal)?.answer(Place::Filter).map(|there_is| Transformed::yes(!there_is))
}
