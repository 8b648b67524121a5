//! Who is there: workers and their slots, what runs on them, and which attempts hear what they say.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dipper_checkpoint::TaskId;
use dipper_types::{Epoch, Error, JobId, Result};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::message::{AttemptKey, running_share};
use crate::rpc::{Drain, Hello, ToWorker, Worker, from_worker, to_worker};
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

/// The workers that obey this coordinator, and the attempts that run on them.
#[derive(Debug)]
pub(super) struct Hub {
    build: String,
    address: String,
    directory: String,
    state: Mutex<State>,
    /// Workers, slots or shares have come or gone.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// While this coordinator leads.
    generation: Option<u64>,
    /// Workers may still come with what they run for a former leader.
    gathers: bool,
    /// By name.
    workers: BTreeMap<String, Member>,
    attempts: HashMap<AttemptKey, Reports>,
    /// What nobody leads yet.
    shares: Vec<Share>,
    slots: Slots,
}

#[derive(Debug)]
struct Member {
    /// Tells processes of one name apart.
    nonce: u64,
    /// Tells two conversations of one worker apart.
    session: u64,
    address: String,
    out: UnboundedSender<ToWorker>,
}

/// What runs on a worker of an attempt that a former leader has started.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    pub(crate) worker: String,
    pub(crate) key: AttemptKey,
    pub(crate) tasks: BTreeSet<TaskId>,
    /// The greatest checkpoint that it has been told of.
    pub(crate) passed: Epoch,
}

/// All of an attempt that a former leader has started.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) key: AttemptKey,
    pub(super) passed: Epoch,
    /// By worker: where it is reached, and what it runs.
    pub(super) shares: BTreeMap<String, (String, Vec<TaskId>)>,
}

impl Hub {
    pub(super) fn new(build: String, address: String, directory: String) -> Self {
        Self { build, address, directory, state: Mutex::default(), changed: Notify::new() }
    }

    /// Where this coordinator is reached.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The cluster directory.
    pub(super) fn directory(&self) -> &str {
        &self.directory
    }

    /// This coordinator leads: workers may come.
    pub(super) fn open(&self, generation: u64) {
        *self.state() = State { generation: Some(generation), gathers: true, ..State::default() };
    }

    /// This coordinator leads no more: workers are let go with all that they run, for who leads now.
    pub(super) fn close(&self) {
        *self.state() = State::default();
        self.changed.notify_waiters();
    }

    /// What is still run for former leaders and nobody has claimed is to end. The slots of jobs that nobody leads are free.
    pub(super) fn end_gathering(&self, is_led: impl Fn(&JobId) -> bool) {
        let mut state = self.state();
        state.gathers = false;
        for share in std::mem::take(&mut state.shares) {
            state.end(&share);
            let job = JobId(share.key.job);
            if !is_led(&job) {
                state.slots.release(&job);
            }
        }
        self.changed.notify_waiters();
    }

    /// Under which leadership workers come, if this coordinator leads.
    pub(super) fn generation(&self) -> Option<u64> {
        self.state().generation
    }

    /// Waits until a conversation with a worker is of no more use.
    pub(super) async fn left(&self, worker: &str, session: u64) {
        loop {
            let changed = self.changed.notified();
            if self.state().workers.get(worker).is_none_or(|member| member.session != session) {
                return;
            }
            changed.await;
        }
    }

    /// A worker introduces itself: it is taken, if it is of this build, and nobody else has its name.
    pub(super) fn join(&self, hello: Hello, generation: u64, out: UnboundedSender<ToWorker>) -> Result<u64> {
        let Hello { worker, build, slots, address, nonce, running, drains } = hello;
        if build != self.build {
            let message = format!("worker '{worker}' is of build {build}, the coordinator of build {}", self.build);
            return Err(Error::invalid(message).with_hint("run the same binary everywhere"));
        }
        if worker.is_empty() || slots == 0 {
            return Err(Error::invalid("a worker needs a name and at least one slot"));
        }
        let shares = running.into_iter().map(|share| running_share(&worker, share)).collect::<Result<Vec<_>>>()?;
        let mut state = self.state();
        if state.generation != Some(generation) {
            return Err(Error::unavailable("this coordinator leads no more"));
        }
        let session = match state.workers.get(&worker) {
            Some(other) if other.nonce != nonce => {
                let message = format!("there is another worker '{worker}', at {}", other.address);
                // It may be this worker's earlier self, of which nobody knows yet that it has gone.
                return Err(Error::unavailable(message).with_hint("give each worker a --name of its own"));
            }
            Some(earlier) => earlier.session + 1,
            None => 0,
        };
        if session > 0 {
            state.lose(&worker);
        }
        tracing::info!(worker, address, slots, "a worker has come");
        let id = WorkerId(worker.clone());
        state.slots.add_worker(id.clone(), slots as usize)?;
        if drains {
            state.slots.keep_drained(&id);
        }
        state.workers.insert(worker, Member { nonce, session, address, out });
        for share in shares {
            if state.gathers {
                let indices: BTreeSet<usize> = share.tasks.iter().map(|task| task.subtask).collect();
                let (job, worker) = (JobId(share.key.job.clone()), WorkerId(share.worker.clone()));
                state.slots.hold(&job, &worker, indices.len());
                state.shares.push(share);
            } else {
                state.end(&share);
            }
        }
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
        use from_worker::Content;
        let mut state = self.state();
        if let Some(reports) = state.attempts.get(key) {
            let _ = reports.send((worker.to_owned(), Report::Said(Box::new(content))));
        } else if matches!(content, Content::Lost(_) | Content::NotDeployed(_) | Content::Ended(_)) {
            // What else is said is said again to who claims it.
            state.shares.retain(|share| share.key != *key || share.worker != worker);
        }
    }

