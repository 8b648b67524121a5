//! Subqueries in the conditions and measures of a clause. They read nothing of the clause's rows, so they are run once, before any
//! row comes, and what they give takes their place: a literal, or a list of them. Both hosts then see plain expressions.

use arrow::array::Array;
use arrow::compute::{cast, concat};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::{InList, SetComparison, SetQuantifier};
use datafusion::logical_expr::{
    BinaryExpr, Expr, Extension, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, UserDefinedLogicalNode, and, lit,
    or,
};
use dipper_graph::{BoundExpr, FrameColumn, FromDataFusion, MatchRecognizeSpec, into_datafusion};
use dipper_types::{Error, Result};
use std::sync::Arc;

use super::{MatchRecognizeNode, RowPatternWindowNode};

/// The most different values that `IN (SELECT …)` and the like may compare with: they stand in the job's plan.
const VALUES_MAX: usize = 100_000;

/// What the subqueries in a plan's clauses need, as plans to be run: the rows of each, in this order, go to
/// [`with_answers`]. A plan may itself have clauses with subqueries.
pub fn clause_subqueries(plan: &LogicalPlan) -> Result<Vec<LogicalPlan>> {
    let mut questions = Vec::new();
    let mut ask = |part: Expr| {
        questions.extend(question(&part).or_plan_error()?);
        Ok(part)
    };
    replaced_in_clauses(plan.clone(), &mut ask)?;
    Ok(questions)
}

/// The plan with the values of the subqueries of its clauses in their place; `answers` are the rows of what
/// [`clause_subqueries`] has asked for.
pub fn with_answers(plan: LogicalPlan, answers: &[Vec<RecordBatch>]) -> Result<LogicalPlan> {
    let mut answers = answers.iter();
    let mut answer = |part: Expr| match answers.next() {
        Some(rows) => answered(part, rows),
        None => Err(Error::internal("a subquery has no answer")),
    };
    replaced_in_clauses(plan, &mut answer)
}

/// The expression as if its subqueries had no rows, for a look at whether the rest can be executed.
pub(crate) fn without_subqueries(expr: Expr) -> Result<Expr> {
    replaced(expr, &mut |part| answered(part, &[]))
}

/// Whether an expression is a subquery, or compares with one.
pub(crate) fn subquery_of(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::ScalarSubquery(subquery) => Some(subquery),
        Expr::InSubquery(test) => Some(&test.subquery),
        Expr::Exists(test) => Some(&test.subquery),
        Expr::SetComparison(test) => Some(&test.subquery),
        _ => None,
    }
}

/// Only as many rows are asked for as tell the answer.
fn question(part: &Expr) -> DfResult<Option<LogicalPlan>> {
    let Some(subquery) = subquery_of(part) else { return Ok(None) };
    let plan = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone());
    let plan = match part {
        Expr::ScalarSubquery(_) => plan.limit(0, Some(2)),
        Expr::Exists(_) => plan.limit(0, Some(1)),
        _ => plan.distinct()?.limit(0, Some(VALUES_MAX + 1)),
    };
    plan?.build().map(Some)
}

/// Replaces each subquery of a plan's clauses, always in the same order.
fn replaced_in_clauses(plan: LogicalPlan, replacement: &mut dyn FnMut(Expr) -> Result<Expr>) -> Result<LogicalPlan> {
    let replaced = plan.transform_down_with_subqueries(|node| {
        let LogicalPlan::Extension(extension) = &node else { return Ok(Transformed::no(node)) };
        let any = extension.node.as_any();
        let node: Arc<dyn UserDefinedLogicalNode> = if let Some(clause) = any.downcast_ref::<MatchRecognizeNode>() {
            let mut spec = clause.spec.as_ref().clone();
            replace_in(&mut spec, replacement).map_err(into_datafusion)?;
            Arc::new(MatchRecognizeNode::new(clause.input.clone(), Arc::new(spec))?)
        } else if let Some(window) = any.downcast_ref::<RowPatternWindowNode>() {
            let mut spec = window.spec.as_ref().clone();
            replace_in(&mut spec.clause, replacement).map_err(into_datafusion)?;
            Arc::new(window.with_spec(spec))
        } else {
            return Ok(Transformed::no(node));
        };
        Ok(Transformed::yes(LogicalPlan::Extension(Extension { node })))
    });
    Ok(replaced.or_plan_error()?.data)
}

fn replace_in(spec: &mut MatchRecognizeSpec, replacement: &mut dyn FnMut(Expr) -> Result<Expr>) -> Result<()> {
    let conditions = spec.defines.iter_mut().map(|define| &mut define.condition);
    for frame_expr in conditions.chain(spec.measures.iter_mut().map(|measure| &mut measure.value)) {
        let aggregates = frame_expr.frame.columns.iter_mut().filter_map(|column| match column {
            FrameColumn::Aggregate(aggregate) => Some(&mut aggregate.call),
            _ => None,
        });
        for BoundExpr(expr) in std::iter::once(&mut frame_expr.expr).chain(aggregates) {
            *expr = replaced(std::mem::take(expr), replacement)?;
        }
    }
    Ok(())
}

