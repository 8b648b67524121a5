//! The `filesystem` sink: each subtask stages files in `<path>/_staging-<run>/`, the commit moves them into `<path>`.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use dipper_operator_api::{Committable, Prepared, Sink, SinkWriter};
use dipper_types::{Epoch, Result, SubtaskId};
use futures::FutureExt;

use super::FilesystemTable;
use super::commit::{StagedFile, file_safe, staged_by, staging_name};
use super::directory::{Directory, Missing};
use super::part::Part;
use crate::sink_rows::appended_rows;

/// Writes the files of a table.
#[derive(Debug)]
pub(crate) struct FilesystemSink {
    table: String,
    directory: Arc<Directory>,
    files: Arc<FilesystemTable>,
}

impl FilesystemSink {
    pub(crate) fn new(table: String, directory: Directory, files: FilesystemTable) -> Self {
        Self { table, directory: Arc::new(directory), files: Arc::new(files) }
    }
}

#[async_trait]
impl Sink for FilesystemSink {
    fn is_transactional(&self) -> bool {
        true
    }

    async fn open(&self, run: &str, subtask: SubtaskId) -> Result<Box<dyn SinkWriter>> {
        self.directory.check().map_err(|error| error.context(format!("table '{}'", self.table)))?;
        Ok(Box::new(FilesystemWriter {
            table: self.table.clone(),
            directory: Arc::clone(&self.directory),
            format: Arc::clone(&self.files),
            run: run.to_owned(),
            subtask,
            part: None,
            files: 0,
            finished: Vec::new(),
        }))
    }

    async fn commit(&self, _epoch: Epoch, committables: Vec<Committable>) -> Result<()> {
        self.commit_files(&committables, Missing::Error).await
    }

    async fn commit_again(&self, _epoch: Epoch, committables: Vec<Committable>) -> Result<()> {
        self.commit_files(&committables, Missing::TakenAway).await
    }

    async fn abort(&self, run: &str) -> Result<()> {
        self.directory.abort(&staging_name(run)).await
    }

    async fn sweep(&self, is_earlier: &(dyn for<'r> Fn(&'r str) -> bool + Sync)) -> Result<()> {
        let earlier = |staging: &str| staged_by(staging).is_some_and(|run| is_earlier(run.as_str()));
        let swept = self.directory.sweep(&earlier).await;
        swept.map_err(|error| error.context(format!("table '{}'", self.table)))
    }
}

impl FilesystemSink {
    async fn commit_files(&self, committables: &[Committable], missing: Missing) -> Result<()> {
        let files = committables.iter().map(StagedFile::decode).collect::<Result<_>>()?;
        self.directory.commit(files, missing).await.map_err(|error| error.context(format!("table '{}'", self.table)))
    }
}

struct FilesystemWriter {
    table: String,
    directory: Arc<Directory>,
    format: Arc<FilesystemTable>,
    run: String,
    subtask: SubtaskId,
    part: Option<Part>,
    /// How many files have been begun.
    files: usize,
    /// Those that have reached their size since the last barrier, durable.
    finished: Vec<StagedFile>,
}

impl FilesystemWriter {
    fn next_file(&mut self) -> StagedFile {
        let run = file_safe(&self.run);
        let (subtask, number) = (self.subtask.index, self.files);
        let (extension, suffix) = (self.format.format.extension(), self.format.compression.suffix());
        self.files += 1;
        StagedFile {
            staging: staging_name(&self.run),
            name: format!("part-{run}-{subtask}-{number}.{extension}{suffix}"),
        }
    }

    /// Ends what is being written: what has been staged since this was last called, and when it is durable.
    fn end(&mut self) -> Result<Prepared> {
        let mut files = std::mem::take(&mut self.finished);
        let last = self.part.take().map(Part::close).transpose()?;
        let durable = match last {
            None => std::future::ready(Ok(())).boxed(),
            Some((file, closed)) => {
                files.push(file);
                let table = self.table.clone();
                closed.map(move |closed| closed.map_err(|error| error.context(format!("table '{table}'")))).boxed()
            }
        };
        let committables = files.iter().map(StagedFile::encode).collect::<Result<_>>()?;
        Ok(Prepared { committables, durable })
    }

    async fn write_rows(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = appended_rows(batch, &self.format.physical)?;
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let mut part = match self.part.take() {
            Some(part) => part,
            None => {
                let (file, table) = (self.next_file(), &self.format);
                Part::create(&self.directory, file, &table.format, table.compression, &table.physical)?
            }
        };
        part.write(&rows).await?;
        if part.size() < self.format.rolling_bytes {
            self.part = Some(part);
            return Ok(());
        }
        let (file, closed) = part.close()?;
        closed.await?;
        self.finished.push(file);
        Ok(())
    }
}

#[async_trait]
impl SinkWriter for FilesystemWriter {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let written = self.write_rows(&batch).await;
        written.map_err(|error| error.context(format!("table '{}'", self.table)))
    }

    async fn prepare(&mut self, _epoch: Epoch) -> Result<Prepared> {
        self.end()
    }

    async fn finish(&mut self) -> Result<Vec<Committable>> {
        let Prepared { committables, durable } = self.end()?;
        durable.await?;
        Ok(committables)
    }
}
