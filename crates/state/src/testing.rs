//! What the tests share: a table whose right content is known, and a store that fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray, UInt16Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use dipper_types::{AttemptId, Epoch, JobId, ManifestNumber, OperatorId, SubtaskId};
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use twox_hash::XxHash3_64;

use crate::checkpoint_store::CheckpointStore;
use crate::directory::Directory;
use crate::handle::StateHandle;
use crate::manifest::{CheckpointKind, Manifest, OperatorState, Query, TaskState};
use crate::reader::StateReader;
use crate::retry::Retry;
use crate::state_file::Compression;
use crate::table::TableSpec;
use crate::uploader::{SnapshotUploader, UploaderSpec};
use crate::writer::StateWriter;

pub(crate) const KEY_GROUPS: u16 = 128;

/// What a table should hold.
pub(crate) type Model = BTreeMap<i64, String>;

pub(crate) fn job() -> JobId {
    JobId("carts".to_owned())
}

pub(crate) fn operator() -> OperatorId {
    OperatorId("match-1".to_owned())
}

/// The table `open` of keys and texts.
pub(crate) fn table() -> TableSpec {
    let fields = vec![Field::new("key", DataType::Int64, false), Field::new("text", DataType::Utf8, false)];
    TableSpec::new("open", Arc::new(Schema::new(fields)), 1)
}

pub(crate) fn group_of(key: i64) -> u16 {
    (XxHash3_64::oneshot(&key.to_le_bytes()) % u64::from(KEY_GROUPS)) as u16
}

fn groups(keys: &[i64]) -> UInt16Array {
    keys.iter().map(|key| Some(group_of(*key))).collect()
}

/// Changes of a table, and what they make of a model.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    pub(crate) replaces: bool,
    pub(crate) deletes: BTreeSet<i64>,
    pub(crate) upserts: BTreeMap<i64, String>,
}

impl Changes {
    pub(crate) fn upserts(rows: impl IntoIterator<Item = (i64, String)>) -> Self {
        Self { upserts: rows.into_iter().collect(), ..Self::default() }
    }

    pub(crate) fn apply(&self, model: &mut Model) {
        if self.replaces {
            model.clear();
        }
        model.retain(|key, _| !self.deletes.contains(key));
        model.extend(self.upserts.clone());
    }

    /// Hands over the part of a subtask, in batches of a few rows.
    pub(crate) fn write(&self, state: &mut StateWriter, subtask: SubtaskId) {
        let table = table();
        let mine = |key: &i64| {
            dipper_types::KeyGroup(group_of(*key)).subtask(KEY_GROUPS, subtask.parallelism) == subtask.index
        };
        if self.replaces {
            state.replace(&table);
        }
        let rows: Vec<(i64, &str)> =
            self.upserts.iter().filter(|(key, _)| mine(key)).map(|(key, text)| (*key, text.as_str())).collect();
        for rows in rows.chunks(100) {
            let keys: Vec<i64> = rows.iter().map(|(key, _)| *key).collect();
            let columns: Vec<ArrayRef> = vec![
                Arc::new(Int64Array::from(keys.clone())),
                Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, text)| text))),
            ];
            let batch = RecordBatch::try_new(Arc::clone(&table.schema), columns).unwrap();
            state.upsert(&table, groups(&keys), batch).unwrap();
        }
        let keys: Vec<i64> = self.deletes.iter().copied().filter(mine).collect();
        let batch = RecordBatch::try_new(table.key_schema(), vec![Arc::new(Int64Array::from(keys.clone()))]).unwrap();
        state.delete(&table, groups(&keys), batch).unwrap();
    }
}

/// The rows of the table that all subtasks of a parallelism are restored with; fails if a row comes twice or to the wrong subtask.
pub(crate) async fn restored(
    directory: &Directory,
    state: &OperatorState,
    parallelism: usize,
) -> dipper_types::Result<Model> {
    let mut model = Model::new();
    for index in 0..parallelism {
        let mut reader = StateReader::load(directory, state, SubtaskId { index, parallelism }, KEY_GROUPS).await?;
        let range = reader.key_groups();
        for part in reader.take_table(&table())? {
            let keys = part.rows.column(0).as_primitive::<Int64Type>().values();
            let texts = part.rows.column(1).as_string::<i32>();
            for (row, key) in keys.iter().enumerate() {
                assert_eq!(part.key_groups.value(row), group_of(*key));
                assert!(range.contains(dipper_types::KeyGroup(group_of(*key))));
                assert_eq!(model.insert(*key, texts.value(row).to_owned()), None, "key {key} comes twice");
            }
        }
    }
    Ok(model)
}

/// The uploaders of all subtasks of an operator.
pub(crate) struct Subtasks(pub(crate) Vec<SnapshotUploader>);

