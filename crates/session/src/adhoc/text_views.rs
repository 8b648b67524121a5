//! Texts that rows are grouped by are read as views: a group is found by looking at the first bytes, which lie beside the length, and a page's
//! dictionary is not copied out value by value. Behind the grouping they are texts again, of which there are as many as groups.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_expr::projection::ProjectionExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};

/// Groups what is read from tables that Dipper keeps by views of texts.
#[derive(Debug)]
pub(super) struct TextViews;

impl PhysicalOptimizerRule for TextViews {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let by_views = |node| Ok(grouped_by_views(&node)?.map_or_else(|| Transformed::no(node), Transformed::yes));
        plan.transform_up(by_views).map(|plan| plan.data)
    }

    fn name(&self) -> &'static str {
        "TextViews"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The same groups; nothing if there are no texts that only the groups need.
fn grouped_by_views(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(aggregate) = node.downcast_ref::<AggregateExec>() else { return Ok(None) };
    let reads_rows =
        matches!(aggregate.mode(), AggregateMode::Partial | AggregateMode::Single | AggregateMode::SinglePartitioned);
    if !reads_rows || !aggregate.group_expr().is_single() || aggregate.limit_options().is_some() {
        return Ok(None);
    }
    let input = aggregate.input().schema();
    let mut texts: BTreeSet<String> = aggregate
        .group_expr()
        .input_exprs()
        .iter()
        .filter_map(|expr| expr.downcast_ref::<Column>())
        .filter(|column| *input.field(column.index()).data_type() == DataType::Utf8)
        .map(|column| column.name().to_owned())
        .collect();
    let arguments = aggregate.aggr_expr().iter().flat_map(|aggregate| {
        let all = aggregate.all_expressions();
        all.args.into_iter().chain(all.order_by_exprs)
    });
    let computed = aggregate.group_expr().input_exprs().into_iter().filter(|expr| !expr.is::<Column>());
    let others: Vec<_> = arguments.chain(aggregate.filter_expr().iter().flatten().cloned()).chain(computed).collect();
    for column in others.iter().flat_map(collect_columns) {
        texts.remove(column.name());
    }
    if texts.is_empty() {
        return Ok(None);
    }
    let Some(views) = read_as_views(aggregate.input(), &texts)? else { return Ok(None) };
    let schema = views.schema();
    let grouped = AggregateExec::try_new(
        *aggregate.mode(),
        aggregate.group_expr().clone(),
        aggregate.aggr_expr().to_vec(),
        aggregate.filter_expr().to_vec(),
        views,
        schema,
    )?;
    as_texts(Arc::new(grouped), &node.schema()).map(Some)
}

/// Rows of a table of which these columns are views; nothing if something else needs them as texts.
fn read_as_views(node: &Arc<dyn ExecutionPlan>, texts: &BTreeSet<String>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let needs = |expr: &Arc<dyn PhysicalExpr>, names: &BTreeSet<String>| {
        collect_columns(expr).iter().any(|column| names.contains(column.name()))
    };
    if let Some(filter) = node.downcast_ref::<FilterExec>() {
        if needs(filter.predicate(), texts) {
            return Ok(None);
        }
        let Some(rows) = read_as_views(filter.input(), texts)? else { return Ok(None) };
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        return Arc::clone(node).replace_children(vec![rows], options).map(Some);
    }
    let Some(scan) = node.downcast_ref::<DataSourceExec>() else { return Ok(None) };
    let Some((config, source)) = scan.downcast_to_file_source::<ParquetSource>() else { return Ok(None) };
    let (Some(projection), Some(readers)) = (source.projection(), source.parquet_file_reader_factory()) else {
        return Ok(None);
    };
    // The names in the file, which may be others.
    let mut stored = BTreeSet::new();
    for text in texts {
        let column = projection.iter().find(|projected| projected.alias == *text);
        match column.and_then(|projected| projected.expr.downcast_ref::<Column>()) {
            Some(column) => stored.insert(column.name().to_owned()),
            None => return Ok(None),
        };
    }
    let is_needed = |projected: &ProjectionExpr| !texts.contains(&projected.alias) && needs(&projected.expr, &stored);
    if projection.iter().any(is_needed) || source.filter().is_some_and(|condition| needs(&condition, &stored)) {
        return Ok(None);
    }
    let as_view = |field: &Arc<Field>| {
        if stored.contains(field.name()) {
            Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View))
        } else {
            Arc::clone(field)
        }
    };
    let schema: SchemaRef =
        Arc::new(Schema::new(config.file_schema().fields().iter().map(as_view).collect::<Vec<_>>()));
    let mut views = ParquetSource::new(schema).with_parquet_file_reader_factory(Arc::clone(readers));
    if let Some(condition) = source.filter() {
        views = views.with_predicate(condition);
    }
    let Some(views) = views.try_pushdown_projection(projection)? else { return Ok(None) };
    let config = FileScanConfigBuilder::from(config.clone()).with_source(views).build();
    Ok(Some(DataSourceExec::from_data_source(config)))
}

/// The rows with the types of `schema`.
fn as_texts(rows: Arc<dyn ExecutionPlan>, schema: &Schema) -> Result<Arc<dyn ExecutionPlan>> {
    let found = rows.schema();
    let columns = schema.fields().iter().enumerate().map(|(index, field)| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), index));
        let expr = if found.field(index).data_type() == field.data_type() {
            column
        } else {
            Arc::new(CastExpr::new(column, field.data_type().clone(), None))
        };
        ProjectionExpr { expr, alias: field.name().clone() }
    });
    Ok(Arc::new(ProjectionExec::try_new(columns, rows)?))
}
