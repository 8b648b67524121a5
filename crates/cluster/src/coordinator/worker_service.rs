//! The conversations with workers.

use std::pin::Pin;
use std::sync::Arc;

use dipper_types::{Error, Result};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::Leaders;
use super::hub::Hub;
use super::plan::checkpoints_of;
use crate::clock::{HEARTBEAT, SILENCE, sleep, unless_silent, within};
use crate::message::{AttemptKey, attempt, incomplete, status, status_of};
use crate::rpc::workers_server::Workers;
use crate::rpc::{FromWorker, Heartbeat, Hello, ToWorker, Welcome, from_worker, to_worker};

/// Talks to workers.
#[derive(Debug)]
pub(super) struct WorkerService {
    hub: Arc<Hub>,
    leaders: Leaders,
    cancel: CancellationToken,
}

impl WorkerService {
    pub(super) fn new(hub: Arc<Hub>, leaders: Leaders, cancel: CancellationToken) -> Self {
        Self { hub, leaders, cancel }
    }
}

#[tonic::async_trait]
impl Workers for WorkerService {
    type ConnectStream = Pin<Box<dyn Stream<Item = Result<ToWorker, Status>> + Send>>;

    async fn connect(&self, request: Request<Streaming<FromWorker>>) -> Result<Response<Self::ConnectStream>, Status> {
        let mut incoming = request.into_inner();
        let hello = greeting(&mut incoming).await?;
        let (out, outgoing) = unbounded_channel();
        let (worker, hub) = (hello.worker.clone(), Arc::clone(&self.hub));
        let Some(generation) = hub.generation() else { return Err(status_of(&self.leaders.elsewhere().await)) };
        let welcome = Welcome { directory: checkpoints_of(hub.directory()), generation };
        let _ = out.send(ToWorker { content: Some(to_worker::Content::Welcome(welcome)) });
        let session = hub.join(hello, generation, out.clone()).map_err(|error| status(&error))?;
        let cancel = self.cancel.clone();
        tokio::spawn(async move {
            let ended = tokio::select! {
                // What runs there goes on.
                () = cancel.cancelled() => return,
                () = beat(out) => Ok(()),
                () = hub.left(&worker, session) => Ok(()),
                ended = listen(&hub, &worker, incoming) => ended,
            };
            if let Err(error) = ended {
                tracing::warn!(worker, "{error}");
            }
            hub.leave(&worker, session);
        });
        // It ends with the coordinator, which would wait for it otherwise.
        let outgoing = UnboundedReceiverStream::new(outgoing).map(Ok);
        Ok(Response::new(outgoing.take_until(self.cancel.clone().cancelled_owned()).boxed()))
    }
}

async fn greeting(incoming: &mut Streaming<FromWorker>) -> Result<Hello, Status> {
    let first = within(SILENCE, incoming.message()).await;
    match first.ok_or_else(|| Status::deadline_exceeded("a worker has to introduce itself"))?? {
        Some(FromWorker { content: Some(from_worker::Content::Hello(hello)) }) => Ok(hello),
        _ => Err(Status::invalid_argument("a worker has to introduce itself")),
    }
}

async fn beat(out: UnboundedSender<ToWorker>) {
    let beat = || ToWorker { content: Some(to_worker::Content::Heartbeat(Heartbeat {})) };
    while out.send(beat()).is_ok() {
        sleep(HEARTBEAT).await;
    }
}

/// Listens to a worker until it has gone.
async fn listen(hub: &Hub, worker: &str, mut incoming: Streaming<FromWorker>) -> Result<()> {
    loop {
        let message = unless_silent(incoming.message()).await;
        let message = message.ok_or_else(|| {
            Error::unavailable(format!("nothing has been heard of worker '{worker}' for {} s", SILENCE.as_secs()))
        })?;
        match message.map_err(|status| Error::unavailable(status.message().to_owned()))? {
            None => return Ok(()),
            Some(FromWorker { content: None }) => return Err(incomplete("content")),
            Some(FromWorker { content: Some(content) }) => {
                if let Some(key) = about(&content)? {
                    hub.hear(worker, &key, content);
                }
            }
        }
    }
}

/// The attempt that a message is about.
fn about(content: &from_worker::Content) -> Result<Option<AttemptKey>> {
    use from_worker::Content;
    let id = match content {
        Content::Hello(_) | Content::Heartbeat(_) => return Ok(None),
        Content::Deployed(id) | Content::Ended(id) => Some(id.clone()),
        Content::NotDeployed(message) => message.attempt.clone(),
        Content::Said(message) => message.attempt.clone(),
        Content::Lost(message) => message.attempt.clone(),
        Content::Counted(message) => message.attempt.clone(),
    };
    attempt(id).map(Some)
}
