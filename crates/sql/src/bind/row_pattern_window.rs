//! A window with a row pattern over its planned input: what it has in common with `MATCH_RECOGNIZE` is bound as there.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef};
use datafusion::common::{DFSchema, TableReference};
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::{Extension, LogicalPlan};
use dipper_graph::{FrameSearch, MatchRecognizeSpec, Measure, RowPatternWindowSpec, RowsPerMatch};
use dipper_pattern::Timeouts;
use dipper_types::{Error, Result};
use sqlparser::ast::{Expr, Spanned, visit_expressions};

use super::input::Input;
use super::match_recognize::{after_match, bind_expression, check_pattern, defines, measures};
use super::reference::function_name;
use super::rewrite::{Part, Scope};
use super::variables::Variables;
use super::window_select::WindowUse;
use super::{ordering, plan_error};
use crate::ast::MatchRecognizeClause;
use crate::catalog::SkipErrors;
use crate::logical::{RowPatternWindowNode, is_unbounded};
use crate::source_text::span;

/// Binds window `number` of a query, and the aggregates over it.
pub(super) fn bind(
    number: usize,
    window: &WindowUse,
    input: LogicalPlan,
    skip_errors: SkipErrors,
    planner: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let WindowUse { window, functions } = window;
    let clause = &window.clause;
    if is_unbounded(&input) {
        return Err(Error::unsupported("a row pattern in a window over unbounded input is not supported yet")
            .with_hint("use MATCH_RECOGNIZE, or write the rows into a table and query that"));
    }
    refuse(clause)?;
    let variables = Variables::of(clause)?;
    check_pattern(clause, &variables, false)?;
    let mut input = Input::new(input);
    let ordering = ordering::bind(clause, &mut input, planner)?;
    let scope = |part| Scope {
        input: &input,
        variables: &variables,
        part,
        row_time: ordering.row_time,
        input_name: clause.input_name.as_ref(),
    };
    let defines = defines(clause, &scope, planner)?;
    let measures = measures(clause, RowsPerMatch::One, false, &scope, planner)?;
    let function = |function: &sqlparser::ast::Function| {
        let expr = Expr::Function(function.clone());
        let value = bind_expression(&expr, span(function.span()), &scope(Part::MeasureOfMatch), false, planner)?;
        Ok(Measure { name: function.name.to_string(), value })
    };
    let functions = functions.iter().map(function).collect::<Result<Vec<_>>>()?;
    let schema = Arc::new(output(&input, number, measures.iter().chain(&functions))?);
    let columns: Vec<usize> = (0..input.fields().count()).collect();
    let (projected, input_schema) = input.project(&columns)?;
    let clause = MatchRecognizeSpec {
        input_schema,
        output_schema: Arc::clone(schema.inner()),
        partition_by: ordering.partition_by.iter().map(|(index, _)| *index).collect(),
        order_by: ordering.order_by,
        event_time: None,
        remaining: input.own().collect(),
        pattern: clause.pattern.parsed.pattern.clone().simplify(),
        variables: variables.names().to_vec(),
        defines,
        measures,
        rows_per_match: RowsPerMatch::One,
        after_match: after_match(clause, &variables, skip_errors, false)?,
        within: None,
        timeouts: Timeouts::Hide,
    };
    let search = if window.seek { FrameSearch::Seek } else { FrameSearch::Initial };
    let spec = RowPatternWindowSpec { clause, functions, following: window.following, search };
    let node = RowPatternWindowNode::new(projected, Arc::new(spec), schema);
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

/// Refuses what has no meaning in a window: a frame is no partition, and its match has no number.
fn refuse(clause: &MatchRecognizeClause) -> Result<()> {
    let pattern = &clause.pattern;
    if let Some((_, range)) = pattern.parsed.anchors.first() {
        return Err(Error::invalid("^ and $ cannot stand in the pattern of a window")
            .at(pattern.place(range))
            .with_hint("a match starts at the current row anyway, unless the window says SEEK"));
    }
    let conditions = clause.defines.iter().map(|define| &define.condition);
    for expr in clause.measures.iter().map(|measure| &measure.expr).chain(conditions) {
        let found = visit_expressions(expr, |part| match part {
            Expr::Function(call) if function_name(call).starts_with("match_") => ControlFlow::Break(call.clone()),
            _ => ControlFlow::Continue(()),
        });
        if let ControlFlow::Break(call) = found {
            let name = function_name(&call).to_uppercase();
            return Err(Error::invalid(format!("{name}() cannot stand in a window: it belongs to MATCH_RECOGNIZE"))
                .at(span(call.span())));
        }
    }
    Ok(())
}

/// The input's columns under their own names, then the measures under those that stand for them in the query.
fn output<'a>(input: &Input, window: usize, measures: impl Iterator<Item = &'a Measure>) -> Result<DFSchema> {
    let own = input.plan().schema().iter().map(|(table, field)| (table.cloned(), Arc::clone(field)));
    let measures = measures.enumerate().map(|(index, measure)| {
        let name = WindowUse::column(window, index);
        let field: FieldRef = Arc::new(Field::new(name, measure.value.data_type.clone(), true));
        (None, field)
    });
    let fields: Vec<(Option<TableReference>, FieldRef)> = own.chain(measures).collect();
    DFSchema::new_with_metadata(fields, HashMap::new()).map_err(plan_error)
}
