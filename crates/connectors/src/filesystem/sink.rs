//! The `filesystem` sink: each subtask stages files in `<path>/_staging-<job>/`, the commit moves them into `<path>`.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use dipper_operator_api::{Committable, Sink, SinkWriter};
use dipper_types::{Result, SubtaskId};

use super::FilesystemTable;
use super::commit::{StagedFile, file_safe, staging_name};
use super::directory::Directory;
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

    async fn open(&self, job: &str, subtask: SubtaskId) -> Result<Box<dyn SinkWriter>> {
        self.directory.check().map_err(|error| error.context(format!("table '{}'", self.table)))?;
        Ok(Box::new(FilesystemWriter {
            table: self.table.clone(),
            directory: Arc::clone(&self.directory),
            files: Arc::clone(&self.files),
            job: job.to_owned(),
            subtask,
            part: None,
            finished: Vec::new(),
        }))
    }

    async fn commit(&self, committables: Vec<Committable>) -> Result<()> {
        let files = committables.iter().map(StagedFile::decode).collect::<Result<_>>()?;
        self.directory.commit(files).await.map_err(|error| error.context(format!("table '{}'", self.table)))
    }

    async fn abort(&self, job: &str) -> Result<()> {
        self.directory.abort(&staging_name(job)).await
    }
}

struct FilesystemWriter {
    table: String,
    directory: Arc<Directory>,
    files: Arc<FilesystemTable>,
    job: String,
    subtask: SubtaskId,
    part: Option<Part>,
    finished: Vec<StagedFile>,
}

impl FilesystemWriter {
    fn next_file(&self) -> StagedFile {
        let job = file_safe(&self.job);
        let (subtask, number) = (self.subtask.index, self.finished.len());
        let (extension, suffix) = (self.files.format.extension(), self.files.compression.suffix());
        StagedFile {
            staging: staging_name(&self.job),
            name: format!("part-{job}-{subtask}-{number}.{extension}{suffix}"),
        }
    }

    async fn write_rows(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = appended_rows(batch, &self.files.physical)?;
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let mut part = match self.part.take() {
            Some(part) => part,
            None => {
                let (format, compression) = (&self.files.format, self.files.compression);
                Part::create(&self.directory, self.next_file(), format, compression, &self.files.physical)?
            }
        };
        part.write(&rows).await?;
        if part.size() >= self.files.rolling_bytes {
            self.finished.push(part.finish().await?);
        } else {
            self.part = Some(part);
        }
        Ok(())
    }
}

#[async_trait]
impl SinkWriter for FilesystemWriter {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let written = self.write_rows(&batch).await;
        written.map_err(|error| error.context(format!("table '{}'", self.table)))
    }

    async fn finish(&mut self) -> Result<Vec<Committable>> {
        if let Some(part) = self.part.take() {
            self.finished.push(part.finish().await?);
        }
        self.finished.drain(..).map(|file| file.encode()).collect()
    }
}
