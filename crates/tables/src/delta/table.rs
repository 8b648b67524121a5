//! An open table: its newest state, kept up to date by reading on in the log, and changed by creating the next file of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dipper_state::{Created, Directory};
use dipper_types::{Error, ErrorKind, Result};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

use super::action::{CommitInfo, Format, Line, Metadata, Protocol, encode};
use super::log::{Base, Listing, Log, checkpoint_name, commit_name};
use super::plan::{Plan, engine, plan};
use super::state::{State, Vectors};
use super::{checkpoint, expire, history, properties, schema};
use crate::changes::{Changes, Kind};
use crate::clock::{Stopwatch, now_ms};
use crate::concurrent::concurrently;
use crate::data_file::NewFile;
use crate::format::{AsOf, Committed, Expired, Table};
use crate::snapshot::Snapshot;
use crate::spec::TableSpec;
use crate::upsert::{KeyChanges, KeyEncoder, KeyIndex, Replaced, Step};

/// A table in the format of Delta Lake.
#[derive(Debug)]
pub(crate) struct DeltaTable {
    log: Log,
    /// The newest snapshot that is known.
    known: RwLock<Arc<Snapshot>>,
    head: Mutex<Head>,
    /// How many times somebody has begun to read on in the log.
    refreshes: AtomicU64,
    /// Held by who commits: one at a time in this process.
    committing: Mutex<KeyIndex>,
}

/// The newest state that is known.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) state: State,
    /// The last refresh that has come to its end.
    refreshed: u64,
    /// Since the log had nothing newer.
    current: Stopwatch,
}

#[async_trait]
impl Table for DeltaTable {
    fn directory(&self) -> &Directory {
        &self.log.table
    }

    async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        Ok(Arc::clone(&self.refresh().await?.state.view.snapshot))
    }

    fn known_snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn snapshot_at(&self, at: AsOf) -> Result<Arc<Snapshot>> {
        history::snapshot_at(&self.log, &self.snapshot().await?, at).await
    }

    async fn commit(&self, changes: &Changes) -> Result<Committed> {
        let mut index = self.committing.lock().await;
        let committed = self.commit_alone(changes, &mut index).await.map_err(|error| self.log.about(error))?;
        drop(index);
        if let Kind::Upsert(key_changes) = &changes.kind {
            self.delete_keys(key_changes).await;
        }
        Ok(committed)
    }

    async fn expire(&self) -> Result<Expired> {
        expire::expire(&self.log, self).await
    }
}

impl DeltaTable {
    pub(crate) async fn create(directory: &Directory, spec: &TableSpec) -> Result<Self> {
        let log = Log::new(directory.clone().holding("table"));
        let exists = || log.about(Error::invalid("there is a table already")).with_hint("choose another directory");
        // The first commit of an old table may have been cleaned up.
        if log.list(0).await?.newest().is_some() {
            return Err(exists());
        }
        let now = now_ms();
        let info = CommitInfo {
            timestamp: Some(now),
            operation: Some("CREATE TABLE".to_owned()),
            operation_parameters: Some(serde_json::Map::new()),
            engine_info: Some(engine()),
            txn_id: Some(Uuid::new_v4().to_string()),
            ..CommitInfo::default()
        };
        let metadata = Metadata {
            id: Uuid::new_v4().to_string(),
            name: spec.name.clone(),
            description: None,
            format: Format::default(),
            schema_string: schema::encode(&spec.schema)?,
            partition_columns: Vec::new(),
            configuration: properties::encode(spec),
            created_time: Some(now),
        };
        let protocol = Protocol::of(&spec.schema, !spec.primary_key.is_empty());
        let lines = vec![
            Line { commit_info: Some(info), ..Line::default() },
            Line { protocol: Some(protocol), ..Line::default() },
            Line { meta_data: Some(metadata), ..Line::default() },
        ];
        match log.directory.create(&commit_name(0), &Bytes::from(encode(&lines)?)).await? {
            Created::Own => Ok(Self::of(log.clone(), State::begin(&log, 0, now, lines)?)),
            Created::Other => Err(exists()),
        }
    }

    pub(crate) async fn open(directory: &Directory) -> Result<Self> {
        let log = Log::new(directory.clone().holding("table"));
        let state = load(&log).await?;
        Ok(Self::of(log, state))
    }

