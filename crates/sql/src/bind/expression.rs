//! Scalar expressions: planned by DataFusion, coerced, simplified, and checked to be nothing but scalar.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::planner::{PlannerContext, SqlToRel};
use dipper_graph::{BoundExpr, simplify_checked};
use dipper_types::{Error, Result};
use sqlparser::ast::{Expr as SqlExpr, Spanned};

use super::context::{QueryContext, options};
use super::date_interval::check_date;
use super::meaning::as_meant;
use super::relation::DipperRelations;
use super::views::BoundViews;
use super::{check_depth, plan_error};
use crate::catalog::{Catalog, SkipErrors};
use crate::logical::{subquery_of, without_subqueries};
use crate::source_text::span;

/// Binds the expression of a computed column or watermark: the expression, its type and whether it can be NULL.
pub(crate) fn bind_column_expression(expr: &SqlExpr, schema: &SchemaRef) -> Result<(Expr, DataType, bool)> {
    check_depth(expr)?;
    let catalog = Catalog::new();
    let no_views = BoundViews::new();
    let no_clauses = DipperRelations::new(Vec::new(), Vec::new(), SkipErrors::Automatic);
    let context = QueryContext::new(&catalog, no_clauses, &no_views);
    let df_schema = DFSchema::try_from(Arc::clone(schema)).map_err(plan_error)?;
    let here = span(expr.span());
    let bind = || {
        let planned = SqlToRel::new(&context)
            .sql_to_expr(expr.clone(), &df_schema, &mut PlannerContext::new())
            .map_err(plan_error)?;
        let scalar = Scalar::new(planned, &df_schema)?;
        if let Some(function) = scalar.unrepeatable() {
            let error =
                Error::invalid(format!("{function}() gives another value each time: a column's value must not change"));
            return Err(error);
        }
        scalar.finish(schema)
    };
    let (expr, data_type) = bind().map_err(|error| error.at(here))?;
    let nullable = expr.nullable(&df_schema).map_err(plan_error)?;
    Ok((expr, data_type, nullable))
}

/// An expression that has been checked to be scalar.
pub(super) struct Scalar {
    expr: Expr,
}

impl Scalar {
    /// Coerces types and refuses what is not a function of one row.
    pub(super) fn new(expr: Expr, schema: &DFSchema) -> Result<Self> {
        if expr.exists(|part| Ok(subquery_of(part).is_some())).map_err(plan_error)? {
            return Err(Error::invalid("a subquery cannot stand here"));
        }
        Self::with_subqueries(expr, schema)
    }

    /// As `new`, but a subquery may stand for its value.
    pub(super) fn with_subqueries(expr: Expr, schema: &DFSchema) -> Result<Self> {
        refuse_other_than_scalar(&expr)?;
        let context = SimplifyContext::builder()
            .with_schema(Arc::new(schema.clone()))
            .with_config_options(Arc::clone(options()))
            .with_current_time()
            .build();
        let simplifier = ExprSimplifier::new(context);
        let exact = as_meant(expr, schema).and_then(|expr| simplifier.coerce(expr.data, schema));
        let expr = exact.map_err(plan_error)?;
        check_date(&expr, schema)?;
        Ok(Self { expr: expr.unalias_nested().data })
    }

    /// The name of a function that gives another value for the same arguments: the clock's, or a random one.
    pub(super) fn unrepeatable(&self) -> Option<String> {
        let mut found = None;
        // The closure does not fail.
        let _ = self.expr.apply(|part| {
            if let Expr::ScalarFunction(function) = part
                && (part.is_volatile_node() || CLOCKS.contains(&function.name()))
            {
                found = Some(function.name().to_uppercase());
                return Ok(TreeNodeRecursion::Stop);
            }
            Ok(TreeNodeRecursion::Continue)
        });
        found
    }

    /// The expression with its types coerced.
    pub(super) fn into_expr(self) -> Expr {
        self.expr
    }

    /// Folds constants and makes sure that the expression can be executed; with its type.
    pub(super) fn finish(self, schema: &SchemaRef) -> Result<(Expr, DataType)> {
        let df_schema = DFSchema::try_from(Arc::clone(schema)).map_err(plan_error)?;
        let expr = simplify(self.expr, &df_schema)?;
        let data_type = expr.get_type(&df_schema).map_err(plan_error)?;
        BoundExpr(without_subqueries(expr.clone())?).physical(schema)?;
        Ok((expr, data_type))
    }
}

const CLOCKS: &[&str] = &["now", "current_date", "current_time", "today"];

fn simplify(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(Arc::clone(options()))
        .with_current_time()
        .build();
    simplify_checked(expr, schema, &ExprSimplifier::new(context)).map_err(plan_error)
}

fn refuse_other_than_scalar(expr: &Expr) -> Result<()> {
    let mut refused = None;
    let _ = expr.apply(|part| {
        refused = match part {
            Expr::AggregateFunction(_) | Expr::GroupingSet(_) => Some("an aggregate"),
            Expr::WindowFunction(_) => Some("a window function"),
            Expr::OuterReferenceColumn(..) => Some("a reference to an outer query"),
            Expr::Unnest(_) => Some("UNNEST"),
            Expr::Placeholder(_) => Some("a parameter"),
            _ => None,
        };
        Ok(if refused.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    match refused {
        Some(what) => Err(Error::invalid(format!("{what} cannot stand here"))),
        None => Ok(()),
    }
}

/// The value of a constant expression; `None` if it is not constant.
pub(super) fn constant(expr: &SqlExpr, planner: &mut dyn RelationPlannerContext) -> Result<Option<ScalarValue>> {
    let schema = DFSchema::empty();
    let Ok(planned) = planner.sql_to_expr(expr.clone(), &schema) else { return Ok(None) };
    let scalar = Scalar::new(planned, &schema).map_err(|error| error.at(span(expr.span())))?;
    if scalar.unrepeatable().is_some() {
        return Ok(None);
    }
    match simplify(scalar.expr, &schema)? {
        Expr::Literal(value, _) => Ok(Some(value)),
        _ => Ok(None),
    }
}
