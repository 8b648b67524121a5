//! A worker's share of one attempt, from the order until its subtasks have ended.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use dipper_checkpoint::TaskId;
use dipper_graph::TaskGraph;
use dipper_operator_api::StreamElement;
use dipper_runtime::{Counted, Deployed, Heard, Host, Order, Receiver, Running, Sender, Share, Subtasks, Told};
use dipper_types::{Error, ErrorKind, JobId, Result};
use futures::future::BoxFuture;
use futures::{FutureExt, stream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use super::outbox::Outbox;
use super::shares::Standing;
use crate::clock::beat;
use crate::exchange::{ChannelName, ElementSink, Expected, Reception, connection, send};
use crate::message::{AttemptKey, heard};
use crate::rpc::{self, from_worker};
use crate::security::Security;

/// What the coordinator wants of an attempt.
#[derive(Debug)]
pub(super) enum Command {
    /// All shares are ready.
    Start,
    /// Something for the subtasks.
    Tell(Told),
}

/// Where the other subtasks are.
#[derive(Debug, Default)]
pub(super) struct Peers(HashMap<TaskId, String>);

impl Peers {
    pub(super) fn of(peers: Vec<rpc::Peer>) -> Self {
        let of = |peer: rpc::Peer| peer.tasks.into_iter().map(move |task| (task.into(), peer.address.clone()));
        Self(peers.into_iter().flat_map(of).collect())
    }

    fn address_of(&self, task: TaskId) -> Result<&str> {
        let address = self.0.get(&task).map(String::as_str);
        address.ok_or_else(|| Error::internal(format!("nobody says where subtask {task} is")))
    }
}

/// A share of an attempt.
pub(super) struct Work {
    pub(super) key: AttemptKey,
    pub(super) order: Arc<Order>,
    pub(super) share: Share,
    pub(super) peers: Peers,
    pub(super) host: Host,
    pub(super) expected: Expected,
    pub(super) security: Security,
    pub(super) outbox: Outbox,
    pub(super) standing: Standing,
}

/// How a channel of a subtask here has ended.
type ChannelEnd = (TaskId, Result<()>);

impl Work {
    /// Makes the share ready, runs it, and says so. Ends when the subtasks have ended, or when nobody can command them any more.
    pub(super) async fn run(self, mut commands: UnboundedReceiver<Command>) {
        let ready = tokio::select! {
            biased;
            ended = cancelled(&mut commands) => return if ended { self.say_ended() },
            ready = self.prepare() => ready,
        };
        let (deployed, receptions) = match ready {
            Ok(ready) => ready,
            Err(error) => {
                let (attempt, error) = (Some((&self.key).into()), Some((&error).into()));
                return self.say(from_worker::Content::NotDeployed(rpc::NotDeployed { attempt, error }));
            }
        };
        self.say(from_worker::Content::Deployed((&self.key).into()));
        match commands.recv().await {
            Some(Command::Start) => {
                self.lead(deployed, receptions, commands).await;
            }
            Some(Command::Tell(_)) => self.say_ended(),
            None => {}
        }
    }

    /// Nothing runs yet when it returns, and who sends is awaited.
    async fn prepare(&self) -> Result<(Deployed, Vec<(TaskId, Reception)>)> {
        let mut deployed = self.host.deploy_share(Arc::clone(&self.order), &self.share).await?;
        let mut receptions = Vec::new();
        for (name, sender) in std::mem::take(&mut deployed.remote.incoming) {
            let schema = self.schema_of(name.from);
            let reception = self.expected.expect(self.channel_name(&name), schema, Box::new(Inbox(sender)))?;
            receptions.push((name.to, reception));
        }
        Ok((deployed, receptions))
    }

    /// What the rows look like that a subtask sends.
    fn schema_of(&self, task: TaskId) -> SchemaRef {
        let graph = &self.order.graph;
        let tasks = TaskGraph::of(graph).tasks;
        let last = tasks.get(task.task).and_then(|task| task.nodes.last());
        last.map_or_else(
            || Arc::new(arrow::datatypes::Schema::empty()),
            |node| Arc::clone(&graph.node(*node).output_schema),
        )
    }

    fn channel_name(&self, name: &dipper_runtime::ChannelName) -> ChannelName {
        ChannelName {
            job: JobId(self.key.job.clone()),
            attempt: self.key.attempt,
            edge: name.edge as u32,
            sender: name.from.subtask as u32,
            receiver: name.to.subtask as u32,
        }
    }

    async fn lead(
        &self,
        mut deployed: Deployed,
        receptions: Vec<(TaskId, Reception)>,
        mut commands: UnboundedReceiver<Command>,
    ) {
        let mut channels: JoinSet<ChannelEnd> = JoinSet::new();
        for (task, reception) in receptions {
            channels.spawn(async move { (task, reception.ended().await) });
        }
        for (name, receiver) in std::mem::take(&mut deployed.remote.outgoing) {
            let (address, channel) = (self.peers.address_of(name.to).map(str::to_owned), self.channel_name(&name));
            let security = self.security.clone();
            channels.spawn(async move { (name.from, send_all(security, address, channel, receiver).await) });
        }
        let mut running = deployed.start();
        let mut is_over = false;
        let mut told = (0, Counted::default());
        let mut next = Box::pin(beat());
        loop {
            let content = tokio::select! {
                biased;
                command = commands.recv() => {
                    match command {
                        // Nobody leads it, or will.
                        None => return,
                        Some(Command::Start) => {}
                        Some(Command::Tell(told)) => {
                            is_over |= told == Told::Cancel;
                            running.tell(&told);
                        }
                    }
                    continue;
                }
                said = running.hear() => match said {
                    Some(said) => {
                        if matches!(said, Heard::Lost(..)) {
                            self.standing.is_over();
                        }
                        heard(&self.key, said)
                    }
                    None => break,
                },
                Some(ended) = channels.join_next() => match ended {
                    Ok((task, Err(error))) if !is_over && error.kind() != ErrorKind::Cancelled => {
                        self.standing.is_over();
                        heard(&self.key, Heard::Lost(task, error))
                    }
                    _ => continue,
                },
                () = &mut next => {
                    next = Box::pin(beat());
                    self.say_counters(&running, &mut told);
                    continue;
                }
            };
            self.say(content);
        }
        self.say_counters(&running, &mut told);
        self.say_ended();
    }

    /// Says what has been counted, where who leads does not know it: what has been `told`, and in which conversation.
    fn say_counters(&self, running: &Running, told: &mut (u64, Counted)) {
        let (conversation, counted) = (self.outbox.conversation(), running.counted());
        let known = if told.0 == conversation { std::mem::take(&mut told.1) } else { Counted::default() };
        let mut news = counted.clone();
        news.operators.retain(|counters| !known.operators.contains(counters));
        news.tasks.retain(|counters| !known.tasks.contains(counters));
        if news != Counted::default() {
            self.say(heard(&self.key, Heard::Counted(news)));
        }
        *told = (conversation, counted);
    }

    fn say(&self, content: from_worker::Content) {
        self.outbox.say(content);
    }

    fn say_ended(&self) {
        self.say(from_worker::Content::Ended((&self.key).into()));
    }
}

/// Waits until the attempt is over before it has begun; whether anybody has said so.
async fn cancelled(commands: &mut UnboundedReceiver<Command>) -> bool {
    while let Some(command) = commands.recv().await {
        if matches!(command, Command::Tell(Told::Cancel)) {
            return true;
        }
    }
    false
}

async fn send_all(security: Security, address: Result<String>, name: ChannelName, receiver: Receiver) -> Result<()> {
    let address = address?;
    let connection = security.connect(&address, connection::endpoint).await;
    let connection = connection.map_err(|error| error.context(format!("worker at {address}")))?;
    let elements =
        stream::unfold(
            receiver,
            |mut receiver| async move { receiver.receive().await.map(|element| (element, receiver)) },
        );
    send(connection, &name, elements).await
}

/// A subtask here takes what arrives.
struct Inbox(Sender);

impl ElementSink for Inbox {
    fn send(&mut self, element: StreamElement) -> BoxFuture<'_, Result<()>> {
        self.0.send(element).boxed()
    }
}
