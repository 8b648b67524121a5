//! A panic in what we call is an internal error, and the session goes on.

use std::any::Any;

use dipper_types::Error;
use tokio::task::JoinError;

/// The error of a panic.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::internal(format!("the query panicked: {}", text.unwrap_or("no message")))
}

/// The error of a task that has not come to its end.
pub(crate) fn stopped(error: JoinError) -> Error {
    match error.try_into_panic() {
        Ok(panic) => panicked(panic.as_ref()),
        Err(_) => Error::cancelled(),
    }
}
