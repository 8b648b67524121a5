//! An attempt on several workers: what its leader says goes to all of them, and what they say to its leader.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use dipper_checkpoint::TaskId;
use dipper_graph::TaskGraph;
use dipper_runtime::{Deploy, Heard, Order, Subtasks, Told};
use dipper_types::{AttemptId, Error, JobId, Result};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::hub::{Found, Hub, Report};
use crate::clock::{SILENCE, within};
use crate::message::{AttemptKey, counted, lost, said, told};
use crate::rpc::{self, from_worker, to_worker};

/// Runs an attempt of a job on the workers of the slots that the job holds.
pub(super) struct OnWorkers {
    pub(super) hub: Arc<Hub>,
    /// The job's id.
    pub(super) job: JobId,
    /// Is called when all workers have made their shares.
    pub(super) ready: Box<dyn Fn() + Send + Sync>,
    /// Then they may run.
    pub(super) start: Arc<Notify>,
    /// What runs already, for a job that is adopted.
    pub(super) running: Mutex<Option<Attempt>>,
}

impl fmt::Debug for OnWorkers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnWorkers").field("job", &self.job).finish_non_exhaustive()
    }
}

impl Deploy for OnWorkers {
    fn deploy(&self, order: Arc<Order>) -> BoxFuture<'_, Result<Box<dyn Subtasks>>> {
        let deployed = async move {
            let key = AttemptKey { job: self.job.0.clone(), attempt: order.attempt };
            let (reports, heard) = unbounded_channel();
            let mut attempt = Attempt {
                hub: Arc::clone(&self.hub),
                key: key.clone(),
                shares: BTreeMap::new(),
                running: BTreeSet::new(),
                heard,
                is_over: false,
            };
            self.hub.listen(key, reports);
            let tasks = TaskGraph::of(&order.graph).tasks;
            let count = tasks.iter().map(|task| task.parallelism).max().unwrap_or(1);
            let slots = self.hub.slots_of(&self.job);
            if slots.len() < count {
                return Err(Error::unavailable("a worker of the job's slots is lost"));
            }
            for (index, task) in tasks.iter().enumerate() {
                for (subtask, (worker, address)) in slots.iter().enumerate().take(task.parallelism) {
                    let share = attempt.shares.entry(worker.clone()).or_insert_with(|| Share::at(address.clone()));
                    share.tasks.push(TaskId { task: index, subtask });
                }
            }
            attempt.deploy(&order).await?;
            (self.ready)();
            self.start.notified().await;
            attempt.start();
            Ok(Box::new(attempt) as Box<dyn Subtasks>)
        };
        deployed.boxed()
    }

    fn adopt(&self, attempt: AttemptId) -> Result<Box<dyn Subtasks>> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let running = running.filter(|running| running.key.attempt == attempt);
        let gone = || Error::unavailable(format!("attempt {attempt} does not run any more"));
        running.map(|running| Box::new(running) as Box<dyn Subtasks>).ok_or_else(gone)
    }
}

/// What one worker runs of an attempt.
#[derive(Debug)]
struct Share {
    address: String,
    tasks: Vec<TaskId>,
}

impl Share {
    fn at(address: String) -> Self {
        Self { address, tasks: Vec::new() }
    }
}

/// An attempt on workers. When it is dropped they are told that it is over.
pub(super) struct Attempt {
    hub: Arc<Hub>,
    key: AttemptKey,
    /// By worker.
    shares: BTreeMap<String, Share>,
    /// The workers that have not said that all has ended there.
    running: BTreeSet<String>,
    heard: UnboundedReceiver<(String, Report)>,
    is_over: bool,
}

impl Attempt {
    /// One that a former leader has started, and what is said of it.
    pub(super) fn of(hub: Arc<Hub>, found: Found, heard: UnboundedReceiver<(String, Report)>) -> Self {
        let share = |(worker, (address, tasks))| (worker, Share { address, tasks });
        let shares: BTreeMap<String, Share> = found.shares.into_iter().map(share).collect();
        Self { hub, key: found.key, running: shares.keys().cloned().collect(), shares, heard, is_over: false }
    }

