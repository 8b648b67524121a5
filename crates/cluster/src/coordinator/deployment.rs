//! An attempt on several workers: what its leader says goes to all of them, and what they say to its leader.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use dipper_checkpoint::TaskId;
use dipper_graph::TaskGraph;
use dipper_runtime::{Deploy, Heard, Order, Subtasks, Told};
use dipper_types::{Error, JobId, Result};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::hub::{Hub, Report};
use crate::clock::{SILENCE, within};
use crate::message::{AttemptKey, lost, said, told};
use crate::rpc::{self, from_worker, to_worker};

/// Runs the attempts of one job on the workers that have slots.
pub(super) struct OnWorkers {
    pub(super) hub: Arc<Hub>,
    /// The job's id.
    pub(super) job: String,
    /// Is told how far a deployment has come.
    pub(super) tell: Box<dyn Fn(Stage) + Send + Sync>,
}

/// How far a deployment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// So many slots are missing.
    Waits { lacks: usize },
    /// The workers make their shares ready: so many slots.
    Deploys { slots: usize },
    /// All shares run.
    Runs,
}

impl fmt::Debug for OnWorkers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnWorkers").field("job", &self.job).finish_non_exhaustive()
    }
}

impl Deploy for OnWorkers {
    fn deploy(&self, order: Arc<Order>) -> BoxFuture<'_, Result<Box<dyn Subtasks>>> {
        let deployed = async move {
            let key = AttemptKey { job: self.job.clone(), attempt: order.attempt };
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
            let job = JobId(self.job.clone());
            let slots = self.hub.take_slots(&job, count, |lacks| (self.tell)(Stage::Waits { lacks })).await?;
            (self.tell)(Stage::Deploys { slots: slots.len() });
            for (index, task) in tasks.iter().enumerate() {
                for (subtask, (worker, address)) in slots.iter().enumerate().take(task.parallelism) {
                    let share = attempt.shares.entry(worker.clone()).or_insert_with(|| Share::at(address.clone()));
                    share.tasks.push(TaskId { task: index, subtask });
                }
            }
            attempt.deploy(&order).await?;
            (self.tell)(Stage::Runs);
            Ok(Box::new(attempt) as Box<dyn Subtasks>)
        };
        deployed.boxed()
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

/// An attempt on workers. When it is dropped they are told that it is over, and its slots are free.
struct Attempt {
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
    /// Has every worker make its share ready, and when all are, start.
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
        for worker in self.shares.keys() {
            self.hub.say(worker, to_worker::Content::Start((&self.key).into()));
        }
        Ok(())
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
                from_worker::Content::Counted(counted) => {
                    Ok(Heard::Counted(counted.operators.into_iter().map(Into::into).collect()))
                }
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
        self.hub.give_back(&JobId(self.key.job.clone()));
    }
}

fn lost_worker(worker: &str) -> Error {
    Error::unavailable(format!("worker {worker} is lost"))
}
