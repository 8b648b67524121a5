//! The adversary: it decides what happens next, what is lost, late or doubled, who dies and who only seems to.

use std::collections::BTreeMap;

use dipper_checkpoint::{
    AttemptId, CheckpointOptions, Event, ManifestNumber, Outcome, Request, SnapshotFile, TaskId, TaskMessage, Violation,
};
use dipper_types::Epoch;

use crate::chance::Chance;
use crate::job::Job;
use crate::leader::{Leader, Setup, Surroundings};
use crate::store::{Call, Reply, Store};
use crate::task::Effects;
use crate::workload::{Cut, KEYED, State, Workload};
use crate::{Bug, name_of};

/// How long things go wrong. Afterwards nothing does, and the job must come to its end.
const ADVERSE_STEPS: u64 = 1_500;
const STEPS_MAX: u64 = 50_000;
/// How long zombies may go on after the job has finished.
const AFTER_STEPS: u64 = 200;
/// How many leaders there may be at the same time, each of which believes that it is the one.
const LEADERS_MAX: usize = 4;
/// How long at most a call or a word may be under way, or somebody stand still: short or long against a checkpoint.
const PAUSES_STEPS: [u64; 3] = [50, 400, 1_500];

/// A call under way.
struct Pending {
    /// Who waits for the answer, if anybody does.
    caller: Option<Party>,
    call: Call,
    /// It does not arrive before this step.
    not_before: u64,
}

/// Somebody who calls the store, and who may stand still: a leader, or the tasks of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Party {
    Leader(usize),
    Job(usize),
}

/// Something that a task says, on its way to the leader that it obeys.
#[derive(Debug, Clone)]
struct Message {
    to: usize,
    attempt: AttemptId,
    task: TaskId,
    message: TaskMessage,
}

pub(crate) struct World {
    chance: Chance,
    bug: Option<Bug>,
    workload: Workload,
    store: Store,
    now_ms: u64,
    steps: u64,
    /// The last one is the one that should lead; the others are zombies. `None` has died.
    leaders: Vec<Option<Leader>>,
    /// The tasks of attempts, in the order in which they have been started.
    jobs: Vec<Job>,
    /// Until when leaders stand still, and the tasks of jobs, in steps.
    paused: BTreeMap<Party, u64>,
    calls: Vec<Pending>,
    /// In no order.
    messages: Vec<Message>,
    /// Messages that do not arrive before a step.
    late: Vec<(u64, Message)>,
    /// How many calls and messages in a thousand come to harm, different in each world.
    harm: u64,
    /// How many calls and messages in a thousand are slow.
    slowness: u64,
    /// How many steps what leaders say may take to a task.
    lag: u64,
    /// How often something happens to an attempt, in a thousand steps.
    turmoil: u64,
    aborts: BTreeMap<String, usize>,
    /// Of the effective checkpoints, by epoch.
    cuts: BTreeMap<Epoch, Cut>,
    /// How many of them have been led by somebody who had adopted the attempt.
    adopted: usize,
    /// Up to where manifests and commits have been looked at.
    checked: ManifestNumber,
    seen: Option<Epoch>,
}

/// What runs have been through.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) steps: u64,
    pub(crate) leaders: usize,
    pub(crate) attempts: usize,
    pub(crate) checkpoints: usize,
    /// Those of them that somebody has led who had adopted the attempt.
    pub(crate) adopted: usize,
    /// How leaders have ended, and how often; those that have died are not among them.
    pub(crate) ends: BTreeMap<String, usize>,
    /// Why checkpoints have been given up, and how often.
    pub(crate) aborts: BTreeMap<String, usize>,
}

impl Summary {
    pub(crate) fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.leaders += other.leaders;
        self.attempts += other.attempts;
        self.checkpoints += other.checkpoints;
        self.adopted += other.adopted;
        for (all, others) in [(&mut self.ends, other.ends), (&mut self.aborts, other.aborts)] {
            for (name, count) in others {
                *all.entry(name).or_default() += count;
            }
        }
    }
}

