//! Local files that are still there after a power failure. `object_store`'s local store reads, lists and deletes; writing is ours, as it
//! does not call `fsync`.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// Tells the temporary files of one process apart.
static TEMPORARY: AtomicU64 = AtomicU64::new(0);

/// A directory of this machine as an object store whose writes are durable when they return.
#[derive(Debug)]
pub(crate) struct DurableFiles {
    files: LocalFileSystem,
}

impl DurableFiles {
    /// Opens a directory, and makes it if it is missing.
    pub(crate) fn open(path: &FilePath) -> Result<Self> {
        make_directory(&std::path::absolute(path).map_err(failed)?).map_err(failed)?;
        Ok(Self { files: LocalFileSystem::new_with_prefix(path)? })
    }
}

#[async_trait]
impl ObjectStore for DurableFiles {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let path = self.files.path_to_filesystem(location)?;
        let written = tokio::task::spawn_blocking(move || write(&path, &payload, &options.mode)).await?;
        match written {
            Ok(()) => Ok(PutResult { e_tag: None, version: None }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Error::AlreadyExists { path: location.to_string(), source: error.into() })
            }
            Err(error) => Err(failed(error)),
        }
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(self.not_implemented("put_multipart_opts"))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(self.not_implemented("copy_opts"))
    }
}

impl DurableFiles {
    fn not_implemented(&self, operation: &str) -> Error {
        Error::NotImplemented { operation: operation.to_owned(), implementer: self.to_string() }
    }
}

impl fmt::Display for DurableFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "durable {}", self.files)
    }
}

/// The file appears under its name whole and durable, or not at all.
fn write(path: &FilePath, payload: &PutPayload, mode: &PutMode) -> io::Result<()> {
    let directory = path.parent().ok_or(io::ErrorKind::InvalidFilename)?;
    make_directory(directory)?;
    let (temporary, mut file) = create_temporary(path)?;
    let written = (|| {
        payload.iter().try_for_each(|bytes| file.write_all(bytes))?;
        file.sync_all()?;
        match mode {
            // A link, unlike a rename, fails if the name is taken.
            PutMode::Create => fs::hard_link(&temporary, path),
            PutMode::Overwrite => fs::rename(&temporary, path),
            PutMode::Update(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    })();
    // After a rename there is nothing left to remove; what a crash leaves here the garbage collector finds.
    let _ = fs::remove_file(&temporary);
    // A name that was taken as well: whoever finds its own bytes there goes on as if it had written them just now.
    if written.as_ref().err().is_none_or(|error| error.kind() == io::ErrorKind::AlreadyExists) {
        sync_directory(directory)?;
    }
    written
}

fn create_temporary(path: &FilePath) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    loop {
        let mut temporary = name.to_owned();
        let number = TEMPORARY.fetch_add(1, Ordering::Relaxed);
        temporary.push(format!(".{}-{number}.tmp", std::process::id()));
        let temporary = path.with_file_name(temporary);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            // Left behind by a process that had our number before us.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (temporary, file)),
        }
    }
}

/// Makes a directory and those above it, each durable in the one that holds it.
fn make_directory(path: &FilePath) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_directory(parent)?;
        match fs::create_dir(path) {
            // Either somebody else was faster, or it is a file.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                path.is_dir().then_some(()).ok_or(io::ErrorKind::NotADirectory)?;
            }
            made => made?,
        }
        sync_directory(parent)?;
    }
    Ok(())
}

#[cfg(unix)]
fn sync_directory(path: &FilePath) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere a directory cannot be opened; what the file system does about names is its own affair.
#[cfg(not(unix))]
fn sync_directory(_: &FilePath) -> io::Result<()> {
    Ok(())
}

fn failed(error: io::Error) -> Error {
    Error::Generic { store: "local files", source: error.into() }
}

#[cfg(test)]
mod tests;
