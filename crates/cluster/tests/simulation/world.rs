//! The world: time, the ways of calls and answers, crashes, pauses, clients, and what must hold.

use std::collections::{BTreeMap, BTreeSet};

use dipper_cluster::{ElectionEvent, LeadershipObservation, StepDownReason};
use dipper_types::JobId;

use crate::chance::Chance;
use crate::coordinator::{Coordinator, Led, Note};
use crate::store::{Call, Reply, Store};

/// Until then anything may go wrong.
const TROUBLE_MS: u64 = 120_000;

/// And after so much longer everything must be well.
const END_MS: u64 = TROUBLE_MS + 60_000;

/// What a run has seen.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) terms: usize,
    pub(crate) succeeded: usize,
    pub(crate) not_renewed: usize,
    pub(crate) takeovers: usize,
    pub(crate) fenced: usize,
    pub(crate) accepted: usize,
    pub(crate) unconfirmed: usize,
    pub(crate) appended: usize,
    pub(crate) stale: usize,
    pub(crate) overlaps: usize,
}

impl Summary {
    pub(crate) fn add(&mut self, other: &Self) {
        self.terms += other.terms;
        self.succeeded += other.succeeded;
        self.not_renewed += other.not_renewed;
        self.takeovers += other.takeovers;
        self.fenced += other.fenced;
        self.accepted += other.accepted;
        self.unconfirmed += other.unconfirmed;
        self.appended += other.appended;
        self.stale += other.stale;
        self.overlaps += other.overlaps;
    }
}

/// Which coordinator asks, from its start to its crash, and under which leadership.
#[derive(Debug, Clone, Copy)]
struct Caller {
    place: usize,
    session: usize,
    generation: Option<u64>,
}

#[derive(Debug)]
enum Happening {
    Deadline(Caller),
    /// A call takes effect. Whether it is answered.
    Executed(Caller, Call, bool),
    Answered(Caller, Reply),
    /// Something is done to a coordinator, or by a client.
    Disturbed,
    Started(usize),
    Asked,
    /// A leader looks for jobs that it does not know.
    Relisted,
}