impl World {
    pub(crate) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut chance = Chance::new(seed);
        let workload = Workload::random(&mut chance);
        let harm = chance.one_of(&[0, 20, 100, 250]);
        let slowness = chance.one_of(&[0, 50, 300]);
        let lag = chance.one_of(&[1, 50, 400]);
        let turmoil = chance.one_of(&[1, 3, 10]);
        Self {
            chance,
            bug,
            workload,
            store: Store::default(),
            now_ms: 0,
            steps: 0,
            leaders: Vec::new(),
            jobs: Vec::new(),
            paused: BTreeMap::new(),
            calls: Vec::new(),
            messages: Vec::new(),
            late: Vec::new(),
            harm,
            slowness,
            lag,
            turmoil,
            aborts: BTreeMap::new(),
            cuts: BTreeMap::new(),
            adopted: 0,
            checked: ManifestNumber::NONE,
            seen: None,
        }
    }

    /// Runs until the job has finished and for a while after.
    pub(crate) fn run(mut self) -> Result<Summary, String> {
        let mut after = 0;
        while after < AFTER_STEPS {
            self.step()?;
            after += u64::from(self.is_finished());
            if self.steps > STEPS_MAX {
                return Err("the job does not come to an end".to_owned());
            }
        }
        self.check_end()?;
        let mut ends = BTreeMap::new();
        for outcome in self.leaders.iter().flatten().filter_map(Leader::outcome) {
            let name = outcome.map_or_else(|failure| name_of(&failure), |outcome| name_of(&outcome));
            *ends.entry(name).or_default() += 1;
        }
        Ok(Summary {
            steps: self.steps,
            leaders: self.leaders.len(),
            attempts: self.jobs.len(),
            checkpoints: self.cuts.len(),
            adopted: self.adopted,
            ends,
            aborts: self.aborts,
        })
    }

    fn is_adverse(&self) -> bool {
        self.steps < ADVERSE_STEPS
    }

    fn is_finished(&self) -> bool {
        let last = self.leaders.last().and_then(Option::as_ref);
        last.is_some_and(|leader| leader.outcome() == Some(Ok(Outcome::Finished)))
    }

    /// Whether somebody has neither died nor come to an end.
    fn lives(&self, who: Party) -> bool {
        match who {
            Party::Leader(index) => self.leaders[index].as_ref().is_some_and(|leader| leader.outcome().is_none()),
            Party::Job(index) => !self.jobs[index].is_stopped,
        }
    }

    fn is_paused(&self, who: Party) -> bool {
        self.is_adverse() && self.paused.get(&who).is_some_and(|&until| until >= self.steps)
    }

    /// One of those who live and do not stand still.
    fn one_of(&mut self, all: impl Iterator<Item = Party>) -> Option<usize> {
        let live: Vec<Party> = all.filter(|&who| self.lives(who) && !self.is_paused(who)).collect();
        let chosen = live.get(self.chance.below(live.len().max(1)))?;
        Some(match *chosen {
            Party::Leader(index) | Party::Job(index) => index,
        })
    }

    fn a_leader(&mut self) -> Option<usize> {
        self.one_of((0..self.leaders.len()).map(Party::Leader))
    }

    fn a_job(&mut self) -> Option<usize> {
        self.one_of((0..self.jobs.len()).map(Party::Job))
    }

    fn harms(&mut self) -> bool {
        self.is_adverse() && self.chance.happens(self.harm)
    }

    fn step(&mut self) -> Result<(), String> {
        self.steps += 1;
        self.now_ms += self.chance.between(0..20);
        self.supervise();
        match self.chance.between(0..100) {
            0..45 => self.step_job()?,
            45..58 => self.hear()?,
            58..70 => self.deliver()?,
            70..90 => self.call()?,
            _ => self.tick()?,
        }
        if self.is_adverse() && self.chance.happens(self.turmoil) {
            self.disturb()?;
        }
        self.check()
    }

    /// Has somebody lead when nobody does, and sometimes when somebody does.
    fn supervise(&mut self) {
        let index = self.leaders.len();
        let last = index.checked_sub(1).map(Party::Leader);
        let is_needed = !last.is_some_and(|last| self.lives(last)) && !self.is_finished();
        // Tasks that have lost their leader go on for a while before the next one finds them.
        let is_found = !self.is_adverse() || !self.jobs.last().is_some_and(Job::is_whole) || self.chance.happens(20);
        let suspicion = if last.is_some_and(|last| self.is_paused(last)) { 25 } else { self.turmoil.div_ceil(2) };
        let leading = (0..index).filter(|&index| self.lives(Party::Leader(index))).count();
        let is_suspected = self.is_adverse() && leading < LEADERS_MAX && self.chance.happens(suspicion);
        if is_suspected || (is_needed && is_found) {
            self.start_leader();
        }
    }

    fn start_leader(&mut self) {
        let index = self.leaders.len();
        let job = self.adoptable();
        if let Some(job) = job {
            self.jobs[job].attach(index);
        } else {
            self.stop_orphans();
        }
        let setup = self.setup();
        let mut around = self.surroundings();
        let leader = Leader::start(index, setup, job, &mut around);
        let calls = around.calls;
        self.enqueue(Some(Party::Leader(index)), calls);
        self.leaders.push(Some(leader));
    }

    /// A job whose tasks all run, for the next leader to go on with: the newest, or one that has long been a zombie. Not
    /// every leader tries.
    fn adoptable(&mut self) -> Option<usize> {
        let whole: Vec<usize> = (0..self.jobs.len()).filter(|&index| self.jobs[index].is_whole()).collect();
        if whole.is_empty() || self.chance.happens(300) {
            return None;
        }
        if self.chance.happens(100) { Some(whole[self.chance.below(whole.len())]) } else { whole.last().copied() }
    }

    /// Tasks that nobody leads end at some time.
    fn stop_orphans(&mut self) {
        for index in 0..self.jobs.len() {
            if !self.lives(Party::Leader(self.jobs[index].leader)) && self.chance.happens(500) {
                self.jobs[index].is_stopped = true;
            }
        }
    }

    fn setup(&mut self) -> Setup {
        let is_adverse = self.is_adverse();
        let chance = &mut self.chance;
        // Without an interval nobody asks again for a report that was lost.
        let is_periodic = self.harm > 0 || !chance.happens(300);
        let interval_ms_max = chance.one_of(&[500, 5_000]);
        let options = CheckpointOptions {
            interval_ms: is_periodic.then(|| chance.between(1..interval_ms_max)),
            timeout_ms: if is_adverse { chance.between(500..10_000) } else { 1_000_000 },
            min_pause_ms: chance.between(0..500),
            tolerable_failures: chance.between(0..4) as u32,
            retained: chance.one_of(&[1, 2, 3]),
        };
        let parallelism = [0; 3].map(|_| chance.one_of(&[1, 2, 3]));
        let nonce = if self.bug == Some(Bug::SameNonce) { 0 } else { chance.number() };
        Setup { options, parallelism, nonce }
    }

    /// A leader hears of its deadline, if it has come.
    fn tick(&mut self) -> Result<(), String> {
        let Some(index) = self.a_leader() else { return Ok(()) };
        self.with(index, |leader, around| leader.tick(around))
    }

    /// A task does something.
    fn step_job(&mut self) -> Result<(), String> {
        let Some(index) = self.a_job() else { return Ok(()) };
        let effects = self.jobs[index].step(&mut self.chance, &self.workload, &mut self.store);
        self.apply(index, effects.map_err(|violation| violation.to_string())?)
    }

    /// A task hears what its leader says: in order, and all of it, as long as it obeys that leader. Whatever carries this breaks only with the
    /// task.
    fn hear(&mut self) -> Result<(), String> {
        let Some(index) = self.a_job() else { return Ok(()) };
        let now = if self.is_adverse() { self.steps } else { u64::MAX };
        let effects = self.jobs[index].hear(&mut self.chance, now, &mut self.store);
        self.apply(index, effects.map_err(|violation| violation.to_string())?)
    }

    /// What a step of a job leads to.
    fn apply(&mut self, index: usize, effects: Effects) -> Result<(), String> {
        self.enqueue(Some(Party::Job(index)), effects.calls);
        let job = &self.jobs[index];
        let (to, attempt) = (job.leader, job.attempt);
        let address = |(task, message)| Message { to, attempt, task, message };
        self.messages.extend(effects.messages.into_iter().map(address));
        effects.lost.map_or(Ok(()), |task| self.lose(index, task))
    }

    /// A task fails. Its leader hears of it, now or when it begins to lead.
    fn lose(&mut self, index: usize, task: TaskId) -> Result<(), String> {
        let job = &mut self.jobs[index];
        job.lost = Some(task);
        let leader = job.leader;
        self.with(leader, |leader, around| leader.tell(Event::TaskLost(task), around))
    }

    /// One message of a task arrives, or does not, or late, or twice, or at another leader.
    fn deliver(&mut self) -> Result<(), String> {
        if let Some(due) = self.late.iter().position(|(not_before, _)| *not_before <= self.steps || !self.is_adverse())
        {
            let (_, message) = self.late.swap_remove(due);
            return self.arrive(message);
        }
        if self.messages.is_empty() {
            return Ok(());
        }
        let chosen = self.chance.below(self.messages.len());
        if self.is_paused(Party::Leader(self.messages[chosen].to)) {
            return Ok(());
        }
        let message = self.messages.swap_remove(chosen);
        let is_slow = self.is_slow();
        if is_slow || self.harms() {
            let late = (self.steps + self.pause(), message.clone());
            match self.chance.between(0..3) {
                _ if is_slow => {
                    self.late.push(late);
                    return Ok(());
                }
                0 => return Ok(()),
                1 => return self.stray(message),
                _ => self.late.push(late),
            }
        }
        self.arrive(message)
    }

    /// A message comes to a leader that it was not said to: of another attempt, or of this one, later on.
    fn stray(&mut self, message: Message) -> Result<(), String> {
        let to = self.chance.below(self.leaders.len());
        let job = self.leaders[to].as_ref().and_then(|leader| leader.job);
        let is_same = job.is_some_and(|job| self.jobs[job].attempt == message.attempt);
        if is_same && to < message.to { Ok(()) } else { self.arrive(Message { to, ..message }) }
    }

    fn arrive(&mut self, message: Message) -> Result<(), String> {
        let Message { to, attempt, task, message } = message;
        self.with(to, |leader, around| leader.tell(Event::Task { attempt, task, message }, around))
    }

    fn is_slow(&mut self) -> bool {
        self.is_adverse() && self.chance.happens(self.slowness)
    }

    fn pause(&mut self) -> u64 {
        let longest = self.chance.one_of(&PAUSES_STEPS);
        self.chance.between(0..longest)
    }

    fn enqueue(&mut self, caller: Option<Party>, calls: Vec<Call>) {
        for call in calls {
            let delay = if self.is_slow() { self.pause() } else { 0 };
            self.calls.push(Pending { caller, call, not_before: self.steps + delay });
        }
    }

    /// One call to the store takes effect, or not, or later, and is answered, or not.
    fn call(&mut self) -> Result<(), String> {
        if self.calls.is_empty() {
            return Ok(());
        }
        let chosen = self.chance.below(self.calls.len());
        if self.calls[chosen].not_before > self.steps && self.is_adverse() {
            return Ok(());
        }
        let Pending { caller, call, .. } = self.calls.swap_remove(chosen);
        let fate = if self.harms() { self.chance.between(0..3) } else { 3 };
        let reply = match (fate, &call) {
            (0, _) => Ok(Store::failure(&call, true)),
            // The caller hears nothing; the call takes effect later.
            (1, _) => {
                self.enqueue(None, vec![call.clone()]);
                Ok(Store::failure(&call, false))
            }
            (2, Call::Commit { epoch, committables }) => {
                let parts = self.chance.below(3);
                self.store.commit(*epoch, committables, parts).map(|_| Reply::CommitFailed)
            }
            (2, _) => self.store.execute(&call).map(|_| Store::failure(&call, false)),
            _ => self.store.execute(&call),
        };
        match (caller, reply.map_err(|violation| violation.to_string())?) {
            (None, Reply::Then(next)) => self.enqueue(None, vec![next]),
            (None, _) => {}
            (Some(Party::Leader(index)), reply) => {
                self.with(index, |leader, around| leader.on_reply(reply, around))?;
            }
            (Some(Party::Job(index)), reply) => self.on_stored(index, &reply)?,
        }
        Ok(())
    }

    /// What a task was storing is durable, or not.
    fn on_stored(&mut self, index: usize, reply: &Reply) -> Result<(), String> {
        let (task, epoch, has_failed) = match *reply {
            Reply::Stored { task, epoch } => (task, epoch, false),
            Reply::UploadFailed { task, epoch } => (task, epoch, true),
            // Later checkpoints build on what is staged.
            Reply::StagingFailed(task) => return self.lose(index, task),
            _ => return Ok(()),
        };
        if self.jobs[index].is_stopped {
            return Ok(());
        }
        let effects = self.jobs[index].on_stored(task, epoch, has_failed);
        self.apply(index, effects)
    }

    /// Somebody dies, loses a task, stands still, or is asked for a savepoint.
    fn disturb(&mut self) -> Result<(), String> {
        let Some(index) = self.a_leader() else { return Ok(()) };
        let job = self.leaders[index].as_ref().and_then(|leader| leader.job);
        let led = job.filter(|&job| self.jobs[job].leader == index);
        match self.chance.between(0..12) {
            kind @ 0..4 => self.die(index, led.filter(|_| kind < 2), kind % 2 == 0),
            4 => match (led, job) {
                (Some(led), _) => {
                    let task = self.a_task(led);
                    self.lose(led, task)?;
                }
                // To a former leader it looks like this.
                (None, Some(job)) => {
                    let task = self.a_task(job);
                    self.with(index, |leader, around| leader.tell(Event::TaskLost(task), around))?;
                }
                (None, None) => {}
            },
            5 => self.with(index, |leader, around| leader.request(Request::Savepoint, around))?,
            6 => self.with(index, |leader, around| leader.request(Request::Stop, around))?,
            7 if self.chance.happens(250) => {
                self.with(index, |leader, around| leader.request(Request::Drain, around))?;
            }
            // It stands still, alone or with its tasks, and is given up by the others; then it goes on.
            kind => {
                let until = self.steps + self.pause();
                let tasks = led.filter(|_| kind % 2 == 0).map(Party::Job);
                self.paused.extend([Party::Leader(index)].into_iter().chain(tasks).map(|who| (who, until)));
            }
        }
        Ok(())
    }

    fn a_task(&mut self, job: usize) -> TaskId {
        let tasks: Vec<TaskId> = self.jobs[job].tasks().all.into_iter().collect();
        self.chance.one_of(&tasks)
    }

    /// A leader dies, and with it these tasks, if it was one process with them; and perhaps the connections that its calls were on.
    fn die(&mut self, index: usize, job: Option<usize>, with_calls: bool) {
        self.leaders[index] = None;
        if let Some(job) = job {
            self.jobs[job].is_stopped = true;
        }
        if with_calls {
            let dead = [Some(Party::Leader(index)), job.map(Party::Job)];
            self.calls.retain(|pending| pending.caller.is_none() || !dead.contains(&pending.caller));
        }
    }

    /// Lets a leader do something, and takes over the calls that it makes and what it says to its tasks.
    fn with(
        &mut self,
        index: usize,
        act: impl FnOnce(&mut Leader, &mut Surroundings<'_>) -> Result<(), Violation>,
    ) -> Result<(), String> {
        let Some(mut leader) = self.leaders[index].take() else { return Ok(()) };
        let mut around = self.surroundings();
        act(&mut leader, &mut around).map_err(|violation| violation.to_string())?;
        let Surroundings { calls, notices, .. } = around;
        self.enqueue(Some(Party::Leader(index)), calls);
        for (task, notice) in notices {
            let delay = self.chance.between(0..self.lag);
            if let Some(job) = leader.job.map(|job| &mut self.jobs[job]).filter(|job| job.leader == index) {
                job.tell(task, notice, self.steps + delay);
            }
        }
        self.leaders[index] = Some(leader);
        Ok(())
    }

    fn surroundings(&mut self) -> Surroundings<'_> {
        Surroundings {
            workload: &self.workload,
            store: &mut self.store,
            jobs: &mut self.jobs,
            now_ms: self.now_ms,
            bug: self.bug,
            calls: Vec::new(),
            notices: Vec::new(),
            aborts: &mut self.aborts,
        }
    }

    /// O1 and O2, whenever there is a new manifest or a new commit.
    fn check(&mut self) -> Result<(), String> {
        if self.aborts.contains_key("StaleFile") {
            return Err("a task refers to a file that is no longer retained".to_owned());
        }
        if let Some(manifest) = self.store.last_checkpoint()
            && manifest.number > self.checked
        {
            self.checked = manifest.number;
            let cut = Cut::of(manifest);
            let keyed = manifest.tasks.iter().filter(|(id, _)| id.task == KEYED);
            let files: Vec<&SnapshotFile> = keyed.flat_map(|(_, snapshot)| &snapshot.files).collect();
            let state: State = files.iter().map(|file| self.store.files[*file].clone()).collect();
            if state != self.workload.at(&cut).0 {
                return Err(format!("O2: {} at {cut:?} holds {state:?}", manifest.number));
            }
            self.cuts.insert(manifest.epoch, cut);
            self.adopted += usize::from(manifest.leader != manifest.attempt.nonce);
        }
        // While a later epoch is being committed, parts of it may be visible.
        if let Some((&epoch, cut)) = self.cuts.last_key_value()
            && self.store.committed == Some(epoch)
            && self.seen < Some(epoch)
        {
            self.seen = Some(epoch);
            let visible = self.store.visible_rows();
            if visible != self.workload.at(cut).1 {
                return Err(format!("O1: epoch {} at {cut:?} has made visible {visible:?}", epoch.0));
            }
        }
        Ok(())
    }

    fn check_end(&self) -> Result<(), String> {
        let Some((_, cut)) = self.cuts.last_key_value() else { return Err("there is no final checkpoint".to_owned()) };
        if !cut.is_flushed || self.store.visible_rows() != self.workload.at(cut).1 {
            return Err(format!("O3: at {cut:?} there is {:?}", self.store.visible_rows()));
        }
        Ok(())
    }
}