    fn of(log: Log, state: State) -> Self {
        Self {
            log,
            known: RwLock::new(Arc::clone(&state.view.snapshot)),
            head: Mutex::new(Head { state, refreshed: 0, current: Stopwatch::start() }),
            refreshes: AtomicU64::new(0),
            committing: Mutex::default(),
        }
    }

    /// The newest state, as of a moment after this was called. Who waits for another one that began after that reads nothing itself.
    pub(crate) async fn refresh(&self) -> Result<MutexGuard<'_, Head>> {
        let begun = self.refreshes.load(Ordering::SeqCst);
        let mut head = self.head.lock().await;
        if head.refreshed <= begun {
            let refresh = self.refreshes.fetch_add(1, Ordering::SeqCst) + 1;
            self.read_on(&mut head).await?;
            head.refreshed = refresh;
        }
        Ok(head)
    }

    async fn read_on(&self, head: &mut Head) -> Result<()> {
        // The log keeps a commit for its retention. Who has slept for longer may find none where there have been some, and would create
        // one in the place of another.
        let retention_ms = head.state.view.snapshot.options.log_retention_ms.max(0).unsigned_abs();
        if head.current.elapsed() >= Duration::from_millis(retention_ms / 2)
            && self.log.hint().await?.is_some_and(|hint| hint.version > head.state.view.snapshot.version)
        {
            head.state = load(&self.log).await?;
        }
        let mut current = Stopwatch::start();
        loop {
            let next = head.state.view.snapshot.version + 1;
            let Some(lines) = self.log.read(next).await? else { break };
            head.state.apply(&self.log, next, lines, &Vectors::new())?;
            current = Stopwatch::start();
        }
        head.current = current;
        self.publish(head);
        Ok(())
    }

    fn publish(&self, head: &Head) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&head.state.view.snapshot);
    }

    async fn commit_alone(&self, changes: &Changes, index: &mut KeyIndex) -> Result<Committed> {
        let mut keys: Option<Keys> = None;
        let mut checked = false;
        loop {
            let view = self.refresh().await?.state.view.clone();
            let snapshot = &view.snapshot;
            if let Some((application, epoch)) = &changes.transaction
                && snapshot.epoch_of(application).is_some_and(|committed| committed >= *epoch)
            {
                return Ok(Committed::Earlier(snapshot.version));
            }
            if !checked {
                self.check_there(&changes.kind.staged_files(), snapshot).await?;
                checked = true;
            }
            let mut replaced = None;
            if let Kind::Upsert(key_changes) = &changes.kind
                && !snapshot.primary_key.is_empty()
            {
                let keys = match &mut keys {
                    Some(keys) => keys,
                    None => {
                        let encoder = KeyEncoder::new(&snapshot.schema, &snapshot.primary_key)?;
                        let steps = encoder.read_changes(&self.log.table, key_changes).await?;
                        keys.insert(Keys { encoder, steps })
                    }
                };
                index.catch_up(&keys.encoder, snapshot).await?;
                replaced = Some(index.replaced(&keys.steps));
            }
            let plan = match plan(&view, changes, replaced.as_ref(), now_ms()).await? {
                Ok(plan) => plan,
                Err(conflict) => return Ok(Committed::Conflict(conflict)),
            };
            if let Some(version) = self.try_commit(snapshot.version + 1, plan, replaced, index).await? {
                return Ok(Committed::Now(version));
            }
        }
    }

    /// Creates the commit of a version; nothing if somebody else has done so.
    async fn try_commit(
        &self,
        version: u64,
        plan: Plan,
        replaced: Option<Replaced>,
        index: &mut KeyIndex,
    ) -> Result<Option<u64>> {
        if let Some((name, bytes)) = &plan.vector_file {
            self.log.table.put(name, bytes).await?;
        }
        let bytes = Bytes::from(encode(&plan.lines)?);
        let created = self.log.directory.create(&commit_name(version), &bytes).await.map_err(|not_created| {
            let hint = "it may be in the table nevertheless; in a transaction it can be committed again";
            if not_created.in_doubt { not_created.error.with_hint(hint) } else { not_created.error }
        })?;
        if created == Created::Other {
            return Ok(None);
        }
        let mut head = self.head.lock().await;
        // A reader may have found it in the log already.
        if head.state.view.snapshot.version + 1 == version {
            head.state.apply(&self.log, version, plan.lines, &plan.vectors)?;
            self.publish(&head);
        }
        if head.state.view.snapshot.version == version
            && let Some(replaced) = replaced
        {
            index.commit(replaced, &head.state.view.snapshot);
        }
        Ok(Some(version))
    }

    /// Deletes the files of keys to delete: the commit has been the last one to read them. A file that stays is a leftover.
    async fn delete_keys(&self, key_changes: &[KeyChanges]) {
        let files = key_changes.iter().flat_map(|changes| &changes.deletes);
        let deleted = concurrently(files.map(|file| self.log.table.delete(&file.name).boxed()).collect()).await;
        if let Err(error) = deleted {
            tracing::warn!(%error, "files that are no longer needed stay for a while");
        }
    }

    /// Refuses files that may have been taken for leftovers: a commit must not name what does not exist.
    async fn check_there(&self, files: &[&NewFile], snapshot: &Snapshot) -> Result<()> {
        let old_ms = now_ms().saturating_sub(snapshot.options.leftover_retention_ms / 2);
        let old = files.iter().filter(|file| file.modified_ms <= old_ms);
        let checks = old.map(|file| {
            async move {
                let there = self.log.table.size(&file.name).await?;
                there.map(drop).ok_or_else(|| {
                    let message = format!(
                        "the file '{}' was staged long ago, and is gone: it was taken for a leftover",
                        file.name
                    );
                    let hint = "raise the table's retention of leftovers above the longest time that the job is down";
                    Error::new(ErrorKind::Corrupt, message).with_hint(hint)
                })
            }
            .boxed()
        });
        concurrently(checks.collect()).await.map(drop)
    }
}

