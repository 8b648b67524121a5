//! The directory that a sink writes: staged files in, table files out, on a local disk or an object store.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dipper_types::{Error, ErrorKind, Result};
use futures::TryStreamExt;
use object_store::buffered::BufWriter;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::io::AsyncWriteExt;

use super::commit::{STAGING, StagedFile};
use super::location::{Location, store_error};

/// A table's directory.
#[derive(Debug)]
pub(crate) enum Directory {
    Local {
        path: PathBuf,
        /// Whether the directory was made for this sink, so that an abort takes it away again.
        made: Arc<AtomicBool>,
    },
    Remote {
        text: String,
        store: Arc<dyn ObjectStore>,
        base: Key,
    },
}

/// What it means that a file to be committed is neither staged nor in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Error,
    /// It was committed, and somebody has taken it away since.
    TakenAway,
}

/// A staged file that is being written.
pub(crate) enum StagedWriter {
    /// The file and the directory that holds it.
    Local(tokio::fs::File, PathBuf),
    Remote(Box<BufWriter>),
}

impl Directory {
    pub(crate) fn new(table: &str, location: &Location) -> Result<Self> {
        match location {
            Location::Local(path) if path.contains(['*', '?', '[']) => Err(glob_path(table, path)),
            Location::Local(path) => Ok(Self::Local { path: PathBuf::from(path), made: Arc::default() }),
            Location::Remote(remote) if remote.pattern.is_some() => Err(glob_path(table, location.text())),
            Location::Remote(_) => {
                let store = location.store()?;
                Ok(Self::Remote { text: location.text().to_owned(), store: store.store, base: store.base })
            }
        }
    }

    /// Fails early if the directory cannot be one.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Local { path, .. } if path.is_file() => {
                Err(Error::invalid(format!("'{}' is a file, but a sink writes into a directory", path.display()))
                    .with_hint("choose another 'path', or move the file away"))
            }
            _ => Ok(()),
        }
    }

    /// Begins a staged file.
    pub(crate) fn stage(&self, file: &StagedFile) -> Result<StagedWriter> {
        match self {
            Self::Local { path, made } => {
                let staging = path.join(&file.staging);
                if !path.exists() {
                    made.store(true, Ordering::Relaxed);
                }
                let staged = staging.join(&file.name);
                let created = create_in(&staging, &staged).map_err(|error| cannot("write", &staged, &error))?;
                Ok(StagedWriter::Local(tokio::fs::File::from_std(created), staging))
            }
            Self::Remote { store, base, .. } => {
                let staged = base.clone().join(file.staging.as_str()).join(file.name.as_str());
                Ok(StagedWriter::Remote(Box::new(BufWriter::new(Arc::clone(store), staged))))
            }
        }
    }

    /// Makes staged files part of the table, each under its final name. May be repeated.
    pub(crate) async fn commit(&self, files: Vec<StagedFile>, missing: Missing) -> Result<()> {
        match self {
            Self::Local { path, .. } => {
                let path = path.clone();
                blocking(move || commit_local(&path, &files, missing)).await
            }
            Self::Remote { text, store, base } => commit_remote(text, store.as_ref(), base, &files, missing).await,
        }
    }

    /// Removes what is staged under names that are known as `earlier`.
    pub(crate) async fn sweep(&self, earlier: &(dyn Fn(&str) -> bool + Sync)) -> Result<()> {
        match self {
            Self::Local { path, .. } => {
                let listed = path.clone();
                for staging in blocking(move || staging_in(&listed)).await? {
                    if earlier(&staging) {
                        let staging = path.join(staging);
                        blocking(move || remove_staging(&staging)).await?;
                    }
                }
                Ok(())
            }
            Self::Remote { text, store, base } => {
                let listed = store.list_with_delimiter(Some(base)).await;
                let listed = listed.map_err(|error| store_error(&format!("cannot list '{text}'"), &error))?;
                for prefix in &listed.common_prefixes {
                    if prefix.filename().is_some_and(earlier) {
                        remove_objects(text, store.as_ref(), prefix).await?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Removes what is staged under this name.
    pub(crate) async fn abort(&self, staging: &str) -> Result<()> {
        match self {
            Self::Local { path, made } => {
                remove_staging(&path.join(staging))?;
                if made.load(Ordering::Relaxed) {
                    // Fails if something else has been put there, which then stays.
                    let _ = fs::remove_dir(path);
                }
                Ok(())
            }
            Self::Remote { text, store, base } => {
                remove_objects(text, store.as_ref(), &base.clone().join(staging)).await
            }
        }
    }
}

impl StagedWriter {
    pub(crate) async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Local(file, _) => file.write_all(bytes).await,
            Self::Remote(object) => object.write_all(bytes).await,
        }
    }

    /// Ends the file. It survives a crash from here on.
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        match self {
            Self::Local(file, staging) => {
                file.flush().await?;
                file.sync_all().await?;
                let staging = staging.clone();
                tokio::task::spawn_blocking(move || sync_directory(&staging)).await?
            }
            Self::Remote(object) => object.shutdown().await,
        }
    }
}

/// Creates a file in a directory that a commit may take away at any time, because it was empty.
fn create_in(staging: &Path, file: &Path) -> io::Result<fs::File> {
    loop {
        fs::create_dir_all(staging)?;
        match fs::File::create(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !staging.exists() => {}
            created => return created,
        }
    }
}

fn commit_local(directory: &Path, files: &[StagedFile], missing: Missing) -> Result<()> {
    fs::create_dir_all(directory).map_err(|error| cannot("create", directory, &error))?;
    for file in files {
        let staged = directory.join(&file.staging).join(&file.name);
        let done = directory.join(&file.name);
        match fs::rename(&staged, &done) {
            Ok(()) => {}
            // A commit before this one got as far.
            Err(error) if error.kind() == io::ErrorKind::NotFound && done.exists() => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && missing == Missing::TakenAway => {
                warn_taken_away(&done.display());
            }
            Err(error) => return Err(cannot("commit", &staged, &error)),
        }
    }
    sync_directory(directory).map_err(|error| cannot("sync", directory, &error))?;
    for staging in files.iter().map(|file| &file.staging).collect::<BTreeSet<_>>() {
        // Fails if rows of the next checkpoint are staged in it already.
        let _ = fs::remove_dir(directory.join(staging));
    }
    Ok(())
}

fn warn_taken_away(file: &dyn std::fmt::Display) {
    tracing::warn!("'{file}' was to be committed, and is neither staged nor there: it must have been taken away since");
}

/// The names of the directories for staged files.
fn staging_in(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot("list", directory, &error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| cannot("list", directory, &error))?;
        let name = entry.file_name().into_string().ok().filter(|name| name.starts_with(STAGING));
        names.extend(name);
    }
    Ok(names)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::internal(error.to_string()))?
}

