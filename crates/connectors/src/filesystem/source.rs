//! The `filesystem` source: one file is one split.

use std::io::Read;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use dipper_operator_api::{Boundedness, ReadOptions, Source, Split, SplitPosition, SplitReader};
use dipper_types::{Error, Result};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::FilesystemTable;
use super::blocks::{Blocks, ObjectBytes};
use super::listing::{FileEntry, list};
use super::location::{Location, Store, store_error};
use super::metadata::MetadataReader;
use super::reader::FileReader;
use crate::format::bad_records::BadRecords;
use crate::format::parquet::{ObjectFile, ParquetReader};
use crate::format::{Format, TextPosition};

/// Reads the files of a table.
#[derive(Debug)]
pub(crate) struct FilesystemSource {
    pub(crate) table: String,
    pub(crate) columns: SchemaRef,
    pub(crate) store: Store,
    pub(crate) files: FilesystemTable,
}

#[async_trait]
impl Source for FilesystemSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.columns)
    }

    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    async fn splits(&self) -> Result<Vec<Split>> {
        let files = list(&self.table, &self.files.location, &self.store).await?;
        files.iter().map(|file| self.split(file)).collect()
    }

    async fn open(
        &self,
        split: &Split,
        from: Option<&SplitPosition>,
        options: ReadOptions,
    ) -> Result<Box<dyn SplitReader>> {
        let file: FileEntry = serde_json::from_str(&split.description)
            .map_err(|error| Error::internal(format!("split '{}': {error}", split.id)))?;
        let is_stored = |place: &&usize| self.files.metadata.iter().all(|column| column.place != **place);
        let stored: Vec<usize> = options
            .projection
            .iter()
            .filter(is_stored)
            .map(|place| self.files.physical_places.partition_point(|physical| physical < place))
            .collect();
        let reader = match self.files.format {
            Format::Parquet(_) => {
                let rows = from.map(|from| from.decode(split)).transpose()?.unwrap_or(0);
                self.open_parquet(&split.id, &file, &stored, &options, rows).await?
            }
            Format::Csv(_) | Format::Json(_) => {
                let from = from.map(|from| from.decode(split)).transpose()?.unwrap_or_default();
                self.open_text(&split.id, &file, &stored, &options, from).await?
            }
        };
        if stored.len() == options.projection.len() {
            return Ok(reader);
        }
        let metadata = &self.files.metadata;
        let reader = MetadataReader::new(reader, &self.columns, &options.projection, metadata, &split.id, &file)?;
        Ok(Box::new(reader))
    }
}

impl FilesystemSource {
    fn split(&self, file: &FileEntry) -> Result<Split> {
        let id = match &self.files.location {
            Location::Local(_) => file.path.clone(),
            Location::Remote(_) => {
                // The bucket is part of the URL, not of the keys in it.
                let text = self.files.location.text();
                let authority = text.find("://").map_or(0, |at| at + 3);
                let end = text[authority..].find('/').map_or(text.len(), |slash| authority + slash);
                format!("{}/{}", &text[..end], file.path)
            }
        };
        let description = serde_json::to_string(file).map_err(|error| Error::internal(error.to_string()))?;
        Ok(Split { id, description })
    }

    async fn open_text(
        &self,
        name: &str,
        file: &FileEntry,
        stored: &[usize],
        options: &ReadOptions,
        from: TextPosition,
    ) -> Result<Box<dyn SplitReader>> {
        let format = &self.files.format;
        let bad = BadRecords::new(name, format.extension(), format.on_error(), Arc::clone(&options.metrics));
        let mut decoder = format.decoder(&self.files.physical, stored, options.batch_rows, bad)?;
        decoder.resume(from);
        let compression = self.files.compression.of_file(&file.path);
        let blocks = match &self.files.location {
            Location::Local(_) => {
                let path = file.path.clone();
                Blocks::new(move || from.open(&path, compression))?
            }
            Location::Remote(_) => {
                let object = self.store.store.get(&key(name, file)?).await;
                let object = object.map_err(|error| store_error(&format!("cannot read '{name}'"), &error))?;
                let bytes: Box<dyn Read + Send> = Box::new(ObjectBytes::new(object.into_stream())?);
                Blocks::new(move || from.skip(compression.decompress(bytes)?))?
            }
        };
        Ok(Box::new(FileReader { file: name.to_owned(), compression, blocks, decoder, ended: false }))
    }

    async fn open_parquet(
        &self,
        name: &str,
        file: &FileEntry,
        stored: &[usize],
        options: &ReadOptions,
        rows: u64,
    ) -> Result<Box<dyn SplitReader>> {
        let path = match &self.files.location {
            Location::Local(_) => std::path::absolute(&file.path)
                .map_err(|error| error.to_string())
                .and_then(|path| Path::from_absolute_path(path).map_err(|error| error.to_string()))
                .map_err(|error| Error::invalid(format!("cannot read '{name}': {error}")))?,
            Location::Remote(_) => key(name, file)?,
        };
        let object = ObjectFile { store: Arc::clone(&self.store.store), path, size: file.size };
        let reader = ParquetReader::open(name, object, &self.files.physical, stored, options.batch_rows, rows).await?;
        Ok(Box::new(reader))
    }
}

fn key(name: &str, file: &FileEntry) -> Result<Path> {
    Path::parse(&file.path).map_err(|error| Error::invalid(format!("cannot read '{name}': {error}")))
}
