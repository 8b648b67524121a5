//! Manifests as bytes.

use dipper_types::{KeyGroupRange, SubtaskId};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::handle::{Run, TableHandle};
use crate::list_state::{ListItem, ListState, Redistribution};
use crate::testing::{self, operator};

fn sample() -> Manifest {
    let key_groups = KeyGroupRange { start: 0, end: 128 };
    let file = FileRef {
        path: "state/x".to_owned(),
        attempt: 2,
        epoch: Epoch(3),
        bytes: 100,
        header_bytes: 30,
        checksum: Checksum(u64::MAX - 1),
        rows: 9,
        deletes: 1,
        key_groups,
    };
    let table = TableHandle { key_columns: 1, runs: vec![Run { files: vec![file] }] };
    let items = vec![ListItem { id: "a.csv".to_owned(), state: json!({"offset": 12, "b": null, "a": 1.5}) }];
    let handle = StateHandle {
        subtask: SubtaskId { index: 0, parallelism: 1 },
        key_groups,
        open_from: Epoch(4),
        tables: [("open".to_owned(), table)].into(),
        lists: [("offsets".to_owned(), ListState { redistribution: Redistribution::BySplit, items })].into(),
    };
    let mut manifest =
        testing::manifest(42, 4, 2, Some(OperatorState { operator: operator(), subtasks: vec![handle] }));
    manifest.tasks[0].committables = vec![json!({"file": "part-1"})];
    manifest
}

#[test]
fn a_manifest_comes_back_and_is_always_encoded_the_same() {
    let bytes = sample().encode().unwrap();
    let decoded = Manifest::decode("m", &bytes).unwrap();
    assert_eq!(decoded, sample());
    assert_eq!(decoded.encode().unwrap(), bytes);
    assert!(bytes.starts_with(br#"{"format":"dipper-manifest","version":1,"checksum":""#));
}

#[test]
fn a_task_that_has_finished_holds_up_no_collection() {
    let mut manifest = sample();
    assert_eq!(manifest.open_from(), Epoch(4));
    manifest.tasks[0].finished = true;
    assert_eq!(manifest.open_from(), Epoch(5));
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let bytes = sample().encode().unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 1 << bit;
            let error = Manifest::decode("m", &flipped).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}: {error}");
            assert_eq!(error.hint(), Some("restore an older checkpoint"));
        }
    }
}

#[test]
fn a_manifest_cut_short_is_found() {
    let bytes = sample().encode().unwrap();
    for length in 0..bytes.len() {
        let error = Manifest::decode("m", &bytes[..length]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().starts_with("manifest 'm' is damaged: "), "{error}");
    }
}

#[test]
fn another_format_version_is_refused_by_name_whatever_else_it_holds() {
    let text = r#"{"of":"tomorrow"}"#;
    let checksum = checksum(2, text);
    let bytes = format!(r#"{{"format":"{FORMAT}","version":2,"checksum":"{checksum}","manifest":{text},"more":[]}}"#);
    let error = Manifest::decode("m", bytes.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.to_string(), "manifest 'm' has format version 2, this build reads 1");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_and_mutated_bytes_are_refused_without_panic(
        noise in prop::collection::vec(any::<u8>(), 0..100),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        prop_assert!(Manifest::decode("m", &noise).is_err());
        let bytes = sample().encode().unwrap();
        let mut mutated = bytes.to_vec();
        for (at, byte) in changes {
            let at = at.index(mutated.len());
            mutated[at] = byte;
        }
        prop_assert_eq!(Manifest::decode("m", &mutated).is_ok(), mutated == bytes);
    }
}
