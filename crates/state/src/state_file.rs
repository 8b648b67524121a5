//! A state file: rows and deletes of one table, sorted by key group, in sections that can be read and verified one by one.
//! `docs/design/snapshots.md` has the layout.
//!
//! Nothing interprets bytes whose checksum has not been verified: Arrow's reader and the decompressor trust the lengths that they find.

mod decode;
mod encode;
mod header;
mod shuffle;

pub(crate) use decode::{decode_section, verify};
pub(crate) use encode::{Contents, EncodedFile, encode};
pub(crate) use header::{FileIdentity, Section, SectionKind, VerifiedHeader, corrupt, read_header};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use header::{PREFIX_BYTES, seal};

use serde::{Deserialize, Serialize};

/// How sections are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Not at all.
    None,
    /// zstd at its fastest level; columns of fixed width are brought together by significance before.
    #[default]
    Zstd,
}

#[cfg(test)]
mod tests;