/// Replaces each subquery, those in what is compared with one before it.
fn replaced(expr: Expr, replacement: &mut dyn FnMut(Expr) -> Result<Expr>) -> Result<Expr> {
    let replaced = expr.transform_up(|part| {
        if subquery_of(&part).is_none() {
            return Ok(Transformed::no(part));
        }
        replacement(part).map(Transformed::yes).map_err(into_datafusion)
    });
    Ok(replaced.or_plan_error()?.data)
}

/// A subquery's value, or that of the comparison with it.
fn answered(part: Expr, rows: &[RecordBatch]) -> Result<Expr> {
    let too_many = |what: &str, remedy: &str| {
        let text = BoundExpr(part.clone()).to_string();
        Error::invalid(format!("the subquery in MEASURES or DEFINE gives {what}: {text}")).with_hint(remedy)
    };
    let few_values = |subquery: &Subquery| {
        let (_, values) = values(subquery, rows)?;
        if values.len() > VALUES_MAX {
            let what = format!("more than {VALUES_MAX} values");
            return Err(too_many(&what, "join the input with it in a subquery before the clause"));
        }
        Ok(values)
    };
    match &part {
        Expr::Exists(test) => Ok(lit(rows.iter().any(|batch| batch.num_rows() > 0) != test.negated)),
        Expr::ScalarSubquery(subquery) => {
            let (data_type, values) = values(subquery, rows)?;
            match values.as_slice() {
                [] => Ok(lit(ScalarValue::try_from(&data_type).or_plan_error()?)),
                [value] => Ok(lit(value.clone())),
                _ => Err(too_many(
                    "more than one row",
                    "a subquery that stands for a value has one row: aggregate, or add LIMIT 1",
                )),
            }
        }
        Expr::InSubquery(test) => Ok(in_list(&test.expr, few_values(&test.subquery)?, test.negated)),
        Expr::SetComparison(test) => Ok(compared(test, few_values(&test.subquery)?)),
        _ => Ok(part),
    }
}

fn in_list(expr: &Expr, values: Vec<ScalarValue>, negated: bool) -> Expr {
    if values.is_empty() {
        return lit(negated);
    }
    Expr::InList(InList::new(Box::new(expr.clone()), values.into_iter().map(lit).collect(), negated))
}

/// `x > ANY (…)` and `x > ALL (…)`: one comparison with the least and one with the greatest value say it all, but for equality with
/// any of them, which is IN.
fn compared(test: &SetComparison, values: Vec<ScalarValue>) -> Expr {
    let is_any = test.quantifier == SetQuantifier::Any;
    match (test.op, is_any) {
        (Operator::Eq, true) => return in_list(&test.expr, values, false),
        (Operator::NotEq, false) => return in_list(&test.expr, values, true),
        _ => {}
    }
    let combined: fn(Expr, Expr) -> Expr = if is_any { or } else { and };
    let has_null = values.iter().any(ScalarValue::is_null);
    let mut ends: Option<(ScalarValue, ScalarValue)> = None;
    for value in values.into_iter().filter(|value| !value.is_null()) {
        ends = Some(match ends {
            None => (value.clone(), value),
            Some((least, greatest)) if value < least => (value, greatest),
            Some((least, greatest)) if value > greatest => (least, value),
            Some(ends) => ends,
        });
    }
    let comparison =
        |value: ScalarValue| Expr::BinaryExpr(BinaryExpr::new(test.expr.clone(), test.op, Box::new(lit(value))));
    let of_ends = ends.map(|(least, greatest)| combined(comparison(least), comparison(greatest)));
    let unknown = has_null.then(|| lit(ScalarValue::Boolean(None)));
    // Over nothing ANY is false, and ALL is true.
    of_ends.into_iter().chain(unknown).reduce(combined).unwrap_or_else(|| lit(!is_any))
}

/// The values of a subquery's one column, and their type.
fn values(subquery: &Subquery, rows: &[RecordBatch]) -> Result<(DataType, Vec<ScalarValue>)> {
    let Some(field) = subquery.subquery.schema().fields().first() else {
        return Err(Error::internal("a subquery has no column"));
    };
    let data_type = field.data_type().clone();
    let columns: Vec<&dyn Array> = rows.iter().filter_map(|batch| batch.columns().first()).map(AsRef::as_ref).collect();
    if columns.is_empty() {
        return Ok((data_type, Vec::new()));
    }
    // The host may keep text in another encoding.
    let column = cast(&concat(&columns)?, &data_type)?;
    let value = |row| ScalarValue::try_from_array(&column, row).or_plan_error();
    let values = (0..column.len()).map(value).collect::<Result<_>>()?;
    Ok((data_type, values))
}
