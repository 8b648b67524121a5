//! Stores the snapshots of one operator of one subtask while the task goes on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use dipper_types::{Attempt, Epoch, Error, JobId, KeyGroupRange, OperatorId, Result, SubtaskId};

use crate::directory::Directory;
use crate::handle::{Run, StateHandle, TableHandle, tables_in};
use crate::manifest::OperatorState;
use crate::merge::{Deletes, check_keys_differ};
use crate::merge_plan::plan_merge;
use crate::offload::offload;
use crate::run_files::{TableFiles, write_run};
use crate::state_file::{Compression, Contents, FileIdentity};
use crate::table::StateRows;
use crate::writer::{StateSnapshot, TableChanges};

/// Whose state an uploader stores, and how.
#[derive(Debug, Clone)]
pub struct UploaderSpec {
    /// The job.
    pub job: JobId,
    /// The life of the job, as claimed.
    pub attempt: Attempt,
    /// The last epoch before this attempt: at or above that of every manifest in the job's directory.
    pub after: Epoch,
    /// The operator.
    pub operator: OperatorId,
    /// The subtask.
    pub subtask: SubtaskId,
    /// How many key groups the job has.
    pub key_groups: u16,
    /// How files are compressed.
    pub compression: Compression,
}

/// Stores snapshots in the order of their epochs, and remembers which files make up each table. It is the only writer of its files. Merges
/// run beside it: start what [`SnapshotUploader::plan_merges`] returns, and [`SnapshotUploader::install`] what comes of it.
#[derive(Debug)]
pub struct SnapshotUploader {
    writer: Writer,
    tables: BTreeMap<String, TableHandle>,
    /// Changes that are not stored yet: those of the snapshot at hand, behind those whose upload failed.
    waiting: VecDeque<(Epoch, BTreeMap<String, TableChanges>)>,
    /// The epoch of the latest snapshot taken over.
    latest: Epoch,
    /// The merges under way: alive as long as the task or its result is.
    merging: Vec<(String, Epoch, Weak<()>)>,
}

/// A merge of some runs of a table. Dropping it gives it up.
#[derive(Debug)]
pub struct MergeTask {
    writer: Writer,
    table: String,
    epoch: Epoch,
    handle: TableHandle,
    deletes: Deletes,
    alive: Arc<()>,
}

/// The result of a merge: what takes the place of what.
#[derive(Debug)]
pub struct MergedRun {
    table: String,
    runs: Vec<Run>,
    merged: Run,
    _alive: Arc<()>,
}

/// What it takes to write files.
#[derive(Debug, Clone)]
struct Writer {
    directory: Directory,
    spec: Arc<UploaderSpec>,
    files: Arc<AtomicU64>,
}

impl SnapshotUploader {
    /// For an operator without earlier state. `directory` is that of the job.
    pub fn new(directory: Directory, spec: UploaderSpec) -> Self {
        let latest = spec.after;
        let writer = Writer { directory, spec: Arc::new(spec), files: Arc::default() };
        Self { writer, tables: BTreeMap::new(), waiting: VecDeque::new(), latest, merging: Vec::new() }
    }

    /// For an operator that has been restored from a checkpoint of the same job: the files of that checkpoint are referenced, and the first
    /// snapshot may hold just what has changed since.
    #[must_use]
    pub fn restored(mut self, state: &OperatorState) -> Self {
        self.tables = tables_in(&state.subtasks, self.writer.key_groups());
        self
    }

    /// Stores a snapshot. After an error its changes are kept and go out with the next one.
    pub async fn upload(&mut self, snapshot: StateSnapshot) -> Result<StateHandle> {
        let StateSnapshot { epoch, tables, lists, committables } = snapshot;
        if epoch <= self.latest {
            return Err(Error::internal(format!("a snapshot of epoch {} after one of {}", epoch.0, self.latest.0)));
        }
        self.latest = epoch;
        self.waiting.push_back((epoch, tables));
        while let Some((epoch, tables)) = self.waiting.front() {
            let mut written = Vec::new();
            for (name, changes) in tables {
                written.push((name.clone(), self.writer.store(name, *epoch, changes).await?));
            }
            // Nothing waits between here and the end of the loop: an epoch is taken over whole or not at all.
            let Some((_, tables)) = self.waiting.pop_front() else { break };
            for ((name, run), changes) in written.into_iter().zip(tables.into_values()) {
                self.append(name, run, &changes);
            }
        }
        Ok(StateHandle {
            subtask: self.writer.spec.subtask,
            key_groups: self.writer.key_groups(),
            open_from: self.open_from(),
            tables: self.tables.clone(),
            lists,
            committables,
        })
    }

