//! What people see of a job.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dipper_runtime::{CheckpointProgress, JobHandle, Progress};

use crate::clock::now_ms;
use crate::{JobDecisions, JobEnd, JobState, Lifecycle, Submission, rpc};

/// How many lines are kept of what has been said about a job.
const LINES: usize = 1_000;

/// For how long a job is measured that has ended: somebody may not have looked since.
const MEASURED_MS: i64 = 5 * 60 * 1_000;

/// What can be measured of a job.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) slots: usize,
    /// How many attempts there were after the first one under this leader.
    pub(super) restarts: u64,
    /// None before an attempt has run, and some time after the job has ended.
    pub(super) progress: Option<Progress>,
}

/// Whoever leads a job writes, everybody reads. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct View(Arc<Mutex<Seen>>);

#[derive(Debug)]
struct Seen {
    id: String,
    name: String,
    submitted_ms: u64,
    state: String,
    /// What is wrong, or where the savepoint is.
    detail: String,
    /// How many slots it lacks, while it waits.
    lacks: Option<usize>,
    attempts: u64,
    slots: usize,
    is_over: bool,
    running: Option<JobHandle>,
    /// What has become of the checkpoints of attempts before the one that runs.
    checkpoints: CheckpointProgress,
    /// When it has ended, under this leader.
    ended_ms: Option<i64>,
    lines: VecDeque<rpc::LogLine>,
    said: u64,
}

impl View {
    /// A job that a leader of this generation leads, and that nothing has been done about.
    pub(super) fn new(submission: &Submission, generation: u64) -> Self {
        let state = JobState::Created.to_string();
        let view = Self::of(submission.job.0.clone(), submission.name.clone(), submission.submitted_ms, state);
        // Lines of a later leader come after those of an earlier one.
        view.seen().said = generation << 32;
        view
    }

    /// A job that has ended under an earlier leader.
    pub(super) fn ended(decided: &JobDecisions, end: &JobEnd) -> Self {
        let (submission, state) = (&decided.submission, JobState::of_end(end).to_string());
        let view = Self::of(submission.job.0.clone(), submission.name.clone(), submission.submitted_ms, state);
        let mut seen = view.seen();
        (seen.detail, seen.is_over) = (of_end(end), true);
        drop(seen);
        view
    }

    /// A job whose records cannot be read.
    pub(super) fn unreadable(id: String, why: String) -> Self {
        let view = Self::of(id, String::new(), 0, "UNREADABLE".to_owned());
        view.seen().detail = why;
        view
    }

    fn of(id: String, name: String, submitted_ms: u64, state: String) -> Self {
        let (detail, lines) = (String::new(), VecDeque::new());
        let seen = Seen {
            id,
            name,
            submitted_ms,
            state,
            detail,
            lacks: None,
            attempts: 0,
            slots: 0,
            is_over: false,
            running: None,
            checkpoints: CheckpointProgress::default(),
            ended_ms: None,
            lines,
            said: 0,
        };
        Self(Arc::new(Mutex::new(seen)))
    }

    /// Where the job stands now.
    pub(super) fn show(&self, job: &Lifecycle) {
        let mut seen = self.seen();
        let state = job.state().to_string();
        let detail = match &job.decided().end {
            Some(end) => of_end(end),
            None if matches!(job.state(), JobState::Running | JobState::Ending) => String::new(),
            None => job.last_error().unwrap_or_default().to_owned(),
        };
        if job.state() != JobState::Waiting {
            seen.lacks = None;
        }
        if seen.state != state {
            let of_what = if detail.is_empty() { String::new() } else { format!(": {detail}") };
            let level = if matches!(job.state(), JobState::Failed | JobState::Restarting) { "WARN" } else { "INFO" };
            seen.say(level, format!("{state}{of_what}"));
        }
        (seen.state, seen.detail) = (state, detail);
        (seen.attempts, seen.slots, seen.is_over) = (job.attempt(), job.parallelism(), job.state().is_end());
        if seen.is_over && seen.ended_ms.is_none() {
            seen.ended_ms = Some(now_ms());
        }
    }

