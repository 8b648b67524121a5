//! A place on an object store: every call to the store is made, retried and explained here.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use dipper_types::{Error, Result};
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutPayload, parse_url_opts};
use url::Url;

use crate::durable_files::DurableFiles;
use crate::retry::Retry;
use crate::store_error::{explain, may_pass};

/// Above this, an object goes to a store over HTTP in parts: one request would run into its time limit.
const PART_BYTES: usize = 16 << 20;

/// A directory of checkpoints, savepoints or a table, of this machine or of an object store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Directory {
    store: Arc<dyn ObjectStore>,
    base: Path,
    /// For messages.
    url: String,
    /// What it is a directory of, for messages.
    holds: &'static str,
    retry: Retry,
    /// A directory that changes while it is listed may show neither of two files one of which was there all the time.
    is_local: bool,
}

/// What has become of an object that was to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It holds our bytes.
    Own,
    /// Somebody else has created it first.
    Other,
}

/// Why an object was not created.
#[derive(Debug)]
pub struct NotCreated {
    /// What happened.
    pub error: Error,
    /// Some call may have had an effect, or may yet have one.
    pub in_doubt: bool,
}

impl From<NotCreated> for Error {
    fn from(not: NotCreated) -> Self {
        not.error
    }
}

/// An object in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name within the directory.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// When it was written, by the store's clock, in milliseconds since 1970.
    pub modified_ms: i64,
}

impl Directory {
    /// Opens a path of this machine or a URL: `file://`, `s3://`, `gs://`, `az://` and what else `object_store` knows, `memory://` for a
    /// store of its own that ends with the process. `options` are those of `object_store` (`aws_region`, …); the environment is not read.
    ///
    /// A local directory is made if it is missing.
    pub fn open(url: &str, options: &BTreeMap<String, String>) -> Result<Self> {
        let cannot = |error: &dyn std::fmt::Display| Error::invalid(format!("cannot open '{url}': {error}"));
        let Some((scheme, _)) = url.split_once("://") else { return Self::local(std::path::Path::new(url), url) };
        let parsed = Url::parse(url).map_err(|error| cannot(&error))?;
        match scheme {
            "file" => {
                let path = parsed.to_file_path().map_err(|()| cannot(&"it is not a path of this machine"))?;
                Self::local(&path, url)
            }
            "memory" => Ok(Self::of(Arc::new(InMemory::new()), Path::default(), url)),
            _ => {
                let (store, base) = parse_url_opts(&parsed, options).map_err(|error| cannot(&error))?;
                Ok(Self::of(Arc::from(store), base, url))
            }
        }
    }

    /// A directory of a store that has been opened already. `url` is for messages. For local files use [`Directory::open`]: the store of
    /// `object_store` does not survive a power failure.
    pub fn of(store: Arc<dyn ObjectStore>, base: Path, url: impl Into<String>) -> Self {
        Self { store, base, url: url.into(), holds: "checkpoint", retry: Retry::default(), is_local: false }
    }

