//! Leadership against a real directory.

use std::collections::BTreeMap;

use super::*;

/// Short, but long enough for a machine that is busy.
const OPTIONS: ElectionOptions =
    ElectionOptions { lease_ms: 900, patience_ms: 600, renewal_ms: 100, look_ms: 50, retry_ms: 20 };

fn cluster(path: &std::path::Path) -> Directory {
    Directory::open(path.to_str().unwrap(), &BTreeMap::new()).unwrap()
}

fn join(cluster: &Directory, name: &str) -> Leadership {
    Leadership::join(cluster, CoordinatorId(name.into()), format!("{name}:7000"), OPTIONS)
}

#[tokio::test]
async fn when_the_leader_is_gone_another_one_leads_under_a_greater_generation() {
    let temp = tempfile::tempdir().unwrap();
    let cluster = cluster(temp.path());
    assert_eq!(find_leader(&cluster).await.unwrap(), None);
    let mut first = join(&cluster, "a");
    let LeadershipChange::Led { generation } = first.next().await else { panic!("nobody leads") };
    assert!(first.seat().confirm(generation).await.is_ok());
    let mut second = join(&cluster, "b");
    drop(first);
    let LeadershipChange::Led { generation: later } = second.next().await else { panic!("nobody leads") };
    assert!(later > generation);
    let leader = find_leader(&cluster).await.unwrap().unwrap();
    assert_eq!((leader.coordinator.0.as_str(), leader.address.as_str()), ("b", "b:7000"));
    assert_eq!(leader.generation, later);
    assert_eq!(second.seat().generation(), Some(later));
    assert_eq!(second.seat().confirm(generation).await.unwrap_err().kind(), ErrorKind::Fenced);
}

#[tokio::test]
async fn a_leader_that_finds_a_greater_number_loses() {
    let temp = tempfile::tempdir().unwrap();
    let cluster = cluster(temp.path());
    let mut first = join(&cluster, "a");
    let LeadershipChange::Led { generation } = first.next().await else { panic!("nobody leads") };
    let usurper = Store {
        directory: cluster.child(LEADERSHIP),
        coordinator: CoordinatorId("b".into()),
        address: "b:1".into(),
        session: 5,
    };
    usurper.create(generation + 1_000, generation + 1_000).await;
    assert_eq!(first.next().await, LeadershipChange::Lost);
    assert_eq!(first.seat().confirm(generation).await.unwrap_err().kind(), ErrorKind::Fenced);
}

#[tokio::test]
async fn an_object_that_says_nothing_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let cluster = cluster(temp.path());
    cluster.child(LEADERSHIP).create(&object_name(3), &Bytes::from_static(b"{}")).await.unwrap();
    let error = find_leader(&cluster).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("leadership/00000000000000000003.json' does not say who leads"), "{error}");
}
