//! Parquet scans do not decide what they would get wrong. NaN is the greatest number, but the bounds that Parquet files have of their values, and those
//! that other engines note, pass over it; and scans take casts away from comparisons (`compared_casts`). So conditions on floating point numbers, and
//! those with such casts, leave no rows out before these are read, and comparisons with such casts are computed above the scan.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{PhysicalExpr, conjunction, split_conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;

use super::compared_casts::{has_lossy_cast, has_mistaken_comparison};

/// DataFusion's rules with ours in both places: before conditions that come about as the query runs are pushed to scans (a node that is built
/// anew would lose its own), and after it.
pub(super) fn with_rule() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    let last_push = rules.iter().rposition(|rule| rule.name().starts_with("FilterPushdown"));
    rules.insert(last_push.unwrap_or(rules.len()), Arc::new(CarefulScans));
    rules.push(Arc::new(CarefulScans));
    rules
}

/// Takes such conditions from scans, and such columns. The conditions are tested above as well, as all conditions are.
#[derive(Debug)]
struct CarefulScans;

impl PhysicalOptimizerRule for CarefulScans {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let without = |node| Ok(scan_without(&node)?.map_or_else(|| Transformed::no(node), Transformed::yes));
        plan.transform_up(without).map(|plan| plan.data)
    }

    fn name(&self) -> &'static str {
        "CarefulScans"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The same rows without such conditions and columns; nothing if it is no scan with any.
fn scan_without(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(scan) = node.downcast_ref::<DataSourceExec>() else { return Ok(None) };
    let Some((config, source)) = scan.downcast_to_file_source::<ParquetSource>() else { return Ok(None) };
    let schema = source.table_schema().table_schema();
    let kept = source.filter().and_then(|condition| condition_without(&condition, schema));
    let is_mistaken =
        |columns: &&ProjectionExprs| columns.expr_iter().any(|expr| has_mistaken_comparison(&expr, schema));
    match (kept, source.projection().filter(is_mistaken)) {
        (None, None) => Ok(None),
        (Some(kept), None) => Ok(Some(with_source(config, Arc::new(source.with_predicate(kept))))),
        (kept, Some(columns)) => computed_above(config, source, kept.or_else(|| source.filter()), columns),
    }
}

