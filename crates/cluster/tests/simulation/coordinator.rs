//! A coordinator: the election, and while it leads, the logs of the jobs that it has taken over.

use std::collections::BTreeMap;

use dipper_cluster::{
    CoordinatorId, CreationReply, Election, ElectionAction, ElectionEvent, ElectionOptions, JobEnd, JobHistory, JobLog,
    LogStep, Record, StartFrom, StepDownReason, Stop, Submission, Writer,
};
use dipper_types::JobId;

use crate::chance::Chance;
use crate::store::{Call, Reply, Seat};

/// What the world takes note of.
#[derive(Debug)]
pub(crate) enum Note {
    Led(u64),
    SteppedDown(StepDownReason),
    /// It heard that its creation was lost, and leads.
    LedOn,
    /// It believes that its record stands under a number.
    Appended {
        job: JobId,
        number: u64,
        generation: u64,
        record: Record,
    },
    TakenOver,
    /// It has found somebody else's record under a number that it wanted.
    Fenced {
        job: JobId,
        number: u64,
        generation: u64,
    },
    Accepted(JobId),
    Unconfirmed,
}

pub(crate) struct Coordinator {
    pub(crate) session: usize,
    pub(crate) election: Election,
    pub(crate) lead: Option<Lead>,
    pub(crate) paused_until_ms: u64,
    pub(crate) is_down: bool,
    /// How fast its clock goes, per mille.
    pub(crate) pace: u64,
}

/// What a leader knows. It ends with its leadership.
#[derive(Default)]
pub(crate) struct Lead {
    pub(crate) generation: u64,
    pub(crate) jobs: BTreeMap<JobId, Led>,
}

/// A job that is being taken over, or has been.
pub(crate) enum Led {
    Reading,
    Open(Box<JobLog>),
}

impl Coordinator {
    pub(crate) fn new(session: usize, pace: u64) -> Self {
        let election = Election::new(ElectionOptions::default());
        Self { session, election, lead: None, paused_until_ms: 0, is_down: false, pace }
    }

    /// Its clock.
    pub(crate) fn clock_ms(&self, now_ms: u64) -> u64 {
        now_ms * self.pace / 1_000
    }

