//! Takes up, in place of DataFusion, the calls that stand for `MATCH_RECOGNIZE`, for windows with a row pattern and for the window table
//! functions.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use dipper_types::{Error, Result, Span};
use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, Query, Spanned, TableFactor, Value, ValueWithSpan};

use super::context::carried;
use super::window_select::WindowUse;
use super::{analyse, as_of, match_recognize, plan_error, row_pattern_window, window_tvf};
use crate::ast::{HOP, MATCH_RECOGNIZE, MatchRecognizeClause, ROW_PATTERN_WINDOW, TUMBLE};
use crate::catalog::SkipErrors;
use crate::source_text::span;

/// The clauses of one query.
#[derive(Debug)]
pub(super) struct DipperRelations {
    clauses: Vec<Arc<MatchRecognizeClause>>,
    windows: Vec<WindowUse>,
    skip_errors: SkipErrors,
}

impl DipperRelations {
    pub(super) fn new(
        clauses: Vec<Arc<MatchRecognizeClause>>,
        windows: Vec<WindowUse>,
        skip_errors: SkipErrors,
    ) -> Self {
        Self { clauses, windows, skip_errors }
    }

    fn plan(
        &self,
        function: &str,
        args: &[FunctionArg],
        place: Span,
        planner: &mut dyn RelationPlannerContext,
    ) -> Result<LogicalPlan> {
        let args: Vec<&Expr> = args.iter().map(expression).collect::<Result<_>>()?;
        match (function, args.as_slice()) {
            (MATCH_RECOGNIZE, [index, Expr::Subquery(query)]) => {
                let clause = clause_index(index).and_then(|index| self.clauses.get(index));
                let clause = clause.ok_or_else(|| Error::internal("a MATCH_RECOGNIZE clause is lost"))?;
                let input = plan_input(query, clause.span, planner)?;
                match_recognize::bind(clause, input, self.skip_errors, planner).map_err(|error| error.at(clause.span))
            }
            (ROW_PATTERN_WINDOW, [Expr::Subquery(query), indices @ ..]) => self.plan_windows(query, indices, planner),
            (TUMBLE | HOP, [Expr::Subquery(query), time_column, sizes @ ..]) => {
                let input = plan_input(query, place, planner)?;
                window_tvf::bind(function == HOP, input, time_column, sizes, planner).map_err(|error| error.at(place))
            }
            _ => Err(Error::internal(format!("{function} with other arguments than the parser gives it"))),
        }
    }

    /// Windows with a row pattern over one input, each above the other.
    fn plan_windows(
        &self,
        query: &Query,
        indices: &[&Expr],
        planner: &mut dyn RelationPlannerContext,
    ) -> Result<LogicalPlan> {
        let lost = || Error::internal("a window with a row pattern is lost");
        let mut plan = None;
        for index in indices {
            let number = clause_index(index).ok_or_else(lost)?;
            let window = self.windows.get(number).ok_or_else(lost)?;
            let place = window.window.clause.span;
            let input = match plan.take() {
                Some(below) => below,
                None => plan_input(query, place, planner)?,
            };
            let bound = row_pattern_window::bind(number, window, input, self.skip_errors, planner);
            plan = Some(bound.map_err(|error| error.at(place))?);
        }
        plan.ok_or_else(lost)
    }
}

impl RelationPlanner for DipperRelations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        planner: &mut dyn RelationPlannerContext,
    ) -> DfResult<RelationPlanning> {
        carried(refuse_what_is_overlooked(&relation))?;
        if let TableFactor::Table { name, alias, version: Some(version), args: None, .. } = &relation {
            let plan = carried(as_of::bind(name, version, planner))?;
            return Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.clone()))));
        }
        let place = span(relation.span());
        let (name, args, alias) = match &relation {
            TableFactor::Table { name, args: Some(args), alias, .. } => (name, &args.args, alias),
            TableFactor::Function { name, args, alias, .. } => (name, args, alias),
            _ => return Ok(RelationPlanning::Original(Box::new(relation))),
        };
        let function = name.to_string();
        if ![MATCH_RECOGNIZE, ROW_PATTERN_WINDOW, TUMBLE, HOP].contains(&function.as_str()) {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        }
        let plan = carried(self.plan(&function, args, place, planner))?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.clone()))))
    }
}

/// Plans the input and coerces its types, because the clause is bound against them.
fn plan_input(query: &Query, place: Span, planner: &mut dyn RelationPlannerContext) -> Result<LogicalPlan> {
    let derived = TableFactor::Derived { lateral: false, subquery: Box::new(query.clone()), alias: None, sample: None };
    let plan = planner.plan(derived).map_err(plan_error)?;
    if !plan.all_out_ref_exprs().is_empty() {
        return Err(Error::unsupported("the input refers to an outer query").at(place));
    }
    analyse(plan)
}

fn expression(arg: &FunctionArg) -> Result<&Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
        other => Err(Error::internal(format!("unexpected argument {other}"))),
    }
}

fn clause_index(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(number, _), .. }) => number.parse().ok(),
        _ => None,
    }
}

/// Refuses by name what DataFusion's planner passes over.
fn refuse_what_is_overlooked(relation: &TableFactor) -> Result<()> {
    let what = match relation {
        TableFactor::Table { version: Some(_), args: Some(_), .. } => "AS OF behind a function",
        TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => "TABLESAMPLE",
        TableFactor::Table { with_ordinality: true, .. } | TableFactor::Function { with_ordinality: true, .. } => {
            "WITH ORDINALITY"
        }
        TableFactor::Table { with_hints, partitions, json_path, index_hints, .. }
            if !with_hints.is_empty() || !partitions.is_empty() || json_path.is_some() || !index_hints.is_empty() =>
        {
            "a hint on a table"
        }
        TableFactor::TableFunction { .. } => "TABLE(…) around anything but TUMBLE and HOP",
        TableFactor::Table { .. }
        | TableFactor::Derived { .. }
        | TableFactor::NestedJoin { .. }
        | TableFactor::UNNEST { .. }
        | TableFactor::Function { .. } => return Ok(()),
        _ => "this form of a table in FROM",
    };
    Err(Error::unsupported(format!("{what} is not supported")).at(span(relation.span())))
}
