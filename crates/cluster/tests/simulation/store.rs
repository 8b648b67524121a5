//! The object store, as one thing that takes effect call by call. What becomes of calls and answers on the way is the world's matter.

use std::collections::BTreeMap;

use dipper_cluster::{CreationReply, ElectionEvent, JobHistory, LeadershipHistory, LeadershipObservation, LogEntry};
use dipper_types::JobId;

/// Something asked of the store.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    List,
    Create(Seat),
    Look(Seat),
    DeleteBelow(u64),
    /// Who leads, on behalf of a job that has been submitted.
    Confirm(JobId),
    ListJobs,
    Read(JobId),
    CreateRecord(LogEntry),
    LookRecord(LogEntry),
}

/// An object that says who leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) number: u64,
    pub(crate) generation: u64,
    /// A coordinator from its start to its crash.
    pub(crate) session: usize,
}

/// What the caller hears.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Election(ElectionEvent),
    Confirmed(JobId, Option<Seat>),
    Jobs(Vec<JobId>),
    NoJobs,
    History(JobId, Option<Box<JobHistory>>),
    Record(JobId, CreationReply),
    Nothing,
}

#[derive(Default)]
pub(crate) struct Store {
    seats: BTreeMap<u64, Seat>,
    pub(crate) leadership: LeadershipHistory,
    pub(crate) logs: BTreeMap<JobId, BTreeMap<u64, LogEntry>>,
    /// How many objects were created below the head.
    pub(crate) stale: usize,
}

impl Store {
    /// The call takes effect.
    pub(crate) fn execute(&mut self, call: &Call) -> Result<Reply, String> {
        Ok(match call {
            Call::List => Reply::Election(ElectionEvent::Listed { head: self.head() }),
            Call::Create(seat) => Reply::Election(ElectionEvent::Creation(self.create(*seat)?)),
            Call::Look(seat) => {
                let found = self.seats.get(&seat.number).map(|found| found == seat);
                Reply::Election(ElectionEvent::Creation(owner(found)))
            }
            Call::DeleteBelow(number) => {
                let old: Vec<u64> = self.seats.range(..number).map(|(number, _)| *number).collect();
                for number in old {
                    self.seats.remove(&number);
                    let deleted = LeadershipObservation::Deleted { number };
                    self.leadership.observe(deleted).map_err(|error| error.to_string())?;
                }
                Reply::Nothing
            }
            Call::Confirm(job) => Reply::Confirmed(job.clone(), self.seats.values().next_back().copied()),
            Call::ListJobs => Reply::Jobs(self.logs.keys().cloned().collect()),
            Call::Read(job) => Reply::History(job.clone(), Some(Box::new(self.history(job)?))),
            Call::CreateRecord(entry) => Reply::Record(entry.job.clone(), self.create_record(entry)?),
            Call::LookRecord(entry) => {
                let found = self.logs.get(&entry.job).and_then(|log| log.get(&entry.number));
                Reply::Record(entry.job.clone(), owner(found.map(|found| found == entry)))
            }
        })
    }

    /// What the caller hears when nothing is known, or when the call has been `refused` for certain.
    pub(crate) fn failure(call: &Call, refused: bool) -> Reply {
        let created = if refused { CreationReply::Refused } else { CreationReply::InDoubt };
        match call {
            Call::List => Reply::Election(ElectionEvent::NotListed),
            Call::Create(_) => Reply::Election(ElectionEvent::Creation(created)),
            Call::Look(_) => Reply::Election(ElectionEvent::Creation(CreationReply::Unreadable)),
            Call::DeleteBelow(_) => Reply::Nothing,
            Call::Confirm(job) => Reply::Confirmed(job.clone(), None),
            Call::ListJobs => Reply::NoJobs,
            Call::Read(job) => Reply::History(job.clone(), None),
            Call::CreateRecord(entry) => Reply::Record(entry.job.clone(), created),
            Call::LookRecord(entry) => Reply::Record(entry.job.clone(), CreationReply::Unreadable),
        }
    }

    /// What the records of a job amount to: C1, they follow each other legally.
    pub(crate) fn history(&self, job: &JobId) -> Result<JobHistory, String> {
        let entries: Vec<LogEntry> = self.logs.get(job).into_iter().flat_map(BTreeMap::values).cloned().collect();
        JobHistory::of("jobs", job, &entries).map_err(|error| error.to_string())
    }

    /// The record under a number of a job's log.
    pub(crate) fn record(&self, job: &JobId, number: u64) -> Option<&LogEntry> {
        self.logs.get(job)?.get(&number)
    }

    fn head(&self) -> u64 {
        self.seats.keys().next_back().copied().unwrap_or(0)
    }

    fn create(&mut self, seat: Seat) -> Result<CreationReply, String> {
        if let Some(found) = self.seats.get(&seat.number) {
            return Ok(owner(Some(*found == seat)));
        }
        self.stale += usize::from(seat.number < self.head());
        let Seat { number, generation, session } = seat;
        let created = LeadershipObservation::Created { number, generation, by: session };
        self.leadership.observe(created).map_err(|error| error.to_string())?;
        self.seats.insert(number, seat);
        Ok(CreationReply::Own)
    }

    fn create_record(&mut self, entry: &LogEntry) -> Result<CreationReply, String> {
        if let Some(found) = self.record(&entry.job, entry.number) {
            return Ok(owner(Some(found == entry)));
        }
        self.logs.entry(entry.job.clone()).or_default().insert(entry.number, entry.clone());
        self.history(&entry.job)?;
        Ok(CreationReply::Own)
    }
}

fn owner(is_own: Option<bool>) -> CreationReply {
    match is_own {
        None => CreationReply::Absent,
        Some(true) => CreationReply::Own,
        Some(false) => CreationReply::Other,
    }
}
