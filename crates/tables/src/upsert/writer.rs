//! Stages changes by key: of several changes to one key, the last one is written.

use arrow::array::{Array, BooleanArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use dipper_types::{Error, Result};
use futures::future::BoxFuture;
use hashbrown::HashSet;

use super::{KeyChanges, KeyEncoder};
use crate::data_file::DataFileWriter;
use crate::data_file::{all_durable, conform};
use crate::snapshot::Snapshot;

/// Bytes of rows that are held to find several changes to one key. Beyond it they are written, and the commit finds the rest.
const BUFFER_BYTES: usize = 64 << 20;

/// The directory, in the table's, of keys to delete: readers pass over names that begin with an underscore.
pub(crate) const KEYS: &str = "_dipper_keys/";

/// Writes the changes of a table with a primary key. Changes to one key must come through one writer.
pub struct UpsertWriter {
    schema: SchemaRef,
    encoder: KeyEncoder,
    rows: DataFileWriter,
    deletes: DataFileWriter,
    buffer: Vec<Change>,
    buffer_bytes: usize,
    done: Vec<KeyChanges>,
}

struct Change {
    batch: RecordBatch,
    deletes: bool,
}

/// Changes that have been staged up to a point.
pub struct StagedKeys {
    /// In the order in which they are to be committed. They may be kept, but not committed, before they are durable.
    pub changes: Vec<KeyChanges>,
    /// Done when all of them are durable. It may run while the writer takes further changes.
    pub durable: BoxFuture<'static, Result<()>>,
}

impl UpsertWriter {
    /// A writer for the table that `snapshot` is of.
    pub fn new(snapshot: &Snapshot) -> Result<Self> {
        if snapshot.primary_key().is_empty() {
            return Err(Error::invalid(format!("table '{}' has no primary key", snapshot.directory().url())));
        }
        let encoder = KeyEncoder::new(snapshot.schema(), snapshot.primary_key())?;
        let target = snapshot.options().target_file_bytes;
        let writer = |schema| DataFileWriter::new(snapshot.directory().clone(), schema, target);
        Ok(Self {
            schema: SchemaRef::clone(snapshot.schema()),
            rows: writer(SchemaRef::clone(snapshot.schema())),
            deletes: writer(SchemaRef::clone(encoder.schema())).in_folder(KEYS),
            encoder,
            buffer: Vec::new(),
            buffer_bytes: 0,
            done: Vec::new(),
        })
    }

    /// Rows that replace those with the same keys, or are new. Columns count by position.
    pub async fn upsert(&mut self, rows: &RecordBatch) -> Result<()> {
        let batch = conform(rows, &self.schema)?;
        self.take(Change { batch, deletes: false }).await
    }

    /// Keys whose rows are to go, if there are such rows: the columns of the primary key, in its order.
    pub async fn delete(&mut self, keys: &RecordBatch) -> Result<()> {
        let batch = conform(keys, self.encoder.schema())?;
        self.take(Change { batch, deletes: true }).await
    }

    /// Ends what is being written. The changes so far are in the answer, later ones are not.
    pub async fn stage(&mut self) -> Result<StagedKeys> {
        let durable = self.flush().await?;
        Ok(StagedKeys { changes: std::mem::take(&mut self.done), durable })
    }

    /// [`UpsertWriter::stage`], and waits until all is durable.
    pub async fn finish(&mut self) -> Result<Vec<KeyChanges>> {
        let staged = self.stage().await?;
        staged.durable.await?;
        Ok(staged.changes)
    }

    async fn take(&mut self, change: Change) -> Result<()> {
        let columns = change.batch.columns().iter();
        self.buffer_bytes += columns.map(|array| array.to_data().get_slice_memory_size().unwrap_or(0)).sum::<usize>();
        self.buffer.push(change);
        if self.buffer_bytes > BUFFER_BYTES { self.flush().await?.await } else { Ok(()) }
    }

    /// Writes what is held.
    async fn flush(&mut self) -> Result<BoxFuture<'static, Result<()>>> {
        let buffer = std::mem::take(&mut self.buffer);
        self.buffer_bytes = 0;
        let kept = self.last_of_each_key(&buffer)?;
        for (change, kept) in buffer.iter().zip(&kept) {
            if kept.true_count() > 0 {
                let writer = if change.deletes { &mut self.deletes } else { &mut self.rows };
                writer.write(&filter_record_batch(&change.batch, kept)?).await?;
            }
        }
        let (rows, deletes) = (self.rows.stage()?, self.deletes.stage()?);
        let changes = KeyChanges { rows: rows.files, deletes: deletes.files };
        if changes != KeyChanges::default() {
            self.done.push(changes);
        }
        Ok(all_durable(vec![rows.durable, deletes.durable]))
    }

    /// For each change which of its rows are not followed by another one of the same key.
    fn last_of_each_key(&self, buffer: &[Change]) -> Result<Vec<BooleanArray>> {
        let keys = buffer.iter().map(|change| {
            if change.deletes {
                self.encoder.encode(change.batch.columns())
            } else {
                self.encoder.encode_rows(&change.batch)
            }
        });
        let keys = keys.collect::<Result<Vec<_>>>()?;
        let mut later = HashSet::new();
        let mut kept: Vec<BooleanArray> = Vec::with_capacity(keys.len());
        for keys in keys.iter().rev() {
            let mut last: Vec<bool> =
                (0..keys.num_rows()).rev().map(|row| later.insert(keys.row(row).data())).collect();
            last.reverse();
            kept.push(last.into());
        }
        kept.reverse();
        Ok(kept)
    }
}
