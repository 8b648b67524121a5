//! A `MATCH_RECOGNIZE` clause over its planned input: every rule that can be checked before rows come is checked here.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::{Expr as DfExpr, Extension, LogicalPlan, cast};
use dipper_graph::{
    AfterMatch, Define, FrameColumn, FrameExpr, MatchRecognizeSpec, Measure, OrderKey, RowsPerMatch, WithinSpec,
};
use dipper_pattern::{CompileLimits, Edge, OnSkipError, Program, Skip, Timeouts};
use dipper_types::{Error, Result, Span};
use sqlparser::ast::Expr;

use super::expression::Scalar;
use super::input::Input;
use super::ordering::{self, Ordering};
use super::output;
use super::rewrite::{Part, Rewriter, Scope};
use super::variables::{Variables, place_of};
use super::window_tvf::interval_us;
use super::{check_depth, plan_error, subquery};
use crate::ast::{MatchRecognizeClause, RowsPerMatchAst, SkipAst, TimeoutsAst};
use crate::catalog::{SkipErrors, column_name, sql_type_name, variable_name};
use crate::logical::{MatchRecognizeNode, is_unbounded};
use crate::source_text::span;

/// Binds a clause.
pub(super) fn bind(
    clause: &MatchRecognizeClause,
    input: LogicalPlan,
    skip_errors: SkipErrors,
    planner: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let unbounded = is_unbounded(&input);
    let variables = Variables::of(clause)?;
    check_pattern(clause, &variables, unbounded)?;
    let mut input = Input::new(input);
    let ordering = ordering::bind(clause, &mut input, planner)?;
    let rows_per_match = rows_per_match(clause);
    let within = within(clause, &input, &ordering, planner)?;
    let scope = |part| Scope {
        input: &input,
        variables: &variables,
        part,
        row_time: ordering.row_time,
        input_name: clause.input_name.as_ref(),
    };
    let defines = defines(clause, &scope, planner)?;
    let measures = measures(clause, rows_per_match, unbounded, &scope, planner)?;
    let output = output::columns(clause, &input, &ordering, &measures, rows_per_match)?;
    let mut spec = MatchRecognizeSpec {
        input_schema: Arc::clone(&output.schema),
        output_schema: output.schema,
        partition_by: ordering.partition_by.iter().map(|(index, _)| *index).collect(),
        order_by: ordering.order_by,
        event_time: ordering.event_time,
        remaining: output.remaining,
        pattern: clause.pattern.parsed.pattern.clone().simplify(),
        variables: variables.names().to_vec(),
        defines,
        measures,
        rows_per_match,
        after_match: after_match(clause, &variables, skip_errors, unbounded)?,
        within,
        timeouts: timeouts(clause)?,
    };
    let mut columns: Vec<usize> = columns_read(&spec, &input).into_iter().collect();
    if columns.is_empty() {
        // Rows are counted by a column, whichever it is.
        columns.extend(input.own().take(1));
    }
    let (projected, schema) = input.project(&columns)?;
    spec.input_schema = schema;
    renumber(&mut spec, &columns);
    let node = MatchRecognizeNode::new(projected, Arc::new(spec)).map_err(plan_error)?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

pub(super) fn check_pattern(clause: &MatchRecognizeClause, variables: &Variables, unbounded: bool) -> Result<()> {
    let pattern = &clause.pattern;
    if unbounded && let Some((_, range)) = pattern.parsed.anchors.iter().find(|(edge, _)| *edge == Edge::End) {
        return Err(
            Error::invalid("$ cannot hold: a partition of an unbounded input never ends").at(pattern.place(range))
        );
    }
    if let (RowsPerMatchAst::AllWithUnmatched, Some(range)) = (clause.rows_per_match, pattern.parsed.exclusions.first())
    {
        return Err(Error::invalid("{- -} cannot be used with WITH UNMATCHED ROWS")
            .at(pattern.place(range))
            .with_hint("its rows are neither matched rows to put out nor unmatched ones"));
    }
    if variables.names().is_empty() && !clause.defines.is_empty() {
        // DEFINE names something that the pattern has not: said with its name below.
        return Ok(());
    }
    Program::compile(&pattern.parsed.pattern, CompileLimits::default())
        .map(drop)
        .map_err(|error| Error::invalid(error.to_string()).at(pattern.span))
}

fn rows_per_match(clause: &MatchRecognizeClause) -> RowsPerMatch {
    match clause.rows_per_match {
        RowsPerMatchAst::One => RowsPerMatch::One,
        RowsPerMatchAst::AllShowEmpty => RowsPerMatch::AllShowEmpty,
        RowsPerMatchAst::AllOmitEmpty => RowsPerMatch::AllOmitEmpty,
        RowsPerMatchAst::AllWithUnmatched => RowsPerMatch::AllWithUnmatched,
    }
}

fn timeouts(clause: &MatchRecognizeClause) -> Result<Timeouts> {
    let timeouts = match clause.timeouts {
        TimeoutsAst::Hide => return Ok(Timeouts::Hide),
        TimeoutsAst::Show => Timeouts::Show,
        TimeoutsAst::Only => Timeouts::Only,
    };
    if clause.within.is_none() {
        return Err(Error::invalid("TIMEOUT MATCHES needs WITHIN: nothing times out without it")
            .at(clause.timeouts_span.unwrap_or(clause.span))
            .with_hint("PATTERN (…) WITHIN INTERVAL '30' MINUTE"));
    }
    Ok(timeouts)
}

fn within(
    clause: &MatchRecognizeClause,
    input: &Input,
    ordering: &Ordering,
    planner: &mut dyn RelationPlannerContext,
) -> Result<Option<WithinSpec>> {
    let Some(within) = &clause.within else { return Ok(None) };
    let span_us = match interval_us(&within.expr, planner).map_err(|error| error.at(within.span))? {
        Ok(span_us) if span_us > 0 => span_us,
        Ok(_) => return Err(Error::invalid("WITHIN must be positive").at(within.span)),
        Err(why) => return Err(Error::invalid(format!("WITHIN {why}")).at(within.span)),
    };
    if ordering.row_time.is_some() {
        return Ok(Some(WithinSpec { span_us, inclusive: within.inclusive }));
    }
    let error = Error::invalid("WITHIN needs an ORDER BY that begins with a time column, ascending").at(within.span);
    Err(match ordering.order_by.first() {
        Some(key) if key.descending => error.with_hint("the ORDER BY is descending"),
        Some(key) => {
            let field = input.field(key.column);
            error.with_hint(format!("'{}' is of type {}", field.name(), sql_type_name(field.data_type())))
        }
        None => error.with_hint("add ORDER BY"),
    })
}

pub(super) fn after_match(
    clause: &MatchRecognizeClause,
    variables: &Variables,
    skip_errors: SkipErrors,
    unbounded: bool,
) -> Result<AfterMatch> {
    let skip = match clause.after_match.as_ref().map(|after| &after.skip) {
        None | Some(SkipAst::PastLastRow) => Skip::PastLastRow,
        Some(SkipAst::ToNextRow) => Skip::ToNextRow,
        Some(SkipAst::ToFirst(ident)) => Skip::ToFirst(variables.require(ident, "AFTER MATCH SKIP goes to")?.symbols),
        Some(SkipAst::ToLast(ident)) => Skip::ToLast(variables.require(ident, "AFTER MATCH SKIP goes to")?.symbols),
    };
    let fails = match skip_errors {
        SkipErrors::Automatic => !unbounded,
        SkipErrors::Fail => true,
        SkipErrors::NextRow => false,
    };
    Ok(AfterMatch { skip, on_error: if fails { OnSkipError::Fail } else { OnSkipError::NextRow } })
}

pub(super) fn defines<'a>(
    clause: &MatchRecognizeClause,
    scope: &dyn Fn(Part) -> Scope<'a>,
    planner: &mut dyn RelationPlannerContext,
) -> Result<Vec<Define>> {
    let mut defines: Vec<Define> = Vec::new();
    for item in &clause.defines {
        let name = variable_name(&item.variable);
        let here = span(item.variable.span);
        let variables = scope(Part::MeasureOfMatch).variables;
        let Some(symbol) = variables.symbol(&name) else {
            return Err(if variables.subset(&name).is_some() {
                Error::invalid(format!("DEFINE for the SUBSET {name}")).at(here).with_hint("define its members")
            } else {
                variables.unknown(&name, "DEFINE is for").at(here)
            });
        };
        if defines.iter().any(|define| define.symbol == symbol) {
            return Err(Error::invalid(format!("{name} is defined twice"))
                .at(here)
                .with_hint(format!("the pattern names it at {}", place_of(&clause.pattern, symbol).start)));
        }
        let scope = scope(Part::Define(symbol));
        let condition = bind_expression(&item.condition, item.span, &scope, true, planner)?;
        defines.push(Define { symbol, condition: boolean(condition, &name, item.span)? });
    }
    defines.sort_by_key(|define| define.symbol);
    Ok(defines)
}