    /// Has every worker make its share ready.
    async fn deploy(&mut self, order: &Order) -> Result<()> {
        let order = serde_json::to_vec(order).map_err(|error| Error::internal(format!("an order: {error}")))?;
        let order = bytes::Bytes::from(order);
        let peer = |share: &Share| rpc::Peer {
            address: share.address.clone(),
            tasks: share.tasks.iter().map(|task| (*task).into()).collect(),
        };
        let peers: Vec<rpc::Peer> = self.shares.values().map(peer).collect();
        for (worker, share) in &self.shares {
            let deploy = rpc::Deploy {
                attempt: Some((&self.key).into()),
                order: order.clone(),
                share: share.tasks.iter().map(|task| (*task).into()).collect(),
                peers: peers.clone(),
            };
            if !self.hub.say(worker, to_worker::Content::Deploy(deploy)) {
                return Err(lost_worker(worker));
            }
            self.running.insert(worker.clone());
        }
        let mut waited_for: BTreeSet<String> = self.shares.keys().cloned().collect();
        while !waited_for.is_empty() {
            let Some((worker, report)) = self.heard.recv().await else { return Err(Error::cancelled()) };
            match report {
                Report::Said(content) => match *content {
                    from_worker::Content::Deployed(_) => drop(waited_for.remove(&worker)),
                    from_worker::Content::NotDeployed(refused) => {
                        self.running.remove(&worker);
                        let unsaid = || Error::internal(format!("worker {worker} cannot run its share of the job"));
                        return Err(refused.error.map_or_else(unsaid, Into::into));
                    }
                    _ => {}
                },
                Report::Gone if self.running.remove(&worker) => return Err(lost_worker(&worker)),
                Report::Gone => {}
            }
        }
        Ok(())
    }

    fn start(&self) {
        for worker in self.shares.keys() {
            self.hub.say(worker, to_worker::Content::Start((&self.key).into()));
        }
    }

    async fn next(&mut self) -> Option<Heard> {
        loop {
            if self.is_over && self.running.is_empty() {
                return None;
            }
            let next = if self.is_over {
                // Who does not answer any more is fenced by the next attempt.
                within(SILENCE, self.heard.recv()).await?
            } else {
                self.heard.recv().await
            };
            let (worker, report) = next?;
            if let Some(heard) = self.on_report(&worker, report) {
                return Some(heard);
            }
        }
    }

    fn on_report(&mut self, worker: &str, report: Report) -> Option<Heard> {
        let read = match report {
            Report::Gone if self.running.remove(worker) => Err(lost_worker(worker)),
            Report::Gone => return None,
            Report::Said(content) => match *content {
                from_worker::Content::Said(message) => said(message).map(|(_, heard)| heard),
                from_worker::Content::Lost(message) => lost(message).map(|(_, heard)| heard),
                from_worker::Content::Counted(message) => Ok(Heard::Counted(counted(message))),
                from_worker::Content::Ended(_) => {
                    self.running.remove(worker);
                    return None;
                }
                _ => return None,
            },
        };
        Some(read.unwrap_or_else(|error| {
            let first = self.shares.get(worker).and_then(|share| share.tasks.first());
            Heard::Lost(first.copied().unwrap_or(TaskId { task: 0, subtask: 0 }), error)
        }))
    }
}

impl Subtasks for Attempt {
    fn tell(&mut self, what: &Told) {
        if self.is_over {
            return;
        }
        self.is_over = *what == Told::Cancel;
        for worker in self.shares.keys() {
            self.hub.say(worker, told(&self.key, what));
        }
    }

    fn hear(&mut self) -> BoxFuture<'_, Option<Heard>> {
        self.next().boxed()
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.tell(&Told::Cancel);
        self.hub.forget(&self.key);
    }
}

fn lost_worker(worker: &str) -> Error {
    Error::unavailable(format!("worker {worker} is lost"))
}