impl Subtasks {
    pub(crate) fn start(
        store: &CheckpointStore,
        attempt: u64,
        parallelism: usize,
        opened: Epoch,
        from: Option<&OperatorState>,
    ) -> Self {
        let uploader = |index: usize| {
            let spec = UploaderSpec {
                job: job(),
                attempt: self::attempt(attempt),
                opened,
                operator: operator(),
                subtask: SubtaskId { index, parallelism },
                key_groups: KEY_GROUPS,
                compression: Compression::Zstd,
            };
            let uploader = SnapshotUploader::new(store.directory().clone(), spec);
            match from {
                Some(state) => uploader.restored(state),
                None => uploader,
            }
        };
        Self((0..parallelism).map(uploader).collect())
    }

    /// A checkpoint is completed.
    pub(crate) fn on_completed(&mut self, epoch: u64) {
        self.0.iter_mut().for_each(|uploader| uploader.on_completed(Epoch(epoch)));
    }

    /// A snapshot of all subtasks.
    pub(crate) async fn upload(&mut self, epoch: u64, changes: &Changes) -> dipper_types::Result<OperatorState> {
        let parallelism = self.0.len();
        let mut subtasks: Vec<StateHandle> = Vec::new();
        let mut failure = None;
        for (index, uploader) in self.0.iter_mut().enumerate() {
            let mut state = StateWriter::new(Epoch(epoch));
            changes.write(&mut state, SubtaskId { index, parallelism });
            // Every subtask hands over, whatever has become of the others' uploads.
            match uploader.upload(state.finish()).await {
                Ok(handle) => subtasks.push(handle),
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(OperatorState { operator: operator(), subtasks }), Err)
    }
}

pub(crate) fn attempt(opening: u64) -> AttemptId {
    AttemptId { opening: ManifestNumber(opening), nonce: 7 }
}

/// A checkpoint of the job that holds `state`, as one task.
pub(crate) fn manifest(number: u64, epoch: u64, attempt: u64, state: Option<OperatorState>) -> Manifest {
    let handles = state.map_or_else(Vec::new, |state| state.subtasks);
    let task = |(subtask, handle): (usize, StateHandle)| TaskState {
        subtask,
        operators: BTreeMap::from([(operator(), handle)]),
        ..TaskState::default()
    };
    Manifest {
        number,
        job: job(),
        epoch: Epoch(epoch),
        attempt: self::attempt(attempt),
        leader: 0,
        kind: CheckpointKind::Checkpoint,
        created_ms: 1_700_000_000_000,
        duration_ms: 12,
        key_groups: KEY_GROUPS,
        query: Query { sql: "SELECT \"ä\"\n".to_owned(), catalog: String::new() },
        tasks: handles.into_iter().enumerate().map(task).collect(),
    }
}

/// Runs a test that waits.
pub(crate) fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
}

pub(crate) fn memory() -> Directory {
    Directory::open("memory://", &BTreeMap::new()).unwrap()
}

/// A store in memory of which some calls fail, before or after they have had their effect, and which lets others run in between.
#[derive(Debug, Clone)]
pub(crate) struct FaultyStore {
    inner: Arc<InMemory>,
    seed: u64,
    calls: Arc<AtomicU64>,
    percent: u64,
    pub(crate) failing: Arc<AtomicBool>,
    read: Arc<AtomicU64>,
}

impl FaultyStore {
    pub(crate) fn new(seed: u64, percent: u64) -> Self {
        let failing = Arc::new(AtomicBool::new(true));
        Self { inner: Arc::default(), seed, calls: Arc::default(), percent, failing, read: Arc::default() }
    }

    pub(crate) fn directory(&self, calls_max: u32) -> Directory {
        Directory::of(Arc::new(self.clone()), Path::from("dir"), "faulty://dir").with_retry(Retry::at_once(calls_max))
    }

    /// How many bytes have been asked for.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Whether to fail before and after this call.
    async fn dice(&self) -> (bool, bool) {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let dice = XxHash3_64::oneshot_with_seed(self.seed, &call.to_le_bytes());
        if dice & 1 == 0 {
            tokio::task::yield_now().await;
        }
        let fails = (dice >> 8) % 100 < self.percent && self.failing.load(Ordering::Relaxed);
        (fails && dice & 2 == 0, fails && dice & 2 != 0)
    }

    async fn faulty<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let (before, after) = self.dice().await;
        if before {
            return Err(fault());
        }
        let answer = call.await;
        if after { Err(fault()) } else { answer }
    }
}

fn fault() -> Error {
    Error::Generic { store: "faulty", source: "the connection was lost".into() }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty store")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.faulty(self.inner.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        let answer = self.faulty(self.inner.get_opts(location, options)).await?;
        let bytes = if head { 0 } else { answer.range.end - answer.range.start };
        self.read.fetch_add(bytes, Ordering::Relaxed);
        Ok(answer)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let delete = move |location: Result<Path>| {
            let store = store.clone();
            async move {
                let location = location?;
                let one = futures::stream::once(std::future::ready(Ok(location))).boxed();
                let deleted = async { store.inner.delete_stream(one).next().await.unwrap_or_else(|| Err(fault())) };
                store.faulty(deleted).await
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, listed) = (self.clone(), self.inner.list(prefix));
        let first = futures::stream::once(async move { store.dice().await.0 });
        let fail = first.filter_map(|fails| std::future::ready(fails.then(|| Err(fault()))));
        fail.chain(listed).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.faulty(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
