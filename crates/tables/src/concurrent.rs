//! A few requests at a time.

use dipper_types::Result;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};

/// How many requests are under way at once.
const REQUESTS: usize = 8;

/// Runs requests side by side, up to the first error; the results are in the order of the requests.
pub(crate) async fn concurrently<T>(requests: Vec<BoxFuture<'_, Result<T>>>) -> Result<Vec<T>> {
    stream::iter(requests).buffered(REQUESTS).try_collect().await
}