    /// Says something to a worker; whether it is there.
    pub(super) fn say(&self, worker: &str, content: to_worker::Content) -> bool {
        self.state().say(worker, content)
    }

    /// Waits until a job has so many slots, one for each subtask index. `lacks` hears of how many are missing. If it is dropped the job waits
    /// on, until its slots are given back.
    pub(super) async fn take_slots(&self, job: &JobId, count: usize, lacks: impl Fn(usize)) -> Result<()> {
        self.state().slots.request(job, count)?;
        self.changed.notify_waiters();
        loop {
            let changed = self.changed.notified();
            match self.state().slots.lack(job) {
                None => return Ok(()),
                Some(lack) => lacks(lack.slots),
            }
            changed.await;
        }
    }

    /// The workers of the slots that a job holds, and where they are.
    pub(super) fn slots_of(&self, job: &JobId) -> Vec<(String, String)> {
        let state = self.state();
        let held = state.slots.held(job).iter();
        held.map(|slot| (slot.worker.0.clone(), state.address(&slot.worker.0))).collect()
    }

    /// How many slots a job would lack that asked for so many now.
    pub(super) fn would_lack(&self, job: &JobId, slots: usize) -> usize {
        self.state().slots.would_lack(job, slots)
    }

    /// A job needs its slots no longer.
    pub(super) fn give_back(&self, job: &JobId) {
        self.state().slots.release(job);
        self.changed.notify_waiters();
    }

    /// Waits for workers that run all of an attempt of a job, for as long as that may be, and has what they say go to `reports`. Whatever else
    /// runs of the job is to end.
    pub(super) async fn claim(&self, job: &JobId, tasks: &BTreeSet<TaskId>, reports: Reports) -> Option<Found> {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.state();
                let found = state.whole_attempt(job, tasks);
                if found.is_some() || !state.gathers {
                    let of_job = |share: &mut Share| share.key.job == job.0;
                    let shares: Vec<Share> = state.shares.extract_if(.., of_job).collect();
                    let (ours, strays): (Vec<Share>, Vec<Share>) =
                        shares.into_iter().partition(|share| Some(&share.key) == found.as_ref());
                    for share in &strays {
                        state.end(share);
                    }
                    let key = found?;
                    state.attempts.insert(key.clone(), reports);
                    let passed = ours.iter().map(|share| share.passed).max().unwrap_or(Epoch(0));
                    let named = |share: Share| {
                        let address = state.address(&share.worker);
                        (share.worker, (address, share.tasks.into_iter().collect()))
                    };
                    return Some(Found { key, passed, shares: ours.into_iter().map(named).collect() });
                }
            }
            changed.await;
        }
    }

    /// From now on `reports` gets what workers say about an attempt, and that those that run it have gone.
    pub(super) fn listen(&self, key: AttemptKey, reports: Reports) {
        self.state().attempts.insert(key, reports);
    }

    /// Nobody listens to an attempt any more.
    pub(super) fn forget(&self, key: &AttemptKey) {
        self.state().attempts.remove(key);
    }

    /// A worker is given no more slots. Returns the jobs that run there.
    pub(super) fn drain(&self, worker: &str) -> Result<Vec<JobId>> {
        let mut state = self.state();
        if !state.workers.contains_key(worker) {
            let error = Error::invalid(format!("no worker '{worker}'"));
            return Err(error.with_hint("dipper worker list shows those that there are"));
        }
        let jobs = state.slots.drain_worker(&WorkerId(worker.to_owned()))?;
        // It says so to the next leader.
        state.say(worker, to_worker::Content::Drain(Drain {}));
        Ok(jobs)
    }

    /// The workers, by name.
    pub(super) fn workers(&self) -> Vec<Worker> {
        let state = self.state();
        let worker = |(id, slots, taken): (&WorkerId, usize, usize)| {
            let drains = state.slots.drains(id);
            let free = if drains { 0 } else { slots.saturating_sub(taken) as u32 };
            Worker { name: id.0.clone(), address: state.address(&id.0), slots: slots as u32, free, drains }
        };
        state.slots.workers().map(worker).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No call leaves it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn address(&self, worker: &str) -> String {
        self.workers.get(worker).map(|member| member.address.clone()).unwrap_or_default()
    }

    fn say(&self, worker: &str, content: to_worker::Content) -> bool {
        let member = self.workers.get(worker);
        member.is_some_and(|member| member.out.send(ToWorker { content: Some(content) }).is_ok())
    }

    /// Nobody will lead what a worker runs.
    fn end(&self, share: &Share) {
        self.say(&share.worker, to_worker::Content::Cancel((&share.key).into()));
    }

    /// The attempt of a job of which all subtasks run.
    fn whole_attempt(&self, job: &JobId, tasks: &BTreeSet<TaskId>) -> Option<AttemptKey> {
        let keys: BTreeSet<&AttemptKey> =
            self.shares.iter().map(|share| &share.key).filter(|key| key.job == job.0).collect();
        let runs = |key: &&&AttemptKey| {
            let shares = self.shares.iter().filter(|share| share.key == ***key);
            shares.flat_map(|share| share.tasks.iter().copied()).collect::<BTreeSet<TaskId>>() == *tasks
        };
        keys.iter().rfind(runs).map(|key| (*key).clone())
    }

    /// A worker has gone: every attempt hears of it, and those that it does not concern do not mind.
    fn lose(&mut self, worker: &str) {
        self.slots.lose_worker(&WorkerId(worker.to_owned()));
        self.shares.retain(|share| share.worker != worker);
        for reports in self.attempts.values() {
            let _ = reports.send((worker.to_owned(), Report::Gone));
        }
    }
}
