//! Errors as they travel: an error's kind is the code of a gRPC status, its message is the status's.

use std::error::Error as _;

use dipper_types::{Error, ErrorKind};
use tonic::{Code, Status};

use crate::message::failure;

/// The status that tells the other process of an error.
pub(super) fn from_error(error: &Error) -> Status {
    Status::new(code_of(error), error.to_string())
}

/// The code that stands for an error's kind.
pub(crate) fn code_of(error: &Error) -> Code {
    match error.kind() {
        ErrorKind::Invalid => Code::InvalidArgument,
        ErrorKind::Unsupported => Code::Unimplemented,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Fenced => Code::FailedPrecondition,
        ErrorKind::Corrupt => Code::DataLoss,
        ErrorKind::Cancelled => Code::Cancelled,
        _ => Code::Internal,
    }
}

/// The error that a status tells of: the other process's, or that there is no talking to it.
pub(super) fn to_error(status: &Status) -> Error {
    // What has a source comes from the connection, whatever its code is.
    if status.source().is_some() {
        return failure(status).context("the connection failed");
    }
    let kind = match status.code() {
        Code::InvalidArgument | Code::Unauthenticated | Code::PermissionDenied => ErrorKind::Invalid,
        Code::Unimplemented => ErrorKind::Unsupported,
        Code::FailedPrecondition => ErrorKind::Fenced,
        Code::DataLoss => ErrorKind::Corrupt,
        Code::Cancelled => ErrorKind::Cancelled,
        Code::Internal | Code::OutOfRange => ErrorKind::Internal,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, status.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_kind_and_message_on_its_way() {
        for kind in [
            ErrorKind::Invalid,
            ErrorKind::Unsupported,
            ErrorKind::Unavailable,
            ErrorKind::Fenced,
            ErrorKind::Corrupt,
            ErrorKind::Cancelled,
            ErrorKind::Internal,
        ] {
            let arrived = to_error(&from_error(&Error::new(kind, "what happened")));
            assert_eq!((arrived.kind(), arrived.to_string().as_str()), (kind, "what happened"));
        }
    }

    #[test]
    fn a_failed_connection_is_unavailable_whatever_its_code() {
        let status = Status::from_error(Box::new(std::io::Error::other("reset")));
        assert_eq!(to_error(&status).kind(), ErrorKind::Unavailable);
    }
}