    /// A directory in this one.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let separator = if self.url.ends_with('/') { "" } else { "/" };
        let url = format!("{}{separator}{name}", self.url);
        Self { base: self.base.clone().join(name), url, ..self.clone() }
    }

    /// The store, for who reads objects by other means; without the patience of this type.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// Where an object of the directory is in its [store](Self::store).
    pub fn location(&self, name: &str) -> Result<Path> {
        self.path(name)
    }

    /// The same directory, called a `holds` directory in messages instead of a checkpoint directory.
    #[must_use]
    pub fn holding(mut self, holds: &'static str) -> Self {
        self.holds = holds;
        self
    }

    /// Where it is, for messages.
    pub fn url(&self) -> &str {
        &self.url
    }

    #[cfg(test)]
    pub(crate) fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    fn local(path: &std::path::Path, url: &str) -> Result<Self> {
        let opened = DurableFiles::open(path).map_err(|error| explain("open files", "checkpoint", url, &error))?;
        Ok(Self { is_local: true, ..Self::of(Arc::new(opened), Path::default(), url) })
    }

    /// A whole object; `None` if there is none.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>> {
        let path = self.path(name)?;
        let (store, path) = (&self.store, &path);
        let read = self.retry.call(|| async move { store.get(path).await?.bytes().await }.boxed()).await;
        self.found(name, read)
    }

    /// The size of an object; `None` if there is none.
    pub async fn size(&self, name: &str) -> Result<Option<u64>> {
        let path = self.path(name)?;
        let head = self.retry.call(|| self.store.head(&path).boxed()).await;
        Ok(self.found(name, head)?.map(|meta| meta.size))
    }

    /// Parts of an object; `None` if there is none.
    pub async fn get_ranges(&self, name: &str, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
        let path = self.path(name)?;
        let read = self.retry.call(|| self.store.get_ranges(&path, ranges)).await;
        self.found(name, read)
    }

    /// Creates an object that must not exist yet, and says whose it is in the end.
    pub async fn create(&self, name: &str, bytes: &Bytes) -> Result<Created, NotCreated> {
        let path = self.path(name).map_err(|error| NotCreated { error, in_doubt: false })?;
        let (path, in_doubt) = (&path, &AtomicBool::new(false));
        let create = || async move {
            let put = self.store.put_opts(path, PutPayload::from(bytes.clone()), PutMode::Create.into()).await;
            match put {
                Ok(_) => Ok(Created::Own),
                // Perhaps by an earlier call of ours whose answer was lost. An object that is gone again is created again.
                Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => {
                    self.read_owner(path, bytes).await?.ok_or_else(|| gone_again(name))
                }
                Err(error) => {
                    in_doubt.fetch_or(may_pass(&error), Ordering::Relaxed);
                    Err(error)
                }
            }
        };
        self.retry.call(|| create().boxed()).await.map_err(|error| NotCreated {
            error: explain(&format!("create '{name}'"), self.holds, &self.url, &error),
            in_doubt: in_doubt.load(Ordering::Relaxed),
        })
    }

    /// Writes an object, in the place of one that is there already. A large one is not uploaded as one piece; it appears whole or not at all
    /// all the same.
    pub async fn put(&self, name: &str, bytes: &Bytes) -> Result<()> {
        let path = self.path(name)?;
        let put = || async {
            if self.is_local || bytes.len() <= PART_BYTES {
                return self.store.put(&path, PutPayload::from(bytes.clone())).await.map(drop);
            }
            let mut upload = self.store.put_multipart(&path).await?;
            let parts = (0..bytes.len()).step_by(PART_BYTES);
            let parts = parts.map(|start| bytes.slice(start..bytes.len().min(start + PART_BYTES)));
            let sent = parts.map(|part| upload.put_part(PutPayload::from(part))).collect::<Vec<_>>();
            // Four at a time: a part is held in memory, and sent again, by itself.
            let sent = futures::stream::iter(sent).buffer_unordered(4).try_collect::<()>().await;
            match sent {
                Ok(()) => upload.complete().await.map(drop),
                Err(error) => {
                    // What stays behind is not an object; stores have rules that clear it away.
                    let _ = upload.abort().await;
                    Err(error)
                }
            }
        };
        let put = self.retry.call(|| put().boxed()).await;
        put.map_err(|error| explain(&format!("write '{name}'"), self.holds, &self.url, &error))
    }

    /// Whose an object is, if it exists: ours if it holds these bytes.
    pub async fn owner(&self, name: &str, bytes: &Bytes) -> Result<Option<Created>> {
        let path = self.path(name)?;
        let read = self.retry.call(|| self.read_owner(&path, bytes).boxed()).await;
        read.map_err(|error| explain(&format!("read '{name}'"), self.holds, &self.url, &error))
    }

    /// All objects, as `list` gives them, as they were at one moment: a local directory is listed until two listings agree.
    pub async fn list_settled(&self) -> Result<Vec<Entry>> {
        let mut listed = self.list().await?;
        if self.is_local {
            loop {
                let again = self.list().await?;
                if again == listed {
                    break;
                }
                listed = again;
            }
        }
        Ok(listed)
    }

    /// All objects of the directory, those in directories below it included, by name.
    pub async fn list(&self) -> Result<Vec<Entry>> {
        self.list_after(None).await
    }

    /// Like [`Directory::list`], but only objects whose names come after `name`.
    pub async fn list_after(&self, name: Option<&str>) -> Result<Vec<Entry>> {
        let after = name.map(|name| self.path(name)).transpose()?;
        let list = || match &after {
            Some(after) => self.store.list_with_offset(Some(&self.base), after),
            None => self.store.list(Some(&self.base)),
        };
        let list = self.retry.call(|| list().try_collect::<Vec<_>>().boxed()).await;
        let list = list.map_err(|error| explain("list files", self.holds, &self.url, &error))?;
        let entry = |meta: object_store::ObjectMeta| {
            let parts = meta.location.prefix_match(&self.base)?;
            let name = parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/");
            Some(Entry { name, bytes: meta.size, modified_ms: meta.last_modified.timestamp_millis() })
        };
        let mut entries: Vec<Entry> = list.into_iter().filter_map(entry).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// The names of the directories in this one.
    pub async fn children(&self) -> Result<Vec<String>> {
        let list = self.retry.call(|| self.store.list_with_delimiter(Some(&self.base))).await;
        let list = list.map_err(|error| explain("list directories", self.holds, &self.url, &error))?;
        let mut names: Vec<String> =
            list.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect();
        names.sort();
        Ok(names)
    }

    /// Deletes an object, if it is there.
    pub async fn delete(&self, name: &str) -> Result<()> {
        let path = self.path(name)?;
        match self.retry.call(|| self.store.delete(&path).boxed()).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(explain(&format!("delete '{name}'"), self.holds, &self.url, &error)),
        }
    }

    /// A name comes from a manifest, so it may be anything.
    fn path(&self, name: &str) -> Result<Path> {
        let relative = Path::parse(name).map_err(|error| Error::invalid(format!("'{name}' names no file: {error}")))?;
        Ok(self.base.parts().chain(relative.parts()).collect())
    }

    fn found<T>(&self, name: &str, read: Result<T, StoreError>) -> Result<Option<T>> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(explain(&format!("read '{name}'"), self.holds, &self.url, &error)),
        }
    }

    async fn read_owner(&self, path: &Path, bytes: &Bytes) -> Result<Option<Created>, StoreError> {
        let read = match self.store.get(path).await {
            Ok(read) => read.bytes().await?,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(if read == *bytes { Created::Own } else { Created::Other }))
    }
}

