//! Who is there: workers and their slots, and which attempts hear what they say.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dipper_types::{Error, JobId, Result};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::message::AttemptKey;
use crate::rpc::{Hello, ToWorker, Worker, from_worker, to_worker};
use crate::{Slots, WorkerId};

/// What an attempt hears of a worker.
#[derive(Debug)]
pub(super) enum Report {
    /// It says something about the attempt.
    Said(Box<from_worker::Content>),
    /// It has gone.
    Gone,
}

/// Of a worker, to an attempt.
pub(super) type Reports = UnboundedSender<(String, Report)>;

/// The workers, and the attempts that run on them.
#[derive(Debug)]
pub(super) struct Hub {
    build: String,
    directory: String,
    state: Mutex<State>,
    /// Slots have come, or have become free.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// By name.
    workers: BTreeMap<String, Member>,
    attempts: HashMap<AttemptKey, Reports>,
    slots: Slots,
}

#[derive(Debug)]
struct Member {
    /// Tells two conversations of one worker apart.
    session: u64,
    address: String,
    out: UnboundedSender<ToWorker>,
}

impl Hub {
    pub(super) fn new(build: String, directory: String) -> Self {
        Self { build, directory, state: Mutex::default(), changed: Notify::new() }
    }

    /// The cluster directory.
    pub(super) fn directory(&self) -> &str {
        &self.directory
    }

    /// A worker introduces itself: it is taken, if it is of this build. One of the same name is its own earlier self, and gone.
    pub(super) fn join(&self, hello: Hello, out: UnboundedSender<ToWorker>) -> Result<u64> {
        if hello.build != self.build {
            let (ours, theirs) = (&self.build, &hello.build);
            let message = format!("worker '{}' is of build {theirs}, the coordinator of build {ours}", hello.worker);
            return Err(Error::invalid(message).with_hint("run the same binary everywhere"));
        }
        if hello.worker.is_empty() || hello.slots == 0 {
            return Err(Error::invalid("a worker needs a name and at least one slot"));
        }
        let mut state = self.state();
        let session = state.workers.get(&hello.worker).map_or(0, |member| member.session + 1);
        if session > 0 {
            state.lose(&hello.worker);
        }
        let Hello { worker, slots, address, .. } = hello;
        tracing::info!(worker, address, slots, "a worker has come");
        state.slots.add_worker(WorkerId(worker.clone()), slots as usize)?;
        state.workers.insert(worker, Member { session, address, out });
        self.changed.notify_waiters();
        Ok(session)
    }

    /// A conversation with a worker is over.
    pub(super) fn leave(&self, worker: &str, session: u64) {
        let mut state = self.state();
        if state.workers.get(worker).is_some_and(|member| member.session == session) {
            tracing::warn!(worker, "a worker is lost");
            state.workers.remove(worker);
            state.lose(worker);
            self.changed.notify_waiters();
        }
    }

    /// A worker says something about an attempt. Nobody listens to what it says about one that is over.
    pub(super) fn hear(&self, worker: &str, key: &AttemptKey, content: from_worker::Content) {
        if let Some(reports) = self.state().attempts.get(key) {
            let _ = reports.send((worker.to_owned(), Report::Said(Box::new(content))));
        }
    }

    /// Says something to a worker; whether it is there.
    pub(super) fn say(&self, worker: &str, content: to_worker::Content) -> bool {
        let state = self.state();
        let member = state.workers.get(worker);
        member.is_some_and(|member| member.out.send(ToWorker { content: Some(content) }).is_ok())
    }

    /// Waits until a job has so many slots: the worker of each subtask index, and its address. `lacks` hears of how many are missing. If it is
    /// dropped the job waits on, until its slots are given back.
    pub(super) async fn take_slots(
        &self,
        job: &JobId,
        count: usize,
        lacks: impl Fn(usize),
    ) -> Result<Vec<(String, String)>> {
        self.state().slots.request(job, count)?;
        self.changed.notify_waiters();
        loop {
            let changed = self.changed.notified();
            let lack = {
                let state = self.state();
                match state.slots.lack(job) {
                    None => return Ok(state.addresses(job)),
                    Some(lack) => lack,
                }
            };
            lacks(lack.slots);
            changed.await;
        }
    }

    /// A job needs its slots no longer.
    pub(super) fn give_back(&self, job: &JobId) {
        self.state().slots.release(job);
        self.changed.notify_waiters();
    }

    /// From now on `reports` gets what workers say about an attempt, and that those that run it have gone.
    pub(super) fn listen(&self, key: AttemptKey, reports: Reports) {
        self.state().attempts.insert(key, reports);
    }

    /// Nobody listens to an attempt any more.
    pub(super) fn forget(&self, key: &AttemptKey) {
        self.state().attempts.remove(key);
    }

    /// The workers, by name.
    pub(super) fn workers(&self) -> Vec<Worker> {
        let state = self.state();
        let worker = |(WorkerId(name), slots, taken): (&WorkerId, usize, usize)| Worker {
            name: name.clone(),
            address: state.workers.get(name).map(|member| member.address.clone()).unwrap_or_default(),
            slots: slots as u32,
            free: slots.saturating_sub(taken) as u32,
        };
        state.slots.workers().map(worker).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No call leaves it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The workers of the slots that a job holds, and where they are.
    fn addresses(&self, job: &JobId) -> Vec<(String, String)> {
        let of = |worker: &String| self.workers.get(worker).map(|member| member.address.clone()).unwrap_or_default();
        self.slots.held(job).iter().map(|slot| (slot.worker.0.clone(), of(&slot.worker.0))).collect()
    }

    /// A worker has gone: every attempt hears of it, and those that it does not concern do not mind.
    fn lose(&mut self, worker: &str) {
        self.slots.lose_worker(&WorkerId(worker.to_owned()));
        for reports in self.attempts.values() {
            let _ = reports.send((worker.to_owned(), Report::Gone));
        }
    }
}
