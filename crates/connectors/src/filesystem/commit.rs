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

/// How the names of directories begin in which files are staged.
pub(crate) const STAGING: &str = "_staging-";

/// The name of the directory in which a run stages files.
pub(crate) fn staging_name(run: &str) -> String {
    format!("{STAGING}{}", file_safe(run))
}

/// The run that stages files in a directory of this name; `None` for any other directory.
pub(crate) fn staged_by(name: &str) -> Option<String> {
    let mut safe = name.strip_prefix(STAGING)?.bytes();
    let mut run = Vec::new();
    while let Some(byte) = safe.next() {
        run.push(match byte {
            b'=' => {
                let digits = [safe.next()?, safe.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(run).ok()
}

/// The run's name as part of a file name: what file systems and object stores may not like is written in hex.
pub(crate) fn file_safe(run: &str) -> String {
    let mut safe = String::with_capacity(run.len());
    for byte in run.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            safe.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(safe, "={byte:02x}");
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_is_read_back_from_the_name_of_its_directory() {
        for run in ["job", "a/b c.7-ff", "größer", ""] {
            assert_eq!(staged_by(&staging_name(run)).as_deref(), Some(run));
        }
        for other in ["data", "_staging-=7", "_staging-=zz", "_staging-=ff"] {
            assert_eq!(staged_by(other), None, "{other}");
        }
    }
}