    /// When its next deadline comes, by the world's clock.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        self.election.deadline_ms().map(|deadline_ms| (deadline_ms * 1_000).div_ceil(self.pace))
    }

    /// Until when it leads, by the world's clock.
    pub(crate) fn leads_until_ms(&self) -> Option<u64> {
        self.election.leads_until_ms().map(|until_ms| until_ms * 1_000 / self.pace)
    }

    pub(crate) fn on_election(
        &mut self,
        now_ms: u64,
        event: ElectionEvent,
        calls: &mut Vec<Call>,
        notes: &mut Vec<Note>,
    ) {
        let led = self.election.generation();
        let session = self.session;
        for action in self.election.on_event(self.clock_ms(now_ms), event) {
            match action {
                ElectionAction::List => calls.push(Call::List),
                ElectionAction::Create { number, generation } => {
                    calls.push(Call::Create(Seat { number, generation, session }));
                }
                ElectionAction::Look { number, generation } => {
                    calls.push(Call::Look(Seat { number, generation, session }));
                }
                ElectionAction::DeleteBelow { number } => calls.push(Call::DeleteBelow(number)),
                ElectionAction::Lead { generation } => {
                    self.lead = Some(Lead { generation, jobs: BTreeMap::new() });
                    calls.push(Call::ListJobs);
                    notes.push(Note::Led(generation));
                }
                ElectionAction::StepDown(reason) => {
                    self.lead = None;
                    notes.push(Note::SteppedDown(reason));
                }
            }
        }
        let is_lost = event == ElectionEvent::Creation(CreationReply::Other);
        if is_lost && led.is_some() && self.election.generation() == led {
            notes.push(Note::LedOn);
        }
    }

    /// Something that was asked on behalf of a leadership that has not ended.
    pub(crate) fn on_reply(&mut self, reply: Reply, calls: &mut Vec<Call>, notes: &mut Vec<Note>) {
        match reply {
            Reply::Jobs(jobs) => {
                let Some(lead) = &mut self.lead else { return };
                for job in jobs {
                    if !lead.jobs.contains_key(&job) {
                        lead.jobs.insert(job.clone(), Led::Reading);
                        calls.push(Call::Read(job));
                    }
                }
            }
            Reply::NoJobs => calls.push(Call::ListJobs),
            Reply::History(job, None) => calls.push(Call::Read(job)),
            Reply::History(_, Some(history)) => self.take_over(*history, calls, notes),
            Reply::Record(job, reply) => self.on_record(&job, reply, calls, notes),
            Reply::Confirmed(job, None) => calls.push(Call::Confirm(job)),
            Reply::Confirmed(job, Some(seat)) => {
                let generation = self.lead.as_ref().map(|lead| lead.generation);
                let is_ours = seat.session == self.session && Some(seat.generation) == generation;
                notes.push(if is_ours { Note::Accepted(job) } else { Note::Unconfirmed });
            }
            Reply::Election(_) | Reply::Nothing => {}
        }
    }

    /// Somebody submits a job.
    pub(crate) fn submit(&mut self, job: &JobId, calls: &mut Vec<Call>) {
        let writer = self.writer();
        let Some(lead) = &mut self.lead else { return };
        let submission = Submission {
            job: job.clone(),
            name: job.0.clone(),
            sql: String::new(),
            settings: BTreeMap::new(),
            start_from: StartFrom::Latest,
            submitted_ms: 0,
        };
        let (log, step) = JobLog::submit(writer, submission);
        lead.jobs.insert(job.clone(), Led::Open(Box::new(log)));
        calls.extend(call_of(step));
    }

    /// Somebody decides something about one of its jobs, or it ends.
    pub(crate) fn decide(&mut self, chance: &mut Chance, calls: &mut Vec<Call>) {
        let Some(lead) = &mut self.lead else { return };
        let is_idle = |led: &&mut Led| matches!(led, Led::Open(log) if log.pending().is_none());
        let mut logs: Vec<&mut Led> = lead.jobs.values_mut().filter(is_idle).collect();
        if logs.is_empty() {
            return;
        }
        let index = chance.below(logs.len());
        let Led::Open(log) = &mut *logs[index] else { return };
        let records = [
            Record::Rescale { parallelism: chance.below(4) },
            Record::Stop(Stop { savepoint: "/s".into(), drain: chance.happens(500) }),
            Record::StopGivenUp { error: "no room".into() },
            Record::Cancel,
            Record::Started,
            Record::Ended(JobEnd::Finished),
            Record::Ended(JobEnd::Cancelled),
            Record::Ended(JobEnd::Stopped { savepoint: "/s/1".into() }),
        ];
        let weights = [0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7];
        if let Ok(step) = log.append(records[chance.one_of(&weights)].clone()) {
            calls.extend(call_of(step));
        }
    }

    fn writer(&self) -> Writer {
        let generation = self.lead.as_ref().map_or(0, |lead| lead.generation);
        Writer { coordinator: CoordinatorId(self.session.to_string()), generation }
    }

    fn take_over(&mut self, history: JobHistory, calls: &mut Vec<Call>, notes: &mut Vec<Note>) {
        let writer = self.writer();
        let job = history.decided.submission.job.clone();
        let (number, generation) = (history.head, writer.generation);
        let Some(lead) = &mut self.lead else { return };
        match JobLog::take_over(writer, history) {
            Ok((log, step)) => {
                lead.jobs.insert(job, Led::Open(Box::new(log)));
                calls.extend(step.and_then(call_of));
            }
            Err(_) => {
                lead.jobs.remove(&job);
                notes.push(Note::Fenced { job, number, generation });
            }
        }
    }

    fn on_record(&mut self, job: &JobId, reply: CreationReply, calls: &mut Vec<Call>, notes: &mut Vec<Note>) {
        let Some(lead) = &mut self.lead else { return };
        let Some(Led::Open(log)) = lead.jobs.get_mut(job) else { return };
        let generation = lead.generation;
        let takes_over = log.pending() == Some(&Record::TakenOver);
        let number = log.head() + 1;
        let Ok(step) = log.on_reply(reply) else { return };
        match step {
            LogStep::Appended(record) => {
                match record {
                    Record::Submitted(_) => calls.push(Call::Confirm(job.clone())),
                    Record::TakenOver => notes.push(Note::TakenOver),
                    _ => {}
                }
                notes.push(Note::Appended { job: job.clone(), number, generation, record });
            }
            // Whoever was faster may have led before or after.
            LogStep::Lost | LogStep::Refused if takes_over => {
                lead.jobs.insert(job.clone(), Led::Reading);
                calls.push(Call::Read(job.clone()));
            }
            LogStep::Lost => {
                lead.jobs.remove(job);
                notes.push(Note::Fenced { job: job.clone(), number, generation });
            }
            LogStep::Refused if log.decided().is_none() => drop(lead.jobs.remove(job)),
            step => calls.extend(call_of(step)),
        }
    }
}

fn call_of(step: LogStep) -> Option<Call> {
    match step {
        LogStep::Create(entry) => Some(Call::CreateRecord(entry)),
        LogStep::Look(entry) => Some(Call::LookRecord(entry)),
        LogStep::Appended(_) | LogStep::Lost | LogStep::Refused => None,
    }
}
