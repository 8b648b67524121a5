//! What a writer hands over to the commit: which staged file becomes which file of the table.

use std::fmt::Write;

use dipper_operator_api::Committable;
use dipper_types::{Error, Result};
use serde::{Deserialize, Serialize};

/// A staged file and its final name, both within the table's directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StagedFile {
    pub(crate) staging: String,
    pub(crate) name: String,
}

impl StagedFile {
    pub(crate) fn encode(&self) -> Result<Committable> {
        let bytes = serde_json::to_vec(self).map_err(|error| Error::internal(error.to_string()))?;
        Ok(Committable(bytes))
    }

    pub(crate) fn decode(committable: &Committable) -> Result<Self> {
        serde_json::from_slice(&committable.0)
            .map_err(|error| Error::internal(format!("not a committable of the filesystem sink: {error}")))
    }
}

/// The name of the directory in which a job stages files.
pub(crate) fn staging_name(job: &str) -> String {
    format!("_staging-{}", file_safe(job))
}

/// The job's name as part of a file name: what file systems and object stores may not like is written in hex.
pub(crate) fn file_safe(job: &str) -> String {
    let mut safe = String::with_capacity(job.len());
    for byte in job.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            safe.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(safe, "={byte:02x}");
        }
    }
    safe
}