/// The condition as a truth value.
fn boolean(condition: FrameExpr, name: &str, here: Span) -> Result<FrameExpr> {
    match &condition.data_type {
        DataType::Boolean => Ok(condition),
        DataType::Null => Ok(FrameExpr {
            expr: dipper_graph::BoundExpr(cast(condition.expr.0, DataType::Boolean)),
            data_type: DataType::Boolean,
            frame: condition.frame,
        }),
        other => {
            let kind = sql_type_name(other);
            Err(Error::invalid(format!("the condition of {name} is of type {kind}, not BOOLEAN")).at(here))
        }
    }
}

pub(super) fn measures<'a>(
    clause: &MatchRecognizeClause,
    rows: RowsPerMatch,
    unbounded: bool,
    scope: &dyn Fn(Part) -> Scope<'a>,
    planner: &mut dyn RelationPlannerContext,
) -> Result<Vec<Measure>> {
    let part = if rows == RowsPerMatch::One { Part::MeasureOfMatch } else { Part::MeasureOfRow };
    let scope = scope(part);
    let bind = |item: &crate::ast::MeasureItem| {
        let value = bind_expression(&item.expr, item.span, &scope, unbounded, &mut *planner)?;
        Ok(Measure { name: column_name(&item.name), value })
    };
    clause.measures.iter().map(bind).collect()
}

