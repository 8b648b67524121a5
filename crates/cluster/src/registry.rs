//! The registry of jobs in the cluster directory: use it to read what has been decided about jobs, and, while leading, to decide.
//!
//! A job is a directory `jobs/ID` of numbered records. What they say is [`record`](crate::Record)'s matter; what may be appended, and what an
//! ambiguous answer means, is [`JobLog`]'s. Only calls to the store are made here.

use bytes::Bytes;
use dipper_state::{Created, Directory, NotCreated};
use dipper_types::{Error, JobId, Result};
use futures::{StreamExt, TryStreamExt, stream};

use crate::job_log::entry_name;
use crate::record::damaged;
use crate::{CreationReply, JobHistory, JobLog, LogEntry, LogStep, Record, Submission, Writer};

const JOBS: &str = "jobs";

/// How many jobs or records are read side by side.
const READS: usize = 16;

/// How often a record is created again and looked for before its fate is left open. Each call is retried by itself as well.
const ROUNDS: usize = 4;

/// All jobs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry {
    jobs: Directory,
}

impl Registry {
    /// The jobs of a cluster.
    pub fn new(cluster: &Directory) -> Self {
        Self { jobs: cluster.child(JOBS) }
    }

    /// The ids of all jobs, ended or not.
    pub async fn jobs(&self) -> Result<Vec<JobId>> {
        Ok(self.jobs.children().await?.into_iter().map(JobId).filter(|job| check_id(job).is_ok()).collect())
    }

    /// What has been decided about every job but those that are known. One whose records are damaged does not keep the others from being led.
    pub async fn read_all(&self, is_known: impl Fn(&JobId) -> bool) -> Result<Vec<(JobId, Result<JobHistory>)>> {
        let jobs = self.jobs().await?;
        let reads = jobs.into_iter().filter(|job| !is_known(job)).map(|job| async move {
            let history = self.read(&job).await.transpose()?;
            Some((job, history))
        });
        Ok(stream::iter(reads).buffered(READS).filter_map(std::future::ready).collect().await)
    }

    /// What has been decided about a job; `None` if there is none.
    pub async fn read(&self, job: &JobId) -> Result<Option<JobHistory>> {
        check_id(job)?;
        let directory = self.jobs.child(&job.0);
        let entries = directory.list_settled().await?;
        let Some(head) = entries.iter().filter_map(|entry| entry_number(&entry.name)).max() else { return Ok(None) };
        let read = |number| {
            let directory = &directory;
            async move {
                let name = format!("{}/{}", directory.url(), entry_name(number));
                let bytes = directory.get(&entry_name(number)).await?;
                LogEntry::decode(&name, &bytes.ok_or_else(|| damaged(&name, &"it is missing"))?)
            }
        };
        let entries: Vec<LogEntry> = stream::iter(1..=head).map(read).buffered(READS).try_collect().await?;
        JobHistory::of(directory.url(), job, &entries).map(Some)
    }

    /// Submits a job. `Unavailable`: it may have been submitted all the same, and if so will be run.
    ///
    /// Whoever answers for the job asks [`Seat::confirm`](crate::Seat::confirm) before: a successor that began earlier has not seen it.
    pub async fn submit(&self, writer: &Writer, submission: Submission) -> Result<JobLog> {
        check_id(&submission.job)?;
        let (mut log, step) = JobLog::submit(writer.clone(), submission);
        match self.follow(&mut log, step).await? {
            Settled::Appended => Ok(log),
            Settled::Lost => Err(Error::invalid(format!("there is a job '{}' already", log.job().0))),
        }
    }

