//! The decoders as `fuzz/fuzz_targets/state.rs` calls them, and what puts right checksums around bytes that nobody has written.
//! Whoever may write to a directory of checkpoints is trusted; a decoder that is handed nonsense still has to say so.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, UInt16Array};
use arrow::record_batch::RecordBatch;
use dipper_types::{AttemptId, Epoch, JobId, KeyGroupRange, ManifestNumber, OperatorId, Result, SubtaskId};
use serde_json::json;

use crate::explain::summarise;
use crate::handle::{FileRef, Run, StateHandle, TableHandle};
use crate::list_state::{ListItem, ListState, Redistribution};
use crate::manifest::{self, CheckpointKind, Manifest, Query, TaskState};
use crate::state_file::{Compression, Contents, FileIdentity, PREFIX_BYTES, decode_section, encode, seal, verify};

/// Verifies and decodes all of a state file, and returns how many rows and deletes it holds.
pub fn decode_state_file(bytes: &[u8]) -> Result<u64> {
    let verified = verify("f", bytes)?;
    let mut rows = 0;
    for section in &verified.header.sections {
        let place = verified.place(section);
        let bytes = &bytes[place.start as usize..place.end as usize];
        for batch in decode_section("f", section, verified.header.compression, bytes)? {
            rows += batch.num_rows() as u64;
        }
    }
    Ok(rows)
}

/// Decodes a manifest, and asks it all that can be asked.
pub fn decode_manifest(bytes: &[u8]) -> Result<Manifest> {
    let manifest = Manifest::decode("m", bytes)?;
    manifest.open_from();
    summarise(&manifest, Some(&manifest));
    let tables = manifest.tasks.iter().flat_map(|task| task.operators.values()).flat_map(|of| of.tables.values());
    tables.flat_map(|table| &table.runs).map(Run::bytes).for_each(|_| {});
    Ok(manifest)
}

/// A state file with this text as its header, and these bytes as its sections.
pub fn seal_state_file(header: &[u8], sections: &[u8]) -> Vec<u8> {
    let (mut bytes, _) = seal(header);
    bytes.extend_from_slice(sections);
    bytes
}

/// A manifest with this text, which need not be one.
pub fn seal_manifest(text: &str) -> Vec<u8> {
    manifest::seal(text).into_bytes()
}

/// What a small state file says of itself.
pub(crate) fn identity() -> FileIdentity {
    FileIdentity {
        job: JobId("j".to_owned()),
        attempt: AttemptId { opening: ManifestNumber(1), nonce: 2 },
        epoch: Epoch(7),
        operator: OperatorId("op".to_owned()),
        subtask: SubtaskId { index: 0, parallelism: 1 },
        table: "t".to_owned(),
        key_columns: 1,
    }
}

/// A small state file as it is written, in two parts: the text of its header, and its sections.
pub fn state_file(compression: Compression) -> Result<(Vec<u8>, Vec<u8>)> {
    let batch = |keys: &[i64]| {
        let groups: ArrayRef = Arc::new(UInt16Array::from_iter_values(keys.iter().map(|key| *key as u16 % 128)));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(keys.iter().map(|key| "x".repeat(*key as usize))));
        let keys: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
        RecordBatch::try_from_iter([("key_group", groups), ("key", keys), ("text", texts)])
    };
    let contents = Contents { rows: vec![batch(&[1, 2, 30])?], deletes: vec![batch(&[4])?] };
    let mut parts = (Vec::new(), Vec::new());
    for file in encode(&identity(), &contents, compression)? {
        let (header, sections) = file.bytes.split_at(file.header_bytes as usize);
        parts = (header[PREFIX_BYTES..].to_vec(), sections.to_vec());
    }
    Ok(parts)
}

/// The text of a manifest as it is written.
pub fn manifest_text() -> Result<String> {
    let key_groups = KeyGroupRange { start: 0, end: 128 };
    let file = FileRef {
        path: "state/00000000000000000003-x.state".to_owned(),
        attempt: 2,
        epoch: Epoch(3),
        bytes: 100,
        header_bytes: 30,
        checksum: crate::Checksum(u64::MAX),
        rows: 9,
        deletes: 1,
        key_groups,
    };
    let table = TableHandle { key_columns: 1, runs: vec![Run { files: vec![file.clone(), file] }] };
    let items = vec![ListItem { id: "a.csv".to_owned(), state: json!({"offset": 12, "b": null, "a": 1.5}) }];
    let handle = StateHandle {
        subtask: SubtaskId { index: 0, parallelism: 1 },
        key_groups,
        open_from: Epoch(4),
        tables: [("open".to_owned(), table)].into(),
        lists: [("offsets".to_owned(), ListState { redistribution: Redistribution::BySplit, items })].into(),
    };
    let task = TaskState {
        operators: [(OperatorId("op".to_owned()), handle)].into(),
        committables: vec![json!({"file": "part-1"})],
        ..TaskState::default()
    };
    let manifest = Manifest {
        number: 42,
        job: JobId("j".to_owned()),
        epoch: Epoch(4),
        leader: 0,
        attempt: AttemptId { opening: ManifestNumber(1), nonce: 2 },
        kind: CheckpointKind::Checkpoint,
        created_ms: 1,
        duration_ms: 2,
        key_groups: 128,
        query: Query { sql: "SELECT 1".to_owned(), catalog: String::new() },
        tasks: vec![task],
    };
    let text = serde_json::to_string(&manifest);
    text.map_err(|error| dipper_types::Error::internal(format!("cannot encode a manifest: {error}")))
}

#[cfg(test)]
mod tests;
