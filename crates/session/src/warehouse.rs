//! The tables that Dipper keeps: their catalog, and what the session has seen of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema};
use dipper_connectors::TableOptions as Options;
use dipper_sql::ast::{AddColumns, CreateTable, Statement};
use dipper_sql::catalog::{Catalog, Table};
use dipper_tables::{
    CatalogChange, CatalogVersion, Changes, DEFAULT_DATABASE, DeltaFormat, TableCatalog, TableEntry, TableFormat,
    TableOptions, TableSpec, stored_sql_type,
};
use dipper_types::{Error, Result, sql_type_name};
use sqlparser::ast::ObjectName;

use crate::{absolute, open_directory};

/// How long files may be kept.
const RETENTION_MS: std::ops::RangeInclusive<i64> = 60_000..=3650 * 86_400_000;

/// How large files may become.
const FILE_BYTES: std::ops::RangeInclusive<u64> = 1 << 20..=4 << 30;

/// The warehouse of a session, as far as it has been looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Warehouse {
    url: String,
    catalog: Option<Arc<TableCatalog>>,
    seen: Arc<CatalogVersion>,
}

impl Warehouse {
    /// Brings the tables that the session knows up to date.
    pub(crate) async fn refresh(&mut self, url: &str, catalog: &mut Catalog) -> Result<()> {
        if self.url != url {
            names(&self.seen).for_each(|name| catalog.forget_managed(name));
            *self = Self { url: url.to_owned(), ..Self::default() };
        }
        // Nothing is made of it before there is a table.
        if self.catalog.is_none() && !url.contains("://") && !Path::new(url).join("catalog").is_dir() {
            return Ok(());
        }
        let warehouse = self.open()?;
        let latest = warehouse.latest().await?;
        let is_gone = |name: &&String| latest.table(DEFAULT_DATABASE, name).is_none();
        names(&self.seen).filter(is_gone).for_each(|name| catalog.forget_managed(name));
        for (name, entry) in latest.tables(DEFAULT_DATABASE).into_iter().flatten() {
            if self.entry(name) == Some(entry) && catalog.get(name).is_some() {
                continue;
            }
            match define(catalog, name, entry, &warehouse) {
                Ok(table) => catalog.put_managed(table),
                // The others can be used.
                Err(error) => {
                    tracing::warn!("table '{name}' is defined in a way that this version does not understand: {error}");
                }
            }
        }
        self.seen = latest;
        Ok(())
    }

    fn entry(&self, name: &str) -> Option<&TableEntry> {
        self.seen.table(DEFAULT_DATABASE, name)
    }

    /// Whether there is such a table, and by the same statement.
    pub(crate) fn is_as_created(&self, table: &Table) -> bool {
        table.is_managed && self.entry(table.name()).is_some_and(|entry| entry.ddl == table.ddl)
    }

    /// The options of a table that is declared and not created: its connector finds nothing.
    pub(crate) fn declared(&self, table: &Table) -> Result<BTreeMap<String, String>> {
        options(table)?;
        Ok(connector_options(format!("{}/{}", self.url, table.name())))
    }

    /// Creates a table. Returns whether it is new: with IF NOT EXISTS an existing one stays.
    pub(crate) async fn create(&mut self, create: &CreateTable, table: &Table, catalog: &mut Catalog) -> Result<bool> {
        let options = options(table)?;
        let spec = TableSpec::new(&table.written().columns)?.with_name(table.name()).with_options(options);
        let spec = if table.primary_key.is_empty() { spec } else { spec.with_primary_key(&table.primary_key)? };
        let warehouse = self.open()?;
        let (name, entry) = (table.name(), TableEntry::new(&table.ddl));
        let exists = warehouse.latest().await?.table(DEFAULT_DATABASE, name).is_some();
        if !exists {
            // It is there before anybody can find it.
            DeltaFormat.create(&warehouse.table_directory(&entry.id), &spec).await?;
        }
        let changed = warehouse.change(|tables| {
            if create.if_not_exists && tables.table(DEFAULT_DATABASE, name).is_some() {
                return Ok(None);
            }
            let (database, name, table) = (DEFAULT_DATABASE.to_owned(), name.to_owned(), entry.clone());
            Ok(Some(CatalogChange::CreateTable { database, name, table }))
        });
        let changed = changed.await?;
        let is_new = changed.table(DEFAULT_DATABASE, name).is_some_and(|found| found.id == entry.id);
        let url = self.url.clone();
        self.refresh(&url, catalog).await?;
        Ok(is_new)
    }