fn gone_again(name: &str) -> StoreError {
    StoreError::Generic { store: "checkpoints", source: format!("'{name}' existed, and is gone").into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FaultyStore, block_on, memory};

    #[test]
    fn an_object_is_put_whole_whatever_its_size_and_in_the_place_of_another() {
        block_on(async {
            let directory = memory();
            for bytes in [3, PART_BYTES * 2 + 5, 0] {
                let bytes = Bytes::from((0..bytes).map(|byte| byte as u8).collect::<Vec<_>>());
                directory.put("a/b", &bytes).await.unwrap();
                assert_eq!(directory.get("a/b").await.unwrap(), Some(bytes));
            }
        });
    }

    #[test]
    fn a_put_is_tried_again() {
        block_on(async {
            for seed in 0..20 {
                let directory = FaultyStore::new(seed, 30).directory(20);
                directory.put("a", &Bytes::from_static(b"x")).await.unwrap();
                assert_eq!(directory.get("a").await.unwrap(), Some(Bytes::from_static(b"x")));
            }
        });
    }

    #[test]
    fn a_listing_may_begin_behind_a_name() {
        block_on(async {
            let local = tempfile::tempdir().unwrap();
            let local = Directory::open(local.path().to_str().unwrap(), &BTreeMap::new()).unwrap();
            for directory in [memory(), local] {
                for name in ["1.json", "2.json", "2.x", "3.json"] {
                    directory.put(name, &Bytes::new()).await.unwrap();
                }
                let listed = directory.list_after(Some("2")).await.unwrap();
                assert_eq!(
                    listed.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(),
                    ["2.json", "2.x", "3.json"]
                );
                assert!(listed.iter().all(|entry| entry.modified_ms > 1_700_000_000_000));
            }
        });
    }

    #[test]
    fn messages_say_what_a_directory_holds() {
        block_on(async {
            let error = memory().holding("table").get("../x").await.unwrap_err();
            assert_eq!(error.kind(), dipper_types::ErrorKind::Invalid);
            let store = FaultyStore::new(0, 100).directory(1).holding("table");
            let error = store.get("x").await.unwrap_err().to_string();
            assert!(error.starts_with("cannot read 'x' in table directory 'faulty://dir'"), "{error}");
        });
    }
}
