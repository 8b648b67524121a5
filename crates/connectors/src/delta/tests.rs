//! Delta Lake tables through the contracts that the runtime uses.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use dipper_operator_api::{OperatorMetrics, ReadOptions};
use dipper_tables::{Changes, DataFileWriter, TableCatalog, TableSpec};
use dipper_types::{Epoch, ErrorKind, SubtaskId};

use super::sink::tidied;
use super::*;
use crate::{sink, source};

const ID: (&str, DataType) = ("id", DataType::Int64);
const NAME: (&str, DataType) = ("name", DataType::Utf8);
const SIZE: (&str, DataType) = ("size", DataType::Int64);

fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    let field = |(name, data_type): &(&str, DataType)| Field::new(*name, data_type.clone(), *name != "id");
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

async fn create(path: &Path, key: &[&str]) -> Arc<dyn Table> {
    let spec = TableSpec::new(&schema(&[ID, NAME])).unwrap();
    let spec = if key.is_empty() { spec } else { spec.with_primary_key(key).unwrap() };
    let directory = Directory::open(path.to_str().unwrap(), &BTreeMap::new()).unwrap();
    DeltaFormat.create(&directory, &spec).await.unwrap()
}

async fn add_size(table: &dyn Table) {
    table.commit(&Changes::add_columns(&schema(&[SIZE])).unwrap()).await.unwrap();
}

fn definition(path: &Path, columns: &[(&str, DataType)], more: &[(&str, &str)]) -> TableDefinition {
    let options = [("connector", "delta"), ("path", path.to_str().unwrap())].into_iter().chain(more.iter().copied());
    let options = options.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    TableDefinition { name: "t".to_owned(), columns: schema(columns), metadata: Vec::new(), options }
}

async fn write(definition: &TableDefinition, epoch: u64, columns: Vec<ArrayRef>) -> Result<()> {
    let sink = sink(definition)?;
    let mut writer = sink.open("run", SubtaskId { index: 0, parallelism: 1 }).await?;
    writer.write(RecordBatch::try_new(Arc::clone(&definition.columns), columns).unwrap()).await?;
    let staged = writer.finish().await?;
    sink.commit(Epoch(epoch), staged).await
}

async fn read(definition: &TableDefinition, projection: &[usize]) -> Result<RecordBatch> {
    let source = source(definition)?;
    let mut batches = Vec::new();
    for split in source.splits().await? {
        let metrics = Arc::<OperatorMetrics>::default();
        let options = ReadOptions { projection: projection.to_vec(), batch_rows: 100, metrics };
        let mut reader = source.open(&split, None, options).await?;
        while let Some(batch) = reader.next().await? {
            batches.push(batch);
        }
    }
    Ok(concat_batches(&Arc::new(definition.columns.project(projection)?), &batches)?)
}

fn numbers(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

#[tokio::test]
async fn columns_are_written_by_name_and_those_that_are_not_declared_are_null() {
    for key in [&[][..], &["id"]] {
        let home = tempfile::tempdir().unwrap();
        let table = create(home.path(), key).await;
        add_size(&*table).await;
        write(&definition(home.path(), &[SIZE, ID], &[]), 1, vec![numbers(&[7]), numbers(&[1])]).await.unwrap();
        let found = read(&definition(home.path(), &[NAME, SIZE, ID], &[]), &[0, 1, 2]).await.unwrap();
        assert_eq!(found.column(0).null_count(), 1);
        let number = |column: usize| found.column(column).as_primitive::<Int64Type>().value(0);
        assert_eq!((number(1), number(2)), (7, 1));
    }
}

#[tokio::test]
async fn a_column_that_must_have_a_value_has_to_be_declared_and_of_its_type() {
    let home = tempfile::tempdir().unwrap();
    create(home.path(), &[]).await;
    let error = write(&definition(home.path(), &[NAME], &[]), 1, vec![texts(&["a"])]).await.unwrap_err();
    assert_eq!(error.to_string(), "table 't': column 'id' is NOT NULL and gets no value");
    let error = write(&definition(home.path(), &[("id", DataType::Utf8)], &[]), 1, vec![texts(&["a"])]).await;
    assert_eq!(error.unwrap_err().to_string(), "table 't': column 'id' is of type BIGINT, not STRING");
}

#[tokio::test]
async fn a_column_that_the_table_did_not_have_yet_is_null_in_its_past() {
    let home = tempfile::tempdir().unwrap();
    let table = create(home.path(), &[]).await;
    write(&definition(home.path(), &[ID, NAME], &[]), 1, vec![numbers(&[1, 2]), texts(&["a", "b"])]).await.unwrap();
    add_size(&*table).await;
    let past = definition(home.path(), &[ID, NAME, SIZE], &[("as-of.version", "1")]);
    let found = read(&past, &[2, 0]).await.unwrap();
    assert_eq!((found.num_rows(), found.column(0).null_count(), found.column(1).null_count()), (2, 2, 0));
    assert_eq!(read(&past, &[2]).await.unwrap().num_rows(), 2);
    let other = definition(home.path(), &[ID, ("sise", DataType::Int64)], &[("as-of.version", "1")]);
    assert_eq!(read(&other, &[0]).await.unwrap_err().to_string(), "table 't': it has no column 'sise'");
}

/// Removes what a directory holds, but not its directories.
fn remove_files(directory: &Path) {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|file| file.is_file()).for_each(|file| std::fs::remove_file(file).unwrap());
}

#[tokio::test]
async fn a_file_that_is_gone_is_named_with_the_reason() {
    let home = tempfile::tempdir().unwrap();
    create(home.path(), &[]).await;
    let definition = definition(home.path(), &[ID, NAME], &[]);
    write(&definition, 1, vec![numbers(&[1]), texts(&["a"])]).await.unwrap();
    remove_files(home.path());
    let error = read(&definition, &[0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("the table was dropped or replaced meanwhile"), "{error}");
}

#[tokio::test]
async fn a_table_that_is_dropped_is_not_read_and_that_it_is_not_tidied_is_no_failure() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("tables/a");
    let table = create(&path, &[]).await;
    for id in 0..4 {
        let schema = Arc::clone(table.known_snapshot().schema());
        let rows = RecordBatch::try_new(Arc::clone(&schema), vec![numbers(&[id]), texts(&["a"])]).unwrap();
        let mut writer = DataFileWriter::new(table.directory().clone(), schema, 1 << 20);
        writer.write(&rows).await.unwrap();
        table.commit(&Changes::append(writer.finish().await.unwrap())).await.unwrap();
    }
    remove_files(&path);
    assert_eq!(tidied(&*table, &mut 0).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let warehouse = Directory::open(home.path().to_str().unwrap(), &BTreeMap::new()).unwrap();
    TableCatalog::new(warehouse).remove_rows("a").await.unwrap();
    tidied(&*table, &mut 0).await.unwrap();
    let error = read(&definition(&path, &[ID, NAME], &[]), &[0]).await.unwrap_err();
    let expected = (ErrorKind::Unavailable, "table 't': it has been dropped meanwhile");
    assert_eq!((error.kind(), error.to_string().as_str()), expected);
}
