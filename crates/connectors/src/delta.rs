//! The `delta` connector: a Delta Lake table at a path, which other engines read as well. The tables that Dipper stores itself are such tables.

mod rows;
mod sink;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use dipper_state::Directory;
use dipper_tables::{AsOf, DROPPED, DeltaFormat, Snapshot, Table, TableFormat, stored_sql_type};
use dipper_types::{Error, Result, sql_type_name};
use tokio::sync::OnceCell;

use crate::filesystem::Location;
use crate::options::TableOptions;
use crate::table::{Connector, TableDefinition, connector, no_metadata};
pub(crate) use sink::DeltaSink;
pub(crate) use source::DeltaSource;

/// A Delta Lake table: what reading and writing have in common.
#[derive(Debug)]
pub struct DeltaTable {
    name: String,
    location: Location,
    /// As they are declared.
    columns: SchemaRef,
    /// The point in its past that is read; the present, if there is none.
    as_of: Option<AsOf>,
    opened: OnceCell<Arc<dyn Table>>,
}

impl DeltaTable {
    /// The table that a definition means, if it is one with this connector.
    pub fn of(definition: &TableDefinition) -> Result<Option<Self>> {
        match connector(definition)? {
            (Connector::Delta, options) => Self::new(definition, options).map(Some),
            _ => Ok(None),
        }
    }

    /// As it is declared.
    pub fn columns(&self) -> &SchemaRef {
        &self.columns
    }

    /// Takes and checks all options.
    pub(crate) fn new(table: &TableDefinition, mut options: TableOptions) -> Result<Self> {
        no_metadata(table, "delta")?;
        let location = Location::take(&mut options)?;
        let time = options.take_with("as-of.timestamp-ms", |text| {
            text.trim().parse().map_err(|_| Error::invalid(format!("'{text}' is no number of milliseconds")))
        })?;
        let as_of = match (options.take_u64("as-of.version")?, time) {
            (Some(_), Some(_)) => {
                return Err(options.error("options 'as-of.version' and 'as-of.timestamp-ms': one of them is enough"));
            }
            (version, time) => version.map(AsOf::Version).or(time.map(AsOf::TimestampMs)),
        };
        options.finish()?;
        let columns = Arc::clone(&table.columns);
        Ok(Self { name: table.name.clone(), location, columns, as_of, opened: OnceCell::new() })
    }

    /// The table; it is opened once.
    async fn table(&self) -> Result<&Arc<dyn Table>> {
        self.opened.get_or_try_init(|| async { DeltaFormat.open(&self.directory()?).await }).await
    }

    /// The table as it is now, or as it was when it is to be read.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        let snapshot = async {
            match self.as_of {
                Some(at) => self.snapshot_at(at).await,
                None => self.table().await?.snapshot().await,
            }
        };
        match snapshot.await {
            Ok(snapshot) => Ok(snapshot),
            Err(error) => Err(self.about(self.cause(error).await)),
        }
    }

    /// The table as it was, with the columns of today: those that it did not have are NULL.
    async fn snapshot_at(&self, at: AsOf) -> Result<Arc<Snapshot>> {
        let table = self.table().await?;
        let then = table.snapshot_at(at).await?;
        Ok(Arc::new(then.with_columns_of(&table.known_snapshot())))
    }

    /// Why something cannot be read: anything may be gone already of a table that has been dropped.
    async fn cause(&self, error: Error) -> Error {
        match self.directory() {
            Ok(directory) if is_dropped(&directory).await.unwrap_or(false) => {
                Error::unavailable("it has been dropped meanwhile").with_hint("run the statement again")
            }
            _ => error,
        }
    }

    /// Where it is: the directory's name for messages, and for what is staged.
    fn url(&self) -> &str {
        self.location.text()
    }

    fn directory(&self) -> Result<Directory> {
        match &self.location {
            // It would be made.
            Location::Local(path) if !Path::new(path).is_dir() => {
                Err(Error::invalid(format!("there is no directory '{path}'")))
            }
            Location::Local(path) => Directory::open(path, &BTreeMap::new()),
            remote @ Location::Remote(_) => {
                remote.store().map(|store| Directory::of(store.store, store.base, remote.text()))
            }
        }
    }

    /// Where each declared column stands in the table. The types must be those that the table was created with.
    pub fn places(&self, snapshot: &Snapshot) -> Result<Vec<usize>> {
        let place = |field: &arrow::datatypes::FieldRef| {
            let (name, declared) = (field.name(), sql_type_name(field.data_type()));
            let place = snapshot.schema().index_of(name);
            let place = place.map_err(|_| self.about(Error::invalid(format!("it has no column '{name}'"))))?;
            let found = snapshot.schema().field(place);
            let stored = stored_sql_type(found);
            if stored != declared {
                let message = format!("column '{name}' is of type {stored}, not {declared}");
                return Err(self.about(Error::invalid(message)));
            }
            if found.is_nullable() && !field.is_nullable() {
                let message = format!("column '{name}' is declared NOT NULL, and the table may hold NULL in it");
                return Err(self.about(Error::invalid(message)));
            }
            Ok(place)
        };
        self.columns.fields().iter().map(place).collect()
    }

    fn about(&self, error: Error) -> Error {
        error.context(format!("table '{}'", self.name))
    }
}

/// Whether the table in a directory has been dropped.
async fn is_dropped(directory: &Directory) -> Result<bool> {
    Ok(directory.get(DROPPED).await?.is_some())
}
