//! Both ends of the exchange over real connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use dipper_operator_api::{Barrier, StreamElement};
use dipper_types::{AttemptId, Epoch, Error, ErrorKind, JobId, ManifestNumber, Result, Timestamp, Watermark};
use futures::future::BoxFuture;
use futures::stream::{self, Stream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Status};

use super::codec::FRAME_BYTES_MAX;
use super::proto::exchange_client::ExchangeClient;
use super::proto::frame::Content;
use super::proto::{self, Frame};
use super::{ChannelName, ElementSink, ExchangeService, Expected, Reception, connection, send};

/// A worker that expects channels, on a port of its own.
struct Worker {
    expected: Expected,
    address: SocketAddr,
}

impl Worker {
    async fn start() -> Self {
        let expected = Expected::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = connection::server(Server::builder()).add_service(ExchangeService::server(expected.clone()));
        tokio::spawn(server.serve_with_incoming(connection::incoming(listener)));
        Self { expected, address }
    }

    async fn connect(&self) -> Channel {
        connect(self.address).await
    }

    /// Expects a channel of numbers whose queue has room for `room` elements.
    fn expect(&self, name: &ChannelName, room: usize) -> (Reception, mpsc::Receiver<StreamElement>) {
        let (queue, elements) = mpsc::channel(room);
        let reception = self.expected.expect(name.clone(), numbers(0).schema(), Box::new(Queue(queue))).unwrap();
        (reception, elements)
    }
}

async fn connect(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    connection::endpoint(endpoint).connect().await.unwrap()
}

struct Queue(mpsc::Sender<StreamElement>);

impl ElementSink for Queue {
    fn send(&mut self, element: StreamElement) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { self.0.send(element).await.map_err(|_| Error::cancelled()) })
    }
}

fn name(edge: u32) -> ChannelName {
    let attempt = AttemptId { opening: ManifestNumber(3), nonce: 0xabc };
    ChannelName { job: JobId("orders".to_owned()), attempt, edge, sender: 0, receiver: 1 }
}

fn numbers(rows: usize) -> RecordBatch {
    let column: ArrayRef = Arc::new((0..rows as i64).collect::<Int64Array>());
    RecordBatch::try_from_iter([("n", column)]).unwrap()
}

fn rows(rows: usize) -> StreamElement {
    StreamElement::Batch(numbers(rows))
}

/// Elements that never end: these and then none.
fn endless(elements: Vec<StreamElement>) -> impl Stream<Item = StreamElement> + Send + 'static {
    stream::iter(elements).chain(stream::pending())
}

/// Sends from a task of its own.
fn spawn_send(
    connection: &Channel,
    name: &ChannelName,
    elements: impl Stream<Item = StreamElement> + Send + 'static,
) -> JoinHandle<Result<()>> {
    let (connection, name) = (connection.clone(), name.clone());
    tokio::spawn(async move { send(connection, &name, elements).await })
}

/// As many batches of 64 KiB as one likes, counted as they are taken.
fn counted(taken: &Arc<AtomicUsize>) -> impl Stream<Item = StreamElement> + Send + 'static {
    let taken = Arc::clone(taken);
    stream::repeat(rows(8192)).inspect(move |_| {
        taken.fetch_add(1, Ordering::Relaxed);
    })
}

fn message(outcome: Result<()>) -> (ErrorKind, String) {
    let error = outcome.unwrap_err();
    (error.kind(), error.to_string())
}

#[tokio::test]
async fn elements_arrive_in_order() {
    let worker = Worker::start().await;
    let (reception, mut arrived) = worker.expect(&name(0), 4);
    let mut sent = vec![StreamElement::Idle, StreamElement::Active];
    for n in 1..200 {
        sent.push(rows(n * 10));
        sent.push(StreamElement::Watermark(Watermark(Timestamp(n as i64))));
        sent.push(StreamElement::Barrier(Barrier { epoch: Epoch(n as u64) }));
    }
    sent.push(StreamElement::End);
    let sending = spawn_send(&worker.connect().await, &name(0), stream::iter(sent.clone()));
    for element in &sent {
        assert_eq!(format!("{:?}", arrived.recv().await.unwrap()), format!("{element:?}"));
    }
    sending.await.unwrap().unwrap();
    reception.ended().await.unwrap();
    assert!(arrived.recv().await.is_none());
}

