//! A process that dies, or loses an answer, at each call to the store in turn.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use dipper_state::Directory;
use dipper_tables::{Changes, DeltaFormat, KeyChanges, NewFile, Table, TableFormat, compact};
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::support::*;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// From this call on nothing answers: the process is dead. The call itself may have had its effect.
    Death { effect: bool },
    /// The answer to one call is lost.
    LostAnswer,
}

#[derive(Debug, Clone)]
struct FaultyStore {
    inner: Arc<InMemory>,
    fault: Fault,
    at: u64,
    calls: Arc<AtomicU64>,
}

impl FaultyStore {
    async fn call<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        match self.fault {
            Fault::Death { effect } if number >= self.at => {
                if effect && number == self.at {
                    let _ = call.await;
                }
                Err(Error::NotImplemented { operation: "life".to_owned(), implementer: "the dead".to_owned() })
            }
            Fault::LostAnswer if number == self.at => {
                let _ = call.await;
                Err(Error::Generic { store: "faulty", source: "the connection was lost".into() })
            }
            _ => call.await,
        }
    }

    fn directory(&self) -> Directory {
        Directory::of(Arc::new(self.clone()), Path::from("t"), "faulty:///t")
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty store")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.call(self.inner.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.call(self.inner.get_opts(location, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let delete = move |location: Result<Path>| {
            let store = store.clone();
            async move {
                let location = location?;
                let one = futures::stream::once(std::future::ready(Ok(location.clone()))).boxed();
                let deleted = async { store.inner.delete_stream(one).next().await.unwrap_or(Ok(location)) };
                store.call(deleted).await
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, listed) = (self.clone(), self.inner.list(prefix));
        let first = futures::stream::once(async move { store.call(std::future::ready(Ok(()))).await });
        first.filter_map(|first| std::future::ready(first.err().map(Err))).chain(listed).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.call(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// What a job has staged, and its manifests name.
struct Staged {
    appends: Vec<Vec<NewFile>>,
    upserts: Vec<Vec<KeyChanges>>,
}

async fn open(directory: &Directory, name: &str) -> dipper_types::Result<Arc<dyn Table>> {
    DeltaFormat.open(&directory.child(name)).await
}

/// Commits all epochs, those that have been committed as well, and tidies up.
async fn job(directory: &Directory, staged: &Staged) -> dipper_types::Result<()> {
    let table = open(directory, "append").await?;
    for (epoch, files) in staged.appends.iter().enumerate() {
        table.commit(&Changes::append(files.clone()).in_transaction("job", epoch as i64)).await?.version()?;
    }
    compact(&*table).await?;
    table.expire().await?;
    let table = open(directory, "key").await?;
    for (epoch, changes) in staged.upserts.iter().enumerate() {
        table.commit(&Changes::upsert(changes.clone()).in_transaction("job", epoch as i64)).await?.version()?;
    }
    compact(&*table).await?;
    table.expire().await?;
    Ok(())
}

/// Two tables, and epochs of both.
async fn prepare() -> (Arc<InMemory>, Staged) {
    let inner = Arc::new(InMemory::new());
    let directory = Directory::of(Arc::<InMemory>::clone(&inner), Path::from("t"), "memory:///t");
    let (append, key) =
        (append_table(&directory.child("append")).await, key_table(&directory.child("key"), options()).await);
    let (mut appends, mut upserts) = (Vec::new(), Vec::new());
    for epoch in 0..4_i64 {
        appends.push(stage(&*append, &rows(&[(epoch, None)])).await);
        upserts.push(
            stage_keys(&*key, &[(epoch, Some("a".to_owned())), (epoch - 1, Some("b".to_owned())), (epoch - 2, None)])
                .await,
        );
    }
    (inner, Staged { appends, upserts })
}

async fn check(inner: &Arc<InMemory>) {
    let directory = Directory::of(Arc::<InMemory>::clone(inner), Path::from("t"), "memory:///t");
    assert_eq!(ids(&*open(&directory, "append").await.unwrap()).await, [0, 1, 2, 3]);
    let key = open(&directory, "key").await.unwrap().snapshot().await.unwrap();
    assert_eq!(by_key(&key).await, [(2, Some("b".to_owned())), (3, Some("a".to_owned()))].into());
}

#[test]
fn a_job_that_dies_before_a_call_has_each_epoch_once_in_the_end() {
    die_at_each_call(false);
}

#[test]
fn a_job_that_dies_after_a_call_has_each_epoch_once_in_the_end() {
    die_at_each_call(true);
}

fn die_at_each_call(effect: bool) {
    block_on(async {
        for at in 1.. {
            let (inner, staged) = prepare().await;
            let fault = Fault::Death { effect };
            let store = FaultyStore { inner: Arc::clone(&inner), fault, at, calls: Arc::default() };
            let first = job(&store.directory(), &staged).await;
            let died = store.calls.load(Ordering::Relaxed) >= at;
            assert_eq!(first.is_err(), died, "call {at}: {first:?}");
            let alive = Directory::of(Arc::<InMemory>::clone(&inner), Path::from("t"), "memory:///t");
            job(&alive, &staged).await.unwrap_or_else(|error| panic!("call {at}: {error}"));
            check(&inner).await;
            if !died {
                break;
            }
        }
    });
}

#[test]
fn an_answer_that_is_lost_is_asked_for_again() {
    block_on(async {
        // Each costs a pause.
        for at in (1..).step_by(7) {
            let (inner, staged) = prepare().await;
            let store = FaultyStore { inner: Arc::clone(&inner), fault: Fault::LostAnswer, at, calls: Arc::default() };
            job(&store.directory(), &staged).await.unwrap();
            check(&inner).await;
            if store.calls.load(Ordering::Relaxed) < at {
                break;
            }
        }
    });
}