    /// Takes a job over from whoever has led before.
    pub async fn take_over(&self, writer: &Writer, job: &JobId) -> Result<JobLog> {
        loop {
            let no_job = || Error::invalid(format!("there is no job '{}'", job.0));
            let history = self.read(job).await?.ok_or_else(no_job)?;
            let (mut log, step) = JobLog::take_over(writer.clone(), history)?;
            let Some(step) = step else { return Ok(log) };
            match self.follow(&mut log, step).await? {
                Settled::Appended => return Ok(log),
                // By somebody whose generation tells whether to go on.
                Settled::Lost => {}
            }
        }
    }

    /// Appends a record. `Fenced`: another coordinator leads. `Invalid`: it may not follow. `Unavailable`: it may have been appended, and is
    /// tried again before anything else is.
    pub async fn append(&self, log: &mut JobLog, record: Record) -> Result<()> {
        while let Some(step) = log.resume() {
            let is_same = log.pending() == Some(&record);
            self.settle(log, step).await?;
            if is_same {
                return Ok(());
            }
        }
        let step = log.append(record)?;
        self.settle(log, step).await
    }

    async fn settle(&self, log: &mut JobLog, step: LogStep) -> Result<()> {
        match self.follow(log, step).await? {
            Settled::Appended => Ok(()),
            Settled::Lost => Err(log.fenced()),
        }
    }

    /// Does what the log says until the record's fate is known, or for long enough.
    async fn follow(&self, log: &mut JobLog, mut step: LogStep) -> Result<Settled> {
        let directory = self.jobs.child(&log.job().0);
        let mut failure = None;
        for _ in 0..ROUNDS {
            let (reply, error) = match &step {
                LogStep::Create(entry) => create(&directory, entry).await?,
                LogStep::Look(entry) => look(&directory, entry).await?,
                LogStep::Appended(_) => return Ok(Settled::Appended),
                LogStep::Lost => return Ok(Settled::Lost),
                LogStep::Refused => break,
            };
            failure = error.or(failure);
            step = log.on_reply(reply)?;
        }
        match step {
            LogStep::Appended(_) => Ok(Settled::Appended),
            LogStep::Lost => Ok(Settled::Lost),
            LogStep::Refused | LogStep::Create(_) | LogStep::Look(_) => {
                let silence = || Error::unavailable(format!("job '{}': a record cannot be stored", log.job().0));
                Err(failure.unwrap_or_else(silence))
            }
        }
    }
}

/// What has become of a record.
enum Settled {
    Appended,
    Lost,
}

async fn create(directory: &Directory, entry: &LogEntry) -> Result<(CreationReply, Option<Error>)> {
    let bytes = Bytes::from(entry.encode()?);
    Ok(match directory.create(&entry_name(entry.number), &bytes).await {
        Ok(Created::Own) => (CreationReply::Own, None),
        Ok(Created::Other) => (CreationReply::Other, None),
        Err(NotCreated { error, in_doubt: true }) => (CreationReply::InDoubt, Some(error)),
        Err(NotCreated { error, in_doubt: false }) => (CreationReply::Refused, Some(error)),
    })
}

async fn look(directory: &Directory, entry: &LogEntry) -> Result<(CreationReply, Option<Error>)> {
    let bytes = Bytes::from(entry.encode()?);
    Ok(match directory.owner(&entry_name(entry.number), &bytes).await {
        Ok(Some(Created::Own)) => (CreationReply::Own, None),
        Ok(Some(Created::Other)) => (CreationReply::Other, None),
        Ok(None) => (CreationReply::Absent, None),
        Err(error) => (CreationReply::Unreadable, Some(error)),
    })
}

/// An id is the name of a directory.
fn check_id(job: &JobId) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=64).contains(&job.0.len()) && job.0.bytes().all(is_plain) {
        return Ok(());
    }
    let message = format!("'{}' is no id of a job", job.0);
    Err(Error::invalid(message).with_hint("an id has 1 to 64 letters, digits, '-' and '_'"))
}

/// The number in the name of a record; `None` for any other file.
fn entry_number(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".json")?.parse().ok()?;
    (entry_name(number) == name).then_some(number)
}

#[cfg(test)]
mod tests;
