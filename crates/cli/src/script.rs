//! A text of SQL with the name that errors call it by.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use dipper_types::Error;

use crate::failure::Failure;

/// A text of SQL and its name.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// The file's path, or where else it came from.
    pub(crate) name: Arc<str>,
    /// The text.
    pub(crate) text: Arc<str>,
    /// Whether the user wrote it: an error shows its place there.
    pub(crate) written: bool,
}

impl Script {
    /// A text that is in no file.
    pub(crate) fn new(name: &str, text: &str) -> Self {
        Self { name: name.into(), text: text.into(), written: true }
    }

    /// What a command of the shell stands for.
    pub(crate) fn of_command(text: &str) -> Self {
        Self { written: false, ..Self::new("<command>", text) }
    }

    /// Reads a file, or standard input for `-`.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            let mut bytes = Vec::new();
            let name = "<stdin>";
            return match io::stdin().lock().read_to_end(&mut bytes) {
                Ok(_) => Self::of_bytes(name, bytes),
                Err(error) => Err(unreadable(name, &error)),
            };
        }
        let name = path.display().to_string();
        match std::fs::read(path) {
            Ok(bytes) => Self::of_bytes(&name, bytes),
            Err(error) => Err(unreadable(&name, &error)),
        }
    }

    fn of_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, Failure> {
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(name, text.strip_prefix('\u{feff}').unwrap_or(&text))),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let line = error.as_bytes()[..at].split(|byte| *byte == b'\n').count();
                let message = format!("cannot read SQL file '{name}': line {line} is not UTF-8");
                Err(Failure::Usage(Error::invalid(message).with_hint("save the file as UTF-8")))
            }
        }
    }
}

/// What the jobs of a file are called.
pub(crate) fn job_name(file: &Path) -> Option<String> {
    file.file_stem().and_then(|stem| stem.to_str()).filter(|stem| *stem != "-").map(str::to_owned)
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    };
    Failure::Usage(Error::invalid(format!("cannot read SQL file '{name}': {reason}")))
}
