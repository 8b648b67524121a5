//! Which tables there are: a log of numbered objects that only grows. A change is the creation of the next object; whoever comes
//! second reads what the first one has done, and decides again.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use dipper_state::{Created, Directory, NotCreated};
use dipper_types::{Error, ErrorKind, Result};
use futures::FutureExt;
use serde::{Deserialize, Serialize};

use crate::clock::now_ms;
use crate::concurrent::concurrently;

const FORMAT: &str = "dipper-catalog";

/// The version that this build reads and writes.
const FORMAT_VERSION: u32 = 1;

/// The database that is always there.
pub const DEFAULT_DATABASE: &str = "public";

/// From one note of the whole catalog to the next. Whoever opens it later reads on from there.
const NOTE_EVERY: u64 = 64;

/// How long something half-written stays: its writer may be slow.
const LEFTOVER_RETENTION_MS: i64 = 7 * 86_400_000;

/// The object that stays of a table which has been dropped.
pub const DROPPED: &str = "_dropped";

/// The name of that note.
const NOTE: &str = "latest.json";

/// A change of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum CatalogChange {
    /// There is such a table.
    CreateTable {
        /// In which database.
        database: String,
        /// Its name.
        name: String,
        /// What it is.
        table: TableEntry,
    },
    /// The table is defined in another way.
    AlterTable {
        /// In which database.
        database: String,
        /// Its name.
        name: String,
        /// Which table of that name.
        id: String,
        /// The statement that would create it so.
        ddl: String,
    },
    /// There is no such table any more.
    DropTable {
        /// In which database.
        database: String,
        /// Its name.
        name: String,
        /// Which table of that name.
        id: String,
    },
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableEntry {
    /// No other table has, or has had, this one.
    pub id: String,
    /// The `CREATE TABLE` that defines it.
    pub ddl: String,
}

/// All tables, by database, after some change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogVersion {
    /// How many changes there have been.
    pub number: u64,
    databases: BTreeMap<String, BTreeMap<String, TableEntry>>,
}

/// An object of the log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    format: String,
    version: u32,
    number: u64,
    /// Tells the entries of two writers apart.
    nonce: String,
    change: CatalogChange,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    format: String,
    version: u32,
    catalog: CatalogVersion,
}

/// The catalog in a directory. It is read as far as somebody has asked.
#[derive(Debug)]
pub struct TableCatalog {
    directory: Directory,
    log: Directory,
    current: RwLock<Arc<CatalogVersion>>,
    /// One at a time reads on, or changes something.
    turn: tokio::sync::Mutex<()>,
}

impl CatalogVersion {
    /// The tables of a database; none if there is no such database.
    pub fn tables(&self, database: &str) -> Option<&BTreeMap<String, TableEntry>> {
        self.databases.get(database)
    }

    /// A table.
    pub fn table(&self, database: &str, name: &str) -> Option<&TableEntry> {
        self.tables(database)?.get(name)
    }

    /// The catalog after a change; refused if there is nothing to be changed, or something in its place.
    pub fn after(&self, change: &CatalogChange) -> Result<Self> {
        let mut next = self.clone();
        next.number += 1;
        match change {
            CatalogChange::CreateTable { database, name, table } => {
                if next.tables_mut(database)?.insert(name.clone(), table.clone()).is_some() {
                    let error = Error::invalid(format!("table '{name}' already exists"));
                    return Err(error.with_hint("drop it first, or say IF NOT EXISTS"));
                }
            }
            CatalogChange::AlterTable { database, name, id, ddl } => {
                let table = next.tables_mut(database)?.get_mut(name).filter(|known| known.id == *id);
                table.ok_or_else(|| no_table(name))?.ddl.clone_from(ddl);
            }
            CatalogChange::DropTable { database, name, id } => {
                let tables = next.tables_mut(database)?;
                if tables.get(name).is_none_or(|known| known.id != *id) {
                    return Err(no_table(name));
                }
                tables.remove(name);
            }
        }
        Ok(next)
    }

    fn tables_mut(&mut self, database: &str) -> Result<&mut BTreeMap<String, TableEntry>> {
        self.databases.get_mut(database).ok_or_else(|| no_database(database))
    }