/// The keys of an upsert that is being committed.
struct Keys {
    encoder: KeyEncoder,
    steps: Vec<Step>,
}

/// The newest state, from the newest checkpoint on.
async fn load(log: &Log) -> Result<State> {
    let hint = log.hint().await?;
    let mut listing = log.list(hint.map_or(0, |hint| hint.version)).await?;
    if hint.is_some() && listing.newest().and_then(|newest| listing.base(newest)).is_none() {
        listing = log.list(0).await?;
    }
    let Some(newest) = listing.newest() else {
        return Err(log.about(Error::invalid("there is no table")));
    };
    load_at(log, &listing, newest).await
}

/// The state at a version.
pub(crate) async fn load_at(log: &Log, listing: &Listing, version: u64) -> Result<State> {
    let gone = |version| {
        let error = Error::unavailable(format!("version {version} is gone: the log was cleaned up meanwhile"));
        log.about(error.with_hint("try again"))
    };
    let Some(base) = listing.base(version) else {
        if let Some((_, name)) = listing.foreign.iter().rev().find(|(foreign, _)| *foreign <= version) {
            let error = Error::unsupported(format!("the checkpoint '{name}' is of another form than the classic one"));
            return Err(log.about(error.with_hint("Dipper reads checkpoints of one file, VERSION.checkpoint.parquet")));
        }
        return Err(log.corrupt(format!("the log has gaps before version {version}")));
    };
    let mut state = match base {
        Base::Checkpoint(base) => {
            let lines = checkpoint::read(log, base).await?.ok_or_else(|| gone(base))?;
            let of_base =
                |versions: &[(u64, i64)]| versions.iter().find(|(found, _)| *found == base).map(|found| found.1);
            let modified_ms = match of_base(&listing.commits) {
                Some(modified_ms) => log.timestamp_ms(base).await?.unwrap_or(modified_ms),
                None => of_base(&listing.checkpoints).unwrap_or(0),
            };
            State::begin(log, base, modified_ms, lines)
                .map_err(|error| error.context(format!("checkpoint '{}'", checkpoint_name(base))))?
        }
        Base::FirstCommit => State::begin(log, 0, 0, log.read(0).await?.ok_or_else(|| gone(0))?)?,
    };
    let tail = state.view.snapshot.version + 1..=version;
    let tail = stream::iter(tail.map(|version| async move { (version, log.read(version).await) }.boxed())).buffered(8);
    let mut tail = tail.map(|(version, lines)| Ok::<_, Error>((version, lines?.ok_or_else(|| gone(version))?)));
    while let Some((version, lines)) = tail.try_next().await? {
        state.apply(log, version, lines, &Vectors::new())?;
    }
    Ok(state)
}
