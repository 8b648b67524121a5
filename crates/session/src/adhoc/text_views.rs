//! Texts that rows are grouped by, or that a condition compares with constants, are read as views: the first bytes lie beside the length, and a
//! page's dictionary is not copied out value by value. Behind that they are texts again, of which there are as many as groups, or as rows are left.

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
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::ProjectionExec;

use super::table_scan::as_declared;
use super::text_conditions::{by_views, compared};

/// Filters what is read from tables that Dipper keeps by views of texts. This comes before the rule that sorts and distributes rows where an operator
/// wants it, which would rely on what a condition says of a column.
#[derive(Debug)]
pub(super) struct TextConditions;

impl PhysicalOptimizerRule for TextConditions {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        replace(plan, filtered_by_views)
    }

    fn name(&self) -> &'static str {
        "TextConditions"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Groups what is read from tables that Dipper keeps by views of texts. This comes last, when it is settled in how many steps rows are grouped.
#[derive(Debug)]
pub(super) struct TextGroups;

impl PhysicalOptimizerRule for TextGroups {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        replace(plan, grouped_by_views)
    }

    fn name(&self) -> &'static str {
        "TextGroups"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The plan in which `other` says what stands for a node.
fn replace(
    plan: Arc<dyn ExecutionPlan>,
    other: impl Fn(&Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let replaced = |node| Ok(other(&node)?.map_or_else(|| Transformed::no(node), Transformed::yes));
    plan.transform_up(replaced).map(|plan| plan.data)
}

/// The same rows; nothing if no texts are compared with constants.
fn filtered_by_views(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = node.downcast_ref::<FilterExec>() else { return Ok(None) };
    let texts = compared(filter.predicate(), &filter.input().schema())?;
    let Some(rows) = read_as_views(filter.input(), &texts)? else { return Ok(None) };
    let condition = by_views(Arc::clone(filter.predicate()), &texts, &rows.schema())?;
    let filtered = FilterExecBuilder::from(filter).with_predicate(condition).with_input(rows).build()?;
    as_declared(Arc::new(filtered), node.schema().fields()).map(Some)
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
    as_declared(Arc::new(grouped), node.schema().fields()).map(Some)
}

/// Rows of a table of which these columns are views; nothing if something else needs one of them as a text, or there are none.
fn read_as_views(node: &Arc<dyn ExecutionPlan>, texts: &BTreeSet<String>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if texts.is_empty() {
        return Ok(None);
    }
    if let Some(filter) = node.downcast_ref::<FilterExec>() {
        if needs(filter.predicate(), texts) {
            return Ok(None);
        }
        let Some(rows) = read_as_views(filter.input(), texts)? else { return Ok(None) };
        return FilterExecBuilder::from(filter).with_input(rows).build().map(|filter| Some(Arc::new(filter) as _));
    }
    if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
        return project_views(projection, texts);
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
    if projection.iter().any(is_needed) {
        return Ok(None);
    }
    let schema = with_views(config.file_schema(), &stored);
    let mut views = ParquetSource::new(Arc::clone(&schema))
        .with_table_parquet_options(source.table_parquet_options().clone())
        .with_parquet_file_reader_factory(Arc::clone(readers));
    if let Some(condition) = source.filter() {
        if needs(&condition, &(&stored - &compared(&condition, config.file_schema())?)) {
            return Ok(None);
        }
        views = views.with_predicate(by_views(condition, &stored, &schema)?);
    }
    let Some(views) = views.try_pushdown_projection(projection)? else { return Ok(None) };
    let config = FileScanConfigBuilder::from(config.clone()).with_source(views).build();
    Ok(Some(DataSourceExec::from_data_source(config)))
}

/// Such rows of which other columns are computed. What is a view below need not become a text first.
fn project_views(projection: &ProjectionExec, texts: &BTreeSet<String>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let input = projection.input().schema();
    let is_view = |column: &Column| *input.field(column.index()).data_type() == DataType::Utf8View;
    let (mut below, mut columns) = (BTreeSet::new(), projection.expr().to_vec());
    for projected in columns.iter_mut().filter(|projected| texts.contains(&projected.alias)) {
        if let Some(column) = projected.expr.downcast_ref::<Column>() {
            below.insert(column.name().to_owned());
            continue;
        }
        let text = projected.expr.downcast_ref::<CastExpr>().map(|cast| Arc::clone(cast.expr()));
        match text {
            Some(text) if text.downcast_ref::<Column>().is_some_and(is_view) => projected.expr = text,
            _ => return Ok(None),
        }
    }
    let is_needed = |projected: &ProjectionExpr| !texts.contains(&projected.alias) && needs(&projected.expr, &below);
    if columns.iter().any(is_needed) {
        return Ok(None);
    }
    let input = if below.is_empty() {
        Arc::clone(projection.input())
    } else {
        let Some(rows) = read_as_views(projection.input(), &below)? else { return Ok(None) };
        rows
    };
    Ok(Some(Arc::new(ProjectionExec::try_new(columns, input)?)))
}

fn needs(expr: &Arc<dyn PhysicalExpr>, names: &BTreeSet<String>) -> bool {
    collect_columns(expr).iter().any(|column| names.contains(column.name()))
}

/// The schema in which these columns are views of texts.
fn with_views(schema: &Schema, names: &BTreeSet<String>) -> SchemaRef {
    let as_view = |field: &Arc<Field>| {
        if names.contains(field.name()) {
            Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View))
        } else {
            Arc::clone(field)
        }
    };
    Arc::new(Schema::new(schema.fields().iter().map(as_view).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use datafusion::datasource::physical_plan::parquet::DefaultParquetFileReaderFactory;
    use datafusion::execution::object_store::ObjectStoreUrl;
    use datafusion::execution::runtime_env::RuntimeEnv;
    use datafusion::logical_expr::Operator;
    use datafusion::physical_expr::expressions::{binary, in_list, is_not_null, like, lit};
    use datafusion::physical_plan::aggregates::PhysicalGroupBy;

    use super::*;

    fn word() -> Arc<dyn PhysicalExpr> {
        Arc::new(Column::new("word", 1))
    }

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("word", DataType::Utf8, true),
            Field::new("name", DataType::Utf8, true),
        ]))
    }

    fn scan(condition: Option<&Arc<dyn PhysicalExpr>>) -> Arc<dyn ExecutionPlan> {
        let store_url = ObjectStoreUrl::local_filesystem();
        let store = RuntimeEnv::default().object_store(&store_url).unwrap();
        let readers = Arc::new(DefaultParquetFileReaderFactory::new(store));
        let mut source = ParquetSource::new(schema()).with_parquet_file_reader_factory(readers);
        if let Some(condition) = condition {
            source = source.with_predicate(Arc::clone(condition));
        }
        DataSourceExec::from_data_source(FileScanConfigBuilder::new(store_url, Arc::new(source)).build())
    }

    fn filter(condition: &Arc<dyn PhysicalExpr>) -> Arc<dyn ExecutionPlan> {
        Arc::new(FilterExec::try_new(Arc::clone(condition), scan(Some(condition))).unwrap())
    }

    fn groups(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        let by_word = PhysicalGroupBy::new_single(vec![(word(), "word".to_owned())]);
        let schema = input.schema();
        Arc::new(AggregateExec::try_new(AggregateMode::Partial, by_word, vec![], vec![], input, schema).unwrap())
    }

    fn compare(text: Arc<dyn PhysicalExpr>, operator: Operator, other: Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
        binary(text, operator, other, &schema()).unwrap()
    }

    /// Which columns of the table are read as views.
    fn views(plan: Arc<dyn ExecutionPlan>) -> Vec<String> {
        let before = plan.schema();
        let filtered = TextConditions.optimize(plan, &ConfigOptions::default()).unwrap();
        let mut node = TextGroups.optimize(filtered, &ConfigOptions::default()).unwrap();
        assert_eq!(node.schema(), before);
        while let Some(child) = node.children().first().map(|child| Arc::clone(child)) {
            node = child;
        }
        let schema = node.schema();
        let views = schema.fields().iter().filter(|field| *field.data_type() == DataType::Utf8View);
        views.map(|field| field.name().clone()).collect()
    }

    #[test]
    fn texts_that_are_compared_with_constants_are_read_as_views() {
        for condition in [
            compare(word(), Operator::Eq, lit("a")),
            compare(lit("a"), Operator::IsDistinctFrom, word()),
            compare(is_not_null(word()).unwrap(), Operator::Or, compare(word(), Operator::Lt, lit("b"))),
            like(false, false, word(), lit("a%"), &schema()).unwrap(),
            in_list(word(), vec![lit("a"), lit("b")], &true, &schema()).unwrap(),
            in_list(lit("a"), vec![lit("b"), word()], &false, &schema()).unwrap(),
        ] {
            assert_eq!(views(filter(&condition)), ["word"], "{condition}");
            assert_eq!(views(groups(filter(&condition))), ["word"], "{condition}");
        }
    }

    #[test]
    fn texts_that_something_else_needs_are_read_as_texts() {
        let name: Arc<dyn PhysicalExpr> = Arc::new(Column::new("name", 2));
        let equal = compare(word(), Operator::Eq, lit("a"));
        let both = compare(word(), Operator::Eq, Arc::clone(&name));
        assert!(views(filter(&both)).is_empty());
        assert!(views(filter(&compare(both, Operator::And, equal))).is_empty());
        assert!(views(filter(&compare(Arc::new(Column::new("id", 0)), Operator::Eq, lit(1_i64)))).is_empty());
        // The other column, and not this one.
        let joined = compare(word(), Operator::StringConcat, lit("!"));
        let condition =
            compare(compare(joined, Operator::Eq, lit("a!")), Operator::And, compare(name, Operator::Gt, lit("b")));
        assert_eq!(views(filter(&condition)), ["name"]);
        assert_eq!(views(groups(filter(&condition))), ["name"]);
    }

    #[test]
    fn texts_that_rows_are_grouped_by_are_read_as_views() {
        assert_eq!(views(groups(scan(None))), ["word"]);
        let columns = [("word", 2), ("name", 1)].map(|(alias, index)| ProjectionExpr {
            expr: Arc::new(Column::new(schema().field(index).name(), index)),
            alias: alias.to_owned(),
        });
        let swapped = ProjectionExec::try_new(columns.into_iter().rev(), scan(None)).unwrap();
        assert_eq!(views(groups(Arc::new(swapped))), ["name"]);
    }
}
