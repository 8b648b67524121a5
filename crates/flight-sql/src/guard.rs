//! Calls of the session: their errors as gRPC knows them, and a panic as the error of that call instead of a connection that breaks off.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use dipper_types::{Error, Result};
use futures::{FutureExt, Stream, StreamExt};
use tonic::Status;

use crate::status::status;

/// What a call of the session gives.
pub(crate) async fn guarded<T>(call: impl Future<Output = Result<T>>) -> Result<T, Status> {
    let result = AssertUnwindSafe(call).catch_unwind().await;
    result.unwrap_or_else(|panic| Err(panicked(panic.as_ref()))).map_err(|error| status(&error))
}

/// What a stream of the session gives.
pub(crate) fn guarded_rows<T>(
    rows: impl Stream<Item = Result<T>> + Send + 'static,
) -> impl Stream<Item = Result<T, Status>> + Send + 'static {
    let rows = AssertUnwindSafe(rows).catch_unwind();
    rows.map(|row| row.unwrap_or_else(|panic| Err(panicked(panic.as_ref()))).map_err(|error| status(&error)))
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::internal(format!("a bug in Dipper: {}", text.unwrap_or("no more is known")))
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use tonic::Code;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_the_error_of_its_call() {
        let error = guarded::<()>(async { panic!("of {}", "all things") }).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::Internal, "a bug in Dipper: of all things"));
        let rows = stream::iter(0..3).map(|row| if row == 1 { panic!("at one") } else { Ok(row) });
        let rows: Vec<_> = guarded_rows(rows).collect().await;
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1].as_ref().unwrap_err().message(), "a bug in Dipper: at one");
    }
}
