//! What the queries of one statement have in common: the snapshots that they read, and the memory that they may use.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use datafusion::execution::DiskManager;
use datafusion::execution::cache::cache_manager::{CacheManager, CacheManagerConfig};
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, UnboundedMemoryPool};
use datafusion::execution::object_store::DefaultObjectStoreRegistry;
use datafusion::execution::runtime_env::RuntimeEnv;
use dipper_connectors::DeltaTable;
use dipper_graph::FromDataFusion;
use dipper_sql::catalog::Table;
use dipper_tables::Snapshot;
use dipper_types::{Error, Result};
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinSet;

use crate::connector::definition;
use crate::panic::stopped;

/// The options of a table.
type Options = BTreeMap<String, String>;

/// How deep a query may nest where it is computed.
const STACK_BYTES: usize = 64 << 20;

/// Threads that compute. A computation does not always look up in time, and those who wait for I/O, or to cancel it, must not wait for it.
/// They are never let go of: some versions of glibc crash where that happens to a thread that is about to end.
static THREADS: OnceLock<Option<Runtime>> = OnceLock::new();

/// Where to compute.
pub(super) fn computing() -> Result<Handle> {
    let start = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        // Some may be busy with what nobody waits for any more.
        builder.worker_threads(4 * Host::threads() + 8).thread_name("query").thread_stack_size(STACK_BYTES);
        builder.enable_all().build().ok()
    };
    let running = THREADS.get_or_init(start).as_ref().map(|threads| threads.handle().clone());
    running.ok_or_else(|| Error::unavailable("no threads can be started for queries"))
}

/// Does what may go on for long without looking up, apart from those who wait for I/O. Whoever no longer waits for it lets go of it.
pub(crate) async fn compute<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    // A set stops its tasks when it goes.
    let mut task = JoinSet::new();
    task.spawn_on(work, &computing()?);
    match task.join_next().await {
        Some(done) => done.unwrap_or_else(|error| Err(stopped(error))),
        None => Err(Error::internal("a computation has got lost")),
    }
}

/// What the statements of a session and of its copies share: what has been learnt of Parquet files, tables that are open, and where sorts spill.
#[derive(Debug)]
pub(crate) struct Shared {
    cache: Arc<CacheManager>,
    disk: Arc<DiskManager>,
    /// Tables that Dipper keeps, by their options: where they are, and as of when.
    tables: Mutex<BTreeMap<Options, Arc<DeltaTable>>>,
}

impl Shared {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            cache: CacheManager::try_new(&CacheManagerConfig::default()).or_plan_error()?,
            disk: Arc::new(DiskManagerBuilder::default().build().or_plan_error()?),
            tables: Mutex::default(),
        })
    }

    /// Forgets the open tables that are not among these places.
    pub(crate) fn keep_open(&self, is_kept: impl Fn(&str) -> bool) {
        self.tables
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|options, _| options.get("path").is_some_and(|path| is_kept(path)));
    }

    /// The table, opened by this statement or an earlier one; `None` if it is not of the kind that is read by DataFusion's own scan.
    fn open(&self, table: &Table) -> Result<Option<Arc<DeltaTable>>> {
        let options = Some(&table.spec.options).filter(|_| table.is_managed);
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let definition = definition(&table.spec);
        if let Some(open) =
            options.and_then(|options| tables.get(options)).filter(|open| *open.columns() == definition.columns)
        {
            return Ok(Some(Arc::clone(open)));
        }
        let Some(open) = DeltaTable::of(&definition)?.map(Arc::new) else { return Ok(None) };
        if let Some(options) = options {
            tables.insert(options.clone(), Arc::clone(&open));
        }
        Ok(Some(open))
    }
}

/// Where the queries of one statement run.
#[derive(Debug)]
pub(crate) struct Host {
    shared: Arc<Shared>,
    runtime: Arc<RuntimeEnv>,
    batch_rows: usize,
    /// Each table is looked at once.
    snapshots: tokio::sync::Mutex<BTreeMap<Options, Arc<Snapshot>>>,
}

impl Host {
    /// For one statement, which may use so many bytes of memory for what it sorts, groups and joins.
    pub(crate) fn new(shared: &Arc<Shared>, batch_rows: usize, memory_bytes: Option<usize>) -> Self {
        let memory: Arc<dyn MemoryPool> = match memory_bytes {
            Some(bytes) => Arc::new(FairSpillPool::new(bytes)),
            None => Arc::new(UnboundedMemoryPool::default()),
        };
        let runtime = RuntimeEnv {
            memory_pool: memory,
            disk_manager: Arc::clone(&shared.disk),
            cache_manager: Arc::clone(&shared.cache),
            // One of its own, so that what a statement reads is forgotten with it.
            object_store_registry: Arc::new(DefaultObjectStoreRegistry::new()),
        };
        Self {
            shared: Arc::clone(shared),
            runtime: Arc::new(runtime),
            batch_rows,
            snapshots: tokio::sync::Mutex::default(),
        }
    }

    /// Memory, disk, caches and stores.
    pub(super) fn runtime(&self) -> &Arc<RuntimeEnv> {
        &self.runtime
    }

    /// The most rows in a batch.
    pub(super) fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    /// How many threads a scan may keep busy.
    pub(super) fn threads() -> usize {
        std::thread::available_parallelism().map_or(1, NonZero::get)
    }

    /// The table and what this statement sees of it; `None` if it is not of the kind that is read by DataFusion's own scan.
    pub(super) async fn snapshot(&self, table: &Table) -> Result<Option<(Arc<DeltaTable>, Arc<Snapshot>)>> {
        let Some(open) = self.shared.open(table)? else { return Ok(None) };
        let mut snapshots = self.snapshots.lock().await;
        let snapshot = match snapshots.get(&table.spec.options) {
            Some(snapshot) => Arc::clone(snapshot),
            None => Arc::clone(snapshots.entry(table.spec.options.clone()).or_insert(open.snapshot().await?)),
        };
        Ok(Some((open, snapshot)))
    }
}