/// The condition without such parts; nothing if it has none.
fn condition_without(condition: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<Arc<dyn PhysicalExpr>> {
    let all = split_conjunction(condition);
    let is_left = |part: &Arc<dyn PhysicalExpr>| {
        !is_of_floats(part, schema) && !has_lossy_cast(part, schema) && !has_mistaken_comparison(part, schema)
    };
    let kept: Vec<Arc<dyn PhysicalExpr>> =
        all.iter().filter(|part| is_left(part)).map(|part| Arc::clone(part)).collect();
    (kept.len() < all.len()).then(|| conjunction(kept))
}

/// A scan of what `columns` are computed from, and above it a node that computes them.
fn computed_above(
    config: &FileScanConfig,
    source: &ParquetSource,
    condition: Option<Arc<dyn PhysicalExpr>>,
    columns: &ProjectionExprs,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let table = source.table_schema();
    let mut plain =
        ParquetSource::new(table.clone()).with_table_parquet_options(source.table_parquet_options().clone());
    if let Some(readers) = source.parquet_file_reader_factory() {
        plain = plain.with_parquet_file_reader_factory(Arc::clone(readers));
    }
    if let Some(condition) = condition {
        plain = plain.with_predicate(condition);
    }
    let stored = ProjectionExprs::from_indices(&columns.column_indices(), table.table_schema());
    let Some(plain) = plain.try_pushdown_projection(&stored)? else { return Ok(None) };
    let rows = with_source(config, plain);
    let schema = rows.schema();
    let above = columns.iter().map(|column| {
        let expr = reassign_expr_columns(Arc::clone(&column.expr), &schema)?;
        Ok(ProjectionExpr { expr, alias: column.alias.clone() })
    });
    let above = above.collect::<Result<Vec<_>>>()?;
    Ok(Some(Arc::new(ProjectionExec::try_new(above, rows)?)))
}

fn with_source(config: &FileScanConfig, source: Arc<dyn FileSource>) -> Arc<dyn ExecutionPlan> {
    DataSourceExec::from_data_source(FileScanConfigBuilder::from(config.clone()).with_source(source).build())
}

fn is_of_floats(condition: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    let is_float = |name: &str| schema.field_with_name(name).is_ok_and(|field| has_floats(field.data_type()));
    collect_columns(condition).iter().any(|column| is_float(column.name()))
}

fn has_floats(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(element) => has_floats(element.data_type()),
        scalar => scalar.is_floating(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use arrow::datatypes::{Field, SchemaRef, TimeUnit};
    use datafusion::common::ScalarValue;
    use datafusion::execution::object_store::ObjectStoreUrl;
    use datafusion::logical_expr::Operator;
    use datafusion::physical_expr::expressions::{CastExpr, Column, binary, col, in_list, lit};

    use super::*;

    const MS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);
    const US: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("k", DataType::Int32, true),
            Field::new("d", DataType::Decimal128(10, 2), true),
            Field::new("ts", US, true),
            Field::new("x", DataType::Float64, true),
        ]))
    }

    fn column(name: &str) -> Arc<dyn PhysicalExpr> {
        col(name, &schema()).unwrap()
    }

    fn cast(expr: Arc<dyn PhysicalExpr>, to: DataType) -> Arc<dyn PhysicalExpr> {
        Arc::new(CastExpr::new(expr, to, None))
    }

    fn compare(left: Arc<dyn PhysicalExpr>, operator: Operator, right: Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
        binary(left, operator, right, &schema()).unwrap()
    }

    fn us(value: i64) -> Arc<dyn PhysicalExpr> {
        lit(ScalarValue::TimestampMicrosecond(Some(value), None))
    }

    /// The columns of a scan with a condition, after the rule.
    fn careful(condition: Arc<dyn PhysicalExpr>, columns: Vec<Arc<dyn PhysicalExpr>>) -> Arc<dyn ExecutionPlan> {
        let named = columns.into_iter().enumerate();
        let columns: ProjectionExprs =
            ProjectionExprs::new(named.map(|(index, expr)| ProjectionExpr { expr, alias: format!("c{index}") }));
        let source = ParquetSource::new(schema()).with_predicate(condition).try_pushdown_projection(&columns).unwrap();
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source.unwrap()).build();
        let scan: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(config);
        let before = scan.schema();
        let careful = CarefulScans.optimize(scan, &ConfigOptions::default()).unwrap();
        assert_eq!(careful.schema(), before);
        careful
    }

    fn condition_of(node: &Arc<dyn ExecutionPlan>) -> String {
        let scan = node.downcast_ref::<DataSourceExec>().unwrap();
        let (_, source) = scan.downcast_to_file_source::<ParquetSource>().unwrap();
        source.filter().unwrap().to_string()
    }

    type Comparisons = Vec<Arc<dyn PhysicalExpr>>;

    /// The comparisons that scans get right, and those that they get wrong.
    fn comparisons() -> (Comparisons, Comparisons) {
        let ms = lit(ScalarValue::TimestampMillisecond(Some(2), None));
        let widened = || cast(cast(column("ts"), MS), US);
        let right = vec![
            compare(cast(column("k"), DataType::Int64), Operator::Gt, lit(5_i64)),
            compare(cast(column("ts"), MS), Operator::GtEq, ms),
            compare(widened(), Operator::Lt, us(2000)),
            compare(column("d"), Operator::Eq, lit(ScalarValue::Decimal128(Some(100), 10, 2))),
        ];
        let wrong = vec![
            compare(cast(column("d"), DataType::Int32), Operator::Eq, lit(1_i32)),
            compare(lit(1_i64), Operator::NotEq, cast(column("d"), DataType::Int64)),
            compare(cast(cast(column("d"), DataType::Int32), DataType::Int64), Operator::Lt, lit(1_i64)),
            compare(widened(), Operator::IsDistinctFrom, us(1500)),
            in_list(widened(), vec![us(1000), us(1500)], &true, &schema()).unwrap(),
        ];
        (right, wrong)
    }

    #[test]
    fn conditions_that_a_scan_gets_wrong_are_taken_from_it() {
        let (right, wrong) = comparisons();
        let of_floats = compare(column("x"), Operator::Gt, lit(5.0));
        for right in right {
            let alone = condition_of(&careful(Arc::clone(&right), vec![column("k")]));
            assert_eq!(alone, right.to_string());
            for wrong in wrong.iter().chain([&of_floats]) {
                let both = compare(Arc::clone(&right), Operator::And, Arc::clone(wrong));
                assert_eq!(condition_of(&careful(both, vec![column("k")])), alone, "{wrong}");
            }
        }
    }

    #[test]
    fn columns_that_a_scan_gets_wrong_are_computed_above_it() {
        let (right, wrong) = comparisons();
        let whole = cast(column("d"), DataType::Int32);
        for wrong in wrong {
            let columns = vec![column("k"), wrong, Arc::clone(&whole)];
            let plan = careful(Arc::clone(&right[0]), columns);
            let above = plan.downcast_ref::<ProjectionExec>().unwrap();
            assert_eq!(above.expr().len(), 3);
            assert_eq!(condition_of(above.input()), right[0].to_string());
            let names: Vec<String> = above.input().schema().fields().iter().map(|field| field.name().clone()).collect();
            assert!(names == ["k", "d"] || names == ["k", "d", "ts"], "{names:?}");
            let inner = above.expr()[0].expr.downcast_ref::<Column>().unwrap();
            assert_eq!((inner.name(), inner.index()), ("k", 0));
        }
        let plan = careful(Arc::clone(&right[0]), right.into_iter().chain([whole]).collect());
        assert!(plan.is::<DataSourceExec>());
    }
}