    fn new() -> Self {
        Self { number: 0, databases: BTreeMap::from([(DEFAULT_DATABASE.to_owned(), BTreeMap::new())]) }
    }
}

impl TableCatalog {
    /// The catalog of a directory, which need not exist. Nothing is read yet.
    pub fn new(directory: Directory) -> Self {
        let (log, current) = (directory.child("catalog"), RwLock::new(Arc::new(CatalogVersion::new())));
        Self { directory, log, current, turn: tokio::sync::Mutex::new(()) }
    }

    /// Where the rows of a table are.
    pub fn table_directory(&self, id: &str) -> Directory {
        self.directory.child("tables").child(id)
    }

    /// Removes the rows of a table that the catalog no longer has. What is left says so to those who still write.
    pub async fn remove_rows(&self, id: &str) -> Result<()> {
        let directory = self.table_directory(id);
        directory.put(DROPPED, &Bytes::from_static(b"dropped")).await?;
        let files = directory.list().await?;
        let files = files.iter().filter(|file| file.name != DROPPED);
        concurrently(files.map(|file| directory.delete(&file.name).boxed()).collect()).await.map(drop)
    }

    /// The catalog as it is now: one request, if nothing has changed.
    pub async fn latest(&self) -> Result<Arc<CatalogVersion>> {
        let _turn = self.turn.lock().await;
        self.read_on().await
    }

    /// The catalog as it was when it was last looked at.
    fn known(&self) -> Arc<CatalogVersion> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the change that `decide` finds right for the catalog as it is; none, if it finds none. Whoever is overtaken decides again.
    pub async fn change(
        &self,
        decide: impl Fn(&CatalogVersion) -> Result<Option<CatalogChange>>,
    ) -> Result<Arc<CatalogVersion>> {
        let _turn = self.turn.lock().await;
        loop {
            let before = self.read_on().await?;
            let Some(change) = decide(&before)? else { return Ok(before) };
            let after = Arc::new(before.after(&change)?);
            let (format, nonce) = (FORMAT.to_owned(), uuid::Uuid::new_v4().to_string());
            let entry = Entry { format, version: FORMAT_VERSION, number: after.number, nonce, change };
            let name = object(after.number);
            match self.log.create(&name, &encode(&entry)?).await {
                Ok(Created::Own) => {
                    self.note(&after).await;
                    self.set(Arc::clone(&after));
                    return Ok(after);
                }
                Ok(Created::Other) => {}
                Err(NotCreated { error, in_doubt: false }) => return Err(error),
                Err(NotCreated { error, .. }) => {
                    return Err(error.with_hint("it may have been done: SHOW TABLES shows what there is"));
                }
            }
        }
    }

    /// Reads what has been added since.
    async fn read_on(&self) -> Result<Arc<CatalogVersion>> {
        let mut current = self.known();
        let begins = current.number == 0;
        if begins && let Some(bytes) = self.log.get(NOTE).await? {
            match decode::<Note>(NOTE, &bytes, self.log.url()) {
                Ok(note) => current = Arc::new(note.catalog),
                Err(error) => tracing::warn!("{error}; the catalog is read from its beginning"),
            }
        }
        loop {
            let name = object(current.number + 1);
            match self.log.get(&name).await? {
                Some(bytes) => {
                    let entry: Entry = decode(&name, &bytes, self.log.url())?;
                    let next = current.after(&entry.change).map_err(|error| damaged(&name, self.log.url(), &error))?;
                    current = Arc::new(next);
                }
                None if begins && self.goes_on_after(current.number).await? => {}
                None => break,
            }
        }
        self.set(Arc::clone(&current));
        Ok(current)
    }

    /// Whether the log goes on behind what seemed to be its end. It must not after a gap: a number that is used twice would make two catalogs
    /// of one.
    async fn goes_on_after(&self, last: u64) -> Result<bool> {
        let listed = self.log.list_after(Some(&object(last))).await?;
        // Neither the note nor what is being written, or was when its writer died.
        match listed.iter().find(|entry| is_object(&entry.name) && entry.name > object(last)) {
            // It has come meanwhile.
            Some(next) if next.name == object(last + 1) => Ok(true),
            Some(later) => {
                Err(damaged(&later.name, self.log.url(), &format_args!("'{}' before it is gone", object(last + 1))))
            }
            None => Ok(false),
        }
    }