    /// Adds columns to a table. They are NULL in the rows that are there.
    pub(crate) async fn add_columns(&mut self, add: &AddColumns, catalog: &mut Catalog) -> Result<()> {
        let before = kept_table(catalog, &add.table, "altered")?;
        let (warehouse, id) = self.kept(before.name())?;
        let name = before.name().to_owned();
        let ddl = dipper_sql::with_columns(&before.ddl, &add.columns)?;
        let after = parse(catalog, &ddl).map_err(|error| match error.span() {
            // Where it is wrong, is said of a text that nobody has written.
            Some(_) => Error::new(error.kind(), error.to_string()).at(add.span),
            None => error,
        })?;
        let is_new = |field: &&FieldRef| before.spec.columns.index_of(field.name()).is_err();
        let added: Vec<FieldRef> = after.written().columns.fields().iter().filter(is_new).cloned().collect();
        if after.schema.fields().len() != before.schema.fields().len() + added.len() || added.is_empty() {
            let error = Error::unsupported("only columns that are stored can be added to a table");
            return Err(error.at(add.span).with_hint("write ADD column type"));
        }
        let opened = DeltaFormat.open(&warehouse.table_directory(&id)).await?;
        // The rows first: a table may have columns that its definition does not name yet, and another attempt finds them there.
        let missing = missing(added, opened.snapshot().await?.schema()).map_err(|error| error.at(add.span))?;
        if !missing.is_empty() {
            let changes = Changes::add_columns(&Schema::new(missing))?;
            opened.commit(&changes).await.map_err(|error| error.at(add.span))?.version()?;
        }
        let change = |tables: &CatalogVersion| {
            let entry = tables.table(DEFAULT_DATABASE, &name).filter(|entry| entry.id == id && entry.ddl == before.ddl);
            entry.ok_or_else(|| {
                Error::unavailable(format!("table '{name}' has been changed meanwhile"))
                    .with_hint("run the statement again")
            })?;
            let (database, name, id, ddl) = (DEFAULT_DATABASE.to_owned(), name.clone(), id.clone(), ddl.clone());
            Ok(Some(CatalogChange::AlterTable { database, name, id, ddl }))
        };
        warehouse.change(change).await?;
        let url = self.url.clone();
        self.refresh(&url, catalog).await
    }

    /// Drops a table. Its files go at once: whoever reads it, is told.
    pub(crate) async fn drop(&mut self, name: &str, catalog: &mut Catalog) -> Result<()> {
        let (warehouse, id) = self.kept(name)?;
        let database = DEFAULT_DATABASE.to_owned();
        let change = CatalogChange::DropTable { database, name: name.to_owned(), id: id.clone() };
        warehouse.change(|_| Ok(Some(change.clone()))).await?;
        warehouse.remove_rows(&id).await?;
        let url = self.url.clone();
        self.refresh(&url, catalog).await
    }

    /// Takes all rows out of a table.
    pub(crate) async fn truncate(&mut self, table: &ObjectName, catalog: &Catalog) -> Result<()> {
        let (warehouse, id) = self.kept(kept_table(catalog, table, "truncated")?.name())?;
        let opened = DeltaFormat.open(&warehouse.table_directory(&id)).await?;
        opened.commit(&Changes::truncate()).await?.version().map(drop)
    }