fn remove_staging(staging: &Path) -> Result<()> {
    match fs::remove_dir_all(staging) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot("remove", staging, &error)),
        _ => Ok(()),
    }
}

/// Makes renames in a directory survive a crash, and the directory itself.
fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) {
        fs::File::open(directory)?.sync_all()?;
        if let Some(parent) = std::path::absolute(directory)?.parent() {
            fs::File::open(parent)?.sync_all()?;
        }
    }
    Ok(())
}

async fn commit_remote(
    text: &str,
    store: &dyn ObjectStore,
    base: &Key,
    files: &[StagedFile],
    missing: Missing,
) -> Result<()> {
    for file in files {
        let staged = base.clone().join(file.staging.as_str()).join(file.name.as_str());
        let done = base.clone().join(file.name.as_str());
        match store.copy(&staged, &done).await {
            Ok(()) => {}
            // A commit before this one got as far.
            Err(object_store::Error::NotFound { .. }) if store.head(&done).await.is_ok() => {}
            Err(object_store::Error::NotFound { .. }) if missing == Missing::TakenAway => warn_taken_away(&done),
            Err(error) => return Err(store_error(&format!("cannot commit '{}' to '{text}'", file.name), &error)),
        }
        match store.delete(&staged).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(cannot_remove(text, &error)),
        }
    }
    Ok(())
}

fn cannot_remove(text: &str, error: &object_store::Error) -> Error {
    store_error(&format!("cannot remove staged files from '{text}'"), error)
}

async fn remove_objects(text: &str, store: &dyn ObjectStore, prefix: &Key) -> Result<()> {
    let failed = |error| cannot_remove(text, &error);
    let staged: Vec<_> = store.list(Some(prefix)).try_collect().await.map_err(failed)?;
    for object in staged {
        match store.delete(&object.location).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            ErrorKind::Invalid
        }
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("cannot {what} '{}': {error}", path.display()))
}

fn glob_path(table: &str, path: &str) -> Error {
    Error::invalid(format!("table '{table}': 'path' = '{path}' is a glob, which can only be read"))
}
