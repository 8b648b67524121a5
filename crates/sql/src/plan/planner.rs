//! The way in: everything the session asks about a statement.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::LogicalPlan;
use dipper_graph::JobGraph;
use dipper_types::{Error, Result};

use super::{dataflow, insert, optimize};
use crate::ast::{COLUMNS_MAX, CreateView, ExplainFormat, Insert, Query, Statement, too_many_columns};
use crate::bind::{bind_definition, bind_query, bind_view, check_depth, function_names, placed};
use crate::catalog::{Catalog, Settings, Table, View, relation_name};
use crate::explain;

/// Plans statements against a catalog and settings.
#[derive(Debug, Clone, Copy)]
pub struct Planner<'a> {
    catalog: &'a Catalog,
    settings: &'a Settings,
}

impl<'a> Planner<'a> {
    /// A planner.
    pub fn new(catalog: &'a Catalog, settings: &'a Settings) -> Self {
        Self { catalog, settings }
    }

    /// Binds a query: views expanded, names and types resolved. Whether it is unbounded, says [`crate::logical::is_unbounded`];
    /// a batch host takes [`crate::logical::MatchRecognizeNode::for_batch`] of the clauses in it. Before it can run, the
    /// [`crate::logical::clause_subqueries`] must be answered.
    pub fn logical(&self, query: &Query) -> Result<LogicalPlan> {
        bind_query(self.catalog, query, self.settings.skip_errors())
    }

    /// Binds a query whose rows are shown, and whose columns may have one name: [`own_name`](crate::own_name) tells it of each column of the plan.
    pub fn shown(&self, query: &Query) -> Result<LogicalPlan> {
        check_depth(&query.query)?;
        let plan = self.logical(&insert::with_distinct_names(query))?;
        // A wildcard may stand for too many.
        if plan.schema().fields().len() > COLUMNS_MAX { Err(too_many_columns().at(query.span)) } else { Ok(plan) }
    }

    /// Checks a view's query, before the view is registered.
    pub fn view(&self, create: &CreateView) -> Result<LogicalPlan> {
        // The name of the view that it is to be, so that it cannot come to refer to itself.
        let name = relation_name(&create.name)?;
        let plan = bind_definition(self.catalog, &create.query, self.settings.skip_errors(), &name)?;
        let (names, found) = (create.columns.len(), plan.schema().fields().len());
        match create.columns.first() {
            Some(first) if names != found => {
                Err(Error::invalid(format!("the view names {names} columns, but its query has {found}"))
                    .at(crate::source_text::span(first.span)))
            }
            _ => Ok(plan),
        }
    }

    /// The columns of a view.
    pub fn view_schema(&self, view: &View) -> Result<SchemaRef> {
        let plan = bind_view(self.catalog, view, self.settings.skip_errors())?;
        Ok(Arc::clone(plan.schema().inner()))
    }

    /// Binds an insert. The plan's columns are those of [`Table::written`], by name, type and order.
    pub fn insert_plan(&self, insert: &Insert) -> Result<(LogicalPlan, Arc<Table>)> {
        let table = self.catalog.table(&insert.table)?;
        check_depth(&insert.source.query)?;
        let mut source = insert::with_distinct_names(&insert.source);
        insert::type_literals(&mut source, insert, &table)?;
        let source = self.logical(&source)?;
        let plan = insert::bind(insert, source, &table)?;
        Ok((plan, table))
    }

    /// The dataflow of an insert into `table`, bound as `plan`. `pipeline.name` goes before `name`.
    pub fn insert(&self, insert: &Insert, plan: &LogicalPlan, table: &Table, name: &str) -> Result<JobGraph> {
        let plan = optimize::for_dataflow(plan.clone()).map_err(|error| placed(error, &insert.source))?;
        dataflow::build(&insert.source, &plan, Some(table), self.settings, name)
    }

    /// The dataflow that hands the rows of a query, bound as `plan`, to whoever starts it. `pipeline.name` goes before `name`.
    pub fn collect(&self, query: &Query, plan: &LogicalPlan, name: &str) -> Result<JobGraph> {
        let plan = optimize::for_dataflow(plan.clone()).map_err(|error| placed(error, query))?;
        dataflow::build(query, &plan, None, self.settings, name)
    }

    /// An error of running or planning a query with its place in the text, as far as the message tells it.
    pub fn placed(&self, error: Error, query: &Query) -> Error {
        placed(error, query)
    }

    /// What a query, an insert or a statement set would do.
    pub fn explain(&self, statement: &Statement, format: ExplainFormat) -> Result<String> {
        explain::explain(self, self.settings, statement, format)
    }

    /// The functions that SQL text may call, by name.
    pub fn functions(&self) -> Vec<String> {
        function_names()
    }
}
