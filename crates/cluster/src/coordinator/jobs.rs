//! The jobs of a coordinator: what has been submitted, and what has become of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dipper_session::{JobConfig, JobControl, JobHandle, JobNotice, Outcome, Session, SessionConfig};
use dipper_types::{Error, ErrorKind, Result};

use super::deployment::{OnWorkers, Stage};
use super::hub::Hub;
use crate::clock::{nonce, now_ms};
use crate::rpc;

/// The jobs, by id.
#[derive(Debug)]
pub(super) struct Jobs {
    directory: String,
    hub: Arc<Hub>,
    entries: Arc<Mutex<Entries>>,
}

type Entries = BTreeMap<String, Entry>;

/// A job and what has become of it.
struct Entry {
    number: usize,
    name: String,
    submitted_ms: i64,
    state: State,
    detail: String,
    attempts: u64,
    slots: usize,
    control: Option<JobControl>,
}

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Created,
    Waiting,
    Deploying,
    Running,
    Restarting,
    Cancelling,
    Finished,
    Failed,
    Cancelled,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Waiting => "WAITING",
            Self::Deploying => "DEPLOYING",
            Self::Running => "RUNNING",
            Self::Restarting => "RESTARTING",
            Self::Cancelling => "CANCELLING",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }

    fn is_end(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Cancelled)
    }
}

impl Jobs {
    pub(super) fn new(directory: String, hub: Arc<Hub>) -> Self {
        Self { directory, hub, entries: Arc::default() }
    }

    /// Plans a job and has it run.
    pub(super) async fn submit(&self, request: rpc::SubmitRequest) -> Result<rpc::Job> {
        let rpc::SubmitRequest { sql, name, settings } = request;
        let id = self.reserve();
        let job = match self.start(&id, &sql, &name, settings.into_iter().collect()).await {
            Ok(job) => job,
            Err(error) => {
                self.entries().remove(&id);
                return Err(error);
            }
        };
        update(&self.entries, &id, |entry| entry.control = Some(job.control()));
        tracing::info!(job = id, name = job.name(), "a job has been submitted");
        tokio::spawn(follow(Arc::clone(&self.entries), id.clone(), job));
        self.show(&id)
    }

    /// A place for a job that is about to be planned.
    fn reserve(&self) -> String {
        let mut entries = self.entries();
        let number = entries.values().map(|entry| entry.number + 1).max().unwrap_or(1);
        let mut id = format!("{:08x}", nonce() as u32);
        while entries.contains_key(&id) {
            id = format!("{:08x}", nonce() as u32);
        }
        let entry = Entry {
            number,
            name: String::new(),
            submitted_ms: now_ms(),
            state: State::Created,
            detail: String::new(),
            attempts: 0,
            slots: 0,
            control: None,
        };
        entries.insert(id.clone(), entry);
        id
    }

    /// A job gets its name, unless another one that has not ended has it: they would take each other's checkpoints over.
    fn name(&self, id: &str, name: &str) -> Result<()> {
        let mut entries = self.entries();
        let has_it = |(other, entry): (&String, &Entry)| other != id && entry.name == name && !entry.state.is_end();
        if entries.iter().any(has_it) {
            let error = Error::invalid(format!("job '{name}' is running already"));
            return Err(error.with_hint("cancel it first, or SET another 'pipeline.name'"));
        }
        if let Some(entry) = entries.get_mut(id) {
            name.clone_into(&mut entry.name);
        }
        Ok(())
    }

    async fn start(&self, id: &str, sql: &str, name: &str, settings: Vec<(String, String)>) -> Result<JobHandle> {
        let entries = Arc::clone(&self.entries);
        let job = id.to_owned();
        let tell = Box::new(move |stage| update(&entries, &job, |entry| entry.on_stage(stage)));
        let deploy = OnWorkers { hub: Arc::clone(&self.hub), job: id.to_owned(), tell };
        let mut settings = settings;
        if !settings.iter().any(|(key, _)| key == "state.checkpoints.dir") {
            settings.push(("state.checkpoints.dir".to_owned(), format!("{}/checkpoints", self.directory)));
        }
        let job = JobConfig { name: Some(name.to_owned()), deploy: Some(Arc::new(deploy)), ..JobConfig::default() };
        let mut session = Session::new(SessionConfig { settings, fixed: true, job })?;
        let script = session.parse(sql)?;
        match script.iter().filter(|statement| statement.starts_job()).count() {
            1 => {}
            0 => return Err(Error::invalid("there is no INSERT INTO: a job writes to a table")),
            _ => {
                let error = Error::invalid("there is more than one INSERT INTO: a job is one statement");
                return Err(error.with_hint("make them one: EXECUTE STATEMENT SET BEGIN … END"));
            }
        }
        let mut started = None;
        for statement in &script {
            if statement.starts_job() {
                self.name(id, &session.next_job_name().unwrap_or_default())?;
            }
            match session.execute(statement).await? {
                Outcome::Job(job) => started = Some(job),
                Outcome::Done(_) | Outcome::Text(_) => {}
                Outcome::Rows(_) => {
                    return Err(Error::invalid("a query has nobody to show its rows to here")
                        .with_hint("INSERT INTO a table, or use dipper run"));
                }
            }
        }
        started.ok_or_else(|| Error::internal("the INSERT INTO has started no job"))
    }