    /// The merges that are due. At most one a table is under way.
    pub fn plan_merges(&mut self) -> Vec<MergeTask> {
        self.forget_ended_merges();
        let mut tasks = Vec::new();
        for (name, table) in &self.tables {
            let sizes: Vec<u64> = table.runs.iter().map(Run::bytes).collect();
            if self.merging.iter().any(|(merging, ..)| merging == name) {
                continue;
            }
            let Some(range) = plan_merge(&sizes) else { continue };
            let deletes = if range.start == 0 { Deletes::Drop } else { Deletes::Keep };
            let alive = Arc::new(());
            // What has been acknowledged says that nothing below this is in the making.
            let epoch = Epoch(self.latest.0 + 1);
            self.merging.push((name.clone(), epoch, Arc::downgrade(&alive)));
            let handle = TableHandle { key_columns: table.key_columns, runs: table.runs[range].to_vec() };
            tasks.push(MergeTask { writer: self.writer.clone(), table: name.clone(), epoch, handle, deletes, alive });
        }
        tasks
    }

    /// Puts a merged run in the place of its runs, unless these have been replaced meanwhile.
    pub fn install(&mut self, result: MergedRun) {
        if let Some(table) = self.tables.get_mut(&result.table)
            && let Some(start) = table.runs.windows(result.runs.len()).position(|runs| runs == result.runs)
        {
            let merged = Some(result.merged).filter(|run| !run.files.is_empty());
            table.runs.splice(start..start + result.runs.len(), merged);
        }
    }

    fn append(&mut self, name: String, run: Run, changes: &TableChanges) {
        let key_columns = changes.spec.key_columns;
        let table = self.tables.entry(name).or_insert_with(|| TableHandle { key_columns, runs: Vec::new() });
        if changes.replaces {
            *table = TableHandle { key_columns, runs: Vec::new() };
        }
        if !run.files.is_empty() {
            table.runs.push(run);
        }
    }

    fn open_from(&mut self) -> Epoch {
        self.forget_ended_merges();
        let merging = self.merging.iter().map(|(_, epoch, _)| *epoch);
        merging.fold(Epoch(self.latest.0 + 1), Epoch::min)
    }

    fn forget_ended_merges(&mut self) {
        self.merging.retain(|(_, _, alive)| alive.strong_count() > 0);
    }
}

impl MergeTask {
    /// Reads the runs and writes what they come to.
    pub async fn run(self) -> Result<MergedRun> {
        let Self { writer, table, epoch, handle, deletes, alive } = self;
        let operator = writer.spec.operator.clone();
        let files = TableFiles { directory: writer.directory.clone(), operator, table: table.clone() };
        let mut merged = Run { files: Vec::new() };
        for stripe in TableFiles::stripes(&handle, writer.key_groups()) {
            let contents = files.read(&handle, stripe, deletes).await?;
            let run = writer.write(&table, epoch, handle.key_columns, contents).await?;
            merged.files.extend(run.files);
        }
        Ok(MergedRun { table, runs: handle.runs, merged, _alive: alive })
    }
}

impl Writer {
    fn key_groups(&self) -> KeyGroupRange {
        KeyGroupRange::of(self.spec.subtask, self.spec.key_groups)
    }

    async fn store(&self, table: &str, epoch: Epoch, changes: &TableChanges) -> Result<Run> {
        let stored = |rows: &[StateRows]| rows.iter().map(StateRows::to_stored).collect::<Result<Vec<_>>>();
        // There is nothing to delete from a table that is replaced.
        let deletes = if changes.replaces { Vec::new() } else { stored(&changes.deletes)? };
        let contents = Contents { rows: stored(&changes.upserts)?, deletes };
        let (key_columns, range) = (changes.spec.key_columns, self.key_groups());
        let what = format!("state table '{table}' of operator {}", self.spec.operator);
        let contents = offload(move || {
            check_key_groups(&contents, range)?;
            if cfg!(debug_assertions) {
                check_keys_differ(&contents.rows, key_columns)?;
            }
            Ok(contents)
        });
        let contents = contents.await.map_err(|error| error.context(what))?;
        self.write(table, epoch, key_columns, contents).await
    }

    async fn write(&self, table: &str, epoch: Epoch, key_columns: usize, contents: Contents) -> Result<Run> {
        let spec = &self.spec;
        let identity = FileIdentity {
            job: spec.job.clone(),
            attempt: spec.attempt,
            epoch,
            operator: spec.operator.clone(),
            subtask: spec.subtask,
            table: table.to_owned(),
            key_columns,
        };
        let number = || self.files.fetch_add(1, Ordering::Relaxed);
        write_run(&self.directory, identity, contents, spec.compression, number).await
    }
}

/// A row outside of the subtask's key groups would be lost at the next rescale.
fn check_key_groups(contents: &Contents, range: KeyGroupRange) -> Result<()> {
    for batch in contents.rows.iter().chain(&contents.deletes) {
        let outside = |group: &&u16| !(range.start..range.end).contains(*group);
        if let Some(group) = crate::table::key_groups(batch)?.values().iter().find(outside) {
            let message =
                format!("key group {group} is not among those of the subtask, {}..{}", range.start, range.end);
            return Err(Error::internal(message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
