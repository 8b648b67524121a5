//! Tables over real files, through the contracts that the runtime uses.
#![allow(clippy::unwrap_used, reason = "a test")]

mod reading;
mod writing;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use dipper_operator_api::{OperatorMetrics, ReadOptions, Sink, Source, Split, SplitPosition, SplitReader};
use dipper_types::{Epoch, Result, SubtaskId};

use crate::{TableDefinition, sink, source};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, true),
        Field::new("n", DataType::Int64, false),
        Field::new("ts", DataType::Timestamp(TimeUnit::Microsecond, None), true),
    ]))
}

fn table(path: &Path, format: &str, more: &[(&str, &str)]) -> TableDefinition {
    let mut options: BTreeMap<String, String> =
        more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    options.insert("connector".to_owned(), "filesystem".to_owned());
    options.insert("path".to_owned(), path.to_str().unwrap().to_owned());
    options.insert("format".to_owned(), format.to_owned());
    TableDefinition { name: "t".to_owned(), columns: schema(), metadata: vec![], options }
}

/// Rows numbered from `first`.
fn batch(first: i64, rows: i64) -> RecordBatch {
    let numbers: Vec<i64> = (first..first + rows).collect();
    let names = numbers.iter().map(|n| (n % 3 != 0).then(|| format!("name {n}"))).collect::<StringArray>();
    let times = TimestampMicrosecondArray::from_iter_values(numbers.iter().map(|n| n * 1_000_500));
    let columns: Vec<Arc<dyn Array>> = vec![Arc::new(names), Arc::new(Int64Array::from(numbers)), Arc::new(times)];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn options(projection: Vec<usize>, batch_rows: usize) -> ReadOptions {
    ReadOptions { projection, batch_rows, metrics: Arc::new(OperatorMetrics::default()) }
}

async fn drain(mut reader: Box<dyn SplitReader>, batches: &mut Vec<RecordBatch>) -> Result<()> {
    while let Some(batch) = reader.next().await? {
        assert!(batch.num_rows() > 0);
        batches.push(batch);
    }
    Ok(())
}

/// Reads the wanted columns of all splits in order.
async fn read_source(source: &dyn Source, projection: &[usize]) -> Result<RecordBatch> {
    let mut batches = Vec::new();
    for split in source.splits().await? {
        drain(source.open(&split, None, options(projection.to_vec(), 100)).await?, &mut batches).await?;
    }
    Ok(concat_batches(&Arc::new(source.schema().project(projection)?), &batches)?)
}

async fn read(table: &TableDefinition, projection: &[usize]) -> Result<RecordBatch> {
    read_source(source(table)?.as_ref(), projection).await
}

async fn numbers(table: &TableDefinition) -> Result<Vec<i64>> {
    let rows = read(table, &[0, 1, 2]).await?;
    Ok(rows.column(1).as_primitive::<Int64Type>().values().to_vec())
}

async fn write(sink: &dyn Sink, job: &str, batches: &[RecordBatch]) -> Vec<dipper_operator_api::Committable> {
    let mut writer = sink.open(job, SubtaskId { index: 0, parallelism: 1 }).await.unwrap();
    for batch in batches {
        writer.write(batch.clone()).await.unwrap();
    }
    writer.finish().await.unwrap()
}

fn sink_of(table: &TableDefinition) -> Arc<dyn Sink> {
    sink(table).unwrap()
}
