//! Who expects which channel: the receiving worker says so before any sender connects.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::SchemaRef;
use dipper_operator_api::StreamElement;
use dipper_types::{Error, ErrorKind, Result};
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::ChannelName;

/// The local end of a channel: takes the elements that arrive.
pub trait ElementSink: Send {
    /// Takes an element, when there is room; the channel is read on when it has. An error fails the channel.
    fn send(&mut self, element: StreamElement) -> BoxFuture<'_, Result<()>>;
}

/// The channels that a worker expects. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Expected(Arc<Mutex<HashMap<ChannelName, Channel>>>);

#[derive(Debug)]
enum Channel {
    /// Nobody has connected yet.
    Awaited(Arrival),
    /// A sender has connected, and may have gone again.
    Connected,
}

/// What the service needs for the elements of a channel.
pub(super) struct Arrival {
    /// What the rows look like.
    pub(super) schema: SchemaRef,
    /// Where the elements go.
    pub(super) sink: Box<dyn ElementSink>,
    /// How the channel has ended, for the [`Reception`]; closed when that has gone.
    pub(super) ended: oneshot::Sender<Result<()>>,
}

/// An expected channel, for as long as it is expected: dropping it refuses a sender that has not connected yet, and breaks
/// the stream of one that has.
#[derive(Debug)]
#[must_use = "a channel whose reception is dropped is not expected"]
pub struct Reception {
    name: ChannelName,
    expected: Expected,
    ended: oneshot::Receiver<Result<()>>,
}

impl Expected {
    /// Expects a channel with rows of this schema, of which names and types count. Its elements go to `sink`.
    pub fn expect(&self, name: ChannelName, schema: SchemaRef, sink: Box<dyn ElementSink>) -> Result<Reception> {
        let (ended, receiver) = oneshot::channel();
        match self.channels().entry(name.clone()) {
            Entry::Occupied(_) => return Err(Error::internal(format!("{name} is expected twice"))),
            Entry::Vacant(vacant) => vacant.insert(Channel::Awaited(Arrival { schema, sink, ended })),
        };
        Ok(Reception { name, expected: self.clone(), ended: receiver })
    }

    /// Hands an expected channel to the first sender that asks for it.
    pub(super) fn connect(&self, name: &ChannelName) -> Result<Arrival> {
        let mut channels = self.channels();
        match channels.get_mut(name).map(|channel| std::mem::replace(channel, Channel::Connected)) {
            Some(Channel::Awaited(arrival)) => Ok(arrival),
            Some(Channel::Connected) => Err(Error::internal("another sender has connected to this channel")),
            None => {
                let newer = |other: &ChannelName| other.job == name.job && other.attempt.opening > name.attempt.opening;
                Err(match channels.keys().find(|other| newer(other)) {
                    Some(other) => Error::new(ErrorKind::Fenced, format!("{} has taken the job over", other.attempt)),
                    None => Error::unavailable("nobody expects this channel"),
                })
            }
        }
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<ChannelName, Channel>> {
        // No call leaves the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reception {
    /// Waits until the channel has ended: well, when the sink has taken [`StreamElement::End`], or with what went wrong.
    pub async fn ended(mut self) -> Result<()> {
        // The service lets go of its end without a word when the connection has gone.
        let broken = |_| Err(Error::unavailable(format!("{}: the sender has gone before the end", self.name)));
        (&mut self.ended).await.unwrap_or_else(broken)
    }
}

impl Drop for Reception {
    fn drop(&mut self) {
        self.expected.channels().remove(&self.name);
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival").field("schema", &self.schema).finish_non_exhaustive()
    }
}
