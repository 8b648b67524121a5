//! Reads a Delta Lake table as it is when the reading begins: one data file is one split.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use dipper_operator_api::{Boundedness, ReadOptions, Source, Split, SplitPosition, SplitReader};
use dipper_tables::{AsOf, Snapshot};
use dipper_types::{Error, Result};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use super::DeltaTable;
use crate::sink_rows::appended_rows;

/// Reads a table.
#[derive(Debug)]
pub(crate) struct DeltaSource(DeltaTable);

/// What a split is made of.
#[derive(Debug, Serialize, Deserialize)]
struct FileOf {
    version: u64,
    path: String,
}

impl DeltaSource {
    pub(crate) fn new(table: DeltaTable) -> Self {
        Self(table)
    }

    async fn at(&self, version: u64) -> Result<Arc<Snapshot>> {
        let known = self.0.table().await?.known_snapshot();
        if known.version() == version { Ok(known) } else { self.0.snapshot_at(AsOf::Version(version)).await }
    }

    async fn open_file(&self, split: &Split, options: ReadOptions) -> Result<FileReader> {
        let FileOf { version, path } = serde_json::from_str(&split.description)
            .map_err(|error| Error::internal(format!("split '{}': {error}", split.id)))?;
        let snapshot = self.at(version).await?;
        let gone = || Error::internal(format!("version {version} has no file '{path}'"));
        let file = snapshot.file(&path).ok_or_else(gone)?;
        let places = self.0.places(&snapshot)?;
        let columns: Vec<usize> = options.projection.iter().map(|place| places[*place]).collect();
        let schema = Arc::new(self.0.columns.project(&options.projection)?);
        Ok(FileReader { batches: snapshot.read(file, &columns).await?, schema })
    }
}

#[async_trait]
impl Source for DeltaSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0.columns)
    }

    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    async fn splits(&self) -> Result<Vec<Split>> {
        let snapshot = self.0.snapshot().await?;
        self.0.places(&snapshot)?;
        let split = |path: &Arc<str>| {
            let file = FileOf { version: snapshot.version(), path: path.to_string() };
            let description = serde_json::to_string(&file).map_err(|error| Error::internal(error.to_string()))?;
            Ok(Split { id: path.to_string(), description })
        };
        snapshot.files().map(|file| split(file.path())).collect()
    }

    async fn open(
        &self,
        split: &Split,
        from: Option<&SplitPosition>,
        options: ReadOptions,
    ) -> Result<Box<dyn SplitReader>> {
        if from.is_some() {
            return Err(Error::internal("a job with checkpoints reads a table that may change"));
        }
        match self.open_file(split, options).await {
            Ok(reader) => Ok(Box::new(reader)),
            Err(error) => Err(self.0.about(self.0.cause(error).await)),
        }
    }
}

struct FileReader {
    batches: BoxStream<'static, Result<RecordBatch>>,
    /// As the columns are declared.
    schema: SchemaRef,
}

#[async_trait]
impl SplitReader for FileReader {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        while let Some(batch) = self.batches.try_next().await? {
            if batch.num_rows() > 0 {
                return appended_rows(&batch, &self.schema).map(Some);
            }
        }
        Ok(None)
    }

    /// Nobody goes on from there.
    fn position(&self) -> SplitPosition {
        SplitPosition(serde_json::Value::Null)
    }
}