    /// So many slots are wanted.
    pub(super) fn takes(&self, slots: usize) {
        self.seen().slots = slots;
    }

    /// So many slots are missing.
    pub(super) fn lacks(&self, slots: usize) {
        let mut seen = self.seen();
        if seen.lacks != Some(slots) {
            seen.lacks = Some(slots);
            let lacks = seen.lacking();
            seen.say("WARN", lacks);
        }
    }

    /// An attempt runs, and counts.
    pub(super) fn runs(&self, running: JobHandle) {
        let mut seen = self.seen();
        if let Some(before) = seen.progress() {
            seen.checkpoints = before.checkpoints;
        }
        seen.running = Some(running);
    }

    /// Something is to be said about the job.
    pub(super) fn say(&self, level: &'static str, message: String) {
        self.seen().say(level, message);
    }

    /// Whether the job has ended.
    pub(super) fn is_over(&self) -> bool {
        self.seen().is_over
    }

    /// By which name its checkpoints are found.
    pub(super) fn name(&self) -> String {
        self.seen().name.clone()
    }

    /// What has been said after a line.
    pub(super) fn lines(&self, after: u64) -> Vec<rpc::LogLine> {
        self.seen().lines.iter().filter(|line| line.number > after).cloned().collect()
    }

    /// What can be measured of the job.
    pub(super) fn measured(&self) -> Measured {
        let seen = self.seen();
        let is_late = |ended_ms| now_ms().saturating_sub(ended_ms) > MEASURED_MS;
        Measured {
            id: seen.id.clone(),
            name: seen.name.clone(),
            state: seen.state.clone(),
            slots: seen.slots,
            restarts: seen.attempts.saturating_sub(1),
            progress: if seen.ended_ms.is_some_and(is_late) { None } else { seen.progress() },
        }
    }

    /// The job as a message.
    pub(super) fn message(&self) -> rpc::Job {
        let seen = self.seen();
        let progress = seen.progress();
        let count = |of: fn(&dipper_runtime::Progress) -> u64| progress.as_ref().map(of).unwrap_or_default();
        let detail = match (seen.lacks, seen.detail.as_str()) {
            (None, detail) => detail.to_owned(),
            (Some(_), "") => seen.lacking(),
            (Some(_), before) => format!("{}; before: {before}", seen.lacking()),
        };
        rpc::Job {
            id: seen.id.clone(),
            name: seen.name.clone(),
            state: seen.state.clone(),
            detail,
            submitted_ms: seen.submitted_ms as i64,
            attempts: seen.attempts,
            rows_in: count(|progress| progress.rows_in),
            rows_out: count(|progress| progress.rows_out),
            matches: count(|progress| progress.matches),
            slots: seen.slots as u32,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // No call leaves it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What there is to say about an end.
fn of_end(end: &JobEnd) -> String {
    match end {
        JobEnd::Failed { error } => error.clone(),
        JobEnd::Stopped { savepoint } => format!("savepoint '{savepoint}'"),
        JobEnd::Finished | JobEnd::Cancelled => String::new(),
    }
}

impl Seen {
    fn lacking(&self) -> String {
        match self.lacks.unwrap_or_default() {
            1 => "lacks 1 slot".to_owned(),
            slots => format!("lacks {slots} slots"),
        }
    }

    /// What the attempt counts that runs, or has run last; of checkpoints, what all of them do.
    fn progress(&self) -> Option<Progress> {
        let mut progress = self.running.as_ref()?.progress();
        progress.checkpoints.completed += self.checkpoints.completed;
        progress.checkpoints.failed += self.checkpoints.failed;
        progress.checkpoints.last = progress.checkpoints.last.or(self.checkpoints.last);
        Some(progress)
    }

    fn say(&mut self, level: &'static str, message: String) {
        if level == "WARN" {
            tracing::warn!(job = self.id, name = self.name, "{message}");
        } else {
            tracing::info!(job = self.id, name = self.name, "{message}");
        }
        self.said += 1;
        self.lines.push_back(rpc::LogLine { number: self.said, time_ms: now_ms(), level: level.to_owned(), message });
        if self.lines.len() > LINES {
            self.lines.pop_front();
        }
    }
}
