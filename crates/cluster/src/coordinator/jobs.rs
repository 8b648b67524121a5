//! The jobs of the cluster, while this coordinator leads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dipper_session::{PlannedJob, absolute};
use dipper_state::Savepoint;
use dipper_types::{Error, ErrorKind, JobId, Result};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use super::hub::Hub;
use super::job::{self, Input, Inputs, Leading, Start};
use super::plan::{plan, slots};
use super::view::{Measured, View};
use crate::clock::{nonce, now_ms, sleep, within};
use crate::leadership::Seat;
use crate::{JobHistory, Record, Registry, StartFrom, Stop, Submission, Writer, rpc};

/// How long workers may take to come with what they run for a former leader.
const GATHERING: Duration = Duration::from_secs(6);

/// From one look for jobs that nobody leads to the next.
const LOOK: Duration = Duration::from_secs(30);

/// Between two attempts to read the registry.
const RETRY: Duration = Duration::from_secs(1);

/// How long a call waits for a leader that has just begun.
const PATIENCE: Duration = Duration::from_secs(10);

/// The jobs. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Jobs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    hub: Arc<Hub>,
    registry: Registry,
    seat: Seat,
    term: Mutex<Option<Term>>,
    changed: Notify,
}

/// While this coordinator leads.
#[derive(Debug)]
struct Term {
    leading: Leading,
    /// All jobs have been taken on that there were.
    is_ready: bool,
    jobs: BTreeMap<JobId, Entry>,
    /// The names of jobs that are being submitted.
    reserved: BTreeSet<String>,
    /// Whatever leads. It ends with the term.
    work: JoinSet<()>,
}

#[derive(Debug, Clone)]
struct Entry {
    view: View,
    /// None of a job whose records cannot be read.
    submission: Option<Arc<Submission>>,
    inputs: Inputs,
}

impl Entry {
    fn submitted_ms(&self) -> u64 {
        self.submission.as_ref().map_or(0, |submission| submission.submitted_ms)
    }
}

impl Jobs {
    pub(super) fn new(hub: Arc<Hub>, registry: Registry, seat: Seat) -> Self {
        Self(Arc::new(Shared { hub, registry, seat, term: Mutex::default(), changed: Notify::new() }))
    }

    /// This coordinator leads: it takes on all jobs that have not ended.
    pub(super) fn begin(&self, writer: Writer) {
        let Shared { hub, registry, seat, .. } = &*self.0;
        hub.open(writer.generation);
        let leading = Leading { hub: Arc::clone(hub), registry: registry.clone(), seat: seat.clone(), writer };
        let (jobs, reserved, mut work) = (BTreeMap::new(), BTreeSet::new(), JoinSet::new());
        // Whatever they find out finds the term there.
        let mut term = self.term();
        work.spawn(self.clone().gather());
        work.spawn(self.clone().look());
        *term = Some(Term { leading, is_ready: false, jobs, reserved, work });
    }

    async fn gather(self) {
        sleep(GATHERING).await;
        let led: BTreeSet<JobId> = self.term().iter().flat_map(|term| term.jobs.keys().cloned()).collect();
        self.0.hub.end_gathering(|job| led.contains(job));
    }

    /// This coordinator leads no more: everything is left as it is.
    pub(super) fn end(&self) {
        self.0.hub.close();
        *self.term() = None;
        self.0.changed.notify_waiters();
    }

