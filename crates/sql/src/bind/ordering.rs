//! PARTITION BY and ORDER BY: columns of the input, or expressions that become columns.

use std::ops::ControlFlow;

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr as DfExpr;
use datafusion::logical_expr::planner::RelationPlannerContext;
use dipper_graph::OrderKey;
use dipper_types::{Error, Result};
use sqlparser::ast::{Expr, OrderByExpr, Value, ValueWithSpan, visit_expressions};

use super::expression::Scalar;
use super::input::Input;
use super::own_expressions;
use super::reference::function_name;
use super::rewrite::place;
use super::{check_depth, plan_error};
use crate::ast::{FINAL, MatchRecognizeClause, PartitionItem, RUNNING};
use crate::catalog::{column_name, sql_type_name};
use crate::logical::{ColumnRole, column_roles, is_unbounded};
use crate::source_text::span;

/// PARTITION BY and ORDER BY, bound.
#[derive(Debug)]
pub(super) struct Ordering {
    /// Columns of the input, with the names that they are put out under.
    pub(super) partition_by: Vec<(usize, String)>,
    /// Columns of the input.
    pub(super) order_by: Vec<OrderKey>,
    /// The leading ORDER BY column, if it is a time and ascending.
    pub(super) row_time: Option<usize>,
    /// The same, if it is a time attribute.
    pub(super) event_time: Option<usize>,
}

/// Binds both, and adds what they compute to the input.
pub(super) fn bind(
    clause: &MatchRecognizeClause,
    input: &mut Input,
    planner: &mut dyn RelationPlannerContext,
) -> Result<Ordering> {
    let mut partition_by: Vec<(usize, String)> = Vec::new();
    for item in &clause.partition_by {
        let (index, name) = bind_partition(item, input, planner).map_err(|error| error.at(item.span))?;
        if partition_by.iter().any(|(_, other)| *other == name) {
            return Err(Error::invalid(format!("PARTITION BY names '{name}' twice")).at(item.span));
        }
        partition_by.push((index, name));
    }
    let mut order_by = Vec::new();
    for key in &clause.order_by {
        check_depth(&key.expr)?;
        order_by.push(bind_key(key, input, planner).map_err(|error| error.at(place(&key.expr)))?);
    }
    let is_time =
        |key: &&OrderKey| !key.descending && matches!(input.field(key.column).data_type(), DataType::Timestamp(..));
    let row_time = order_by.first().filter(is_time).map(|key| key.column);
    let roles = column_roles(input.plan());
    let is_attribute = |column: &usize| roles.get(*column).copied().is_some_and(ColumnRole::is_time_attribute);
    let ordering = Ordering { partition_by, order_by, row_time, event_time: row_time.filter(is_attribute) };
    if is_unbounded(input.plan()) && ordering.event_time.is_none() {
        return Err(unordered_stream(clause, input, &ordering, &roles));
    }
    Ok(ordering)
}

/// Says why the rows of an unbounded input cannot be put in order.
fn unordered_stream(clause: &MatchRecognizeClause, input: &Input, ordering: &Ordering, roles: &[ColumnRole]) -> Error {
    let attribute =
        roles.iter().position(|role| role.is_time_attribute()).map(|index| input.field(index).name().as_str());
    let hint = match attribute {
        Some(name) => format!("begin with ORDER BY {name}"),
        None => "give its table a WATERMARK and order by that column".to_owned(),
    };
    let (Some(key), Some(first)) = (ordering.order_by.first(), clause.order_by.first()) else {
        return Error::invalid("MATCH_RECOGNIZE over unbounded input needs an ORDER BY")
            .at(clause.span)
            .with_hint(hint);
    };
    let name = input.field(key.column).name();
    let why = if key.descending {
        "is descending".to_owned()
    } else if ordering.row_time.is_none() {
        format!("is of type {}", sql_type_name(input.field(key.column).data_type()))
    } else {
        "is not a time attribute".to_owned()
    };
    Error::invalid(format!("ORDER BY over unbounded input must begin with a time attribute, ascending: '{name}' {why}"))
        .at(place(&first.expr))
        .with_hint(hint)
}

fn bind_partition(
    item: &PartitionItem,
    input: &mut Input,
    planner: &mut dyn RelationPlannerContext,
) -> Result<(usize, String)> {
    let expr = bind_expression(&item.expr, "PARTITION BY", input, planner)?;
    let text = match &expr {
        DfExpr::Column(column) => column.name.clone(),
        _ => item.text.clone(),
    };
    let alias = item.alias.as_ref().map(column_name);
    let index = input.add(expr, alias.as_deref(), &text)?;
    Ok((index, alias.unwrap_or(text)))
}

fn bind_key(key: &OrderByExpr, input: &mut Input, planner: &mut dyn RelationPlannerContext) -> Result<OrderKey> {
    if key.with_fill.is_some() {
        return Err(Error::unsupported("WITH FILL is not supported"));
    }
    if matches!(&key.expr, Expr::Value(ValueWithSpan { value: Value::Number(..), .. })) {
        return Err(Error::invalid("ORDER BY in MATCH_RECOGNIZE takes columns, not their positions"));
    }
    let expr = bind_expression(&key.expr, "ORDER BY", input, planner)?;
    let column = input.add(expr, None, &key.expr.to_string())?;
    let descending = key.options.asc == Some(false);
    Ok(OrderKey { column, descending, nulls_first: key.options.nulls_first.unwrap_or(descending) })
}

/// An expression over the input.
fn bind_expression(
    expr: &Expr,
    clause: &str,
    input: &Input,
    planner: &mut dyn RelationPlannerContext,
) -> Result<DfExpr> {
    check_depth(expr)?;
    // The planner would take the first of several columns of one name.
    let ambiguous = own_expressions::visit(expr, &mut |part| match part {
        Expr::Identifier(name) => match input.refuse_ambiguous(&column_name(name), span(name.span)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        },
        _ => ControlFlow::Continue(()),
    });
    if let ControlFlow::Break(error) = ambiguous {
        return Err(error);
    }
    refuse_clause_functions(expr, clause)?;
    let schema: &DFSchema = input.plan().schema();
    let planned = planner.sql_to_expr(expr.clone(), schema).map_err(plan_error)?;
    if let DfExpr::Column(column) = &planned {
        // An ambiguous name is found only when the column is looked up.
        schema.index_of_column(column).map_err(plan_error)?;
        return Ok(planned);
    }
    let scalar = Scalar::new(planned, schema)?;
    if let Some(function) = scalar.unrepeatable() {
        return Err(Error::invalid(format!("{function}() cannot stand in {clause}: it gives another value each time")));
    }
    Ok(scalar.into_expr())
}

fn refuse_clause_functions(expr: &Expr, clause: &str) -> Result<()> {
    const OF_THE_MATCH: &[&str] = &[
        "prev",
        "next",
        "first",
        "last",
        "classifier",
        "match_number",
        "match_rowtime",
        "match_proctime",
        "match_status",
        RUNNING,
        FINAL,
    ];
    let found = visit_expressions(expr, |part| match part {
        Expr::Function(call) if OF_THE_MATCH.contains(&function_name(call).as_str()) => {
            ControlFlow::Break(call.clone())
        }
        _ => ControlFlow::Continue(()),
    });
    match found {
        ControlFlow::Break(call) => {
            let word = function_name(&call).trim_start_matches('_').to_uppercase();
            Err(Error::invalid(format!("{word} cannot stand in {clause}: there is no match yet"))
                .at(span(sqlparser::ast::Spanned::span(&call))))
        }
        ControlFlow::Continue(()) => Ok(()),
    }
}