/// Binds a condition or measure. `repeatable` refuses functions that give another value each time.
pub(super) fn bind_expression(
    expr: &Expr,
    here: Span,
    scope: &Scope<'_>,
    repeatable: bool,
    planner: &mut dyn RelationPlannerContext,
) -> Result<FrameExpr> {
    let mut bind = || {
        check_depth(expr)?;
        let mut plain = expr.clone();
        let mut rewriter = Rewriter::new(scope, planner);
        rewriter.apply(&mut plain)?;
        let part = scope.part_name();
        let frame = rewriter.frame;
        let schema = frame.schema();
        let df_schema = DFSchema::try_from(Arc::clone(&schema)).map_err(plan_error)?;
        let planned = subquery::planned(&plain, &df_schema, scope, planner)?;
        let scalar = Scalar::with_subqueries(planned, &df_schema)?;
        if let (true, Some(function)) = (repeatable, scalar.unrepeatable()) {
            return Err(Error::unsupported(format!(
                "{function}() cannot stand in {part}: it gives another value each time"
            ))
            .with_hint("use the event time of the rows"));
        }
        let (bound, data_type) = scalar.finish(&schema)?;
        Ok(frame.finish(bound, data_type))
    };
    bind().map_err(|error: Error| error.at(here))
}

/// The input columns that a clause reads or puts out.
fn columns_read(spec: &MatchRecognizeSpec, input: &Input) -> BTreeSet<usize> {
    let mut columns: BTreeSet<usize> = spec.partition_by.iter().chain(&spec.remaining).copied().collect();
    columns.extend(spec.order_by.iter().map(|key| key.column));
    let conditions = spec.defines.iter().map(|define| &define.condition);
    for frame_expr in conditions.chain(spec.measures.iter().map(|measure| &measure.value)) {
        for column in &frame_expr.frame.columns {
            match column {
                FrameColumn::Input { column, .. } => {
                    columns.insert(*column);
                }
                FrameColumn::Aggregate(aggregate) => columns.extend(columns_of(&aggregate.call.0, input)),
                _ => {}
            }
        }
    }
    columns
}

fn columns_of(aggregate: &DfExpr, input: &Input) -> Vec<usize> {
    let read = aggregate.column_refs();
    let is_read = |name: &str| read.iter().any(|column| column.name == name);
    input.fields().enumerate().filter(|(_, field)| is_read(field.name())).map(|(index, _)| index).collect()
}

/// Puts indices into the projected input in place of those into the whole.
fn renumber(spec: &mut MatchRecognizeSpec, columns: &[usize]) {
    let new = |old: &mut usize| {
        if let Ok(index) = columns.binary_search(old) {
            *old = index;
        }
    };
    spec.partition_by.iter_mut().for_each(new);
    spec.remaining.iter_mut().for_each(new);
    spec.order_by.iter_mut().for_each(|key: &mut OrderKey| new(&mut key.column));
    spec.event_time.iter_mut().for_each(new);
    let conditions = spec.defines.iter_mut().map(|define| &mut define.condition);
    for frame_expr in conditions.chain(spec.measures.iter_mut().map(|measure| &mut measure.value)) {
        for column in &mut frame_expr.frame.columns {
            if let FrameColumn::Input { column, .. } = column {
                new(column);
            }
        }
    }
}
