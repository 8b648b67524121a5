//! The log of one job, in the eyes of the leader who appends to it. Pure; calls to the store are [`Registry`](crate::Registry)'s matter.
//!
//! Records are never deleted, so what stands under a number is the word on it for ever. A leader begins by appending
//! [`Record::TakenOver`]: from then on whoever led before finds the number taken under which it would append. Generations of leaders ascend
//! along the log.

use dipper_types::{Error, ErrorKind, JobId, Result};

use crate::record::damaged;
use crate::{CoordinatorId, Creation, CreationReply, CreationStep, JobDecisions, LogEntry, Record, Submission};

/// A coordinator, while it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// Who.
    pub coordinator: CoordinatorId,
    /// Of its leadership.
    pub generation: u64,
}

/// The log of a job as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobHistory {
    /// What its records amount to.
    pub decided: JobDecisions,
    /// The number of the last record.
    pub head: u64,
    /// Under whose leadership that was written.
    pub generation: u64,
}

impl JobHistory {
    /// Puts the records of a job together, in their order. `path` is where they stand, for messages.
    pub fn of(path: &str, job: &JobId, entries: &[LogEntry]) -> Result<Self> {
        let mut history: Option<Self> = None;
        for (entry, number) in entries.iter().zip(1..) {
            let name = || format!("{path}/{}", entry_name(number));
            if entry.number != number || entry.job != *job {
                let (number, job) = (entry.number, &entry.job.0);
                return Err(damaged(&name(), &format_args!("it is record {number} of job '{job}'")));
            }
            history = Some(match (history, &entry.record) {
                (None, Record::Submitted(submission)) if submission.job == *job => {
                    let decided = JobDecisions::new(submission.clone());
                    Self { decided, head: number, generation: entry.generation }
                }
                (None, _) => return Err(damaged(&name(), &"it does not submit the job")),
                (Some(mut known), record) => {
                    known.decided.apply(record).map_err(|error| damaged(&name(), &error))?;
                    if entry.generation < known.generation {
                        let generations = format!("generation {} follows {}", entry.generation, known.generation);
                        return Err(damaged(&name(), &generations));
                    }
                    Self { head: number, generation: entry.generation, ..known }
                }
            });
        }
        history.ok_or_else(|| Error::invalid(format!("there is no job '{}'", job.0)))
    }
}

/// What is to be done about a record on its way into the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogStep {
    /// Create this.
    Create(LogEntry),
    /// Look what stands under its number.
    Look(LogEntry),
    /// Nothing: it stands in the log.
    Appended(Record),
    /// Somebody else's record stands there. If it was [`Record::TakenOver`] that was to be appended, read the log again; else another
    /// coordinator leads.
    Lost,
    /// Nothing: the store has refused.
    Refused,
}

/// The log of one job, while its leader leads.
#[derive(Debug, Clone, PartialEq)]
pub struct JobLog {
    writer: Writer,
    job: JobId,
    /// `None` until the submission stands in the log.
    decided: Option<JobDecisions>,
    head: u64,
    pending: Option<(LogEntry, Creation)>,
    is_lost: bool,
}

impl JobLog {
    /// The log of a job that is about to be submitted, and what to do for it.
    pub fn submit(writer: Writer, submission: Submission) -> (Self, LogStep) {
        let job = submission.job.clone();
        let mut log = Self { writer, job, decided: None, head: 0, pending: None, is_lost: false };
        let step = log.create(Record::Submitted(submission));
        (log, step)
    }

    /// Takes over the log of a job, and says what is to be done for it, if anything. Fenced if a later leader has done so.
    pub fn take_over(writer: Writer, history: JobHistory) -> Result<(Self, Option<LogStep>)> {
        let JobHistory { decided, head, generation } = history;
        let job = decided.submission.job.clone();
        let is_over = decided.end.is_some() || generation == writer.generation;
        let mut log = Self { writer, job, decided: Some(decided), head, pending: None, is_lost: false };
        if generation > log.writer.generation {
            return Err(log.fenced());
        }
        let step = (!is_over).then(|| log.create(Record::TakenOver));
        Ok((log, step))
    }

    /// The job.
    pub fn job(&self) -> &JobId {
        &self.job
    }

    /// What has been decided; `None` while it is not known whether the job has been submitted.
    pub fn decided(&self) -> Option<&JobDecisions> {
        self.decided.as_ref()
    }

    /// The number of the last record.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// What is on its way into the log. While there is something, nothing else can be appended.
    pub fn pending(&self) -> Option<&Record> {
        self.pending.as_ref().map(|(entry, _)| &entry.record)
    }

    /// Begins to append a record. Refused if it may not follow, and if another coordinator is known to lead.
    pub fn append(&mut self, record: Record) -> Result<LogStep> {
        match (&self.decided, &self.pending) {
            _ if self.is_lost => Err(self.fenced()),
            (Some(decided), None) => {
                decided.check(&record)?;
                Ok(self.create(record))
            }
            _ => Err(Error::unavailable(format!("job '{}': its last record is not known to be stored", self.job.0))),
        }
    }

    /// What to do about the pending record, if it is taken up again after having been left.
    pub fn resume(&self) -> Option<LogStep> {
        self.pending.as_ref().map(|(entry, _)| LogStep::Create(entry.clone()))
    }

    /// Takes note of the answer to the last [`LogStep::Create`] or [`LogStep::Look`].
    pub fn on_reply(&mut self, reply: CreationReply) -> Result<LogStep> {
        let Some((entry, creation)) = &mut self.pending else {
            return Err(Error::internal(format!("job '{}': nothing is on its way into the log", self.job.0)));
        };
        match creation.on_reply(reply) {
            CreationStep::Create => Ok(LogStep::Create(entry.clone())),
            CreationStep::Look => Ok(LogStep::Look(entry.clone())),
            CreationStep::Own => {
                let record = entry.record.clone();
                self.note(&record)?;
                Ok(LogStep::Appended(record))
            }
            CreationStep::Other => {
                (self.pending, self.is_lost) = (None, true);
                Ok(LogStep::Lost)
            }
            CreationStep::Refused => {
                self.pending = None;
                Ok(LogStep::Refused)
            }
        }
    }

    /// Why it cannot append any more.
    pub fn fenced(&self) -> Error {
        let (job, Writer { coordinator, generation }) = (&self.job.0, &self.writer);
        let message = format!("job '{job}': coordinator '{coordinator}' of generation {generation} leads it no more");
        Error::new(ErrorKind::Fenced, message).with_hint("ask the coordinator that leads now")
    }

    fn create(&mut self, record: Record) -> LogStep {
        let Writer { coordinator, generation } = self.writer.clone();
        let entry = LogEntry::new(self.job.clone(), self.head + 1, generation, coordinator, record);
        self.pending = Some((entry.clone(), Creation::default()));
        LogStep::Create(entry)
    }

    fn note(&mut self, record: &Record) -> Result<()> {
        match (&mut self.decided, record) {
            (None, Record::Submitted(submission)) => self.decided = Some(JobDecisions::new(submission.clone())),
            (Some(decided), record) => decided.apply(record)?,
            (None, _) => return Err(Error::internal(format!("job '{}' has not been submitted", self.job.0))),
        }
        self.head += 1;
        self.pending = None;
        Ok(())
    }
}

/// The name of a record's object.
pub(crate) fn entry_name(number: u64) -> String {
    format!("{number:020}.json")
}

#[cfg(test)]
mod tests;
