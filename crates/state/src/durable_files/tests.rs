//! A directory of this machine.

use std::collections::BTreeMap;

use bytes::Bytes;
use dipper_types::ErrorKind;
use object_store::ObjectStoreExt;

use super::*;
use crate::directory::{Created, Directory};
use crate::testing::block_on;

#[test]
fn files_are_created_once_listed_and_deleted() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("not yet/there");
    let directory = Directory::open(path.to_str().unwrap(), &BTreeMap::new()).unwrap().child("a job: ä/%");
    block_on(async {
        let (mine, other) = (Bytes::from("mine"), Bytes::from("other"));
        assert_eq!(directory.create("manifests/1.json", &mine).await.unwrap(), Created::Own);
        assert_eq!(directory.create("manifests/1.json", &mine).await.unwrap(), Created::Own, "an answer was lost");
        assert_eq!(directory.create("manifests/1.json", &other).await.unwrap(), Created::Other);
        assert_eq!(directory.get("manifests/1.json").await.unwrap().unwrap(), mine);
        assert_eq!(directory.get("manifests/2.json").await.unwrap(), None);
        assert_eq!(directory.size("manifests/1.json").await.unwrap(), Some(4));
        assert_eq!(directory.get_ranges("manifests/1.json", &[1..3, 0..2]).await.unwrap().unwrap(), ["in", "mi"]);
        let names: Vec<String> = directory.list().await.unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["manifests/1.json"], "nothing temporary is left");
        assert_eq!(directory.child("manifests").list().await.unwrap()[0].name, "1.json");
        directory.delete("manifests/1.json").await.unwrap();
        directory.delete("manifests/1.json").await.unwrap();
        assert!(directory.list().await.unwrap().is_empty());
    });
}

#[test]
fn an_overwritten_file_has_its_last_content() {
    let root = tempfile::tempdir().unwrap();
    let files = DurableFiles::open(root.path()).unwrap();
    block_on(async {
        let path = Path::from("x/y");
        for text in ["first", "second"] {
            files.put(&path, text.into()).await.unwrap();
        }
        assert_eq!(files.get(&path).await.unwrap().bytes().await.unwrap(), "second");
    });
}

#[test]
fn a_directory_that_is_a_file_is_refused_with_a_remedy() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let url = format!("file://{}/below", file.display());
    let error = Directory::open(&url, &BTreeMap::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.to_string(), format!("cannot open files in checkpoint directory '{url}': not a directory"));
    assert_eq!(error.hint(), Some("choose another directory"));
}
