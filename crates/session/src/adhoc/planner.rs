//! Teaches DataFusion's planner our tables and our nodes.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{Result, internal_err};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, TableScan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use datafusion::prelude::SessionConfig;
use dipper_graph::{OperatorSpec, SourceSpec, into_datafusion, with_functions};
use dipper_sql::DipperTableSource;
use dipper_sql::catalog::Table;
use dipper_sql::logical::{MatchRecognizeNode, RowPatternWindowNode, WindowTvfNode};

use super::operator_exec::OperatorExec;
use super::source_exec::SourceExec;
use super::watch::Watch;

/// A planner for one query, whose nodes `watch` will look at.
pub(super) fn planning_state(batch_rows: usize, watch: Arc<Watch>) -> SessionState {
    let config = SessionConfig::new().with_target_partitions(1).with_batch_size(batch_rows);
    let planner = DipperPlanner { nodes: Arc::new(NodePlanner { watch }) };
    with_functions(SessionStateBuilder::new().with_config(config)).with_query_planner(Arc::new(planner)).build()
}

#[derive(Debug)]
struct DipperPlanner {
    nodes: Arc<NodePlanner>,
}

#[async_trait]
impl QueryPlanner for DipperPlanner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let nodes = Arc::clone(&self.nodes) as Arc<dyn ExtensionPlanner + Send + Sync>;
        DefaultPhysicalPlanner::with_extension_planners(vec![nodes]).create_physical_plan(plan, session).await
    }
}

#[derive(Debug)]
struct NodePlanner {
    watch: Arc<Watch>,
}

#[async_trait]
impl ExtensionPlanner for NodePlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let [input] = inputs else { return internal_err!("{} has one input", node.name()) };
        let (name, spec) = if let Some(node) = node.as_any().downcast_ref::<MatchRecognizeNode>() {
            let spec = node.for_batch()?.spec;
            ("MatchRecognize", OperatorSpec::MatchRecognize(Box::new(spec.as_ref().clone())))
        } else if let Some(node) = node.as_any().downcast_ref::<RowPatternWindowNode>() {
            ("RowPatternWindow", OperatorSpec::RowPatternWindow(Box::new(node.spec.as_ref().clone())))
        } else if let Some(node) = node.as_any().downcast_ref::<WindowTvfNode>() {
            ("WindowTvf", OperatorSpec::WindowTvf(node.spec()?))
        } else {
            return Ok(None);
        };
        let output = Arc::clone(node.schema().inner());
        Ok(Some(Arc::new(OperatorExec::new(name, spec, Arc::clone(input), output, Arc::clone(&self.watch)))))
    }

    async fn plan_table_scan(
        &self,
        _planner: &dyn PhysicalPlanner,
        scan: &TableScan,
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(table) = scan.source.downcast_ref::<DipperTableSource>() else { return Ok(None) };
        let output = scan.projected_schema.fields().iter().map(|field| field.name().clone()).collect();
        let spec = source_spec(&table.table, output);
        let source = SourceExec::new(&spec, Arc::clone(&self.watch)).map_err(into_datafusion)?;
        Ok(Some(Arc::new(source)))
    }
}

/// The table's rows, `output` the columns wanted.
fn source_spec(table: &Table, output: Vec<String>) -> SourceSpec {
    SourceSpec {
        table: table.spec.clone(),
        computed: table.computed.clone(),
        watermark: table.watermark.clone(),
        output,
        unbounded: table.unbounded,
    }
}
