//! `TUMBLE` and `HOP`.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan};
use dipper_graph::WindowKind;
use dipper_types::{Error, Result};
use sqlparser::ast::{Expr as SqlExpr, Spanned};
use std::sync::Arc;

use super::expression::constant;
use super::{check_depth, plan_error};
use crate::catalog::sql_type_name;
use crate::logical::{WindowTvfNode, column_roles, is_unbounded};
use crate::source_text::span;

/// Binds a call: input, time column, then slide (HOP only), size and offset.
pub(super) fn bind(
    is_hop: bool,
    input: LogicalPlan,
    time_column: &SqlExpr,
    sizes: &[&SqlExpr],
    planner: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let here = span(time_column.span());
    let planned =
        planner.sql_to_expr(time_column.clone(), input.schema()).map_err(|error| plan_error(error).at(here))?;
    let Expr::Column(column) = planned else {
        return Err(Error::invalid("the time column is not a column of the input").at(here));
    };
    let index = input.schema().index_of_column(&column).map_err(plan_error)?;
    let field = input.schema().field(index);
    if !matches!(field.data_type(), DataType::Timestamp(..)) {
        let kind = sql_type_name(field.data_type());
        return Err(Error::invalid(format!(
            "the time column '{}' is of type {kind}: it must be a TIMESTAMP",
            column.name
        ))
        .at(here));
    }
    if is_unbounded(&input) && !column_roles(&input)[index].is_time_attribute() {
        return Err(Error::invalid(format!("'{}' is not a time attribute, and the input is unbounded", column.name))
            .at(here)
            .with_hint("use the column that has the WATERMARK"));
    }
    let mut lengths = sizes.iter().map(|size| length_us(size, planner)).collect::<Result<Vec<i64>>>()?.into_iter();
    let mut positive = |what: &str, at: usize| match lengths.next() {
        Some(length) if length > 0 => Ok(length),
        _ => Err(Error::invalid(format!("the {what} of a window must be positive"))
            .at(sizes.get(at).map_or(here, |size| span(size.span())))),
    };
    let kind = if is_hop {
        let slide_us = positive("slide", 0)?;
        let size_us = positive("size", 1)?;
        if size_us % slide_us != 0 {
            let error = Error::invalid("the size of a HOP window must be a multiple of its slide");
            return Err(error.at(span(sizes[1].span())));
        }
        WindowKind::Hop { slide_us, size_us, offset_us: lengths.next().unwrap_or(0) }
    } else {
        WindowKind::Tumble { size_us: positive("size", 0)?, offset_us: lengths.next().unwrap_or(0) }
    };
    let node = WindowTvfNode::new(input, column, kind)?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

fn length_us(expr: &SqlExpr, planner: &mut dyn RelationPlannerContext) -> Result<i64> {
    interval_us(expr, planner)?.map_err(|why| Error::invalid(format!("a window's length {why}")).at(span(expr.span())))
}

/// The microseconds of a constant interval of days to microseconds, or why it is none.
pub(super) fn interval_us(
    expr: &SqlExpr,
    planner: &mut dyn RelationPlannerContext,
) -> Result<std::result::Result<i64, &'static str>> {
    check_depth(expr)?;
    let value = constant(expr, planner)?;
    Ok(match value {
        Some(ScalarValue::IntervalMonthDayNano(Some(interval))) => {
            if interval.months != 0 {
                Err("may not have months or years: they are not all of one length")
            } else if interval.nanoseconds % 1000 != 0 {
                Err("may not be finer than microseconds")
            } else {
                total_us(interval.days, Some(interval.nanoseconds / 1000))
            }
        }
        Some(ScalarValue::IntervalDayTime(Some(interval))) => {
            total_us(interval.days, i64::from(interval.milliseconds).checked_mul(1000))
        }
        _ => Err("must be a constant interval, such as INTERVAL '5' MINUTE"),
    })
}

fn total_us(days: i32, rest_us: Option<i64>) -> std::result::Result<i64, &'static str> {
    let days_us = i64::from(days).checked_mul(86_400_000_000);
    days_us.zip(rest_us).and_then(|(days, rest)| days.checked_add(rest)).ok_or("is too long")
}
