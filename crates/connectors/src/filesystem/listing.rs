//! Finds the files of a table: one file, a directory with all below it, or a glob. Sorted by path.

use std::fs;
use std::io;
use std::time::UNIX_EPOCH;

use dipper_types::{Error, Result};
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStoreExt};
use serde::{Deserialize, Serialize};

use super::location::{Location, RemoteLocation, Store, store_error};

/// Directories nested deeper than this are taken for a loop of links.
const DEPTH_MAX: usize = 64;

/// A file of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileEntry {
    /// The path as it follows from the table's `path`; the key within an object store.
    pub(crate) path: String,
    /// Size in bytes, as stored.
    pub(crate) size: u64,
    /// When the file was last changed, in microseconds since 1970.
    pub(crate) modified_us: i64,
}

impl FileEntry {
    /// The last part of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// All files of the table.
pub(crate) async fn list(table: &str, location: &Location, store: &Store) -> Result<Vec<FileEntry>> {
    let mut files = match location {
        Location::Local(path) => {
            let path = path.clone();
            let listed = tokio::task::spawn_blocking(move || list_local(&path)).await;
            listed.map_err(|error| Error::internal(error.to_string()))?
        }
        Location::Remote(remote) => list_remote(location.text(), remote, store).await,
    }
    .map_err(|error| error.context(format!("table '{table}'")))?;
    if files.is_empty() {
        tracing::warn!("table '{table}': there is no file in '{}': the table is empty", location.text());
    }
    files.sort_by(|left, right| left.path.cmp(&right.path));
    files.dedup();
    Ok(files)
}

fn list_local(path: &str) -> Result<Vec<FileEntry>> {
    let mut files = Vec::new();
    match fs::metadata(path) {
        Ok(metadata) => add_local(path, &metadata, 0, &mut files)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.contains(['*', '?', '[']) => {
            add_glob(path, &mut files)?;
        }
        Err(error) => return Err(cannot_read(path, &error)),
    }
    Ok(files)
}

fn add_glob(pattern: &str, files: &mut Vec<FileEntry>) -> Result<()> {
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::default() };
    let matches = glob::glob_with(pattern, options)
        .map_err(|error| Error::invalid(format!("'path' = '{pattern}' is not a glob: {error}")))?;
    let mut any = false;
    for entry in matches {
        let found = entry.map_err(|error| cannot_read(&error.path().display().to_string(), error.error()))?;
        let path = found.to_str().ok_or_else(|| not_utf8(&found.display().to_string()))?;
        let metadata = fs::metadata(path).map_err(|error| cannot_read(path, &error))?;
        add_local(path, &metadata, 0, files)?;
        any = true;
    }
    if any { Ok(()) } else { Err(Error::invalid(format!("no file matches 'path' = '{pattern}'"))) }
}

fn add_local(path: &str, metadata: &fs::Metadata, depth: usize, files: &mut Vec<FileEntry>) -> Result<()> {
    if !metadata.is_dir() {
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified_us = modified.map_or(0, |since| since.as_micros() as i64);
        files.push(FileEntry { path: path.to_owned(), size: metadata.len(), modified_us });
        return Ok(());
    }
    if depth > DEPTH_MAX {
        return Err(Error::invalid(format!("'{path}': more than {DEPTH_MAX} directories deep: a loop of links?")));
    }
    let directory = path.trim_end_matches('/');
    for entry in fs::read_dir(path).map_err(|error| cannot_read(path, &error))? {
        let entry = entry.map_err(|error| cannot_read(path, &error))?;
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| not_utf8(&entry.path().display().to_string()))?;
        if is_hidden(name) {
            continue;
        }
        let child = format!("{directory}/{name}");
        let metadata = fs::metadata(&child).map_err(|error| cannot_read(&child, &error))?;
        add_local(&child, &metadata, depth + 1, files)?;
    }
    Ok(())
}

async fn list_remote(text: &str, remote: &RemoteLocation, store: &Store) -> Result<Vec<FileEntry>> {
    if remote.pattern.is_none() && !text.ends_with('/') && !store.base.as_ref().is_empty() {
        match store.store.head(&store.base).await {
            Ok(meta) => return Ok(vec![entry(&meta)]),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(store_error(&format!("cannot read '{text}'"), &error)),
        }
    }
    let listed: Vec<ObjectMeta> = store
        .store
        .list(Some(&store.base))
        .try_collect()
        .await
        .map_err(|error| store_error(&format!("cannot list '{text}'"), &error))?;
    let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::default() };
    let wanted = |meta: &&ObjectMeta| match &remote.pattern {
        Some(pattern) => pattern.matches_with(meta.location.as_ref(), options),
        None => meta.location.prefix_match(&store.base).is_some_and(|mut parts| parts.all(|p| !is_hidden(p.as_ref()))),
    };
    let files: Vec<FileEntry> = listed.iter().filter(wanted).map(entry).collect();
    if files.is_empty() {
        return Err(Error::invalid(format!("nothing is stored at 'path' = '{text}'")));
    }
    Ok(files)
}

fn entry(meta: &ObjectMeta) -> FileEntry {
    FileEntry { path: meta.location.to_string(), size: meta.size, modified_us: meta.last_modified.timestamp_micros() }
}

/// Files and directories that are not data: `.crc` files, `_SUCCESS`, a sink's staging directory.
fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '_'])
}

fn cannot_read(path: &str, error: &io::Error) -> Error {
    let failed = Error::invalid(format!("cannot read '{path}': {error}"));
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            failed.with_hint("a relative path counts from the directory in which dipper runs")
        }
        io::ErrorKind::PermissionDenied => failed.with_hint("let the user who runs dipper read it"),
        _ => failed,
    }
}

fn not_utf8(path: &str) -> Error {
    Error::invalid(format!("the file name '{path}' is not valid UTF-8")).with_hint("rename the file")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    /// Keeps the messages of warnings.
    #[derive(Clone, Default)]
    struct Warnings(Arc<Mutex<Vec<String>>>);

    impl Visit for Warnings {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            if field.name() == "message" {
                self.0.lock().unwrap().push(format!("{value:?}"));
            }
        }
    }

    impl Subscriber for Warnings {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() == tracing::Level::WARN
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn a_directory_without_files_is_an_empty_table_and_a_warning() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap().to_owned();
        // What a killed job has left is not read.
        let staging = directory.path().join("_staging-job");
        fs::create_dir(&staging).unwrap();
        fs::write(staging.join("part-job-0-0.csv"), "c\n1\n").unwrap();
        let warnings = Warnings::default();
        let location = Location::Local(path.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let files = tracing::subscriber::with_default(warnings.clone(), || {
            runtime.block_on(list("t", &location, &location.store().unwrap()))
        });
        assert_eq!(files.unwrap(), []);
        let warning = format!("table 't': there is no file in '{path}': the table is empty");
        assert_eq!(*warnings.0.lock().unwrap(), [warning]);
    }
}
