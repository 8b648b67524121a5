//! `t FOR SYSTEM_TIME AS OF time` and `t VERSION AS OF number`: a table that Dipper keeps, as it was.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use dipper_graph::FromDataFusion;
use dipper_types::{Error, Result};
use sqlparser::ast::{Expr as SqlExpr, ObjectName, Spanned, TableVersion};

use super::plan_error;
use super::table_source::DipperTableSource;
use crate::source_text::span;

/// The option of the connector that takes a version.
const VERSION: &str = "as-of.version";
/// The option of the connector that takes a time, in milliseconds since 1970.
const TIME: &str = "as-of.timestamp-ms";

/// The scan of a table at a version.
pub(super) fn bind(
    name: &ObjectName,
    version: &TableVersion,
    planner: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let (key, value) = match version {
        TableVersion::ForSystemTimeAsOf(time) | TableVersion::TimestampAsOf(time) => {
            (TIME, constant_ms(time, planner)?.to_string())
        }
        TableVersion::VersionAsOf(number) => (VERSION, number.to_string()),
        TableVersion::Function(_) | TableVersion::Changes { .. } => {
            let error = Error::unsupported("this form of a table's version").at(span(name.span()));
            return Err(error.with_hint("write FOR SYSTEM_TIME AS OF time, or VERSION AS OF number"));
        }
    };
    let reference = planner.object_name_to_table_reference(name.clone()).map_err(plan_error)?;
    let source = planner.context_provider().get_table_source(reference.clone()).or_plan_error()?;
    let kept = source.downcast_ref::<DipperTableSource>().filter(|source| source.table.is_managed);
    let Some(kept) = kept else {
        let error = Error::unsupported(format!("'{name}' has no versions: Dipper does not keep its rows"));
        return Err(error.at(span(name.span())).with_hint("create it without a connector"));
    };
    let mut table = kept.table.as_ref().clone();
    table.spec.options.insert(key.to_owned(), value);
    let source = Arc::new(DipperTableSource { table: Arc::new(table) });
    LogicalPlanBuilder::scan(reference, source, None).and_then(LogicalPlanBuilder::build).map_err(plan_error)
}

/// A time that does not depend on a row, in milliseconds since 1970.
fn constant_ms(time: &SqlExpr, planner: &mut dyn RelationPlannerContext) -> Result<i64> {
    let empty = DFSchema::empty();
    let not_constant = || {
        let error = Error::unsupported("AS OF wants a time that is the same for all rows").at(span(time.span()));
        error.with_hint(
            "write a literal, as in TIMESTAMP '2026-01-31 12:00:00', or CURRENT_TIMESTAMP - INTERVAL '1' HOUR",
        )
    };
    let bound = planner.sql_to_expr(time.clone(), &empty).map_err(|_| not_constant())?;
    let simplifier = ExprSimplifier::new(SimplifyContext::builder().with_current_time().build());
    let simplified = simplifier
        .coerce(bound, &empty)
        .and_then(|bound| bound.cast_to(&DataType::Timestamp(TimeUnit::Millisecond, None), &empty))
        .and_then(|bound| simplifier.simplify(bound));
    match simplified.map_err(|error| plan_error(error).at(span(time.span())))? {
        Expr::Literal(ScalarValue::TimestampMillisecond(Some(ms), _), _) => Ok(ms),
        _ => Err(not_constant()),
    }
}