#[tokio::test]
async fn a_channel_that_is_not_read_holds_up_its_sender_and_nobody_else() {
    let worker = Worker::start().await;
    let connection = worker.connect().await;
    let taken: Vec<_> = (0..8).map(|_| Arc::new(AtomicUsize::new(0))).collect();
    let mut unread = Vec::new();
    for (edge, taken) in taken.iter().enumerate() {
        unread
            .push((worker.expect(&name(edge as u32), 1), spawn_send(&connection, &name(edge as u32), counted(taken))));
    }
    // While this channel carries 64 MiB over the same connection, the others could have carried as much.
    let (reception, mut arrived) = worker.expect(&name(100), 1);
    let elements = stream::repeat(rows(8192)).take(1024).chain(stream::once(async { StreamElement::End }));
    let sending = spawn_send(&connection, &name(100), elements);
    while arrived.recv().await.is_some() {}
    sending.await.unwrap().unwrap();
    reception.ended().await.unwrap();
    for taken in &taken {
        // The stream's window, what the client's connection buffers, and a few batches at either end.
        let batches = taken.load(Ordering::Relaxed);
        assert!((1..=50).contains(&batches), "{batches} batches of 64 KiB under way");
    }
    // A channel that is read again goes on.
    let ((_reception, mut arrived), _sending) = unread.swap_remove(0);
    for _ in 0..200 {
        assert!(matches!(arrived.recv().await, Some(StreamElement::Batch(_))));
    }
}

#[tokio::test]
async fn hundreds_of_channels_share_a_connection() {
    let worker = Worker::start().await;
    let connection = worker.connect().await;
    let mut open = Vec::new();
    for edge in 0..500 {
        let (reception, mut arrived) = worker.expect(&name(edge), 1);
        let sending = spawn_send(&connection, &name(edge), endless(vec![rows(1)]));
        assert!(arrived.recv().await.is_some());
        open.push((reception, arrived, sending));
    }
    // An attempt that is cancelled drops them all at once; the connection outlives that.
    for (_, _, sending) in &open {
        sending.abort();
    }
    for (reception, _arrived, _) in open {
        assert_eq!(message(reception.ended().await).0, ErrorKind::Unavailable);
    }
    let (reception, _arrived) = worker.expect(&name(1000), 1);
    send(connection, &name(1000), stream::iter([StreamElement::End])).await.unwrap();
    reception.ended().await.unwrap();
}

#[tokio::test]
async fn elements_that_end_before_the_end_break_the_channel() {
    let worker = Worker::start().await;
    let (reception, _arrived) = worker.expect(&name(0), 4);
    let outcome = send(worker.connect().await, &name(0), stream::iter([rows(1)])).await;
    let channel = "channel of job 'orders', attempt 3-abc, edge 0, subtasks 1 to 2";
    let why = "the elements ended before the end of the stream: cancelled";
    assert_eq!(message(outcome), (ErrorKind::Cancelled, format!("{channel}: {why}")));
    let why = format!("the sender has failed: {why}");
    assert_eq!(message(reception.ended().await), (ErrorKind::Unavailable, format!("{channel}: {why}")));
}

#[tokio::test]
async fn rows_that_cannot_be_sent_break_the_channel() {
    let worker = Worker::start().await;
    let column: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(FRAME_BYTES_MAX)]));
    let huge = RecordBatch::try_from_iter([("s", column)]).unwrap();
    let sink = Box::new(Queue(mpsc::channel(1).0));
    let reception = worker.expected.expect(name(0), huge.schema(), sink).unwrap();
    let outcome = send(worker.connect().await, &name(0), stream::iter([StreamElement::Batch(huge)])).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(message(reception.ended().await).1.contains("cannot be sent to another worker"));
}

