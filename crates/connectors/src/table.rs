//! From a table's definition to its source or sink: the one place that knows which connectors there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use dipper_operator_api::{Sink, Source};
use dipper_types::{Error, Result};

use crate::blackhole::BlackholeSink;
use crate::datagen::DatagenSource;
use crate::delta::{DeltaSink, DeltaSource, DeltaTable};
use crate::filesystem::FilesystemTable;
use crate::options::{TableOptions, choice};
use crate::print::PrintSink;

/// A table as `CREATE TABLE` declares it, without its computed columns, watermark and keys.
#[derive(Debug, Clone)]
pub struct TableDefinition {
    /// The table's name, for messages.
    pub name: String,
    /// The physical columns and the metadata columns, in the order declared.
    pub columns: SchemaRef,
    /// Which columns are metadata: their index in `columns` and the metadata key, such as `file.path`.
    pub metadata: Vec<(usize, String)>,
    /// The `WITH (…)` options of the connector and the format. Those that the planner takes for itself
    /// (`scan.watermark.…`) are not among them: an option that nobody here knows is an error.
    pub options: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connector {
    Filesystem,
    Delta,
    Datagen,
    Print,
    Blackhole,
}

const CONNECTORS: [(&str, Connector); 5] = [
    ("filesystem", Connector::Filesystem),
    ("delta", Connector::Delta),
    ("datagen", Connector::Datagen),
    ("print", Connector::Print),
    ("blackhole", Connector::Blackhole),
];

/// The source of a table, its options checked. Nothing is read yet.
pub fn source(table: &TableDefinition) -> Result<Arc<dyn Source>> {
    let (connector, options) = connector(table)?;
    match connector {
        Connector::Filesystem => Ok(Arc::new(FilesystemTable::new(table, options)?.into_source(table)?)),
        Connector::Delta => Ok(Arc::new(DeltaSource::new(DeltaTable::new(table, options)?))),
        Connector::Datagen => Ok(Arc::new(DatagenSource::new(table, options)?)),
        Connector::Print | Connector::Blackhole => Err(one_way(table, connector, "written, not read")),
    }
}

/// The sink of a table, its options checked. Nothing is written yet.
pub fn sink(table: &TableDefinition) -> Result<Arc<dyn Sink>> {
    let (connector, options) = connector(table)?;
    match connector {
        Connector::Filesystem => Ok(Arc::new(FilesystemTable::new(table, options)?.into_sink(table)?)),
        Connector::Delta => Ok(Arc::new(DeltaSink::new(DeltaTable::new(table, options)?))),
        Connector::Print => Ok(Arc::new(PrintSink::new(table, options)?)),
        Connector::Blackhole => Ok(Arc::new(BlackholeSink::new(table, options)?)),
        Connector::Datagen => Err(one_way(table, connector, "read, not written")),
    }
}

/// Checks at `CREATE TABLE` whatever can be checked without I/O.
pub fn validate(table: &TableDefinition) -> Result<()> {
    let (connector, options) = connector(table)?;
    match connector {
        Connector::Filesystem => FilesystemTable::new(table, options).map(drop),
        Connector::Delta => DeltaTable::new(table, options).map(drop),
        Connector::Datagen => DatagenSource::new(table, options).map(drop),
        Connector::Print => PrintSink::new(table, options).map(drop),
        Connector::Blackhole => BlackholeSink::new(table, options).map(drop),
    }
}

/// Which one it is, and the options that are left for it.
pub(crate) fn connector(table: &TableDefinition) -> Result<(Connector, TableOptions)> {
    let mut options = TableOptions::new(&table.name, &table.options);
    let name = options.take("connector").ok_or_else(|| {
        let connectors = quoted_connectors().join(" | ");
        options.missing("connector", &format!("say where the rows are: 'connector' = {connectors}"))
    })?;
    let connector = choice(&name, &CONNECTORS)
        .map_err(|error| error.context(format!("table '{}': option 'connector'", table.name)))?;
    Ok((connector, options))
}

fn quoted_connectors() -> Vec<String> {
    CONNECTORS.iter().map(|(name, _)| format!("'{name}'")).collect()
}

fn one_way(table: &TableDefinition, connector: Connector, way: &str) -> Error {
    let name = CONNECTORS.iter().find(|(_, c)| *c == connector).map_or("", |(name, _)| *name);
    Error::invalid(format!("table '{}': a '{name}' table can be {way}", table.name))
}

/// Refuses metadata columns, for a connector that has none.
pub(crate) fn no_metadata(table: &TableDefinition, connector: &str) -> Result<()> {
    match table.metadata.first() {
        Some((_, key)) => Err(Error::invalid(format!(
            "table '{}': unknown metadata key '{key}': the '{connector}' connector has no metadata columns",
            table.name
        ))),
        None => Ok(()),
    }
}
