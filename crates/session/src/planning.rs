//! Statements are planned where queries compute. A plan may take long, and meanwhile others are served, and whoever has waited long enough goes.

use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use dipper_graph::{JobGraph, TableSpec};
use dipper_sql::Planner;
use dipper_sql::ast::{ExplainFormat, Insert, Query, Statement};
use dipper_sql::catalog::{QUERY_MEMORY, RuntimeMode, Table as CatalogTable};
use dipper_sql::logical::is_unbounded;
use dipper_types::{Error, Result};

use crate::adhoc::{self, Watch};
use crate::{Session, checkpoints, dataflow};

/// What an insert is bound as, and where it writes.
type InsertPlan = (LogicalPlan, Arc<CatalogTable>);

/// A query that is ready to run.
pub(crate) enum PlannedQuery {
    Batch(adhoc::Plan),
    Dataflow(JobGraph),
}

impl Session {
    /// Plans with a copy of the session. Whoever no longer waits for it lets go of it.
    pub(crate) async fn aside<T, F>(&self, plan: impl FnOnce(Self) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        adhoc::compute(plan(self.clone())).await
    }

    pub(crate) fn planner(&self) -> Planner<'_> {
        Planner::new(&self.catalog, &self.settings)
    }

    /// Binds a query, or what an insert reads.
    pub(crate) fn bound(&self, statement: &Statement) -> Result<Option<LogicalPlan>> {
        match statement {
            Statement::Query(query) => self.planner().shown(query).map(Some),
            Statement::Insert(insert) => self.planner().insert_plan(insert).map(|(plan, _)| Some(plan)),
            _ => Ok(None),
        }
    }

    /// Plans a query for the host that is to run it.
    pub(crate) async fn planned_query(&self, query: &Query) -> Result<PlannedQuery> {
        let (planner, host) = (self.planner(), self.host());
        let plan = planner.shown(query)?;
        let unbounded = is_unbounded(&plan);
        let streaming = match self.settings.runtime_mode() {
            RuntimeMode::Streaming => true,
            RuntimeMode::Automatic => unbounded,
            RuntimeMode::Batch if unbounded => return Err(unbounded_in_batch().at(query.span)),
            RuntimeMode::Batch => false,
        };
        let plan = self.answered(plan, query, &host).await?;
        if streaming {
            return planner.collect(query, &plan, "query").map(PlannedQuery::Dataflow);
        }
        let planned = adhoc::plan(&plan, &host, Arc::default()).await;
        planned.map(PlannedQuery::Batch).map_err(|error| planner.placed(error, query))
    }

    /// Plans inserts as one dataflow.
    pub(crate) async fn planned_job(&self, inserts: &[Insert]) -> Result<JobGraph> {
        let plans = self.insert_plans(inserts, &self.host()).await?;
        self.job_graph(inserts, &plans)
    }

    /// Plans inserts as batches, which share the watch, and says where their rows go.
    pub(crate) async fn planned_batches(
        &self,
        inserts: &[Insert],
        watch: &Arc<Watch>,
    ) -> Result<Vec<(adhoc::Plan, TableSpec)>> {
        let host = self.host();
        let mut plans = Vec::new();
        for (insert, (plan, table)) in inserts.iter().zip(self.insert_plans(inserts, &host).await?) {
            if is_unbounded(&plan) {
                return Err(unbounded_in_batch().at(insert.source.span));
            }
            let planned = adhoc::plan(&plan, &host, Arc::clone(watch)).await;
            let plan = planned.map_err(|error| self.planner().placed(error, &insert.source))?;
            plans.push((plan, table.written()));
        }
        Ok(plans)
    }

    /// Explains a query or inserts.
    pub(crate) async fn explained(&self, statement: &Statement, format: ExplainFormat) -> Result<String> {
        let statement = statement.clone();
        self.aside(async move |session| {
            let inserts = statement.inserts();
            if session.settings.runtime_mode() != RuntimeMode::Batch {
                // What would be refused is not explained.
                let plan = |insert| session.planner().insert_plan(insert);
                let plans = inserts.iter().map(plan).collect::<Result<Vec<_>>>()?;
                session.job_graph(inserts, &plans)?;
            }
            session.planner().explain(&statement, format)
        })
        .await
    }

    pub(crate) fn job_name(&self, inserts: &[Insert]) -> String {
        let by_tables = || {
            let tables: Vec<_> = inserts.iter().map(|insert| insert.table.to_string()).collect();
            format!("insert into {}", tables.join(", "))
        };
        self.settings.pipeline_name().map_or_else(by_tables, str::to_owned)
    }

    /// Where the queries of one statement run.
    fn host(&self) -> Arc<adhoc::Host> {
        let memory = self.settings.bytes_of(QUERY_MEMORY).map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        Arc::new(adhoc::Host::new(&self.shared, self.settings.batch_rows(), memory))
    }

    /// Runs the subqueries in MEASURES and DEFINE of a query and puts their values in their place.
    async fn answered(&self, plan: LogicalPlan, query: &Query, host: &Arc<adhoc::Host>) -> Result<LogicalPlan> {
        let answered = adhoc::answered(plan, Arc::clone(host)).await;
        answered.map_err(|error| self.planner().placed(error, query))
    }

    /// Binds the inserts.
    async fn insert_plans(&self, inserts: &[Insert], host: &Arc<adhoc::Host>) -> Result<Vec<InsertPlan>> {
        let mut plans = Vec::new();
        for insert in inserts {
            let (plan, table) = self.planner().insert_plan(insert)?;
            plans.push((self.answered(plan, &insert.source, host).await?, table));
        }
        Ok(plans)
    }

    /// The inserts, bound as `plans`, as one job.
    fn job_graph(&self, inserts: &[Insert], plans: &[InsertPlan]) -> Result<JobGraph> {
        let (planner, name) = (self.planner(), self.job_name(inserts));
        let graph = |(insert, (plan, table)): (&Insert, &InsertPlan)| planner.insert(insert, plan, table, &name);
        let graphs = inserts.iter().zip(plans).map(graph).collect::<Result<Vec<_>>>()?;
        for (insert, graph) in inserts.iter().zip(&graphs).filter(|_| !checkpoints::are_periodic(&self.settings)) {
            dataflow::refuse_rows_that_never_show(graph, &graphs).map_err(|error| error.at(insert.source.span))?;
        }
        Ok(dataflow::merge(graphs, &name))
    }
}

fn unbounded_in_batch() -> Error {
    let error = Error::invalid("the query reads a table that never ends, which batch mode cannot");
    error.with_hint("SET 'execution.runtime-mode' = 'streaming'")
}
