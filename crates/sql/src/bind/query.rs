//! Whole queries.

use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::Analyzer;
use datafusion::sql::planner::SqlToRel;
use dipper_graph::rewrite_expressions;
use dipper_types::{Error, Result};
use sqlparser::ast::Statement;

use super::context::{QueryContext, options};
use super::correlated::check_correlated;
use super::date_interval::check_dates;
use super::depth::check_plan_depth;
use super::meaning::as_meant;
use super::place::placed;
use super::relation::DipperRelations;
use super::views::{BoundViews, bind_all};
use super::{check_depth, plan_error, window_select};
use crate::ast::Query;
use crate::catalog::{Catalog, SkipErrors, View};

/// Binds a query; types are coerced.
pub(crate) fn bind_query(catalog: &Catalog, query: &Query, skip_errors: SkipErrors) -> Result<LogicalPlan> {
    bind_over(catalog, query, skip_errors, &bind_all(catalog, query, skip_errors, None))
}

/// Binds the query that is to define the view `name`.
pub(crate) fn bind_definition(
    catalog: &Catalog,
    query: &Query,
    skip_errors: SkipErrors,
    name: &str,
) -> Result<LogicalPlan> {
    bind_over(catalog, query, skip_errors, &bind_all(catalog, query, skip_errors, Some(name)))
}

/// Binds a view.
pub(crate) fn bind_view(catalog: &Catalog, view: &View, skip_errors: SkipErrors) -> Result<LogicalPlan> {
    rename(bind_definition(catalog, &view.query, skip_errors, &view.name)?, view)
}

/// Binds a query whose views are bound.
pub(super) fn bind_over(
    catalog: &Catalog,
    query: &Query,
    skip_errors: SkipErrors,
    views: &BoundViews,
) -> Result<LogicalPlan> {
    check_depth(&query.query)?;
    plan(catalog, query, skip_errors, views).map_err(|error| placed(error, query))
}

fn plan(catalog: &Catalog, query: &Query, skip_errors: SkipErrors, views: &BoundViews) -> Result<LogicalPlan> {
    let (expanded, windows) = window_select::expand(query)?;
    check_depth(expanded.as_ref())?;
    let relations = DipperRelations::new(query.clauses.clone(), windows, skip_errors);
    let context = QueryContext::new(catalog, relations, views);
    let statement = Statement::Query(Box::new(expanded.into_owned()));
    let plan = SqlToRel::new(&context).sql_statement_to_plan(statement).map_err(plan_error)?;
    check_correlated(&plan)?;
    let plan = analyse(plan)?;
    check_plan_depth(&plan)?;
    Ok(plan)
}

/// Names the columns of a view's query.
pub(super) fn rename(plan: LogicalPlan, view: &View) -> Result<LogicalPlan> {
    if view.columns.is_empty() {
        return Ok(plan);
    }
    let columns = plan.schema().columns();
    if columns.len() != view.columns.len() {
        let (names, found) = (view.columns.len(), columns.len());
        return Err(Error::invalid(format!("the view names {names} columns, but its query has {found}")));
    }
    let renamed = columns.into_iter().zip(&view.columns).map(|(column, name)| Expr::Column(column).alias(name));
    LogicalPlanBuilder::from(plan).project(renamed).and_then(LogicalPlanBuilder::build).map_err(plan_error)
}

/// Coerces types, so that every node has the types that it will have when it runs, and refuses what would be computed wrongly with them.
pub(crate) fn analyse(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = rewrite_expressions(plan, as_meant).map_err(plan_error)?;
    let plan = Analyzer::new().execute_and_check(plan, options(), |_, _| {}).map_err(plan_error)?;
    check_dates(&plan)?;
    Ok(plan)
}