    /// Takes on the jobs that it does not know: at first all, later what a former leader has stored without anybody's knowing.
    async fn look(self) {
        loop {
            let known: BTreeSet<JobId> = self.term().iter().flat_map(|term| term.jobs.keys().cloned()).collect();
            match self.0.registry.read_all(|job| known.contains(job)).await {
                Ok(mut read) => {
                    let submitted = |history: &Result<JobHistory>| {
                        history.as_ref().map_or(0, |read| read.decided.submission.submitted_ms)
                    };
                    read.sort_by_key(|(_, history)| submitted(history));
                    let mut term = self.term();
                    let Some(term) = &mut *term else { return };
                    for (job, history) in read {
                        term.take_on(job, history);
                    }
                    term.is_ready = true;
                    self.0.changed.notify_waiters();
                }
                Err(error) => {
                    tracing::warn!("the jobs of the cluster cannot be read: {error}; trying again");
                    sleep(RETRY).await;
                    continue;
                }
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until all jobs are known, if this coordinator leads.
    async fn leading(&self) -> Result<Leading> {
        let ready = async {
            loop {
                let changed = self.0.changed.notified();
                match &*self.term() {
                    None => return Err(not_leading()),
                    Some(term) if term.is_ready => return Ok(term.leading.clone()),
                    Some(_) => {}
                }
                changed.await;
            }
        };
        let unready = || Error::unavailable("the coordinator has just begun to lead and cannot read its jobs yet");
        within(PATIENCE, ready).await.unwrap_or_else(|| Err(unready()))
    }

    /// Whether this coordinator leads, and under which generation.
    pub(super) fn generation(&self) -> Option<u64> {
        self.term().as_ref().map(|term| term.leading.writer.generation)
    }

    /// Plans a job and has it run.
    pub(super) async fn submit(&self, request: rpc::SubmitRequest) -> Result<rpc::Job> {
        let leading = self.leading().await?;
        let rpc::SubmitRequest { sql, name, settings, start_from } = request;
        let start_from = match start_from {
            None => StartFrom::Latest,
            Some(from) if from.savepoint.is_empty() => StartFrom::Nothing,
            Some(rpc::StartFrom { savepoint, over, allow_non_restored_state }) => {
                StartFrom::Savepoint { url: absolute(&savepoint)?, over, allow_non_restored_state }
            }
        };
        let (job, settings) = (JobId(format!("{:016x}", nonce())), settings.into_iter().collect());
        let submitted_ms = u64::try_from(now_ms()).unwrap_or_default();
        let mut submission = Submission { job, name, sql, settings, start_from: start_from.clone(), submitted_ms };
        let planned = plan(leading.hub.directory(), &submission, None, start_from).await?;
        submission.name.clone_from(&planned.graph.name);
        let reserved = self.reserve(&submission.name)?;
        // It is done also if nobody waits for it any more.
        let jobs = self.clone();
        let stored = tokio::spawn(async move {
            let stored = jobs.store(leading, submission, planned).await;
            drop(reserved);
            stored
        });
        stored.await.unwrap_or_else(|error| Err(Error::internal(format!("the submission has stopped: {error}"))))
    }

    async fn store(&self, leading: Leading, submission: Submission, planned: PlannedJob) -> Result<rpc::Job> {
        let log = leading.registry.submit(&leading.writer, submission.clone()).await?;
        // Whoever leads now has seen the job.
        self.0.seat.confirm(leading.writer.generation).await.map_err(|error| {
            error.with_hint("the job may have been submitted all the same: dipper job list shows it if it has")
        })?;
        let mut term = self.term();
        let Some(term) = &mut *term else { return Err(leads_no_more()) };
        let slots = slots(&planned);
        let entry = term.lead(&submission, Start::New(Box::new(log), Box::new(planned)));
        entry.view.takes(slots);
        entry.view.say("INFO", format!("job '{}' has been submitted", submission.name));
        Ok(entry.view.message())
    }

    /// Keeps a name until what is returned is dropped, unless a job that has not ended has it: they would take each other's checkpoints over.
    fn reserve(&self, name: &str) -> Result<Reserved> {
        let mut term = self.term();
        let Some(term) = &mut *term else { return Err(not_leading()) };
        let has_it = |entry: &Entry| !entry.view.is_over() && entry.view.name() == name;
        if term.jobs.values().any(has_it) || !term.reserved.insert(name.to_owned()) {
            let error = Error::invalid(format!("job '{name}' is running already"));
            return Err(error.with_hint("cancel it first, or SET another 'pipeline.name'"));
        }
        Ok(Reserved { jobs: self.clone(), name: name.to_owned() })
    }

    /// All jobs, in the order in which they were submitted.
    pub(super) async fn list(&self) -> Result<Vec<rpc::Job>> {
        self.leading().await?;
        let mut entries: Vec<Entry> = self.term().iter().flat_map(|term| term.jobs.values().cloned()).collect();
        entries.sort_by_key(Entry::submitted_ms);
        Ok(entries.iter().map(|entry| entry.view.message()).collect())
    }

    /// A job by its id or name.
    pub(super) async fn show(&self, job: &str) -> Result<rpc::Job> {
        Ok(self.find(job).await?.view.message())
    }

    /// A job, and what has been measured of it.
    pub(super) async fn inspect(&self, job: &str) -> Result<(rpc::Job, Measured)> {
        let view = self.find(job).await?.view;
        Ok((view.message(), view.measured()))
    }

    /// What has been measured of all jobs that are known by now.
    pub(super) fn measured(&self) -> Vec<Measured> {
        self.term().iter().flat_map(|term| term.jobs.values()).map(|entry| entry.view.measured()).collect()
    }

    /// Where this coordinator is, and the workers, if it leads.
    pub(super) fn cluster(&self) -> Result<rpc::ClusterStatus> {
        let generation = self.generation().ok_or_else(not_leading)?;
        let hub = &self.0.hub;
        let (leader, directory) = (hub.address().to_owned(), hub.directory().to_owned());
        Ok(rpc::ClusterStatus { leader, directory, workers: hub.workers(), generation })
    }

    /// What has been said about a job.
    pub(super) async fn lines(&self, job: &str, after: u64) -> Result<Vec<rpc::LogLine>> {
        Ok(self.find(job).await?.view.lines(after))
    }

    /// Ends a job.
    pub(super) async fn cancel(&self, job: &str) -> Result<rpc::Job> {
        self.ask(job, |reply| Input::Decide(Record::Cancel, reply)).await
    }

    /// Ends a job with a savepoint.
    pub(super) async fn stop(&self, job: &str, savepoint: &str, drain: bool) -> Result<rpc::Job> {
        let stop = Stop { savepoint: free(savepoint).await?, drain };
        self.ask(job, |reply| Input::Decide(Record::Stop(stop), reply)).await
    }

    /// Takes a savepoint.
    pub(super) async fn savepoint(&self, job: &str, savepoint: &str) -> Result<rpc::Job> {
        let target = free(savepoint).await?;
        self.ask(job, |reply| Input::Savepoint(target, reply)).await
    }

    /// Has a job go on with another parallelism.
    pub(super) async fn rescale(&self, job: &str, parallelism: u32) -> Result<rpc::Job> {
        let (entry, leading) = (self.find(job).await?, self.leading().await?);
        if let Some(submission) = entry.submission.as_ref().filter(|_| !entry.view.is_over()) {
            let wanted = Some(parallelism as usize);
            let planned = Box::pin(plan(leading.hub.directory(), submission, wanted, StartFrom::Latest)).await?;
            let lacks = leading.hub.would_lack(&submission.job, slots(&planned).max(parallelism as usize));
            if lacks > 0 {
                let error = Error::invalid(format!(
                    "for {parallelism} subtasks of each operator the cluster lacks {lacks} slots"
                ));
                return Err(error.with_hint("start more workers first: dipper worker list shows those that there are"));
            }
        }
        let rescale = Record::Rescale { parallelism: parallelism as usize };
        self.ask(job, |reply| Input::Decide(rescale, reply)).await
    }

    /// Has a job go on from a checkpoint.
    pub(super) async fn restart(&self, job: &str) -> Result<rpc::Job> {
        self.ask(job, Input::Restart).await
    }

    /// Has the jobs of a worker go on elsewhere.
    pub(super) async fn drain(&self, worker: &str) -> Result<()> {
        self.leading().await?;
        let jobs = self.0.hub.drain(worker)?;
        let entries: Vec<Entry> =
            self.term().iter().flat_map(|term| jobs.iter().filter_map(|job| term.jobs.get(job).cloned())).collect();
        for entry in entries {
            let (reply, _) = oneshot::channel();
            let _ = entry.inputs.send(Input::Restart(reply));
        }
        Ok(())
    }

    async fn ask(&self, job: &str, input: impl FnOnce(oneshot::Sender<Result<()>>) -> Input) -> Result<rpc::Job> {
        let entry = self.find(job).await?;
        let (reply, answer) = oneshot::channel();
        let ended = || {
            let state = entry.view.message().state;
            Error::invalid(format!("job '{job}' has ended already: it is {state}"))
        };
        if entry.view.is_over() {
            return Err(ended());
        }
        entry.inputs.send(input(reply)).map_err(|_| ended())?;
        answer.await.unwrap_or_else(|_| Err(if entry.view.is_over() { ended() } else { leads_no_more() }))?;
        Ok(entry.view.message())
    }

    /// By id; by name the one that has not ended, or the last.
    async fn find(&self, job: &str) -> Result<Entry> {
        self.leading().await?;
        let term = self.term();
        let Some(term) = &*term else { return Err(not_leading()) };
        let by_name = || {
            let named = term.jobs.values().filter(|entry| entry.view.name() == job);
            named.max_by_key(|entry| (!entry.view.is_over(), entry.submitted_ms()))
        };
        let found = term.jobs.get(&JobId(job.to_owned())).or_else(by_name).cloned();
        let unknown = || Error::invalid(format!("there is no job '{job}'"));
        found.ok_or_else(|| unknown().with_hint("dipper job list shows those that there are"))
    }

    fn term(&self) -> MutexGuard<'_, Option<Term>> {
        // No call leaves it half changed.
        self.0.term.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Term {
    fn take_on(&mut self, job: JobId, history: Result<JobHistory>) {
        if self.jobs.contains_key(&job) {
            return;
        }
        let (inputs, _) = unbounded_channel();
        match history {
            // Whoever submits it leads it in a moment.
            Ok(history) if self.reserved.contains(&history.decided.submission.name) => {}
            Ok(JobHistory { decided, .. }) => match &decided.end {
                Some(end) => {
                    let view = View::ended(&decided, end);
                    self.jobs.insert(job, Entry { view, submission: Some(Arc::new(decided.submission)), inputs });
                }
                None => drop(self.lead(&decided.submission, Start::TakeOver)),
            },
            // It is read again.
            Err(error) if error.kind() == ErrorKind::Unavailable => tracing::warn!(job = job.0, "{error}"),
            Err(error) => {
                tracing::warn!(job = job.0, "{error}");
                let view = View::unreadable(job.0.clone(), error.to_string());
                self.jobs.insert(job, Entry { view, submission: None, inputs });
            }
        }
    }

    fn lead(&mut self, submission: &Submission, start: Start) -> Entry {
        let (inputs, heard) = unbounded_channel();
        let view = View::new(submission, self.leading.writer.generation);
        let submitted = Some(Arc::new(submission.clone()));
        let entry = Entry { view: view.clone(), submission: submitted, inputs: inputs.clone() };
        let job = submission.job.clone();
        self.jobs.insert(job.clone(), entry.clone());
        self.work.spawn(job::lead(self.leading.clone(), job, start, view, (inputs, heard)));
        entry
    }
}

/// A name that is kept for a job which is being submitted.
struct Reserved {
    jobs: Jobs,
    name: String,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(term) = &mut *self.jobs.term() {
            term.reserved.remove(&self.name);
        }
    }
}

const NOT_LEADING: &str = "this coordinator does not lead";

/// Nothing has been done.
fn not_leading() -> Error {
    Error::unavailable(NOT_LEADING)
}

/// Whether a call has done nothing, because the coordinator has ceased to lead since it came.
pub(super) fn is_not_leading(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable && error.to_string() == NOT_LEADING
}

fn leads_no_more() -> Error {
    let error = Error::unavailable("the coordinator has ceased to lead meanwhile");
    error.with_hint("it may have been done all the same: dipper job list shows it")
}

/// A place for a savepoint: better refused now than when it is taken.
async fn free(savepoint: &str) -> Result<String> {
    let savepoint = absolute(savepoint)?;
    if Savepoint::is_in(&dipper_session::open_directory(&savepoint)?).await? {
        let error = Error::invalid(format!("there is another savepoint in '{savepoint}'"));
        return Err(error.with_hint("choose another directory, or delete it"));
    }
    Ok(savepoint)
}
