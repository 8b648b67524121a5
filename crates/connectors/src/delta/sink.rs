//! Writes a Delta Lake table: writers stage data files, a commit names them in the table's log, once for each epoch.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use dipper_operator_api::{Committable, Prepared, Sink, SinkWriter};
use dipper_tables::{Changes, DataFileWriter, KeyChanges, NewFile, Table, UpsertWriter, compact};
use dipper_types::{Epoch, Error, Result, SubtaskId};
use futures::FutureExt;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::rows::TableRows;
use super::{DeltaTable, is_dropped};
use crate::sink_rows::{appended_rows, changed_rows};

/// After so many commits files that nobody needs are looked for, for which the whole directory is listed.
const EXPIRE_EVERY: u64 = 32;

/// Writes a table.
#[derive(Debug)]
pub(crate) struct DeltaSink {
    table: Arc<DeltaTable>,
    /// Held by who brings files together, or removes them: the version at which files were last removed.
    tidying: Arc<Mutex<u64>>,
}

/// What a writer has staged.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StagedRows {
    /// For the table in which directory.
    table: String,
    /// The attempt and the sink: epochs of one of them ascend.
    run: String,
    #[serde(default)]
    files: Vec<NewFile>,
    #[serde(default)]
    changes: Vec<KeyChanges>,
}

impl DeltaSink {
    pub(crate) fn new(table: DeltaTable) -> Self {
        Self { table: Arc::new(table), tidying: Arc::default() }
    }

    async fn commit_rows(&self, epoch: Epoch, committables: &[Committable]) -> Result<()> {
        let mut runs: BTreeMap<String, (Vec<NewFile>, Vec<KeyChanges>)> = BTreeMap::new();
        for committable in committables {
            let StagedRows { table, run, files, changes } = decode(committable)?;
            if table != self.table.url() {
                let message = format!(
                    "the job has staged rows for the table in '{table}', and it is in '{}' now",
                    self.table.url()
                );
                let hint =
                    "it has been dropped and created again, or the warehouse is another one: start over with --fresh";
                return Err(Error::invalid(message).with_hint(hint));
            }
            let staged = runs.entry(run).or_default();
            staged.0.extend(files);
            staged.1.extend(changes);
        }
        let table = self.table.table().await?;
        if is_dropped(table.directory()).await? {
            return Err(Error::invalid("the table has been dropped while the job wrote to it"));
        }
        let epoch = i64::try_from(epoch.0).map_err(|_| Error::internal("an epoch beyond 63 bits"))?;
        for (run, (files, changes)) in runs {
            let changes = match (files.is_empty(), changes.is_empty()) {
                (true, true) => continue,
                (_, true) => Changes::append(files),
                (true, false) => Changes::upsert(changes),
                (false, false) => return Err(Error::internal("rows with and without keys were staged for one table")),
            };
            table.commit(&changes.in_transaction(format!("dipper/{run}"), epoch)).await?.version()?;
        }
        self.tidy(table);
        Ok(())
    }

    /// Brings small files together and removes what nobody needs any more, beside the job, unless that is being done already.
    fn tidy(&self, table: &Arc<dyn Table>) {
        let Ok(mut expired) = Arc::clone(&self.tidying).try_lock_owned() else { return };
        let table = Arc::clone(table);
        tokio::spawn(async move {
            if let Err(error) = tidied(table.as_ref(), &mut expired).await {
                tracing::warn!(
                    "table in '{}': its files could not be brought together: {error}",
                    table.directory().url()
                );
            }
        });
    }
}

/// Tidies up a table, and removes files if that was done at a version long ago. Of a table that is dropped meanwhile nothing is left to tidy.
pub(super) async fn tidied(table: &dyn Table, expired: &mut u64) -> Result<()> {
    let tidied = async {
        while compact(table).await?.is_some() {}
        let version = table.known_snapshot().version();
        if version >= *expired + EXPIRE_EVERY {
            table.expire().await?;
            *expired = version;
        }
        Ok(())
    };
    let Err(error) = tidied.await else { return Ok(()) };
    if is_dropped(table.directory()).await.unwrap_or(false) { Ok(()) } else { Err(error) }
}