    /// All jobs, in the order in which they were submitted.
    pub(super) fn list(&self) -> Vec<rpc::Job> {
        let entries = self.entries();
        let mut jobs: Vec<(usize, rpc::Job)> =
            entries.iter().map(|(id, entry)| (entry.number, entry.to_message(id))).collect();
        jobs.sort_by_key(|(number, _)| *number);
        jobs.into_iter().map(|(_, job)| job).collect()
    }

    /// A job by its id or name.
    pub(super) fn show(&self, job: &str) -> Result<rpc::Job> {
        let entries = self.entries();
        let (id, entry) = find(&entries, job)?;
        Ok(entry.to_message(id))
    }

    /// Ends a job.
    pub(super) fn cancel(&self, job: &str) -> Result<rpc::Job> {
        let mut entries = self.entries();
        let id = find(&entries, job)?.0.clone();
        let Some(entry) = entries.get_mut(&id) else { return Err(unknown(job)) };
        if entry.state.is_end() {
            let state = entry.state.name();
            return Err(Error::invalid(format!("job '{job}' has ended already: it is {state}")));
        }
        entry.state = State::Cancelling;
        if let Some(control) = &entry.control {
            control.cancel();
        }
        Ok(entry.to_message(&id))
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// By id; by name the one that has not ended, or the last.
fn find<'a>(entries: &'a Entries, job: &str) -> Result<(&'a String, &'a Entry)> {
    let by_name = || {
        let named = entries.iter().filter(|(_, entry)| entry.name == job);
        named.max_by_key(|(_, entry)| (!entry.state.is_end(), entry.number))
    };
    entries.get_key_value(job).or_else(by_name).ok_or_else(|| unknown(job))
}

fn unknown(job: &str) -> Error {
    Error::invalid(format!("there is no job '{job}'")).with_hint("dipper job list shows those that there are")
}

fn update(entries: &Mutex<Entries>, id: &str, change: impl FnOnce(&mut Entry)) {
    let mut entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(entry) = entries.get_mut(id) {
        change(entry);
    }
}

/// Notes what becomes of a job until it has ended.
async fn follow(entries: Arc<Mutex<Entries>>, id: String, mut job: JobHandle) {
    if let Some(mut notices) = job.notices() {
        let (entries, id) = (Arc::clone(&entries), id.clone());
        tokio::spawn(async move {
            while let Some(notice) = notices.recv().await {
                if notice.is_warning() {
                    tracing::warn!(job = id, "{notice}");
                } else {
                    tracing::info!(job = id, "{notice}");
                }
                update(&entries, &id, |entry| entry.on_notice(&notice));
            }
        });
    }
    let ended = job.wait().await;
    update(&entries, &id, |entry| {
        (entry.state, entry.detail) = match &ended {
            Ok(_) => (State::Finished, String::new()),
            Err(error) if error.kind() == ErrorKind::Cancelled => (State::Cancelled, String::new()),
            Err(error) => (State::Failed, error.to_string()),
        };
        tracing::info!(job = id, state = entry.state.name(), detail = entry.detail, "a job has ended");
    });
}

impl Entry {
    fn on_stage(&mut self, stage: Stage) {
        if self.state == State::Cancelling {
            return;
        }
        (self.state, self.detail) = match stage {
            Stage::Waits { lacks: 1 } => (State::Waiting, "lacks 1 slot".to_owned()),
            Stage::Waits { lacks } => (State::Waiting, format!("lacks {lacks} slots")),
            Stage::Deploys { slots } => {
                self.attempts += 1;
                self.slots = slots;
                (State::Deploying, String::new())
            }
            Stage::Runs => (State::Running, String::new()),
        };
    }

    fn on_notice(&mut self, notice: &JobNotice) {
        if let JobNotice::Restarting { error, .. } = notice
            && self.state != State::Cancelling
        {
            (self.state, self.detail) = (State::Restarting, error.to_string());
        }
    }

    fn to_message(&self, id: &str) -> rpc::Job {
        let progress = self.control.as_ref().map(JobControl::progress).unwrap_or_default();
        rpc::Job {
            id: id.to_owned(),
            name: self.name.clone(),
            state: self.state.name().to_owned(),
            detail: self.detail.clone(),
            submitted_ms: self.submitted_ms,
            attempts: self.attempts,
            rows_in: progress.rows_in,
            rows_out: progress.rows_out,
            matches: progress.matches,
            slots: self.slots as u32,
        }
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).field("state", &self.state).finish_non_exhaustive()
    }
}
