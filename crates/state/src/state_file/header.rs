//! The header of a state file: who wrote it, and where its sections are.

use std::ops::Range;

use dipper_types::{AttemptId, Epoch, Error, ErrorKind, JobId, KeyGroupRange, OperatorId, Result, SubtaskId};
use serde::{Deserialize, Serialize};

use super::Compression;
use crate::checksum::Checksum;

/// The version that this build reads and writes.
const FORMAT_VERSION: u32 = 2;
const MAGIC: &[u8; 8] = b"DIPSTATE";
/// What stands before the header proper, the same in every version.
pub(crate) const PREFIX_BYTES: usize = 24;

/// What the header says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) identity: FileIdentity,
    pub(crate) compression: Compression,
    pub(crate) sections: Vec<Section>,
}

/// A header that has been verified.
#[derive(Debug)]
pub(crate) struct VerifiedHeader {
    pub(crate) header: Header,
    pub(crate) checksum: Checksum,
    /// Where the sections begin.
    pub(crate) bytes: u64,
}

/// Whose state a file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileIdentity {
    pub(crate) job: JobId,
    pub(crate) attempt: AttemptId,
    pub(crate) epoch: Epoch,
    pub(crate) operator: OperatorId,
    pub(crate) subtask: SubtaskId,
    pub(crate) table: String,
    pub(crate) key_columns: usize,
}

/// Consecutive rows or deletes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Section {
    pub(crate) kind: SectionKind,
    /// From the group of the first row to that of the last.
    pub(crate) key_groups: KeyGroupRange,
    pub(crate) rows: u64,
    /// Where it begins, counted from the end of the header.
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    /// Its length without compression.
    pub(crate) raw_bytes: u64,
    /// Whether its bytes have been brought together by significance before they were compressed.
    pub(crate) shuffled: bool,
    /// Of the bytes as they stand in the file.
    pub(crate) checksum: Checksum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SectionKind {
    Rows,
    Deletes,
}

impl Header {
    /// The first bytes of the file, and their checksum.
    pub(super) fn encode(&self) -> Result<(Vec<u8>, Checksum)> {
        let json = serde_json::to_vec(self).map_err(|error| Error::internal(format!("header of a file: {error}")))?;
        Ok(seal(&json))
    }
}

/// Puts what verifies it in front of the text of a header, and returns its checksum.
pub(crate) fn seal(json: &[u8]) -> (Vec<u8>, Checksum) {
    let mut bytes = Vec::with_capacity(PREFIX_BYTES + json.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes.extend_from_slice(&(json.len() as u32).to_le_bytes());
    let checksum = Checksum::of_parts(&[&bytes, json]);
    bytes.extend_from_slice(&checksum.0.to_le_bytes());
    bytes.extend_from_slice(json);
    (bytes, checksum)
}

impl VerifiedHeader {
    /// The length of the whole file; `None` if the sections do not follow each other.
    pub(crate) fn file_bytes(&self) -> Option<u64> {
        let follow = |end: u64, section: &Section| {
            if section.offset == end { end.checked_add(section.bytes) } else { None }
        };
        self.header.sections.iter().try_fold(0, follow)?.checked_add(self.bytes)
    }

    /// Where a section is in the file.
    pub(crate) fn place(&self, section: &Section) -> Range<u64> {
        let start = self.bytes.saturating_add(section.offset);
        start..start.saturating_add(section.bytes)
    }
}

/// Reads and verifies the header from the first bytes of a file called `name`, which may go on with the sections.
pub(crate) fn read_header(name: &str, bytes: &[u8]) -> Result<VerifiedHeader> {
    let truncated = || corrupt(name, format!("it ends after {} bytes, within its header", bytes.len()));
    let (prefix, rest) = bytes.split_at_checked(PREFIX_BYTES).ok_or_else(truncated)?;
    if !prefix.starts_with(MAGIC) {
        return Err(corrupt(name, "it does not begin like a state file"));
    }
    let number = |at: usize| u32::from_le_bytes([prefix[at], prefix[at + 1], prefix[at + 2], prefix[at + 3]]);
    let (version, length) = (number(8), number(12));
    let json = rest.get(..length as usize).ok_or_else(truncated)?;
    let checksum = Checksum::of_parts(&[&prefix[..16], json]);
    if checksum.0.to_le_bytes() != prefix[16..] {
        return Err(corrupt(name, "the checksum of its header differs"));
    }
    if version != FORMAT_VERSION {
        let message = format!("state file '{name}' has format version {version}, this build reads {FORMAT_VERSION}");
        return Err(Error::invalid(message).with_hint("restore with the version of dipper that wrote it"));
    }
    let header = serde_json::from_slice(json).map_err(|error| corrupt(name, format!("its header: {error}")))?;
    Ok(VerifiedHeader { header, checksum, bytes: PREFIX_BYTES as u64 + u64::from(length) })
}

/// What is wrong with a file, and the way out.
pub(crate) fn corrupt(name: &str, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, format!("state file '{name}' is damaged: {what}"))
        .with_hint("restore an older checkpoint")
}
