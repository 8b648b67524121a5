//! A table at one version: what it holds and how far its writers have come. It never changes, and is shared.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use dipper_state::Directory;
use dipper_types::{Error, Result};
use futures::stream::BoxStream;
use parquet::arrow::arrow_reader::RowSelection;

use crate::data_file::{self, DataFile};
use crate::spec::TableOptions;

/// A committed state of a table. Its files stay readable for the table's file retention after they have left it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) directory: Arc<Directory>,
    pub(crate) version: u64,
    pub(crate) timestamp_ms: i64,
    pub(crate) schema: SchemaRef,
    pub(crate) primary_key: Arc<[String]>,
    pub(crate) options: Arc<TableOptions>,
    pub(crate) files: Arc<BTreeMap<Arc<str>, Arc<DataFile>>>,
    pub(crate) transactions: Arc<BTreeMap<String, i64>>,
}

impl Snapshot {
    /// Where the table is.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// How many commits came before the last one.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// When the last commit was made, in milliseconds since 1970: later than the one before.
    pub fn timestamp_ms(&self) -> i64 {
        self.timestamp_ms
    }

    /// The columns. Each field's metadata has the SQL type under [`SQL_TYPE`](crate::SQL_TYPE).
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns of the primary key; none if there is no key.
    pub fn primary_key(&self) -> &[String] {
        &self.primary_key
    }

    /// How the table is kept.
    pub fn options(&self) -> &TableOptions {
        &self.options
    }

    /// The files, by path.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &Arc<DataFile>> {
        self.files.values()
    }

    /// A file of this snapshot.
    pub fn file(&self, path: &str) -> Option<&Arc<DataFile>> {
        self.files.get(path)
    }

    /// How many rows there are; unknown if another engine has left it out.
    pub fn rows(&self) -> Option<u64> {
        self.files().map(|file| file.live_rows()).sum()
    }

    /// The last epoch of an application that has been committed.
    pub fn epoch_of(&self, application: &str) -> Option<i64> {
        self.transactions.get(application).copied()
    }

    /// The same rows, with the columns too that the table has got since: these are NULL.
    #[must_use]
    pub fn with_columns_of(&self, later: &Self) -> Self {
        let is_new = |field: &&FieldRef| self.schema.index_of(field.name()).is_err();
        let new = later.schema.fields().iter().filter(is_new);
        let new = new.map(|field| Arc::new(field.as_ref().clone().with_nullable(true)));
        let fields = self.schema.fields().iter().cloned().chain(new);
        Self { schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())), ..self.clone() }
    }

    /// Reads columns of one of its files, by their places in the schema: the rows that are not deleted, in the order of the file.
    pub async fn read(&self, file: &DataFile, columns: &[usize]) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let schema = Arc::new(self.schema.project(columns)?);
        let deleted = match &file.deleted {
            Some(deleted) => Some(deleted.rows(&self.directory).await?),
            None => None,
        };
        data_file::read(&self.directory, &file.name, file.bytes, &schema, deleted.as_deref()).await
    }

    /// For who reads the Parquet files by other means: which rows of one of them are not deleted; `None` if no row is.
    pub async fn kept_rows(&self, file: &DataFile) -> Result<Option<RowSelection>> {
        let Some(deleted) = &file.deleted else { return Ok(None) };
        let about = |error: Error| error.context(format!("table '{}', file '{}'", self.directory.url(), file.name));
        let rows = file
            .rows()
            .ok_or_else(|| about(Error::unsupported("rows are deleted of a file that does not say how many it has")))?;
        data_file::kept_rows(&*deleted.rows(&self.directory).await?, rows).map(Some).map_err(about)
    }
}