#[tokio::test]
async fn a_sender_that_is_dropped_breaks_the_channel() {
    let worker = Worker::start().await;
    let (reception, mut arrived) = worker.expect(&name(0), 4);
    let sending = spawn_send(&worker.connect().await, &name(0), endless(vec![rows(1)]));
    assert!(arrived.recv().await.is_some());
    sending.abort();
    assert_eq!(message(reception.ended().await).0, ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_sender_that_is_held_up_and_dropped_breaks_the_channel() {
    let worker = Worker::start().await;
    let connection = worker.connect().await;
    let taken = Arc::new(AtomicUsize::new(0));
    let (reception, mut arrived) = worker.expect(&name(0), 1);
    let sending = spawn_send(&connection, &name(0), counted(&taken));
    assert!(arrived.recv().await.is_some());
    while taken.load(Ordering::Relaxed) < 16 {
        tokio::task::yield_now().await;
    }
    sending.abort();
    assert_eq!(message(reception.ended().await).0, ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_receiver_that_goes_breaks_the_channel() {
    let worker = Worker::start().await;
    let (reception, mut arrived) = worker.expect(&name(0), 4);
    let sending = spawn_send(&worker.connect().await, &name(0), endless(vec![rows(1)]));
    assert!(arrived.recv().await.is_some());
    drop(reception);
    let (kind, why) = message(sending.await.unwrap());
    assert_eq!(kind, ErrorKind::Cancelled);
    assert!(why.ends_with("subtasks 1 to 2: the receiver has gone: cancelled"), "{why}");
}

#[tokio::test]
async fn a_receiver_that_fails_tells_both_ends() {
    struct Failing;
    impl ElementSink for Failing {
        fn send(&mut self, _: StreamElement) -> BoxFuture<'_, Result<()>> {
            Box::pin(async { Err(Error::invalid("no room for rows")) })
        }
    }
    let worker = Worker::start().await;
    let reception = worker.expected.expect(name(0), numbers(0).schema(), Box::new(Failing)).unwrap();
    let outcome = send(worker.connect().await, &name(0), endless(vec![rows(1)])).await;
    let channel = "channel of job 'orders', attempt 3-abc, edge 0, subtasks 1 to 2";
    let told = (ErrorKind::Invalid, format!("{channel}: no room for rows"));
    assert_eq!(message(outcome), told);
    assert_eq!(message(reception.ended().await), told);
}

#[tokio::test]
async fn a_connection_that_is_lost_breaks_the_channel_at_both_ends() {
    let worker = Worker::start().await;
    let between = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, through) = (between.local_addr().unwrap(), worker.address);
    let relay = tokio::spawn(async move {
        let (mut near, _) = between.accept().await.unwrap();
        let mut far = TcpStream::connect(through).await.unwrap();
        copy_bidirectional(&mut near, &mut far).await
    });
    let (reception, mut arrived) = worker.expect(&name(0), 4);
    let sending = spawn_send(&connect(address).await, &name(0), endless(vec![rows(1)]));
    assert!(arrived.recv().await.is_some());
    relay.abort();
    assert_eq!(message(sending.await.unwrap()).0, ErrorKind::Unavailable);
    assert_eq!(message(reception.ended().await).0, ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_channel_that_nobody_expects_is_refused() {
    let worker = Worker::start().await;
    let connection = worker.connect().await;
    let outcome = send(connection.clone(), &name(0), endless(vec![rows(1)])).await;
    let channel = "channel of job 'orders', attempt 3-abc, edge 0, subtasks 1 to 2";
    assert_eq!(message(outcome), (ErrorKind::Unavailable, format!("{channel}: nobody expects this channel")));
    // Nor is one that has been expected.
    drop(worker.expect(&name(0), 4));
    assert_eq!(message(send(connection, &name(0), endless(vec![])).await).0, ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_sender_of_an_older_attempt_is_fenced() {
    let worker = Worker::start().await;
    let attempt = AttemptId { opening: ManifestNumber(4), nonce: 0xdef };
    let newer = ChannelName { attempt, ..name(0) };
    let (_reception, _arrived) = worker.expect(&newer, 4);
    let (kind, why) = message(send(worker.connect().await, &name(0), endless(vec![])).await);
    assert_eq!(kind, ErrorKind::Fenced);
    assert!(why.ends_with("attempt 4-def has taken the job over"), "{why}");
}

#[tokio::test]
async fn a_second_sender_of_a_channel_is_refused_and_the_first_goes_on() {
    let worker = Worker::start().await;
    let connection = worker.connect().await;
    let (reception, mut arrived) = worker.expect(&name(0), 4);
    let (go_on, wait) = oneshot::channel::<()>();
    let end = stream::once(async {
        wait.await.unwrap();
        StreamElement::End
    });
    let sending = spawn_send(&connection, &name(0), stream::iter([rows(1)]).chain(end));
    assert!(arrived.recv().await.is_some());
    let (_, why) = message(send(connection, &name(0), endless(vec![rows(1)])).await);
    assert!(why.ends_with("another sender has connected to this channel"), "{why}");
    go_on.send(()).unwrap();
    sending.await.unwrap().unwrap();
    reception.ended().await.unwrap();
}

#[tokio::test]
async fn a_channel_is_expected_once() {
    let worker = Worker::start().await;
    let (_reception, _arrived) = worker.expect(&name(0), 4);
    let sink = Box::new(Queue(mpsc::channel(1).0));
    let error = worker.expected.expect(name(0), numbers(0).schema(), sink).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

#[tokio::test]
async fn rows_of_another_schema_are_refused_at_both_ends() {
    let worker = Worker::start().await;
    let text: SchemaRef =
        RecordBatch::try_from_iter([("s", Arc::new(StringArray::from(vec!["a"])) as ArrayRef)]).unwrap().schema();
    let reception = worker.expected.expect(name(0), text, Box::new(Queue(mpsc::channel(1).0))).unwrap();
    let outcome = send(worker.connect().await, &name(0), endless(vec![rows(1)])).await;
    let channel = "channel of job 'orders', attempt 3-abc, edge 0, subtasks 1 to 2";
    let why = format!("{channel}: its rows are (n Int64), and the receiver expects (s Utf8)");
    assert_eq!(message(outcome), (ErrorKind::Internal, why.clone()));
    assert_eq!(message(reception.ended().await), (ErrorKind::Internal, why));
}

#[tokio::test]
async fn a_first_frame_that_names_no_channel_is_refused() {
    let worker = Worker::start().await;
    let mut client = ExchangeClient::new(worker.connect().await);
    let idle = Frame { content: Some(Content::Idle(proto::Idle {})) };
    let status = client.send(stream::iter([idle])).await.unwrap_err();
    assert_eq!(status.message(), "the first frame of a channel must name it");
}

#[tokio::test]
async fn frames_after_the_end_fail_the_channel() {
    let worker = Worker::start().await;
    let (reception, _arrived) = worker.expect(&name(0), 4);
    let channel = Frame { content: Some(Content::Channel((&name(0)).into())) };
    let end = Frame { content: Some(Content::End(proto::End {})) };
    let mut client = ExchangeClient::new(worker.connect().await);
    let status = client.send(stream::iter([channel, end.clone(), end])).await.unwrap_err();
    assert_eq!(status.message(), "a frame follows the end of the channel");
    assert_eq!(message(reception.ended().await).0, ErrorKind::Internal);
}

#[tokio::test]
async fn a_frame_that_is_larger_than_any_may_be_is_not_read() {
    let worker = Worker::start().await;
    let (reception, _arrived) = worker.expect(&name(0), 4);
    let channel = Frame { content: Some(Content::Channel((&name(0)).into())) };
    let body = vec![0; FRAME_BYTES_MAX].into();
    let huge = Frame { content: Some(Content::Arrow(proto::Arrow { header: vec![].into(), body })) };
    let mut client = ExchangeClient::new(worker.connect().await);
    let status = client.send(stream::iter([channel, huge])).await.unwrap_err();
    assert!(status.message().contains("message length too large"), "{}", status.message());
    assert!(message(reception.ended().await).1.contains("message length too large"));
}

#[tokio::test]
async fn garbage_on_the_port_closes_its_connection_and_harms_no_other() {
    let worker = Worker::start().await;
    let (reception, _arrived) = worker.expect(&name(0), 4);
    for garbage in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 1000], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff"]
    {
        let mut stream = TcpStream::connect(worker.address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        // Whatever the answer is, the connection ends.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    send(worker.connect().await, &name(0), stream::iter([StreamElement::End])).await.unwrap();
    reception.ended().await.unwrap();
}

#[tokio::test]
async fn an_interceptor_may_stand_at_either_end() {
    #[expect(clippy::unnecessary_wraps, reason = "as tonic wants it")]
    fn token(mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("token", "secret".parse().unwrap());
        Ok(request)
    }
    fn check(request: Request<()>) -> Result<Request<()>, Status> {
        let allowed = request.metadata().get("token").is_some();
        if allowed { Ok(request) } else { Err(Status::unauthenticated("a token is missing")) }
    }
    let expected = Expected::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service =
        tonic::service::interceptor::InterceptedService::new(ExchangeService::server(expected.clone()), check);
    let server = connection::server(Server::builder()).add_service(service);
    tokio::spawn(server.serve_with_incoming(connection::incoming(listener)));
    let worker = Worker { expected, address };
    let (reception, _arrived) = worker.expect(&name(0), 4);
    let bare = worker.connect().await;
    let (kind, why) = message(send(bare.clone(), &name(0), stream::iter([StreamElement::End])).await);
    assert!(kind == ErrorKind::Invalid && why.ends_with("a token is missing"), "{why}");
    let with_token = tonic::service::interceptor::InterceptedService::new(bare, token);
    send(with_token, &name(0), stream::iter([StreamElement::End])).await.unwrap();
    reception.ended().await.unwrap();
}
