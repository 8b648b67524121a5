//! The `filesystem` connector: files on a local disk or an object store, read one by one and written by the directory.

mod blocks;
mod commit;
mod compression;
mod credentials;
mod directory;
mod listing;
mod location;
mod metadata;
mod part;
mod reader;
mod sink;
mod source;
#[cfg(test)]
mod tests;
mod text_position;

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use dipper_types::{Error, Result};
use object_store::ObjectStore;
use object_store::path::Path;

use crate::format::Format;
use crate::options::TableOptions;
use crate::table::TableDefinition;
use compression::Compression;
use directory::Directory;
pub(crate) use location::Location;
use metadata::MetadataColumn;
use sink::FilesystemSink;
use source::FilesystemSource;

/// When a sink begins its next file.
const ROLLING_FILE_BYTES: u64 = 128 << 20;

/// The object store behind a URL, and where in it the URL points; `None` for a path of this machine. Credentials come from the
/// environment, as those of tables do.
pub fn object_store(url: &str) -> Result<Option<(Arc<dyn ObjectStore>, Path)>> {
    match Location::of_url(url)? {
        Location::Local(_) => Ok(None),
        Location::Remote(remote) if remote.pattern.is_some() => Err(Error::invalid(format!("'{url}' is no directory"))),
        location @ Location::Remote(_) => location.store().map(|store| Some((store.store, store.base))),
    }
}

/// A table on a filesystem: what reading and writing have in common.
#[derive(Debug)]
pub(crate) struct FilesystemTable {
    location: Location,
    format: Format,
    compression: Compression,
    rolling_bytes: u64,
    metadata: Vec<MetadataColumn>,
    /// The columns stored in the files, and where each stands in the table.
    physical: SchemaRef,
    physical_places: Vec<usize>,
}

impl FilesystemTable {
    /// Takes and checks all options.
    pub(crate) fn new(table: &TableDefinition, mut options: TableOptions) -> Result<Self> {
        let location = Location::take(&mut options)?;
        let metadata = metadata::metadata_columns(table)?;
        let physical_places: Vec<usize> =
            (0..table.columns.fields().len()).filter(|place| metadata.iter().all(|m| m.place != *place)).collect();
        if physical_places.is_empty() {
            return Err(options.error("the table has no column that is stored in its files"));
        }
        let fields: Vec<_> = physical_places.iter().map(|place| Arc::clone(&table.columns.fields()[*place])).collect();
        let physical: SchemaRef = Arc::new(Schema::new(fields));
        let format = Format::take(&mut options, &physical)?;
        let compression = options.take_choice("compression", &Compression::CHOICES)?.unwrap_or(Compression::Auto);
        if matches!(format, Format::Parquet(_)) && !matches!(compression, Compression::Auto | Compression::None) {
            return Err(options
                .error("a parquet file is not compressed as a whole")
                .with_hint("use 'parquet.compression' in place of 'compression'"));
        }
        let rolling_bytes = options.take_size("sink.rolling-policy.file-size")?.unwrap_or(ROLLING_FILE_BYTES);
        options.finish()?;
        Ok(Self { location, format, compression, rolling_bytes, metadata, physical, physical_places })
    }

    /// For reading.
    pub(crate) fn into_source(self, table: &TableDefinition) -> Result<FilesystemSource> {
        let store = self.location.store()?;
        Ok(FilesystemSource { table: table.name.clone(), columns: Arc::clone(&table.columns), store, files: self })
    }

    /// For writing.
    pub(crate) fn into_sink(self, table: &TableDefinition) -> Result<FilesystemSink> {
        if let Some(metadata) = self.metadata.first() {
            return Err(Error::invalid(format!(
                "table '{}': metadata column '{}' can be read, not written",
                table.name,
                table.columns.field(metadata.place).name()
            )));
        }
        let directory = Directory::new(&table.name, &self.location)?;
        Ok(FilesystemSink::new(table.name.clone(), directory, self))
    }
}
