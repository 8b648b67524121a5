//! What has been decided about a job: the records of its log, which of them may follow which, and what they amount to.
//!
//! Pure; how records get into the log is the registry's matter.

use std::collections::BTreeMap;
use std::fmt;

use dipper_types::{Error, ErrorKind, JobId, Result};
use serde::{Deserialize, Serialize};

use crate::CoordinatorId;

const FORMAT: &str = "dipper-job-record";

/// The version that this build reads and writes.
const FORMAT_VERSION: u32 = 1;

/// One decision, or the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Record {
    /// There is such a job. The first record, and only that.
    Submitted(Submission),
    /// Another leader has taken the job over: whoever led before can append no more.
    TakenOver,
    /// The first attempt has opened the log of the job's checkpoints, from what the submission says. Whatever runs later goes on from there.
    Started,
    /// The job is to run with this parallelism.
    Rescale {
        /// At least 1.
        parallelism: usize,
    },
    /// The job is to stop with a savepoint.
    Stop(Stop),
    /// The savepoint could not be taken: the job goes on as if nobody had asked for it.
    StopGivenUp {
        /// Why.
        error: String,
    },
    /// The job is to be cancelled.
    Cancel,
    /// What has become of the job for good. Nothing follows.
    Ended(JobEnd),
}

/// What somebody wants to have run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Which job; no other has had this id.
    pub job: JobId,
    /// What its checkpoints are kept under: unique among the jobs that run.
    pub name: String,
    /// The SQL script.
    pub sql: String,
    /// What is set besides what the script sets.
    pub settings: BTreeMap<String, String>,
    /// What the first attempt starts from.
    pub start_from: StartFrom,
    /// When, in milliseconds since 1970.
    pub submitted_ms: u64,
}

/// What an attempt starts from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum StartFrom {
    /// The last checkpoint under its name; nothing, if there is none.
    #[default]
    Latest,
    /// Nothing, whatever there is.
    Nothing,
    /// A savepoint, or a checkpoint of another job.
    Savepoint {
        /// Its path or URL.
        url: String,
        /// Even if there are checkpoints under the job's name.
        over: bool,
        /// State may be left behind that belongs to no operator.
        allow_non_restored_state: bool,
    },
}

/// How a job is to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// The path or URL of the directory for the savepoint.
    pub savepoint: String,
    /// Whether the inputs are ended first, so that nothing is left to run.
    pub drain: bool,
}

/// What has become of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum JobEnd {
    /// Its inputs have ended, and everything is committed.
    Finished,
    /// It cannot be run, or has failed more often than its restart strategy allows.
    Failed {
        /// The last error.
        error: String,
    },
    /// Somebody has cancelled it.
    Cancelled,
    /// Somebody has stopped it with a savepoint.
    Stopped {
        /// Where the savepoint is.
        savepoint: String,
    },
}

/// A record as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogEntry {
    format: String,
    version: u32,
    /// The job.
    pub job: JobId,
    /// Where it stands, from 1, without gaps.
    pub number: u64,
    /// Under which leadership it was written.
    pub generation: u64,
    /// By whom.
    pub coordinator: CoordinatorId,
    /// What was decided.
    pub record: Record,
}

/// What the records of a job amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobDecisions {
    /// What was submitted.
    pub submission: Submission,
    /// The parallelism, if somebody has changed it.
    pub parallelism: Option<usize>,
    /// Whether an attempt has started from what the submission says.
    pub has_started: bool,
    /// Whether and how it is to stop.
    pub stop: Option<Stop>,
    /// Whether it is to be cancelled.
    pub is_cancelled: bool,
    /// What has become of it.
    pub end: Option<JobEnd>,
}

impl LogEntry {
    /// An entry of this build's version.
    pub fn new(job: JobId, number: u64, generation: u64, coordinator: CoordinatorId, record: Record) -> Self {
        Self { format: FORMAT.to_owned(), version: FORMAT_VERSION, job, number, generation, coordinator, record }
    }

    /// The bytes of its object.
    pub fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self).map_err(|error| Error::internal(format!("cannot encode a record: {error}")))
    }

    /// Reads the bytes of the object called `name`.
    pub fn decode(name: &str, bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            format: String,
            version: u32,
        }
        let header: Version = serde_json::from_slice(bytes).map_err(|error| damaged(name, &error))?;
        if header.format != FORMAT {
            return Err(damaged(name, &"it is no record of a job"));
        }
        if header.version != FORMAT_VERSION {
            let version = header.version;
            let message = format!("record '{name}' has format version {version}, this build reads {FORMAT_VERSION}");
            return Err(
                Error::invalid(message).with_hint("run the coordinators with the version of dipper that wrote it")
            );
        }
        serde_json::from_slice(bytes).map_err(|error| damaged(name, &error))
    }
}

impl JobDecisions {
    /// What has been decided when the job has just been submitted.
    pub fn new(submission: Submission) -> Self {
        Self { submission, parallelism: None, has_started: false, stop: None, is_cancelled: false, end: None }
    }

    /// What the next attempt starts from.
    pub fn start_from(&self) -> StartFrom {
        if self.has_started { StartFrom::Latest } else { self.submission.start_from.clone() }
    }

    /// Whether a record may follow. If not, says why.
    pub fn check(&self, record: &Record) -> Result<()> {
        let refuse = |why: &str| Err(Error::invalid(format!("job '{}' {why}", self.submission.job.0)));
        if let Some(end) = &self.end {
            return refuse(&format!("is {end} already"));
        }
        let is_leaving = self.is_cancelled || self.stop.is_some();
        match record {
            Record::Submitted(_) => refuse("has been submitted already"),
            Record::Started if self.has_started => refuse("has started already"),
            Record::Rescale { parallelism: 0 } => refuse("cannot run with parallelism 0"),
            Record::Cancel if self.is_cancelled => refuse("is being cancelled already"),
            Record::Rescale { .. } | Record::Stop(_) if self.is_cancelled => refuse("is being cancelled"),
            Record::Rescale { .. } | Record::Stop(_) if is_leaving => refuse("is being stopped"),
            Record::StopGivenUp { .. } | Record::Ended(JobEnd::Stopped { .. }) if self.stop.is_none() => {
                refuse("is not being stopped")
            }
            Record::Ended(JobEnd::Cancelled) if !self.is_cancelled => refuse("is not being cancelled"),
            _ => Ok(()),
        }
    }

    /// Takes note of a record that stands in the log. Refused if it may not follow.
    pub fn apply(&mut self, record: &Record) -> Result<()> {
        self.check(record)?;
        match record {
            Record::Submitted(_) | Record::TakenOver => {}
            Record::Started => self.has_started = true,
            Record::Rescale { parallelism } => self.parallelism = Some(*parallelism),
            Record::Stop(stop) => self.stop = Some(stop.clone()),
            Record::StopGivenUp { .. } => self.stop = None,
            Record::Cancel => self.is_cancelled = true,
            Record::Ended(end) => self.end = Some(end.clone()),
        }
        Ok(())
    }
}

impl fmt::Display for JobEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Finished => "FINISHED",
            Self::Failed { .. } => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Stopped { .. } => "STOPPED",
        })
    }
}

/// What is wrong with a record, and the way out.
pub(crate) fn damaged(name: &str, what: &dyn fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, format!("record '{name}' is damaged: {what}"))
        .with_hint("its job cannot be led: remove the job's directory and submit it again; its checkpoints are kept")
}

#[cfg(test)]
mod tests;