    fn set(&self, current: Arc<CatalogVersion>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
    }

    /// Spares the next one to come the way from the beginning. If it fails, or another one's note stays, nothing is lost.
    async fn note(&self, catalog: &Arc<CatalogVersion>) {
        if catalog.number.is_multiple_of(NOTE_EVERY) {
            let note = Note { format: FORMAT.to_owned(), version: FORMAT_VERSION, catalog: (**catalog).clone() };
            let put = async {
                self.log.put(NOTE, &encode(&note)?).await?;
                self.sweep(now_ms().saturating_sub(LEFTOVER_RETENTION_MS)).await
            };
            if let Err(error) = put.await {
                tracing::warn!("the catalog could not be tidied up: {error}");
            }
        }
    }

    /// Deletes what writers that died have left half-written, if it is older.
    async fn sweep(&self, before_ms: i64) -> Result<()> {
        let listed = self.log.list().await?;
        let leftovers =
            listed.iter().filter(|entry| entry.name.rsplit('.').next() == Some("tmp") && entry.modified_ms < before_ms);
        concurrently(leftovers.map(|entry| self.log.delete(&entry.name).boxed()).collect()).await.map(drop)
    }
}

fn object(number: u64) -> String {
    format!("{number:020}.json")
}

fn is_object(name: &str) -> bool {
    name.strip_suffix(".json")
        .is_some_and(|number| number.len() == 20 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn encode(value: &impl Serialize) -> Result<Bytes> {
    let bytes = serde_json::to_vec_pretty(value);
    bytes.map(Bytes::from).map_err(|error| Error::internal(format!("the catalog cannot be encoded: {error}")))
}

fn decode<'a, T: Deserialize<'a>>(name: &str, bytes: &'a [u8], directory: &str) -> Result<T> {
    #[derive(Deserialize)]
    struct Version {
        format: String,
        version: u32,
    }
    let header: Version = serde_json::from_slice(bytes).map_err(|error| damaged(name, directory, &error))?;
    if header.format != FORMAT {
        return Err(damaged(name, directory, &"it is no part of a catalog"));
    }
    if header.version != FORMAT_VERSION {
        let message = format!(
            "'{name}' of the catalog '{directory}' has format version {}, this build reads {FORMAT_VERSION}",
            header.version
        );
        return Err(Error::invalid(message).with_hint("use the version of dipper that wrote it"));
    }
    serde_json::from_slice(bytes).map_err(|error| damaged(name, directory, &error))
}

fn damaged(name: &str, directory: &str, why: &dyn std::fmt::Display) -> Error {
    let error = Error::new(ErrorKind::Corrupt, format!("'{name}' of the catalog '{directory}' cannot be read: {why}"));
    error.with_hint("bring the object back from a copy, or SET 'table.warehouse' to another directory")
}

fn no_database(database: &str) -> Error {
    Error::invalid(format!("database '{database}' not found"))
}

fn no_table(name: &str) -> Error {
    Error::invalid(format!("table '{name}' not found")).with_hint("SHOW TABLES lists the tables")
}

impl TableEntry {
    /// A new table.
    pub fn new(ddl: impl Into<String>) -> Self {
        Self { id: uuid::Uuid::new_v4().simple().to_string(), ddl: ddl.into() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use object_store::memory::InMemory;
    use object_store::path::Path;

    use super::*;

    fn create(name: &str) -> CatalogChange {
        let (database, table) = (DEFAULT_DATABASE.to_owned(), TableEntry::new(format!("CREATE TABLE {name} (a INT)")));
        CatalogChange::CreateTable { database, name: name.to_owned(), table }
    }

    fn names(catalog: &CatalogVersion) -> Vec<&str> {
        catalog.tables(DEFAULT_DATABASE).unwrap().keys().map(String::as_str).collect()
    }

    #[tokio::test]
    async fn creators_at_the_same_time_all_have_their_tables_and_one_name_is_one_table() {
        let directory = Directory::of(Arc::new(InMemory::new()), Path::default(), "memory://");
        let catalogs: Vec<Arc<TableCatalog>> = (0..4).map(|_| Arc::new(TableCatalog::new(directory.clone()))).collect();
        let tasks = (0..200).map(|number| {
            let catalog = Arc::clone(&catalogs[number % 4]);
            tokio::spawn(async move {
                let of_its_own = catalog.change(|_| Ok(Some(create(&format!("t{number}"))))).await;
                let common = catalog.change(|_| Ok(Some(create(&format!("common{}", number % 10))))).await;
                (of_its_own.is_ok(), common.is_ok())
            })
        });
        let done: Vec<(bool, bool)> = futures::future::try_join_all(tasks).await.unwrap();
        assert!(done.iter().all(|(of_its_own, _)| *of_its_own));
        assert_eq!(done.iter().filter(|(_, common)| *common).count(), 10);
        let latest = catalogs[0].latest().await.unwrap();
        assert_eq!((names(&latest).len(), latest.number), (210, 210));
        // One that begins with the note, and one that has seen everything, know the same.
        assert_eq!(TableCatalog::new(directory.clone()).latest().await.unwrap(), latest);
        assert!(directory.child("catalog").get(NOTE).await.unwrap().is_some());
        assert_eq!(catalogs[3].latest().await.unwrap(), latest);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let catalog = CatalogVersion::new();
        let refused = |catalog: &CatalogVersion, change| catalog.after(&change).unwrap_err().to_string();
        let with_t = catalog.after(&create("t")).unwrap();
        assert_eq!(refused(&with_t, create("t")), "table 't' already exists");
        let default = DEFAULT_DATABASE.to_owned();
        let drop = |id: &str| CatalogChange::DropTable { database: default.clone(), name: "t".into(), id: id.into() };
        assert_eq!(refused(&with_t, drop("another")), "table 't' not found");
        let id = with_t.table(&default, "t").unwrap().id.clone();
        assert_eq!(names(&with_t.after(&drop(&id)).unwrap()), Vec::<&str>::new());
        let nowhere = CatalogChange::DropTable { database: "d".into(), name: "t".into(), id };
        assert_eq!(refused(&catalog, nowhere), "database 'd' not found");
    }

    #[tokio::test]
    async fn damage_and_other_versions_are_named() {
        let directory = Directory::of(Arc::new(InMemory::new()), Path::default(), "memory:///w");
        let log = directory.child("catalog");
        for (text, expected) in [
            ("{", "'00000000000000000001.json' of the catalog 'memory:///w/catalog' cannot be read: EOF"),
            (r#"{"format": "other", "version": 1}"#, "cannot be read: it is no part of a catalog"),
            (r#"{"format": "dipper-catalog", "version": 9}"#, "has format version 9, this build reads 1"),
            (r#"{"format": "dipper-catalog", "version": 1}"#, "missing field"),
        ] {
            log.delete("00000000000000000001.json").await.unwrap();
            log.create("00000000000000000001.json", &Bytes::from(text.to_owned())).await.unwrap();
            let error = TableCatalog::new(directory.clone()).latest().await.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[tokio::test]
    async fn what_is_half_written_is_no_part_of_the_log_and_goes_in_the_end() {
        let directory = Directory::of(Arc::new(InMemory::new()), Path::default(), "memory:///w");
        let (catalog, log) = (TableCatalog::new(directory.clone()), directory.child("catalog"));
        catalog.change(|_| Ok(Some(create("a")))).await.unwrap();
        let half_written = "00000000000000000002.json.1-0.tmp";
        log.put(half_written, &Bytes::from_static(b"{")).await.unwrap();
        let latest = TableCatalog::new(directory.clone()).latest().await.unwrap();
        assert_eq!(names(&latest), ["a"]);
        catalog.sweep(i64::MAX).await.unwrap();
        assert_eq!(log.get(half_written).await.unwrap(), None);
        assert_eq!(TableCatalog::new(directory).latest().await.unwrap(), latest);
    }
}