#[async_trait]
impl Sink for DeltaSink {
    fn is_transactional(&self) -> bool {
        true
    }

    async fn open(&self, run: &str, _subtask: SubtaskId) -> Result<Box<dyn SinkWriter>> {
        let snapshot = self.table.snapshot().await?;
        let shape = TableRows::new(&self.table, &snapshot)?;
        let rows = if snapshot.primary_key().is_empty() {
            let target = snapshot.options().target_file_bytes;
            let (directory, schema) = (snapshot.directory().clone(), Arc::clone(snapshot.schema()));
            Rows::Appended(Box::new(DataFileWriter::new(directory, schema, target)))
        } else {
            let key = snapshot.primary_key().iter().map(|name| Ok(snapshot.schema().index_of(name)?));
            let key = key.collect::<Result<Vec<usize>>>()?;
            Rows::ByKey(Box::new(UpsertWriter::new(&snapshot)?), key)
        };
        Ok(Box::new(DeltaWriter { table: Arc::clone(&self.table), run: run.to_owned(), shape, rows }))
    }

    async fn commit(&self, epoch: Epoch, committables: Vec<Committable>) -> Result<()> {
        self.commit_rows(epoch, &committables).await.map_err(|error| self.table.about(error))
    }

    /// Files that no commit names are removed when they are old enough ([`Table::expire`]): a run may have committed some of its files.
    async fn abort(&self, _run: &str) -> Result<()> {
        Ok(())
    }
}

struct DeltaWriter {
    table: Arc<DeltaTable>,
    run: String,
    shape: TableRows,
    rows: Rows,
}

enum Rows {
    Appended(Box<DataFileWriter>),
    /// And the places of the key's columns.
    ByKey(Box<UpsertWriter>, Vec<usize>),
}

impl DeltaWriter {
    async fn write_rows(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.rows {
            Rows::Appended(writer) => writer.write(&self.shape.of(&appended_rows(batch, &self.table.columns)?)?).await,
            Rows::ByKey(writer, key) => {
                for (rows, is_gone) in changed_rows(batch, &self.table.columns)? {
                    let rows = self.shape.of(&rows)?;
                    if is_gone {
                        writer.delete(&rows.project(key)?).await?;
                    } else {
                        writer.upsert(&rows).await?;
                    }
                }
                Ok(())
            }
        }
    }

    async fn stage(&mut self) -> Result<Prepared> {
        let (table, run) = (self.table.url().to_owned(), self.run.clone());
        let (staged, durable) = match &mut self.rows {
            Rows::Appended(writer) => {
                let staged = writer.stage()?;
                (StagedRows { table, run, files: staged.files, changes: Vec::new() }, staged.durable)
            }
            Rows::ByKey(writer, _) => {
                let staged = writer.stage().await?;
                (StagedRows { table, run, files: Vec::new(), changes: staged.changes }, staged.durable)
            }
        };
        if staged.files.is_empty() && staged.changes.is_empty() {
            return Ok(Prepared::nothing());
        }
        let table = Arc::clone(&self.table);
        let durable = durable.map(move |durable| durable.map_err(|error| table.about(error))).boxed();
        Ok(Prepared { committables: vec![encode(&staged)?], durable })
    }
}

#[async_trait]
impl SinkWriter for DeltaWriter {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.write_rows(&batch).await.map_err(|error| self.table.about(error))
    }

    async fn prepare(&mut self, _epoch: Epoch) -> Result<Prepared> {
        self.stage().await.map_err(|error| self.table.about(error))
    }

    async fn finish(&mut self) -> Result<Vec<Committable>> {
        let Prepared { committables, durable } = self.stage().await?;
        durable.await?;
        Ok(committables)
    }
}

fn encode(staged: &StagedRows) -> Result<Committable> {
    let bytes = serde_json::to_vec(staged);
    bytes.map(Committable).map_err(|error| Error::internal(format!("what is staged cannot be encoded: {error}")))
}

fn decode(committable: &Committable) -> Result<StagedRows> {
    serde_json::from_slice(&committable.0)
        .map_err(|error| Error::internal(format!("what is to be committed is not understood: {error}")))
}
