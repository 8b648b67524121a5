//! The `blackhole` sink: takes every row and keeps none.

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use dipper_operator_api::{Committable, Prepared, Sink, SinkWriter};
use dipper_types::{Epoch, Result, SubtaskId};

use crate::options::TableOptions;
use crate::table::{TableDefinition, no_metadata};

#[derive(Debug)]
pub(crate) struct BlackholeSink;

impl BlackholeSink {
    pub(crate) fn new(table: &TableDefinition, options: TableOptions) -> Result<Self> {
        no_metadata(table, "blackhole")?;
        options.finish()?;
        Ok(Self)
    }
}

#[async_trait]
impl Sink for BlackholeSink {
    /// Nothing waits for a commit, so a job without end may write to it.
    fn is_transactional(&self) -> bool {
        false
    }

    async fn open(&self, _run: &str, _subtask: SubtaskId) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(BlackholeWriter))
    }

    async fn commit(&self, _epoch: Epoch, _committables: Vec<Committable>) -> Result<()> {
        Ok(())
    }

    async fn abort(&self, _run: &str) -> Result<()> {
        Ok(())
    }
}

struct BlackholeWriter;

#[async_trait]
impl SinkWriter for BlackholeWriter {
    async fn write(&mut self, _batch: RecordBatch) -> Result<()> {
        Ok(())
    }

    async fn prepare(&mut self, _epoch: Epoch) -> Result<Prepared> {
        Ok(Prepared::nothing())
    }

    async fn finish(&mut self) -> Result<Vec<Committable>> {
        Ok(Vec::new())
    }
}
