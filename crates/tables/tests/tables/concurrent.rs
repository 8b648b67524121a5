//! Several writers on one table, each as a process of its own.

use std::sync::Arc;

use dipper_state::Directory;
use dipper_tables::{Changes, Committed, DeltaFormat, Table, TableFormat, compact};
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::support::*;

const EPOCHS: i64 = 15;

async fn process(store: &Arc<InMemory>) -> Arc<dyn Table> {
    DeltaFormat.open(&directory(store)).await.unwrap()
}

fn directory(store: &Arc<InMemory>) -> Directory {
    Directory::of(Arc::<InMemory>::clone(store), Path::from("t"), "memory:///t")
}

fn on_four_threads<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap().block_on(test)
}

#[test]
fn no_epoch_is_lost_or_doubled_whoever_commits_it() {
    on_four_threads(async {
        let store = Arc::new(InMemory::new());
        append_table(&directory(&store)).await;
        let mut tasks = Vec::new();
        for job in 0..3_i64 {
            // Two leaders of each job, neither of which knows of the other.
            let staging = process(&store).await;
            let mut epochs = Vec::new();
            for epoch in 1..=EPOCHS {
                epochs.push((epoch, stage(&*staging, &rows(&[(job * 1000 + epoch, None)])).await));
            }
            for _ in 0..2 {
                let (table, epochs) = (process(&store).await, epochs.clone());
                tasks.push(tokio::spawn(async move {
                    for (epoch, files) in epochs {
                        let changes = Changes::append(files).in_transaction(format!("job-{job}"), epoch);
                        table.commit(&changes).await.unwrap().version().unwrap();
                    }
                }));
            }
        }
        let table = process(&store).await;
        let tidy = tokio::spawn(async move {
            for _ in 0..20 {
                compact(&*table).await.unwrap();
                table.expire().await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        for task in tasks {
            task.await.unwrap();
        }
        tidy.await.unwrap();
        let expected: Vec<i64> = (0..3).flat_map(|job| (1..=EPOCHS).map(move |epoch| job * 1000 + epoch)).collect();
        assert_eq!(ids(&*process(&store).await).await, expected);
    });
}

#[test]
fn upserts_beside_compactions_leave_one_row_a_key() {
    on_four_threads(async {
        let store = Arc::new(InMemory::new());
        key_table(&directory(&store), options()).await;
        let mut tasks = Vec::new();
        for writer in 0..2_i64 {
            let table = process(&store).await;
            tasks.push(tokio::spawn(async move {
                for epoch in 0..EPOCHS {
                    // Keys of its own, and keys that both write.
                    let changes: Vec<Change> = (0..10)
                        .map(|key| (100 * (writer + 1) + key, Some(epoch.to_string())))
                        .chain([(epoch % 5, Some("both".to_owned())), (100 * (writer + 1) + epoch, None)])
                        .collect();
                    upsert(&*table, &changes).await;
                }
            }));
        }
        let table = process(&store).await;
        let tidy = tokio::spawn(async move {
            let mut done = 0;
            for _ in 0..20 {
                let compacted = compact(&*table).await.unwrap();
                done += usize::from(compacted.is_some_and(|done| matches!(done.committed, Committed::Now(_))));
                table.expire().await.unwrap();
                // Readers see a key once, at any moment.
                by_key(&table.snapshot().await.unwrap()).await;
            }
            done
        });
        for task in tasks {
            task.await.unwrap();
        }
        tidy.await.unwrap();
        let found = by_key(&process(&store).await.snapshot().await.unwrap()).await;
        let last = |key: i64| (EPOCHS - 1 != key).then(|| (EPOCHS - 1).to_string());
        let own = |writer: i64| (0..10).filter_map(move |key| Some((100 * writer + key, Some(last(key)?))));
        let both = (0..5).map(|key| (key, Some("both".to_owned())));
        assert_eq!(found, own(1).chain(own(2)).chain(both).collect());
    });
}

#[test]
fn many_readers_see_every_commit_that_came_before() {
    on_four_threads(async {
        let store = Arc::new(InMemory::new());
        append_table(&directory(&store)).await;
        let (writer, reader) = (process(&store).await, process(&store).await);
        for id in 0..20 {
            append(&*writer, &rows(&[(id, None)])).await;
            let readers = (0..8).map(|_| {
                let reader = Arc::clone(&reader);
                tokio::spawn(async move { reader.snapshot().await.unwrap().version() })
            });
            for version in futures::future::join_all(readers).await {
                assert_eq!(version.unwrap(), id as u64 + 1);
            }
        }
    });
}
