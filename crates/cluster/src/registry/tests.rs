//! The registry against a real directory.

use std::collections::BTreeMap;

use dipper_types::ErrorKind;

use super::*;
use crate::{CoordinatorId, JobEnd, StartFrom};

fn registry(path: &std::path::Path) -> (Registry, Directory) {
    let cluster = Directory::open(path.to_str().unwrap(), &BTreeMap::new()).unwrap();
    (Registry::new(&cluster), cluster)
}

fn writer(name: &str, generation: u64) -> Writer {
    Writer { coordinator: CoordinatorId(name.into()), generation }
}

fn submission(job: &str) -> Submission {
    Submission {
        job: JobId(job.into()),
        name: "orders".into(),
        sql: "SELECT 1".into(),
        settings: BTreeMap::new(),
        start_from: StartFrom::Latest,
        submitted_ms: 5,
    }
}

#[tokio::test]
async fn what_is_decided_is_read_back() {
    let temp = tempfile::tempdir().unwrap();
    let (registry, _) = registry(temp.path());
    assert_eq!(registry.jobs().await.unwrap(), []);
    let mut log = registry.submit(&writer("a", 1), submission("7")).await.unwrap();
    registry.append(&mut log, Record::Rescale { parallelism: 3 }).await.unwrap();
    registry.submit(&writer("a", 1), submission("8")).await.unwrap();
    assert_eq!(registry.jobs().await.unwrap(), [JobId("7".into()), JobId("8".into())]);
    let history = registry.read(&JobId("7".into())).await.unwrap().unwrap();
    assert_eq!((history.head, history.decided.parallelism), (2, Some(3)));
    assert_eq!(registry.read(&JobId("9".into())).await.unwrap(), None);
    let error = registry.append(&mut log, Record::Ended(JobEnd::Cancelled)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn an_id_is_used_once_and_is_a_plain_name() {
    let temp = tempfile::tempdir().unwrap();
    let (registry, _) = registry(temp.path());
    registry.submit(&writer("a", 1), submission("7")).await.unwrap();
    let error = registry.submit(&writer("b", 2), submission("7")).await.unwrap_err();
    assert_eq!(error.to_string(), "there is a job '7' already");
    for id in ["", "../7", "a/b", "ü"] {
        assert_eq!(
            registry.submit(&writer("a", 1), submission(id)).await.unwrap_err().to_string(),
            format!("'{id}' is no id of a job")
        );
    }
}

#[tokio::test]
async fn who_led_before_is_fenced_when_another_has_taken_over() {
    let temp = tempfile::tempdir().unwrap();
    let (registry, _) = registry(temp.path());
    let job = JobId("7".into());
    let mut old = registry.submit(&writer("a", 1), submission("7")).await.unwrap();
    let mut new = registry.take_over(&writer("b", 4), &job).await.unwrap();
    let error = registry.append(&mut old, Record::Cancel).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced);
    assert_eq!(registry.take_over(&writer("a", 1), &job).await.unwrap_err().kind(), ErrorKind::Fenced);
    registry.append(&mut new, Record::Cancel).await.unwrap();
    assert!(registry.read(&job).await.unwrap().unwrap().decided.is_cancelled);
}

#[tokio::test]
async fn a_damaged_job_is_named_and_does_not_hide_the_others() {
    let temp = tempfile::tempdir().unwrap();
    let (registry, cluster) = registry(temp.path());
    let mut log = registry.submit(&writer("a", 1), submission("7")).await.unwrap();
    registry.submit(&writer("a", 1), submission("8")).await.unwrap();
    registry.append(&mut log, Record::Started).await.unwrap();
    cluster.child("jobs").child("7").delete(&entry_name(1)).await.unwrap();
    let all = registry.read_all(|_| false).await.unwrap();
    let error = all[0].1.as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().ends_with("jobs/7/00000000000000000001.json' is damaged: it is missing"), "{error}");
    assert_eq!(all[1].1.as_ref().unwrap().head, 1);
}