pub(crate) struct World {
    chance: Chance,
    now_ms: u64,
    /// By time, and by when they were thought of.
    agenda: BTreeMap<(u64, u64), Happening>,
    thought_of: u64,
    store: Store,
    coordinators: Vec<Coordinator>,
    sessions: usize,
    jobs: usize,
    accepted: BTreeSet<JobId>,
    /// How many calls in a thousand go wrong.
    trouble: u64,
    clocks_agree: bool,
    relists: bool,
    summary: Summary,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let trouble = chance.one_of(&[0, 20, 100, 300]);
        let (clocks_agree, relists) = (chance.happens(500), chance.happens(500));
        let mut world = Self {
            chance,
            now_ms: 0,
            agenda: BTreeMap::new(),
            thought_of: 0,
            store: Store::default(),
            coordinators: Vec::new(),
            sessions: 0,
            jobs: 0,
            accepted: BTreeSet::new(),
            trouble,
            clocks_agree,
            relists,
            summary: Summary::default(),
        };
        for place in 0..world.chance.between(2..4) as usize {
            let coordinator = world.newcomer();
            world.coordinators.push(coordinator);
            world.expect_deadline(place);
        }
        for happening in [Happening::Disturbed, Happening::Asked, Happening::Relisted] {
            world.later(1_000, happening);
        }
        world
    }

    pub(crate) fn run(mut self) -> Result<Summary, String> {
        while let Some(((now_ms, _), happening)) = self.agenda.pop_first() {
            self.now_ms = now_ms;
            if now_ms > END_MS {
                break;
            }
            self.happen(happening).map_err(|error| format!("after {now_ms} ms: {error}"))?;
        }
        self.check_end()?;
        self.summary.stale = self.store.stale;
        self.summary.accepted = self.accepted.len();
        Ok(self.summary)
    }

    fn newcomer(&mut self) -> Coordinator {
        self.sessions += 1;
        let pace = if self.clocks_agree { 1_000 } else { self.chance.between(400..1_600) };
        Coordinator::new(self.sessions, pace)
    }

    fn later(&mut self, delay_ms: u64, happening: Happening) {
        self.thought_of += 1;
        self.agenda.insert((self.now_ms + delay_ms, self.thought_of), happening);
    }

    fn is_trouble(&self) -> bool {
        self.now_ms < TROUBLE_MS
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Deadline(caller) | Happening::Answered(caller, _)
                if self.coordinators[caller.place].paused_until_ms > self.now_ms =>
            {
                // In any order.
                let delay_ms =
                    self.coordinators[caller.place].paused_until_ms - self.now_ms + self.chance.between(0..5);
                self.later(delay_ms, happening);
                Ok(())
            }
            Happening::Deadline(caller) if self.is_up(caller) => {
                let due = self.coordinators[caller.place].deadline_ms().is_some_and(|due_ms| due_ms <= self.now_ms);
                if due { self.tell(caller, Reply::Election(ElectionEvent::TimePassed)) } else { Ok(()) }
            }
            Happening::Answered(caller, reply) if self.is_up(caller) => self.tell(caller, reply),
            Happening::Deadline(_) | Happening::Answered(..) => Ok(()),
            Happening::Executed(caller, call, is_answered) => {
                let reply = self.store.execute(&call)?;
                if is_answered {
                    let delay_ms = self.chance.between(1..60);
                    self.later(delay_ms, Happening::Answered(caller, reply));
                }
                Ok(())
            }
            Happening::Disturbed => {
                self.disturb();
                Ok(())
            }
            Happening::Started(place) => {
                self.coordinators[place] = self.newcomer();
                // Its clock has gone on, whichever it is.
                self.expect_deadline(place);
                Ok(())
            }
            Happening::Asked => self.ask(),
            Happening::Relisted => self.relist(),
        }
    }

    fn is_up(&self, caller: Caller) -> bool {
        let coordinator = &self.coordinators[caller.place];
        !coordinator.is_down && coordinator.session == caller.session
    }

    fn caller(&self, place: usize) -> Caller {
        let Coordinator { session, lead, .. } = &self.coordinators[place];
        Caller { place, session: *session, generation: lead.as_ref().map(|lead| lead.generation) }
    }

    fn expect_deadline(&mut self, place: usize) {
        if let Some(deadline_ms) = self.coordinators[place].deadline_ms() {
            let caller = self.caller(place);
            self.later(deadline_ms.saturating_sub(self.now_ms), Happening::Deadline(caller));
        }
    }

    fn tell(&mut self, caller: Caller, reply: Reply) -> Result<(), String> {
        let (mut calls, mut notes) = (Vec::new(), Vec::new());
        let now_ms = self.now_ms;
        let coordinator = &mut self.coordinators[caller.place];
        match reply {
            Reply::Election(event) => {
                coordinator.on_election(now_ms, event, &mut calls, &mut notes);
                self.expect_deadline(caller.place);
            }
            // Of the leadership that has asked.
            reply if coordinator.lead.as_ref().map(|lead| lead.generation) == caller.generation => {
                coordinator.on_reply(reply, &mut calls, &mut notes);
            }
            _ => {}
        }
        self.follow(caller.place, calls, notes)
    }

    fn follow(&mut self, place: usize, calls: Vec<Call>, notes: Vec<Note>) -> Result<(), String> {
        notes.into_iter().try_for_each(|note| self.note(place, note))?;
        let caller = self.caller(place);
        for call in calls {
            self.send(caller, call);
        }
        Ok(())
    }

    /// The ways that a call can go.
    fn send(&mut self, caller: Caller, call: Call) {
        let is_trouble = self.is_trouble();
        let mut arrives_ms = self.chance.between(1..60);
        if !is_trouble || !self.chance.happens(self.trouble) {
            if is_trouble && self.chance.happens(50) {
                arrives_ms = self.chance.between(60..9_000);
            }
            return self.later(arrives_ms, Happening::Executed(caller, call, true));
        }
        let silence_ms = self.chance.between(200..2_500);
        match self.chance.below(5) {
            0 => {
                let reply = Store::failure(&call, true);
                return self.later(arrives_ms, Happening::Answered(caller, reply));
            }
            // It never arrives.
            1 => {}
            // Its answer is lost.
            2 => self.later(arrives_ms, Happening::Executed(caller, call.clone(), false)),
            // It arrives when nobody waits any more.
            3 => {
                let late_ms = self.chance.between(1_000..30_000);
                self.later(silence_ms + late_ms, Happening::Executed(caller, call.clone(), false));
            }
            // It arrives twice.
            _ => {
                let late_ms = self.chance.between(1..30_000);
                self.later(arrives_ms + late_ms, Happening::Executed(caller, call.clone(), false));
                return self.later(arrives_ms, Happening::Executed(caller, call, true));
            }
        }
        self.later(silence_ms, Happening::Answered(caller, Store::failure(&call, false)));
    }

    /// Crashes and pauses.
    fn disturb(&mut self) {
        if !self.is_trouble() {
            return;
        }
        let place = self.chance.below(self.coordinators.len());
        let long_ms = self.chance.between(500..20_000);
        let coordinator = &mut self.coordinators[place];
        match self.chance.below(3) {
            0 if !coordinator.is_down => {
                coordinator.is_down = true;
                self.later(long_ms, Happening::Started(place));
            }
            1 => coordinator.paused_until_ms = self.now_ms + long_ms,
            _ => {}
        }
        let delay_ms = self.chance.between(1_000..15_000);
        self.later(delay_ms, Happening::Disturbed);
    }

    /// A client asks somebody for something.
    fn ask(&mut self) -> Result<(), String> {
        if !self.is_trouble() {
            return Ok(());
        }
        let delay_ms = self.chance.between(100..1_500);
        self.later(delay_ms, Happening::Asked);
        let place = self.chance.below(self.coordinators.len());
        let mut calls = Vec::new();
        let coordinator = &mut self.coordinators[place];
        if coordinator.is_down || coordinator.paused_until_ms > self.now_ms || coordinator.lead.is_none() {
            return Ok(());
        }
        if self.chance.happens(300) {
            self.jobs += 1;
            coordinator.submit(&JobId(self.jobs.to_string()), &mut calls);
        } else {
            coordinator.decide(&mut self.chance, &mut calls);
        }
        self.follow(place, calls, Vec::new())
    }

    fn relist(&mut self) -> Result<(), String> {
        self.later(5_000, Happening::Relisted);
        for place in 0..self.coordinators.len() {
            let Coordinator { lead, is_down, paused_until_ms, .. } = &self.coordinators[place];
            if self.relists && lead.is_some() && !is_down && *paused_until_ms <= self.now_ms {
                self.follow(place, vec![Call::ListJobs], Vec::new())?;
            }
        }
        Ok(())
    }

    fn note(&mut self, place: usize, note: Note) -> Result<(), String> {
        match note {
            Note::Led(generation) => {
                self.summary.terms += 1;
                self.check_alone(place)?;
                let led = LeadershipObservation::Led { generation, by: self.coordinators[place].session };
                // A leader with a slow clock may hear of its success when it has been succeeded.
                if self.clocks_agree {
                    self.store.leadership.observe(led).map_err(|error| error.to_string())?;
                }
            }
            Note::LedOn => return Err(format!("{place} leads on after a creation that it has lost")),
            Note::SteppedDown(StepDownReason::Succeeded) => self.summary.succeeded += 1,
            Note::SteppedDown(StepDownReason::NotRenewed) => self.summary.not_renewed += 1,
            Note::TakenOver => self.summary.takeovers += 1,
            Note::Appended { job, number, generation, record } => {
                self.summary.appended += 1;
                let is_there = self.store.record(&job, number).is_some_and(|entry| {
                    let session = self.coordinators[place].session.to_string();
                    entry.record == record && entry.generation == generation && entry.coordinator.0 == session
                });
                if !is_there {
                    return Err(format!("C1: {place} takes another's record {number} of job {} for its own", job.0));
                }
            }
            Note::Fenced { job, number, generation } => {
                self.summary.fenced += 1;
                if self.store.record(&job, number).is_none_or(|entry| entry.generation <= generation) {
                    return Err(format!("{place} of generation {generation} is fenced by nobody at job {}", job.0));
                }
            }
            Note::Accepted(job) => drop(self.accepted.insert(job)),
            Note::Unconfirmed => self.summary.unconfirmed += 1,
        }
        Ok(())
    }

    /// If clocks agree, nobody's time to lead has not run out when another one begins.
    fn check_alone(&mut self, place: usize) -> Result<(), String> {
        for (other, coordinator) in self.coordinators.iter().enumerate() {
            if other == place || coordinator.is_down || coordinator.lead.is_none() {
                continue;
            }
            self.summary.overlaps += 1;
            if self.clocks_agree && coordinator.leads_until_ms().is_some_and(|until_ms| until_ms > self.now_ms) {
                return Err(format!("{place} leads while {other} does"));
            }
        }
        Ok(())
    }

    /// One leads, and C4: every job that was accepted has ended or is led.
    fn check_end(&self) -> Result<(), String> {
        let leaders: Vec<&Coordinator> =
            self.coordinators.iter().filter(|coordinator| !coordinator.is_down && coordinator.lead.is_some()).collect();
        let [leader] = leaders[..] else { return Err(format!("in the end {} lead", leaders.len())) };
        for job in &self.accepted {
            let led = leader.lead.as_ref().and_then(|lead| lead.jobs.get(job));
            let has_ended = self.store.history(job)?.decided.end.is_some();
            let is_led = matches!(led, Some(Led::Open(log)) if log.pending().is_none());
            if !has_ended && !is_led {
                return Err(format!("C4: job {} is lost", job.0));
            }
        }
        self.store.logs.keys().try_for_each(|job| self.store.history(job).map(drop))
    }
}
