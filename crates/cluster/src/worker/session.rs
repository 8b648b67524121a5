//! A worker's conversation with one coordinator, from Hello until one of them has gone.

use std::collections::HashMap;
use std::sync::Arc;

use dipper_runtime::{BuiltIn, Host, Order, Share, Told};
use dipper_session::open_directory;
use dipper_types::{Epoch, Error, Result};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;

use super::WorkerOptions;
use super::attempt::{Command, Peers, Work};
use crate::address::{endpoint, error_text};
use crate::clock::{HEARTBEAT, SILENCE, sleep, within};
use crate::exchange::Expected;
use crate::message::{AttemptKey, MESSAGE_BYTES_MAX, attempt, error_of, incomplete, trigger};
use crate::rpc::{self, FromWorker, Heartbeat, Hello, ToWorker, from_worker, to_worker, workers_client::WorkersClient};

/// How many bytes may wait in one channel.
const CHANNEL_BYTES: usize = 4 << 20;

/// Talks to a coordinator until it has gone. What ran for it then ends. Fails if the coordinator is not there, or does not take the worker.
pub(super) async fn run(options: &WorkerOptions, coordinator: &str, address: &str, expected: &Expected) -> Result<()> {
    let whom = format!("coordinator {coordinator}");
    let gone = |error: &dyn std::fmt::Display| Error::unavailable(format!("{whom}: {error}"));
    let connected = within(SILENCE, endpoint(coordinator)?.connect()).await;
    let connected = connected.ok_or_else(|| gone(&"no answer"))?.map_err(|error| gone(&error_text(&error)))?;
    let (out, outgoing) = unbounded_channel();
    let hello = Hello {
        worker: options.name.clone(),
        build: options.build.clone(),
        slots: options.slots,
        address: address.to_owned(),
    };
    let say = |content| FromWorker { content: Some(content) };
    let _ = out.send(say(from_worker::Content::Hello(hello)));
    let mut client = WorkersClient::new(connected).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let call = client.connect(UnboundedReceiverStream::new(outgoing));
    let answer = within(SILENCE, call).await.ok_or_else(|| gone(&"no answer"))?;
    let mut incoming = answer.map_err(|status| error_of(&status, &whom))?.into_inner();
    let Some(to_worker::Content::Welcome(welcome)) = next(&mut incoming, &whom).await? else {
        return Err(gone(&"it does not greet"));
    };
    let host = Host {
        components: Arc::new(BuiltIn),
        channel_bytes: CHANNEL_BYTES,
        io: Handle::current(),
        directory: open_directory(&welcome.directory)?,
    };
    tracing::info!(coordinator, directory = welcome.directory, "the coordinator has taken this worker");
    let mut session = Session { host, expected: expected.clone(), out: out.clone(), attempts: HashMap::new() };
    let beat = async {
        loop {
            sleep(HEARTBEAT).await;
            if out.send(say(from_worker::Content::Heartbeat(Heartbeat {}))).is_err() {
                return;
            }
        }
    };
    tokio::pin!(beat);
    loop {
        let content = tokio::select! {
            content = next(&mut incoming, &whom) => content?,
            () = &mut beat => None,
        };
        match content {
            Some(content) => session.on_message(content)?,
            None => return Ok(()),
        }
    }
}

/// What the coordinator says next; `None` when it has taken its leave.
async fn next(incoming: &mut Streaming<ToWorker>, whom: &str) -> Result<Option<to_worker::Content>> {
    let message = within(SILENCE, incoming.message()).await;
    let message =
        message.ok_or_else(|| Error::unavailable(format!("{whom}: nothing has been heard of it for a while")))?;
    match message.map_err(|status| error_of(&status, whom))? {
        None => Ok(None),
        Some(ToWorker { content: Some(content) }) => Ok(Some(content)),
        Some(_) => Err(incomplete("content")),
    }
}

/// What runs for the coordinator. Attempts end when their commands cannot come any more.
struct Session {
    host: Host,
    expected: Expected,
    out: UnboundedSender<FromWorker>,
    attempts: HashMap<AttemptKey, UnboundedSender<Command>>,
}

impl Session {
    fn on_message(&mut self, content: to_worker::Content) -> Result<()> {
        use to_worker::Content;
        match content {
            Content::Welcome(_) | Content::Heartbeat(_) => {}
            Content::Deploy(deploy) => self.deploy(deploy)?,
            Content::Start(id) => self.command(&id.into(), Command::Start),
            Content::Trigger(message) => {
                let (key, told) = trigger(message)?;
                self.command(&key, Command::Tell(told));
            }
            Content::Completed(end) => {
                self.command(&attempt(end.attempt)?, Command::Tell(Told::Completed(Epoch(end.epoch))));
            }
            Content::Aborted(end) => {
                self.command(&attempt(end.attempt)?, Command::Tell(Told::Aborted(Epoch(end.epoch))));
            }
            Content::Cancel(id) => self.command(&id.into(), Command::Tell(Told::Cancel)),
        }
        Ok(())
    }

    fn deploy(&mut self, deploy: rpc::Deploy) -> Result<()> {
        let key = attempt(deploy.attempt)?;
        let order: Order = serde_json::from_slice(&deploy.order)
            .map_err(|error| Error::internal(format!("the order of an attempt is not understood: {error}")))?;
        let work = Work {
            key: key.clone(),
            order: Arc::new(order),
            share: Share::Some(deploy.share.into_iter().map(Into::into).collect()),
            peers: Peers::of(deploy.peers),
            host: self.host.clone(),
            expected: self.expected.clone(),
            out: self.out.clone(),
        };
        let (commands, heard): (_, UnboundedReceiver<Command>) = unbounded_channel();
        // Those that have ended are not listened to any more.
        self.attempts.retain(|_, commands| !commands.is_closed());
        self.attempts.insert(key, commands);
        tokio::spawn(work.run(heard));
        Ok(())
    }

    fn command(&self, key: &AttemptKey, command: Command) {
        // One that has ended has said so.
        if let Some(commands) = self.attempts.get(key) {
            let _ = commands.send(command);
        }
    }
}
