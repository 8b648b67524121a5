//! Subqueries in MEASURES and DEFINE: run as queries of their own, before the query that has them.

use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use dipper_sql::logical::{clause_subqueries, with_answers};
use dipper_types::Result;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::Host;

/// The plan with the values of such subqueries in their place.
pub(crate) fn answered(plan: LogicalPlan, host: Arc<Host>) -> BoxFuture<'static, Result<LogicalPlan>> {
    let answered = async move {
        let mut answers = Vec::new();
        for subquery in clause_subqueries(&plan)? {
            let subquery = answered(subquery, Arc::clone(&host)).await?;
            let mut running = super::plan(&subquery, &host, Arc::default()).await?.start();
            let mut rows = Vec::new();
            while let Some(batch) = running.next().await? {
                rows.push(batch);
            }
            answers.push(rows);
        }
        with_answers(plan, &answers)
    };
    answered.boxed()
}
