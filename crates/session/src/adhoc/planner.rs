//! Teaches DataFusion's planner our tables and our nodes.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, TableScan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use datafusion::prelude::SessionConfig;
use dipper_graph::{
    CheckedArithmetic, ExactMembership, NullableSubqueries, OperatorSpec, SourceSpec, into_datafusion, optimizer_rules,
    with_functions,
};
use dipper_sql::DipperTableSource;
use dipper_sql::catalog::Table;
use dipper_sql::logical::{MatchRecognizeNode, RowPatternWindowNode, WindowTvfNode};

use super::careful_pushdown::{self, Rule};
use super::careful_scans;
use super::grouping_sets::GroupingSets;
use super::host::Host;
use super::operator_exec::OperatorExec;
use super::skipped_rows::SkippedRows;
use super::source_exec::SourceExec;
use super::table_scan;
use super::text_views::{TextConditions, TextGroups};
use super::watch::Watch;

/// Rows of a batch that is read from a table that Dipper keeps: as many as DataFusion is made for. A join of two large batches would not look up
/// for a long time.
const KEPT_BATCH_ROWS: usize = 8192;

/// A planner for one query of a statement, whose nodes `watch` will look at.
pub(super) fn planning_state(plan: &LogicalPlan, host: &Arc<Host>, watch: Arc<Watch>) -> Result<SessionState> {
    // Rows of a file, or of a generator, come in their order. Nobody knows an order of those that Dipper keeps: they are read side by side.
    let (threads, rows) = if reads_kept_tables_only(plan)? {
        (Host::threads(), host.batch_rows().min(KEPT_BATCH_ROWS))
    } else {
        (1, host.batch_rows())
    };
    // DataFusion 55 leaves a column out of the sort keys that is constant in each branch of a union, and skips rows of one branch for those of another.
    let sorts_apart = !has_union(plan)?;
    let config = SessionConfig::new().with_target_partitions(threads).with_batch_size(rows);
    let config = config.with_repartition_sorts(sorts_apart);
    let planner = DipperPlanner { nodes: Arc::new(NodePlanner { host: Arc::clone(host), watch }) };
    let state = SessionStateBuilder::new().with_config(config).with_runtime_env(Arc::clone(host.runtime()));
    let state = with_functions(state).with_query_planner(Arc::new(planner)).with_optimizer_rules(optimizer_rules());
    let state = state.with_analyzer_rule(Arc::new(NullableSubqueries)).with_analyzer_rule(Arc::new(ExactMembership));
    let state = state.with_analyzer_rule(Arc::new(CheckedArithmetic));
    let mut state = state.with_physical_optimizer_rules(physical_rules()).build();
    // What CURRENT_TIMESTAMP says.
    state.mark_start_execution();
    Ok(state)
}

fn has_union(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= matches!(node, LogicalPlan::Union(_));
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// DataFusion's rules, and ours where they belong.
fn physical_rules() -> Vec<Rule> {
    let mut rules = careful_pushdown::in_place_of_pushdown(careful_scans::with_rule());
    let requirements = rules.iter().position(|rule| rule.name() == "EnsureRequirements").unwrap_or(0);
    let before: [Rule; 3] = [Arc::new(GroupingSets), Arc::new(SkippedRows), Arc::new(TextConditions)];
    rules.splice(requirements..requirements, before);
    rules.push(Arc::new(TextGroups));
    rules
}

/// Whether every table of a plan is one that Dipper keeps, and there is one.
fn reads_kept_tables_only(plan: &LogicalPlan) -> Result<bool> {
    let (mut tables, mut kept) = (0, 0);
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            tables += 1;
            let source = scan.source.downcast_ref::<DipperTableSource>();
            kept += usize::from(source.is_some_and(|source| source.table.is_managed));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(tables > 0 && tables == kept)
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
    host: Arc<Host>,
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
        if let Some(scan) = self.scan_of_kept_table(&table.table, scan).await? {
            return Ok(Some(scan));
        }
        let output = scan.projected_schema.fields().iter().map(|field| field.name().clone()).collect();
        let spec = source_spec(&table.table, output);
        let source = SourceExec::new(&spec, Arc::clone(&self.watch)).map_err(into_datafusion)?;
        Ok(Some(Arc::new(source)))
    }
}

impl NodePlanner {
    /// DataFusion's own scan, if it can read the table.
    async fn scan_of_kept_table(&self, table: &Table, scan: &TableScan) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let declared = scan.projected_schema.fields();
        let is_stored = |field: &FieldRef| table.spec.columns.index_of(field.name()).ok();
        let Some(wanted) = declared.iter().map(is_stored).collect::<Option<Vec<_>>>() else { return Ok(None) };
        let seen = self.host.snapshot(table).await.map_err(into_datafusion)?;
        let Some((open, snapshot)) = seen else { return Ok(None) };
        let places = open.places(&snapshot).map_err(into_datafusion)?;
        let places: Vec<usize> = wanted.into_iter().map(|column| places[column]).collect();
        table_scan::scan(table.name(), &snapshot, &places, declared, scan.fetch, self.host.runtime()).await.map(Some)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_rules_stand_before_those_of_datafusion_that_they_are_meant_for() {
        let rules = physical_rules();
        let names: Vec<&str> = rules.iter().map(|rule| rule.name()).collect();
        let place = |name: &str| names.iter().position(|rule| *rule == name);
        assert!(place("TextConditions").is_some_and(|place| names[place + 1] == "EnsureRequirements"), "{names:?}");
        assert!(place("CarefulScans").is_some_and(|place| names[place + 1].starts_with("FilterPushdown")), "{names:?}");
        assert_eq!(names.iter().filter(|name| name.starts_with("FilterPushdown")).count(), 2, "{names:?}");
        assert_eq!(names[names.len() - 2..], ["CarefulScans", "TextGroups"]);
    }
}
