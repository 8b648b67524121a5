//! What an error of an object store means for us: whether it may pass, and what to tell the user.

use std::error::Error as StdError;
use std::io;

use dipper_types::{Error, ErrorKind};
use object_store::Error as StoreError;

/// Whether the same call may succeed if it is made again.
pub(crate) fn may_pass(error: &StoreError) -> bool {
    match error {
        StoreError::Generic { .. } | StoreError::JoinError { .. } => match io_kind(error) {
            None => !matches!(status(error), Some(401 | 403 | 404)),
            Some(kind) => !matches!(
                kind,
                io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::FileTooLarge
                    | io::ErrorKind::ReadOnlyFilesystem
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::InvalidFilename
            ),
        },
        _ => false,
    }
}

const CREDENTIALS: &str = "see that the credentials may read and write there, or choose another directory";

/// The error of a call about `what` in the `holds` directory at `url`.
pub(crate) fn explain(what: &str, holds: &str, url: &str, error: &StoreError) -> Error {
    let about = |kind, hint: &str| {
        Error::new(kind, format!("cannot {what} in {holds} directory '{url}': {}", innermost(error))).with_hint(hint)
    };
    match (error, io_kind(error)) {
        (_, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) => {
            about(ErrorKind::Unavailable, "free space there, or keep fewer checkpoints")
        }
        (_, Some(io::ErrorKind::FileTooLarge)) => {
            about(ErrorKind::Unavailable, "raise the limit on the size of files (ulimit -f)")
        }
        (_, Some(io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)) => {
            about(ErrorKind::Invalid, "make it writable for this user, or choose another directory")
        }
        (StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. }, _) => {
            about(ErrorKind::Invalid, CREDENTIALS)
        }
        (_, None) if matches!(status(error), Some(401 | 403)) => about(ErrorKind::Invalid, CREDENTIALS),
        (_, None) if status(error) == Some(404) => {
            about(ErrorKind::Invalid, "make the bucket or container, or choose another directory")
        }
        (_, Some(io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename))
        | (StoreError::InvalidPath { .. } | StoreError::UnknownConfigurationKey { .. }, _) => {
            about(ErrorKind::Invalid, "choose another directory")
        }
        (StoreError::NotImplemented { .. } | StoreError::NotSupported { .. }, _) => {
            about(ErrorKind::Unsupported, "checkpoints need a store that can create an object only if it is absent")
        }
        _ => {
            about(ErrorKind::Unavailable, "see that the store can be reached; the job goes on from its last checkpoint")
        }
    }
}

/// What the operating system said, if it is behind the error.
fn io_kind(error: &StoreError) -> Option<io::ErrorKind> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        next = error.source();
    }
    None
}

/// What a store over HTTP has answered. `object_store` tells it apart for single objects only, not when it lists them, and keeps the type of
/// the error behind it to itself.
fn status(error: &StoreError) -> Option<u16> {
    let message = innermost(error);
    message.strip_prefix("Server returned non-2xx status code: ")?.get(..3)?.parse().ok()
}

/// The message at the bottom of the chain: those above it repeat paths and names of stores.
fn innermost(error: &StoreError) -> String {
    let mut error: &dyn StdError = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Another attempt owns the job.
pub(crate) fn fenced(job: &str, number: u64) -> Error {
    let message = format!("job '{job}': another attempt has already gone beyond manifest {number}");
    Error::new(ErrorKind::Fenced, message).with_hint("another process runs this job: stop one of them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_operating_system_says_decides_about_retries_and_the_remedy() {
        use io::ErrorKind as Io;
        for (io, may, kind, remedy) in [
            (Io::StorageFull, false, ErrorKind::Unavailable, "free space there, or keep fewer checkpoints"),
            (Io::QuotaExceeded, false, ErrorKind::Unavailable, "free space there, or keep fewer checkpoints"),
            (Io::FileTooLarge, false, ErrorKind::Unavailable, "raise the limit on the size of files"),
            (Io::ReadOnlyFilesystem, false, ErrorKind::Invalid, "make it writable for this user"),
            (Io::PermissionDenied, false, ErrorKind::Invalid, "make it writable for this user"),
            (Io::NotADirectory, false, ErrorKind::Invalid, "choose another directory"),
            (Io::TimedOut, true, ErrorKind::Unavailable, "see that the store can be reached"),
        ] {
            let error = StoreError::Generic { store: "local files", source: io::Error::from(io).into() };
            assert_eq!(may_pass(&error), may, "{io}");
            let explained = explain("create 'x'", "checkpoint", "/data", &error);
            assert_eq!(explained.kind(), kind, "{io}");
            assert_eq!(explained.to_string(), format!("cannot create 'x' in checkpoint directory '/data': {io}"));
            assert!(explained.hint().is_some_and(|hint| hint.starts_with(remedy)), "{io}");
        }
    }

    #[test]
    fn a_store_that_forbids_is_told_from_one_that_is_slow() {
        for (status, may, kind, remedy) in [
            ("401 Unauthorized", false, ErrorKind::Invalid, "see that the credentials"),
            ("403 Forbidden", false, ErrorKind::Invalid, "see that the credentials"),
            ("404 Not Found", false, ErrorKind::Invalid, "make the bucket"),
            ("429 Too Many Requests", true, ErrorKind::Unavailable, "see that the store can be reached"),
            ("503 Slow Down", true, ErrorKind::Unavailable, "see that the store can be reached"),
        ] {
            let source = format!("Server returned non-2xx status code: {status}: <Error/>").into();
            let error = StoreError::Generic { store: "S3", source };
            assert_eq!(may_pass(&error), may, "{status}");
            let explained = explain("list files", "checkpoint", "s3://bucket", &error);
            assert_eq!(explained.kind(), kind, "{status}");
            assert!(explained.hint().is_some_and(|hint| hint.starts_with(remedy)), "{explained:?}");
        }
    }
}
