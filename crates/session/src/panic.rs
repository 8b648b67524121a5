//! A panic in what we call is an internal error, and the session goes on.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use dipper_types::{Error, Result};
use futures::FutureExt;
use tokio::task::JoinError;

/// What a call gives, or its panic as an error. What it changes must be changed in one step: a panic may come before any other.
pub(crate) async fn caught<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    let result = AssertUnwindSafe(call).catch_unwind().await;
    result.unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
}

/// The error of a task that has not come to its end.
pub(crate) fn stopped(error: JoinError) -> Error {
    match error.try_into_panic() {
        Ok(panic) => panicked(panic.as_ref()),
        Err(_) => Error::cancelled(),
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::internal(format!("the query panicked: {}", text.unwrap_or("no message")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use dipper_types::ErrorKind;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_the_error_of_its_call() {
        let error = caught::<()>(async { panic!("of {}", "all things") }).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::Internal, "the query panicked: of all things")
        );
        assert_eq!(caught(async { Ok(1) }).await.unwrap(), 1);
    }
}
