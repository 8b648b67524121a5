//! A worker's conversation with one coordinator, from Hello until one of them has gone.

use std::sync::Arc;

use dipper_runtime::{BuiltIn, Host, Told};
use dipper_session::open_directory;
use dipper_types::{Epoch, Error, Result};
use tokio::runtime::Handle;
use tokio::sync::mpsc::unbounded_channel;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Status, Streaming};

use super::WorkerOptions;
use super::attempt::Command;
use super::shares::Shares;
use crate::clock::{HEARTBEAT, SILENCE, sleep, unless_silent, within};
use crate::message::{MESSAGE_BYTES_MAX, attempt, error_of, incomplete, leader_of, trigger};
use crate::rpc::{FromWorker, Heartbeat, Hello, ToWorker, from_worker, to_worker, workers_client::WorkersClient};

/// How many bytes may wait in one channel.
const CHANNEL_BYTES: usize = 4 << 20;

/// Why a conversation has ended, or did not begin.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) error: Error,
    /// Who leads instead.
    pub(super) leader: Option<String>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error, leader: None }
    }
}

/// Obeys a coordinator until it has gone. Fails if it is not there, or does not take the worker.
pub(super) async fn run(
    options: &WorkerOptions,
    coordinator: &str,
    address: &str,
    nonce: u64,
    shares: &mut Shares,
) -> Result<(), Refused> {
    let whom = format!("coordinator {coordinator}");
    let gone = |error: &dyn std::fmt::Display| Error::unavailable(format!("{whom}: {error}"));
    let refused = |status: Status| Refused { error: error_of(&status, &whom), leader: leader_of(&status) };
    let connected = options.security.connect(coordinator, |endpoint| endpoint).await;
    let connected = connected.map_err(|error| error.context(&whom))?;
    let (out, outgoing) = unbounded_channel();
    let running = shares.running();
    let hello = Hello {
        worker: options.name.clone(),
        build: options.build.clone(),
        slots: options.slots,
        address: address.to_owned(),
        nonce,
        running: running.clone(),
        drains: shares.drains,
    };
    let say = |content| FromWorker { content: Some(content) };
    let _ = out.send(say(from_worker::Content::Hello(hello)));
    let mut client = WorkersClient::new(connected).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let call = client.connect(UnboundedReceiverStream::new(outgoing));
    let answer = within(SILENCE, call).await.ok_or_else(|| gone(&"no answer"))?;
    let mut incoming = answer.map_err(refused)?.into_inner();
    let Some(to_worker::Content::Welcome(welcome)) = next(&mut incoming, &whom).await? else {
        return Err(gone(&"it does not greet").into());
    };
    if welcome.generation < shares.generation {
        return Err(gone(&"it leads no more").into());
    }
    shares.generation = welcome.generation;
    let host = Host {
        components: Arc::new(BuiltIn),
        channel_bytes: CHANNEL_BYTES,
        io: Handle::current(),
        directory: open_directory(&welcome.directory)?,
    };
    tracing::info!(coordinator, generation = welcome.generation, "the coordinator has taken this worker");
    shares.outbox.open(out.clone());
    shares.correct(&running);
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
            // It cannot be told; the conversation is over.
            Some(content) => on_message(shares, &host, content).map_err(|error| gone(&error))?,
            None => return Ok(()),
        }
    }
}

/// What the coordinator says next; `None` when it has taken its leave.
async fn next(incoming: &mut Streaming<ToWorker>, whom: &str) -> Result<Option<to_worker::Content>> {
    let message = unless_silent(incoming.message()).await;
    let silent = || Error::unavailable(format!("{whom}: nothing has been heard of it for {} s", SILENCE.as_secs()));
    match message.ok_or_else(silent)?.map_err(|status| error_of(&status, whom))? {
        None => Ok(None),
        Some(ToWorker { content: Some(content) }) => Ok(Some(content)),
        Some(_) => Err(incomplete("content")),
    }
}

fn on_message(shares: &mut Shares, host: &Host, content: to_worker::Content) -> Result<()> {
    use to_worker::Content;
    let (key, command) = match content {
        Content::Welcome(_) | Content::Heartbeat(_) => return Ok(()),
        Content::Deploy(deploy) => return shares.deploy(deploy, host),
        Content::Drain(_) => {
            shares.drains = true;
            return Ok(());
        }
        Content::Start(id) => (id.into(), Command::Start),
        Content::Trigger(message) => {
            let (key, told) = trigger(message)?;
            (key, Command::Tell(told))
        }
        Content::Completed(end) => (attempt(end.attempt)?, Command::Tell(Told::Completed(Epoch(end.epoch)))),
        Content::Aborted(end) => (attempt(end.attempt)?, Command::Tell(Told::Aborted(Epoch(end.epoch)))),
        Content::Cancel(id) => (id.into(), Command::Tell(Told::Cancel)),
    };
    shares.command(&key, command);
    Ok(())
}
