//! What DataFusion's planner asks for: tables from our catalog, functions and options from one shared, immutable state.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::TableFunctionArgs;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, DataFusionError, Result as DfResult, TableReference};
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, RelationPlanner, TypePlanner};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF};
use datafusion::optimizer::OptimizerContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::prelude::SessionConfig;
use dipper_graph::{
    into_datafusion, optimizer_rules, simplify_checked, with_checked_arithmetic, with_exact_membership, with_functions,
    with_nullable_subqueries, with_plain_arithmetic,
};
use dipper_types::Error;

use super::relation::DipperRelations;
use super::table_source::{DipperTableSource, ViewSource};
use super::views::BoundViews;
use super::{number, time_zone};
use crate::ast::{AT_TIME_ZONE, NUMBER};
use crate::catalog::{Catalog, Relation, SqlTypes, is_known, unknown_qualifier};

/// The functions and rules that queries are planned with, and our options.
pub(super) fn functions() -> &'static SessionState {
    static STATE: LazyLock<SessionState> = LazyLock::new(|| {
        let mut config = SessionConfig::new().with_target_partitions(1);
        let parser = &mut config.options_mut().sql_parser;
        parser.collect_spans = true;
        parser.map_string_types_to_utf8view = false;
        with_functions(SessionStateBuilder::new().with_config(config)).with_optimizer_rules(optimizer_rules()).build()
    });
    &STATE
}

/// The planner's options.
pub(super) fn options() -> &'static Arc<ConfigOptions> {
    functions().config_options()
}

/// The options for a run of the optimiser.
pub(crate) fn optimizer_context() -> OptimizerContext {
    OptimizerContext::new_with_config_options(Arc::clone(options())).with_skip_failing_rules(false)
}

/// The plan after all of DataFusion's rules.
pub(crate) fn optimized_by_datafusion(plan: &LogicalPlan) -> DfResult<LogicalPlan> {
    let plan = with_exact_membership(with_nullable_subqueries(plan.clone())?)?;
    let plan = with_checked_arithmetic(plan)?;
    functions().optimize(&plan).and_then(with_plain_arithmetic)
}

/// What one query is planned against.
pub(super) struct QueryContext<'a> {
    catalog: &'a Catalog,
    views: &'a BoundViews,
    relations: Vec<Arc<dyn RelationPlanner>>,
}

impl<'a> QueryContext<'a> {
    /// For a query with these clauses, whose views are bound.
    pub(super) fn new(catalog: &'a Catalog, relations: DipperRelations, views: &'a BoundViews) -> Self {
        Self { catalog, views, relations: vec![Arc::new(relations)] }
    }

    fn view(&self, name: &str) -> dipper_types::Result<ViewSource> {
        match self.views.get(name) {
            Some(plan) => plan.clone().map(ViewSource::new),
            None => Err(Error::invalid(format!("view '{name}' refers to itself"))),
        }
    }
}

impl ContextProvider for QueryContext<'_> {
    fn get_table_source(&self, name: TableReference) -> DfResult<Arc<dyn TableSource>> {
        if name.schema().is_some_and(|database| !is_known(name.catalog(), database)) {
            return Err(into_datafusion(unknown_qualifier(&name.to_string())));
        }
        match self.catalog.get(name.table()) {
            Some(Relation::Table(table)) => Ok(Arc::new(DipperTableSource { table: Arc::clone(table) })),
            Some(Relation::View(view)) => Ok(Arc::new(self.view(&view.name).map_err(into_datafusion)?)),
            None => Err(into_datafusion(self.catalog.unknown(name.table()))),
        }
    }

    fn get_table_function_source(&self, name: &str, args: Vec<Expr>) -> DfResult<Arc<dyn TableSource>> {
        let Some(function) = functions().table_functions().get(name) else {
            return Err(into_datafusion(
                Error::invalid(format!("unknown table function '{name}'")).with_hint("TUMBLE and HOP are supported"),
            ));
        };
        let simplifier = ExprSimplifier::new(SimplifyContext::builder().with_current_time().build());
        let row = DFSchema::empty();
        let constant = |arg| simplifier.coerce(arg, &row).and_then(|arg| simplify_checked(arg, &row, &simplifier));
        let args = args.into_iter().map(constant).collect::<DfResult<Vec<_>>>()?;
        let provider = function.create_table_provider_with_args(TableFunctionArgs::new(&args, functions()))?;
        Ok(provider_as_source(provider))
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> DfResult<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        functions().expr_planners()
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relations
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(SqlTypes))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let known = functions().scalar_functions().get(name);
        let ours = || match name {
            NUMBER => Some(number::function()),
            AT_TIME_ZONE => Some(time_zone::function()),
            _ => None,
        };
        known.or_else(ours).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        functions().higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        functions().aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        functions().window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _variable_names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        options()
    }

    fn udf_names(&self) -> Vec<String> {
        functions().scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        functions().higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        functions().aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        functions().window_functions().keys().cloned().collect()
    }
}

/// The functions that a user may call.
pub(crate) fn function_names() -> Vec<String> {
    let state = functions();
    let aggregates = state.aggregate_functions().keys();
    let windows = state.window_functions().keys();
    let mut names: Vec<String> = state.scalar_functions().keys().chain(aggregates).chain(windows).cloned().collect();
    names.sort();
    names.dedup();
    names
}

/// Whether a name is an aggregate function's.
pub(super) fn is_aggregate(name: &str) -> bool {
    functions().aggregate_functions().contains_key(name) && !functions().scalar_functions().contains_key(name)
}

/// An error that DataFusion must carry for us.
pub(super) fn carried<T>(result: dipper_types::Result<T>) -> Result<T, DataFusionError> {
    result.map_err(into_datafusion)
}
