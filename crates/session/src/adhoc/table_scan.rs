//! A table that Dipper keeps as a node of a DataFusion plan: the Parquet files of one snapshot, read by DataFusion's own scan.
//!
//! What the table's log says of each file goes along: how many rows there are, and bounds of their values. So files that cannot hold what is asked
//! for are not opened, and a count is answered without reading. Of floating point numbers nothing is said: others leave NaN out of their bounds.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Result, ScalarValue, Statistics, internal_datafusion_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{
    CachedParquetFileReaderFactory, ParquetFileReaderFactory, ParquetRowSelection,
};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use dipper_graph::into_datafusion;
use dipper_state::Directory;
use dipper_tables::{DataFile, Snapshot, Value, WatchedReader};

/// Reads the columns of the table's `snapshot` at `places`, as `declared` names and types them, at most `limit` rows if that is given.
pub(super) async fn scan(
    table: &str,
    snapshot: &Snapshot,
    places: &[usize],
    declared: &[FieldRef],
    limit: Option<usize>,
    runtime: &RuntimeEnv,
) -> Result<Arc<dyn ExecutionPlan>> {
    let store = snapshot.directory().store();
    // Files are told apart by their names: any name does for the store, as long as no other table of the statement has it.
    let store_url = ObjectStoreUrl::parse(format!("table://{:016x}", Arc::as_ptr(&store).cast::<()>().addr()))?;
    runtime.register_object_store(store_url.as_ref(), Arc::clone(&store));
    // What the fields say of themselves is the log's business.
    let plain = |field: &FieldRef| Field::new(field.name(), field.data_type().clone(), field.is_nullable());
    let stored: SchemaRef = Arc::new(Schema::new(snapshot.schema().fields().iter().map(plain).collect::<Vec<_>>()));

    let mut files = Vec::with_capacity(snapshot.files().len());
    let mut statistics = Vec::with_capacity(files.capacity());
    for file in snapshot.files() {
        let known = Arc::new(of_file(file, &stored));
        let mut listed = PartitionedFile::new("", file.bytes()).with_extension(Arc::clone(file));
        listed.object_meta.location = snapshot.directory().location(file.name()).map_err(into_datafusion)?;
        if let Some(kept) = snapshot.kept_rows(file).await.map_err(into_datafusion)? {
            listed = listed.with_extension(ParquetRowSelection::new(kept));
        }
        files.push(listed.with_statistics(Arc::clone(&known)));
        statistics.push(known);
    }
    let statistics = Statistics::try_merge_iter(statistics.iter().map(Arc::as_ref), &stored)?;
    let cache = runtime.cache_manager.get_file_metadata_cache();
    let readers = TableReaders {
        table: table.to_owned(),
        directory: snapshot.directory().clone(),
        readers: CachedParquetFileReaderFactory::new(store, cache),
    };
    let source = ParquetSource::new(Arc::clone(&stored)).with_parquet_file_reader_factory(Arc::new(readers));
    let config = FileScanConfigBuilder::new(store_url, Arc::new(source))
        .with_file_group(FileGroup::new(files))
        .with_statistics(statistics)
        .with_projection_indices(Some(places.to_vec()))?
        .with_limit(limit);
    as_declared(DataSourceExec::from_data_source(config.build()), declared)
}

/// DataFusion's readers, with errors that say so if the file is gone.
#[derive(Debug)]
struct TableReaders {
    table: String,
    directory: Directory,
    readers: CachedParquetFileReaderFactory,
}

impl ParquetFileReaderFactory for TableReaders {
    fn create_reader(
        &self,
        partition: usize,
        listed: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let file = listed.extension::<Arc<DataFile>>();
        let name = file.ok_or_else(|| internal_datafusion_err!("a file that no table has listed"))?.name().to_owned();
        let reader = self.readers.create_reader(partition, listed, metadata_size_hint, metrics)?;
        Ok(Box::new(WatchedReader::new(reader, self.table.as_str(), self.directory.clone(), name)))
    }
}

/// The columns with the types that they were declared with: a table format knows fewer of them, and they may be read as others.
pub(super) fn as_declared(scan: Arc<dyn ExecutionPlan>, declared: &[FieldRef]) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = scan.schema();
    if schema.fields().iter().zip(declared).all(|(stored, declared)| stored.data_type() == declared.data_type()) {
        return Ok(scan);
    }
    let columns = schema.fields().iter().zip(declared).enumerate().map(|(index, (stored, declared))| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(stored.name(), index));
        let expr = if stored.data_type() == declared.data_type() {
            column
        } else {
            Arc::new(CastExpr::new(column, declared.data_type().clone(), None))
        };
        ProjectionExpr { expr, alias: declared.name().clone() }
    });
    Ok(Arc::new(ProjectionExec::try_new(columns, scan)?))
}

/// What is known of the rows of a file that are not deleted.
fn of_file(file: &DataFile, schema: &Schema) -> Statistics {
    let known = file.statistics();
    let whole = known.tight && file.deleted_rows() == 0;
    let column = |field: &FieldRef| {
        let Some(column) = known.columns.get(field.name()) else { return ColumnStatistics::new_unknown() };
        let bound = |value: &Option<Value>| {
            let value = value.as_ref().and_then(|value| Some((scalar(value, field.data_type())?, is_exact(value))));
            match value {
                Some((value, true)) if whole => Precision::Exact(value),
                Some((value, _)) => Precision::Inexact(value),
                None => Precision::Absent,
            }
        };
        let nulls = column.nulls.map(|nulls| nulls as usize);
        ColumnStatistics {
            null_count: nulls.map_or(Precision::Absent, |nulls| {
                if whole { Precision::Exact(nulls) } else { Precision::Inexact(nulls) }
            }),
            min_value: bound(&column.min),
            max_value: bound(&column.max),
            ..ColumnStatistics::new_unknown()
        }
    };
    Statistics {
        num_rows: file.live_rows().map_or(Precision::Absent, |rows| Precision::Exact(rows as usize)),
        total_byte_size: Precision::Inexact(file.bytes() as usize),
        column_statistics: schema.fields().iter().map(column).collect(),
    }
}

/// Whether a bound is a value that occurs, in a file whose statistics are tight.
fn is_exact(bound: &Value) -> bool {
    !matches!(bound, Value::Text(_) | Value::Timestamp(_))
}

/// A bound as a value of the column's type; none of a floating point number, as there may be a NaN that it does not know of.
fn scalar(bound: &Value, data_type: &DataType) -> Option<ScalarValue> {
    Some(match (bound, data_type) {
        (Value::Integer(value), DataType::Int8) => ScalarValue::Int8(Some(i8::try_from(*value).ok()?)),
        (Value::Integer(value), DataType::Int16) => ScalarValue::Int16(Some(i16::try_from(*value).ok()?)),
        (Value::Integer(value), DataType::Int32) => ScalarValue::Int32(Some(i32::try_from(*value).ok()?)),
        (Value::Integer(value), DataType::Int64) => ScalarValue::Int64(Some(*value)),
        (Value::Decimal(value), DataType::Decimal128(precision, scale)) => {
            ScalarValue::Decimal128(Some(*value), *precision, *scale)
        }
        (Value::Text(value), DataType::Utf8) => ScalarValue::Utf8(Some(value.clone())),
        (Value::Date(value), DataType::Date32) => ScalarValue::Date32(Some(*value)),
        (Value::Timestamp(value), DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            ScalarValue::TimestampMicrosecond(Some(*value), zone.clone())
        }
        _ => return None,
    })
}