    /// Where the table of a name is kept, and its id.
    fn kept(&mut self, name: &str) -> Result<(Arc<TableCatalog>, String)> {
        let id = self.entry(name).map(|entry| entry.id.clone());
        let id = id.ok_or_else(|| Error::internal(format!("table '{name}' is not in the warehouse")))?;
        Ok((self.open()?, id))
    }

    fn open(&mut self) -> Result<Arc<TableCatalog>> {
        if self.catalog.is_none() {
            self.catalog = Some(Arc::new(TableCatalog::new(open_directory(&absolute(&self.url)?)?)));
        }
        self.catalog.clone().ok_or_else(|| Error::internal("the warehouse has been opened and is not open"))
    }
}

fn names(tables: &CatalogVersion) -> impl Iterator<Item = &String> {
    tables.tables(DEFAULT_DATABASE).into_iter().flat_map(BTreeMap::keys)
}

/// The table of a name that Dipper keeps.
fn kept_table(catalog: &Catalog, name: &ObjectName, done: &str) -> Result<Arc<Table>> {
    let table = catalog.table(name)?;
    if !table.is_managed {
        return Err(Error::unsupported(format!("table '{}' has a connector: it cannot be {done}", table.name())));
    }
    Ok(table)
}

/// The columns that a table has yet to get. What it has already must be what is wanted.
fn missing(wanted: Vec<FieldRef>, table: &Schema) -> Result<Vec<FieldRef>> {
    let mut missing = Vec::new();
    for column in wanted {
        let (name, sql_type) = (column.name(), sql_type_name(column.data_type()));
        match table.field_with_name(name).map(stored_sql_type) {
            Err(_) => missing.push(column),
            Ok(found) if found == sql_type => {}
            Ok(found) => {
                let error = Error::invalid(format!("the table has a column '{name}' of type {found} already"));
                return Err(error.with_hint(format!("add it as {found}: another ALTER TABLE has not come to its end")));
            }
        }
    }
    Ok(missing)
}

/// The table that a statement defines.
fn parse(catalog: &Catalog, ddl: &str) -> Result<Table> {
    let parsed = dipper_sql::parse_script(ddl)?;
    let [parsed] = parsed.as_slice() else { return Err(Error::invalid("it is not one statement")) };
    let Statement::CreateTable(create) = &parsed.statement else { return Err(Error::invalid("it is no CREATE TABLE")) };
    catalog.define_table(create, &parsed.text)
}

/// A table of the catalog as the planner knows it.
fn define(catalog: &Catalog, name: &str, entry: &TableEntry, warehouse: &TableCatalog) -> Result<Table> {
    let mut table = parse(catalog, &entry.ddl)?;
    if table.name() != name {
        return Err(Error::invalid(format!("it is called '{}' there", table.name())));
    }
    table.spec.options = connector_options(warehouse.table_directory(&entry.id).url().to_owned());
    table.option_places.clear();
    Ok(table)
}

fn connector_options(path: String) -> BTreeMap<String, String> {
    [("connector".to_owned(), "delta".to_owned()), ("path".to_owned(), path)].into()
}

/// How the table is to be kept.
fn options(table: &Table) -> Result<TableOptions> {
    let (mut given, default) = (Options::new(table.name(), &table.spec.options), TableOptions::default());
    let mut retention = |key: &str, default: i64| {
        let Some(duration) = given.take_duration(key)? else { return Ok(default) };
        let ms = i64::try_from(duration.as_millis()).ok().filter(|ms| RETENTION_MS.contains(ms));
        ms.ok_or_else(|| given.error(format!("option '{key}': from 1 min to 3650 d")))
    };
    let file_retention_ms = retention("file.retention", default.file_retention_ms)?;
    let log_retention_ms = retention("log.retention", default.log_retention_ms)?;
    let target_file_bytes = given.take_size("target-file-size")?.unwrap_or(default.target_file_bytes);
    if !FILE_BYTES.contains(&target_file_bytes) {
        return Err(given.error("option 'target-file-size': from 1 mb to 4 gb"));
    }
    given.finish()?;
    Ok(TableOptions { target_file_bytes, file_retention_ms, log_retention_ms, ..default })
}
