//! What runs on a worker. It outlives the conversation with a coordinator, for the one that leads next.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dipper_checkpoint::TaskId;
use dipper_runtime::{Heard, Host, Order, Share, Told};
use dipper_types::{Epoch, Error, Result};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::attempt::{Command, Peers, Work};
use super::outbox::Outbox;
use crate::exchange::Expected;
use crate::message::{AttemptKey, attempt, heard};
use crate::rpc;
use crate::security::Security;

/// The shares of attempts that this worker runs.
#[derive(Debug)]
pub(super) struct Shares {
    expected: Expected,
    security: Security,
    pub(super) outbox: Outbox,
    entries: HashMap<AttemptKey, Entry>,
    /// The greatest generation of a coordinator that this worker has obeyed.
    pub(super) generation: u64,
    /// It is given no more slots.
    pub(super) drains: bool,
}

#[derive(Debug)]
struct Entry {
    /// The share ends when this is dropped.
    commands: UnboundedSender<Command>,
    standing: Standing,
}

/// How a share stands. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Standing(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    tasks: BTreeSet<TaskId>,
    /// It has been told to start.
    runs: bool,
    /// A part of it has failed, or it has been told to end.
    is_over: bool,
    /// The greatest checkpoint that it has been told of.
    passed: Epoch,
}

impl Shares {
    pub(super) fn new(expected: Expected, security: Security) -> Self {
        let (outbox, entries) = (Outbox::default(), HashMap::new());
        Self { expected, security, outbox, entries, generation: 0, drains: false }
    }

    /// Makes a share ready, and then has it wait for the start.
    pub(super) fn deploy(&mut self, deploy: rpc::Deploy, host: &Host) -> Result<()> {
        let key = attempt(deploy.attempt)?;
        let order: Order = serde_json::from_slice(&deploy.order)
            .map_err(|error| Error::internal(format!("the order of an attempt is not understood: {error}")))?;
        let tasks: BTreeSet<TaskId> = deploy.share.into_iter().map(Into::into).collect();
        let state = State { tasks: tasks.clone(), runs: false, is_over: false, passed: order.opened };
        let standing = Standing(Arc::new(Mutex::new(state)));
        let work = Work {
            key: key.clone(),
            order: Arc::new(order),
            share: Share::Some(tasks),
            peers: Peers::of(deploy.peers),
            host: host.clone(),
            expected: self.expected.clone(),
            security: self.security.clone(),
            outbox: self.outbox.clone(),
            standing: standing.clone(),
        };
        let (commands, heard) = unbounded_channel();
        // Those that have ended are not listened to any more.
        self.entries.retain(|_, entry| !entry.commands.is_closed());
        self.entries.insert(key, Entry { commands, standing });
        tokio::spawn(work.run(heard));
        Ok(())
    }

    /// The coordinator wants something of a share. One that has ended has said so.
    pub(super) fn command(&self, key: &AttemptKey, command: Command) {
        if let Some(entry) = self.entries.get(key) {
            entry.standing.note(&command);
            let _ = entry.commands.send(command);
        }
    }

    /// What runs, for a coordinator that has not started it.
    pub(super) fn running(&self) -> Vec<rpc::RunningShare> {
        let share = |(key, entry): (&AttemptKey, &Entry)| {
            let state = entry.standing.state();
            let runs = state.runs && !state.is_over && !entry.commands.is_closed();
            runs.then(|| rpc::RunningShare {
                attempt: Some(key.into()),
                tasks: state.tasks.iter().map(|task| (*task).into()).collect(),
                passed: state.passed.0,
            })
        };
        self.entries.iter().filter_map(share).collect()
    }

    /// What has failed since it was said to run is said to have failed.
    pub(super) fn correct(&self, running: &[rpc::RunningShare]) {
        for key in running.iter().filter_map(|share| share.attempt.clone().map(AttemptKey::from)) {
            let failed = self.entries.get(&key).filter(|entry| entry.standing.state().is_over);
            if let Some(task) = failed.and_then(|entry| entry.standing.state().tasks.first().copied()) {
                let error = Error::unavailable("a subtask has failed while nobody led");
                self.outbox.say(heard(&key, Heard::Lost(task, error)));
            }
        }
    }

    /// The conversation with a coordinator is over: what runs goes on, and what has not been started ends. Says whether there was a conversation.
    pub(super) fn let_go(&mut self) -> bool {
        self.entries.retain(|_, entry| entry.standing.state().runs);
        self.outbox.close()
    }

    /// Ends everything.
    pub(super) fn clear(&mut self) {
        if !self.entries.is_empty() {
            tracing::warn!("no coordinator leads: what runs here ends");
        }
        self.entries.clear();
    }
}

impl Standing {
    /// Takes note of what the coordinator wants, before that is done: another one is to know of all that may have been done.
    fn note(&self, command: &Command) {
        let mut state = self.state();
        match command {
            Command::Start => state.runs = true,
            Command::Tell(Told::Trigger { epoch, .. }) => state.passed = state.passed.max(*epoch),
            Command::Tell(Told::Cancel) => state.is_over = true,
            Command::Tell(Told::Completed(_) | Told::Aborted(_)) => {}
        }
    }

    pub(super) fn is_over(&self) {
        self.state().is_over = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No call leaves it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
