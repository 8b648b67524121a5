//! Tables of two columns, and what is in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use dipper_state::Directory;
use dipper_tables::{
    Changes, Committed, DataFileWriter, DeltaFormat, KeyChanges, NewFile, Snapshot, Table, TableFormat, TableOptions,
    TableSpec, UpsertWriter,
};
use futures::TryStreamExt;

pub(crate) type Rows = BTreeMap<i64, Option<String>>;

/// A retention that is over before it begins: commits of one millisecond are dated ahead.
pub(crate) const AT_ONCE: i64 = -60_000;

pub(crate) fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

pub(crate) fn memory() -> Directory {
    Directory::open("memory://", &BTreeMap::new()).unwrap()
}

pub(crate) fn local(path: &std::path::Path) -> Directory {
    Directory::open(path.to_str().unwrap(), &BTreeMap::new()).unwrap()
}

pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8, true)]))
}

pub(crate) fn rows(rows: &[(i64, Option<&str>)]) -> RecordBatch {
    let ids: Int64Array = rows.iter().map(|(id, _)| Some(*id)).collect();
    let names: StringArray = rows.iter().map(|(_, name)| *name).collect();
    RecordBatch::try_new(schema(), vec![Arc::new(ids), Arc::new(names)]).unwrap()
}

pub(crate) fn keys(keys: &[i64]) -> RecordBatch {
    let schema = Arc::new(schema().project(&[0]).unwrap());
    RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(keys.to_vec()))]).unwrap()
}

pub(crate) fn spec() -> TableSpec {
    TableSpec::new(&schema()).unwrap().with_name("t")
}

/// Small files, and a checkpoint now and then.
pub(crate) fn options() -> TableOptions {
    TableOptions { target_file_bytes: 64 << 10, checkpoint_interval: 3, ..TableOptions::default() }
}

pub(crate) async fn append_table(directory: &Directory) -> Arc<dyn Table> {
    DeltaFormat.create(directory, &spec().with_options(options())).await.unwrap()
}

pub(crate) async fn key_table(directory: &Directory, options: TableOptions) -> Arc<dyn Table> {
    let spec = spec().with_primary_key(&["id"]).unwrap().with_options(options);
    DeltaFormat.create(directory, &spec).await.unwrap()
}

/// Stages rows.
pub(crate) async fn stage(table: &dyn Table, batch: &RecordBatch) -> Vec<NewFile> {
    let snapshot = table.known_snapshot();
    let schema = Arc::clone(snapshot.schema());
    let mut writer = DataFileWriter::new(table.directory().clone(), schema, snapshot.options().target_file_bytes);
    writer.write(batch).await.unwrap();
    writer.finish().await.unwrap()
}

pub(crate) async fn append(table: &dyn Table, batch: &RecordBatch) -> u64 {
    let files = stage(table, batch).await;
    table.commit(&Changes::append(files)).await.unwrap().version().unwrap()
}

/// A change to a key: a row, or its deletion.
pub(crate) type Change = (i64, Option<String>);

/// Stages changes by key in their order.
pub(crate) async fn stage_keys(table: &dyn Table, changes: &[Change]) -> Vec<KeyChanges> {
    let mut writer = UpsertWriter::new(&table.known_snapshot()).unwrap();
    for (key, name) in changes {
        match name {
            Some(name) => writer.upsert(&rows(&[(*key, Some(name))])).await.unwrap(),
            None => writer.delete(&keys(&[*key])).await.unwrap(),
        }
    }
    writer.finish().await.unwrap()
}

pub(crate) async fn upsert(table: &dyn Table, changes: &[Change]) -> u64 {
    let changes = Changes::upsert(stage_keys(table, changes).await);
    match table.commit(&changes).await.unwrap() {
        Committed::Now(version) => version,
        other => panic!("{other:?}"),
    }
}

/// The first two columns of all rows, in no order.
pub(crate) async fn read(snapshot: &Snapshot) -> Vec<(i64, Option<String>)> {
    let mut all = Vec::new();
    for file in snapshot.files() {
        let batches: Vec<RecordBatch> = snapshot.read(file, &[0, 1]).await.unwrap().try_collect().await.unwrap();
        let read: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(file.live_rows(), Some(read as u64));
        for batch in batches {
            let (ids, names) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_string::<i32>());
            let name = |row: usize| names.is_valid(row).then(|| names.value(row).to_owned());
            all.extend((0..batch.num_rows()).map(|row| (ids.value(row), name(row))));
        }
    }
    assert_eq!(snapshot.rows(), Some(all.len() as u64));
    all
}

/// The rows by key, of which there must be one each.
pub(crate) async fn by_key(snapshot: &Snapshot) -> Rows {
    let all = read(snapshot).await;
    let count = all.len();
    let rows: Rows = all.into_iter().collect();
    assert_eq!(rows.len(), count, "a key has several rows");
    rows
}

pub(crate) async fn ids(table: &dyn Table) -> Vec<i64> {
    let rows = read(&table.snapshot().await.unwrap()).await;
    let mut ids: Vec<i64> = rows.into_iter().map(|(id, _)| id).collect();
    ids.sort_unstable();
    ids
}
