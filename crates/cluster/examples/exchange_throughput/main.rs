//! How many bytes of Arrow data a second pass from one worker to another over a loopback connection, both in this process:
//!
//! ```text
//! cargo run --release -p dipper-cluster --example exchange_throughput -- [MEGABYTES [CHANNELS [BATCH_KIND]]]
//! ```
#![expect(clippy::print_stdout, reason = "the measurement's result")]

mod clock;

use std::error::Error;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, StringArray, StringViewArray};
use arrow::record_batch::RecordBatch;
use clock::Stopwatch;
use dipper_allocator::{Allocator, keep_free_memory};
use dipper_cluster::exchange::{ChannelName, ElementSink, ExchangeService, Expected, connection, send};
use dipper_operator_api::StreamElement;
use dipper_types::{AttemptId, JobId, ManifestNumber, Result};
use futures::future::{BoxFuture, try_join_all};
use futures::stream::{self, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::transport::{Endpoint, Server};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

const ROWS: i64 = 8192;

fn main() -> Result<(), Box<dyn Error>> {
    keep_free_memory();
    let mut arguments = std::env::args().skip(1);
    let megabytes: usize = arguments.next().map_or(Ok(2000), |text| text.parse())?;
    let channels: u32 = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let kind = arguments.next();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for (name, batch) in [("integers", integers()?), ("strings", strings()?), ("views", views()?)] {
        if kind.as_deref().is_none_or(|kind| kind == name) {
            // Not what arrays have allocated, which is more.
            let buffers = batch.columns().iter().flat_map(|column| column.to_data().buffers().to_vec());
            let bytes: usize = buffers.map(|buffer| buffer.len()).sum();
            let batches = (megabytes * 1_000_000 / bytes / channels as usize).max(1);
            let seconds = runtime.block_on(measure(&batch, batches, channels))?;
            let rate = (bytes * batches * channels as usize) as f64 / 1e6 / seconds;
            println!("{name:>10}: {rate:.0} MB/s ({bytes} bytes a batch of {ROWS} rows, {channels} channels)");
        }
    }
    Ok(())
}

/// Four columns of numbers.
fn integers() -> Result<RecordBatch> {
    let column = |n: i64| Arc::new((0..ROWS).map(|row| row * n).collect::<Int64Array>()) as ArrayRef;
    Ok(RecordBatch::try_from_iter([("a", column(1)), ("b", column(2)), ("c", column(3)), ("d", column(4))])?)
}

/// Two columns of numbers, two of strings of about 10 and 30 bytes.
fn strings() -> Result<RecordBatch> {
    let numbers = |n: i64| Arc::new((0..ROWS).map(|row| row * n).collect::<Int64Array>()) as ArrayRef;
    let text = |start: &str| {
        let values: StringArray = (0..ROWS).map(|row| Some(format!("{start}{row}"))).collect();
        Arc::new(values) as ArrayRef
    };
    let (short, long) = (text("user-"), text("https://example.org/some/path/"));
    Ok(RecordBatch::try_from_iter([("a", numbers(1)), ("b", numbers(2)), ("c", short), ("d", long)])?)
}

/// The same, as views.
fn views() -> Result<RecordBatch> {
    let columns = strings()?;
    let view = |index: usize| {
        let values = arrow::compute::cast(columns.column(index), &arrow::datatypes::DataType::Utf8View)?;
        let values: &StringViewArray = arrow::array::AsArray::as_string_view(&values);
        Ok::<_, dipper_types::Error>(Arc::new(values.gc()) as ArrayRef)
    };
    let [a, b] = [0, 1].map(|index| Arc::clone(columns.column(index)));
    Ok(RecordBatch::try_from_iter([("a", a), ("b", b), ("c", view(2)?), ("d", view(3)?)])?)
}

/// The seconds that it takes until all channels have carried as many batches.
async fn measure(batch: &RecordBatch, batches: usize, channels: u32) -> Result<f64, Box<dyn Error>> {
    let expected = Expected::default();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = connection::server(Server::builder()).add_service(ExchangeService::server(expected.clone()));
    let server = tokio::spawn(server.serve_with_incoming(connection::incoming(listener)));
    let connection = connection::endpoint(Endpoint::from_shared(format!("http://{address}"))?).connect().await?;
    let mut ends = Vec::new();
    let clock = Stopwatch::start();
    for edge in 0..channels {
        let attempt = AttemptId { opening: ManifestNumber(1), nonce: 7 };
        let name = ChannelName { job: JobId("measured".to_owned()), attempt, edge, sender: 0, receiver: 0 };
        let (queue, mut elements) = mpsc::channel(4);
        let reception = expected.expect(name.clone(), batch.schema(), Box::new(Queue(queue)))?;
        let sent = stream::repeat(StreamElement::Batch(batch.clone())).take(batches);
        let sent = sent.chain(stream::once(async { StreamElement::End }));
        let connection = connection.clone();
        ends.push(tokio::spawn(async move { send(connection, &name, sent).await }));
        ends.push(tokio::spawn(async move {
            while elements.recv().await.is_some() {}
            reception.ended().await
        }));
    }
    for outcome in try_join_all(ends).await? {
        outcome?;
    }
    let seconds = clock.seconds();
    server.abort();
    Ok(seconds)
}

struct Queue(mpsc::Sender<StreamElement>);

impl ElementSink for Queue {
    fn send(&mut self, element: StreamElement) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { self.0.send(element).await.map_err(|_| dipper_types::Error::cancelled()) })
    }
}
