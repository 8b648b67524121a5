//! Stores the snapshots of one operator of one subtask while the task goes on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use dipper_types::{AttemptId, Epoch, Error, JobId, KeyGroupRange, OperatorId, Result, SubtaskId};

use crate::directory::Directory;
use crate::handle::{FileRef, Run, StateHandle, TableHandle, tables_in};
use crate::list_state::ListState;
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
    /// The life of the job.
    pub attempt: AttemptId,
    /// The epoch of the attempt's opening.
    pub opened: Epoch,
    /// The operator.
    pub operator: OperatorId,
    /// The subtask.
    pub subtask: SubtaskId,
    /// How many key groups the job has.
    pub key_groups: u16,
    /// How files are compressed.
    pub compression: Compression,
}

/// Stores snapshots in the order of their epochs. A snapshot refers to files of the last checkpoint that is known to be completed, and to
/// new ones: until a checkpoint is completed its changes are kept, and go out again with the next one. So nothing is lost if an upload
/// fails, or if a checkpoint is given up and its files are deleted.
///
/// Merges run beside it: start what [`SnapshotUploader::plan_merges`] returns, and [`SnapshotUploader::install`] what comes of it.
#[derive(Debug)]
pub struct SnapshotUploader {
    writer: Writer,
    /// The tables as of the last completed checkpoint.
    completed: BTreeMap<String, TableHandle>,
    /// The changes since then, by the epoch of their snapshot.
    waiting: Vec<(Epoch, BTreeMap<String, TableChanges>)>,
    /// What later checkpoints have been acknowledged with.
    offered: Vec<(Epoch, BTreeMap<String, TableHandle>)>,
    /// The epoch of the latest snapshot taken over.
    latest: Epoch,
    /// The merges under way or waiting to be installed, each with the epoch that it writes under: there as long as the token lives.
    merging: Vec<(String, Epoch, Weak<()>)>,
    merged: Vec<MergedRun>,
}

/// A merge of some runs of a table. Dropping it gives it up.
#[derive(Debug)]
pub struct MergeTask {
    writer: Writer,
    table: String,
    epoch: Epoch,
    handle: TableHandle,
    deletes: Deletes,
    token: Arc<()>,
}

/// The result of a merge: what takes the place of what.
#[derive(Debug)]
pub struct MergedRun {
    table: String,
    runs: Vec<Run>,
    merged: Run,
    _token: Arc<()>,
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
        let latest = spec.opened;
        Self {
            writer: Writer { directory, spec: Arc::new(spec), files: Arc::default() },
            completed: BTreeMap::new(),
            waiting: Vec::new(),
            offered: Vec::new(),
            latest,
            merging: Vec::new(),
            merged: Vec::new(),
        }
    }

    /// For an operator that has been restored from what the opening repeats: its files are referenced, and the first snapshot may hold just
    /// what has changed since.
    #[must_use]
    pub fn restored(mut self, state: &OperatorState) -> Self {
        self.completed = tables_in(&state.subtasks, self.writer.key_groups());
        self
    }

    /// Stores a snapshot.
    pub async fn upload(&mut self, snapshot: StateSnapshot) -> Result<StateHandle> {
        let StateSnapshot { epoch, tables, lists, .. } = offload(|| snapshot.resolve()).await?;
        let tables = self.store(epoch, tables).await?;
        Ok(self.handle(epoch, tables, lists))
    }

    /// Stores the last snapshot of a task that has finished, all of it in new files: later checkpoints will repeat it for ever.
    pub async fn upload_last(&mut self, snapshot: StateSnapshot) -> Result<StateHandle> {
        let StateSnapshot { epoch, tables, lists, .. } = offload(|| snapshot.resolve()).await?;
        let mut tables = self.store(epoch, tables).await?;
        for (name, table) in &mut tables {
            table.runs = self.writer.merge(name, epoch, table, Deletes::Drop).await?.into_iter().collect();
        }
        Ok(self.handle(epoch, tables, lists))
    }

    /// The checkpoint is completed: what was acknowledged for it may be referred to from now on.
    pub fn on_completed(&mut self, epoch: Epoch) {
        if let Some(index) = self.offered.iter().position(|(offered, _)| *offered == epoch) {
            let (_, tables) = self.offered.swap_remove(index);
            self.completed = tables;
            self.offered.retain(|(offered, _)| *offered > epoch);
            self.waiting.retain(|(waiting, _)| *waiting > epoch);
        }
    }

    /// The merges that are due. At most one a table is under way.
    pub fn plan_merges(&mut self) -> Vec<MergeTask> {
        self.forget_ended_merges();
        let mut tasks = Vec::new();
        for (name, table) in &self.completed {
            let sizes: Vec<u64> = table.runs.iter().map(Run::bytes).collect();
            if self.merging.iter().any(|(merging, ..)| merging == name) {
                continue;
            }
            let Some(range) = plan_merge(&sizes) else { continue };
            let deletes = if range.start == 0 { Deletes::Drop } else { Deletes::Keep };
            let token = Arc::new(());
            // What has been acknowledged says that nothing below this is in the making.
            let epoch = Epoch(self.latest.0 + 1);
            self.merging.push((name.clone(), epoch, Arc::downgrade(&token)));
            let handle = TableHandle { key_columns: table.key_columns, runs: table.runs[range].to_vec() };
            tasks.push(MergeTask { writer: self.writer.clone(), table: name.clone(), epoch, handle, deletes, token });
        }
        tasks
    }

    /// The next snapshot refers to the merged run in the place of its runs, unless these have been replaced meanwhile. If that checkpoint is
    /// given up, so is the merge.
    pub fn install(&mut self, result: MergedRun) {
        self.merged.push(result);
    }

    /// Stores all changes since the last completed checkpoint.
    async fn store(
        &mut self,
        epoch: Epoch,
        changes: BTreeMap<String, TableChanges>,
    ) -> Result<BTreeMap<String, TableHandle>> {
        if epoch <= self.latest {
            return Err(Error::internal(format!("a snapshot of epoch {} after one of {}", epoch.0, self.latest.0)));
        }
        self.latest = epoch;
        self.waiting.push((epoch, changes));
        let mut tables = self.completed.clone();
        for result in &self.merged {
            if let Some(table) = tables.get_mut(&result.table) {
                result.replace(table, epoch);
            }
        }
        for (_, changes) in &self.waiting {
            for (name, changes) in changes {
                let run = self.writer.store(name, epoch, changes).await?;
                let table = tables.entry(name.clone()).or_default();
                table.key_columns = changes.spec.key_columns;
                if changes.replaces {
                    table.runs.clear();
                }
                table.runs.extend(run);
            }
        }
        Ok(tables)
    }

    fn handle(
        &mut self,
        epoch: Epoch,
        tables: BTreeMap<String, TableHandle>,
        lists: BTreeMap<String, ListState>,
    ) -> StateHandle {
        self.offered.push((epoch, tables.clone()));
        self.merged.clear();
        self.forget_ended_merges();
        let merging = self.merging.iter().map(|(_, epoch, _)| *epoch);
        StateHandle {
            subtask: self.writer.spec.subtask,
            key_groups: self.writer.key_groups(),
            open_from: merging.fold(Epoch(epoch.0 + 1), Epoch::min),
            tables,
            lists,
        }
    }

    fn forget_ended_merges(&mut self) {
        self.merging.retain(|(_, _, token)| token.strong_count() > 0);
    }
}

impl MergeTask {
    /// Reads the runs and writes what they come to.
    pub async fn run(self) -> Result<MergedRun> {
        let merged = self.writer.merge(&self.table, self.epoch, &self.handle, self.deletes).await?;
        let merged = merged.unwrap_or_default();
        Ok(MergedRun { table: self.table, runs: self.handle.runs, merged, _token: self.token })
    }
}

impl MergedRun {
    /// Puts the merged run in the place of its runs; its files belong to checkpoints from `epoch` on.
    fn replace(&self, table: &mut TableHandle, epoch: Epoch) {
        let Some(start) = table.runs.windows(self.runs.len()).position(|runs| runs == self.runs) else { return };
        let files = self.merged.files.iter().map(|file| FileRef { epoch, ..file.clone() });
        let merged = Some(Run { files: files.collect() }).filter(|run| !run.files.is_empty());
        table.runs.splice(start..start + self.runs.len(), merged);
    }
}

impl Writer {
    fn key_groups(&self) -> KeyGroupRange {
        KeyGroupRange::of(self.spec.subtask, self.spec.key_groups)
    }

    /// Writes the changes of a table; nothing, if there are none.
    async fn store(&self, table: &str, epoch: Epoch, changes: &TableChanges) -> Result<Option<Run>> {
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

    /// Writes what some runs come to, a stripe of key groups after the other.
    async fn merge(&self, table: &str, epoch: Epoch, runs: &TableHandle, deletes: Deletes) -> Result<Option<Run>> {
        let (directory, operator) = (self.directory.clone(), self.spec.operator.clone());
        let reader = TableFiles { directory, operator, table: table.to_owned() };
        let mut files = Vec::new();
        for stripe in TableFiles::stripes(runs, self.key_groups()) {
            let contents = reader.read(runs, stripe, deletes).await?;
            files.extend(
                self.write(table, epoch, runs.key_columns, contents).await?.into_iter().flat_map(|run| run.files),
            );
        }
        Ok((!files.is_empty()).then_some(Run { files }))
    }

    async fn write(&self, table: &str, epoch: Epoch, key_columns: usize, contents: Contents) -> Result<Option<Run>> {
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
        let run = write_run(&self.directory, identity, contents, spec.compression, number).await?;
        Ok((!run.files.is_empty()).then_some(run))
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
