//! The adversary: it decides what happens next, what is lost, late or doubled, who dies and who only seems to.

use std::collections::BTreeMap;

use dipper_checkpoint::{CheckpointOptions, Failure, ManifestNumber, Outcome, Request, SnapshotFile, Violation};
use dipper_types::Epoch;

use crate::Bug;
use crate::chance::Chance;
use crate::process::{Message, Process, Setup, Surroundings};
use crate::store::{Call, Reply, Store};
use crate::workload::{Cut, KEYED, State, Workload};

/// How long things go wrong. Afterwards nothing does, and the job must come to its end.
const ADVERSE_STEPS: u64 = 1_500;
const STEPS_MAX: u64 = 50_000;
/// How long zombies may go on after the job has finished.
const AFTER_STEPS: u64 = 200;
/// How many attempts may run at the same time.
const PROCESSES_MAX: usize = 4;
/// How long at most a call may be under way, or a process stand still: short or long against a checkpoint.
const PAUSES_STEPS: [u64; 3] = [50, 400, 1_500];

/// A call under way.
struct Pending {
    /// Who waits for the answer, if anybody does.
    caller: Option<usize>,
    call: Call,
    /// It does not arrive before this step.
    not_before: u64,
}

pub(crate) struct World {
    chance: Chance,
    bug: Option<Bug>,
    workload: Workload,
    store: Store,
    now_ms: u64,
    steps: u64,
    /// The last one is the one that should be running; the others are zombies. `None` has died.
    processes: Vec<Option<Process>>,
    /// Until when each of them stands still, in steps.
    paused: Vec<u64>,
    calls: Vec<Pending>,
    /// Messages that do not arrive before a step, and the process that they go to.
    late: Vec<(u64, usize, Message)>,
    /// How many calls and messages in a thousand come to harm, different in each world.
    harm: u64,
    /// How many calls and messages in a thousand are slow.
    slowness: u64,
    /// How often something happens to an attempt, in a thousand steps.
    turmoil: u64,
    /// Of the effective checkpoints, by epoch.
    cuts: BTreeMap<Epoch, Cut>,
    /// Up to where manifests and commits have been looked at.
    checked: ManifestNumber,
    seen: Option<Epoch>,
}

/// What runs have been through.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) steps: u64,
    pub(crate) attempts: usize,
    pub(crate) checkpoints: usize,
    /// How attempts have ended, and how often; those that have died are not among them.
    pub(crate) ends: BTreeMap<String, usize>,
}

impl Summary {
    pub(crate) fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.attempts += other.attempts;
        self.checkpoints += other.checkpoints;
        for (end, count) in other.ends {
            *self.ends.entry(end).or_default() += count;
        }
    }
}

impl World {
    pub(crate) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut chance = Chance::new(seed);
        let workload = Workload::random(&mut chance);
        let harm = chance.one_of(&[0, 20, 100, 250]);
        let slowness = chance.one_of(&[0, 50, 300]);
        let turmoil = chance.one_of(&[1, 3, 10]);
        Self {
            chance,
            bug,
            workload,
            store: Store::default(),
            now_ms: 0,
            steps: 0,
            processes: Vec::new(),
            paused: Vec::new(),
            calls: Vec::new(),
            late: Vec::new(),
            harm,
            slowness,
            turmoil,
            cuts: BTreeMap::new(),
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
        for outcome in self.processes.iter().flatten().filter_map(Process::outcome) {
            *ends.entry(name_of(outcome)).or_default() += 1;
        }
        Ok(Summary { steps: self.steps, attempts: self.processes.len(), checkpoints: self.cuts.len(), ends })
    }

    fn is_adverse(&self) -> bool {
        self.steps < ADVERSE_STEPS
    }

    fn is_finished(&self) -> bool {
        let last = self.processes.last().and_then(Option::as_ref);
        last.is_some_and(|process| process.outcome() == Some(Ok(Outcome::Finished)))
    }

    fn is_running(&self, index: usize) -> bool {
        self.processes[index].as_ref().is_some_and(|process| process.outcome().is_none())
    }

    fn harms(&mut self) -> bool {
        self.is_adverse() && self.chance.happens(self.harm)
    }

    fn step(&mut self) -> Result<(), String> {
        self.steps += 1;
        self.now_ms += self.chance.between(0..20);
        self.supervise();
        let is_live =
            |&index: &usize| self.is_running(index) && (self.paused[index] < self.steps || !self.is_adverse());
        let live: Vec<usize> = (0..self.processes.len()).filter(is_live).collect();
        let process = live.get(self.chance.below(live.len().max(1))).copied().unwrap_or(0);
        match self.chance.between(0..100) {
            0..45 => self.with(process, |process, around| process.step(around))?,
            45..70 => self.deliver(process)?,
            70..90 => self.call()?,
            _ => self.with(process, |process, around| process.tick(around))?,
        }
        if self.is_adverse() && self.chance.happens(self.turmoil) {
            self.disturb(process)?;
        }
        self.check()
    }

    /// Starts an attempt when none is running, and sometimes when one is.
    fn supervise(&mut self) {
        let running = (0..self.processes.len()).filter(|&index| self.is_running(index)).count();
        let last = self.processes.len().checked_sub(1);
        let is_needed = !last.is_some_and(|last| self.is_running(last)) && !self.is_finished();
        let is_paused = last.is_some_and(|last| self.paused[last] >= self.steps);
        let suspicion = if is_paused { 25 } else { self.turmoil.div_ceil(2) };
        let is_suspected = self.is_adverse() && running < PROCESSES_MAX && self.chance.happens(suspicion);
        if !is_needed && !is_suspected {
            return;
        }
        let setup = self.setup();
        let caller = self.processes.len();
        let mut around = self.surroundings();
        let process = Process::start(setup, &mut around);
        let calls = around.calls;
        self.enqueue(Some(caller), calls);
        self.processes.push(Some(process));
        self.paused.push(0);
    }

    fn setup(&mut self) -> Setup {
        let is_adverse = self.is_adverse();
        let chance = &mut self.chance;
        let interval_ms_max = chance.one_of(&[500, 5_000]);
        let options = CheckpointOptions {
            interval_ms: Some(chance.between(1..interval_ms_max)),
            timeout_ms: if is_adverse { chance.between(500..10_000) } else { 1_000_000 },
            min_pause_ms: chance.between(0..500),
            tolerable_failures: chance.between(0..4) as u32,
            retained: chance.one_of(&[1, 2, 3]),
        };
        let parallelism = [0; 3].map(|_| chance.one_of(&[1, 2, 3]));
        let nonce = if self.bug == Some(Bug::SameNonce) { 0 } else { chance.number() };
        Setup { options, parallelism, nonce }
    }

    /// One message of a process arrives, or does not, or late, or twice, or at another attempt's coordinator.
    fn deliver(&mut self, index: usize) -> Result<(), String> {
        if let Some(due) = self.late.iter().position(|(not_before, ..)| *not_before <= self.steps || !self.is_adverse())
        {
            let (_, receiver, message) = self.late.swap_remove(due);
            return self.with(receiver, |process, around| process.deliver(message, around));
        }
        let Some(process) = &mut self.processes[index] else { return Ok(()) };
        if process.messages.is_empty() {
            return Ok(());
        }
        let message = process.messages.swap_remove(self.chance.below(process.messages.len()));
        let is_slow = self.is_slow();
        if is_slow || self.harms() {
            let late = (self.steps + self.pause(), index, message.clone());
            match (self.chance.between(0..3), &message) {
                _ if is_slow => {
                    self.late.push(late);
                    return Ok(());
                }
                (0, _) => return Ok(()),
                (1, Message::ToCoordinator(..)) => {
                    let other = self.chance.below(self.processes.len());
                    return self.with(other, |process, around| process.deliver(message, around));
                }
                _ => self.late.push(late),
            }
        }
        self.with(index, |process, around| process.deliver(message, around))
    }

    fn is_slow(&mut self) -> bool {
        self.is_adverse() && self.chance.happens(self.slowness)
    }

    fn pause(&mut self) -> u64 {
        let longest = self.chance.one_of(&PAUSES_STEPS);
        self.chance.between(0..longest)
    }

    fn enqueue(&mut self, caller: Option<usize>, calls: Vec<Call>) {
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
            (Some(caller), reply) => self.with(caller, |process, around| process.on_reply(reply, around))?,
        }
        Ok(())
    }

    /// Somebody dies, loses a task, stands still, or is asked for a savepoint.
    fn disturb(&mut self, index: usize) -> Result<(), String> {
        match self.chance.between(0..10) {
            0 => self.processes[index] = None,
            1 => self.with(index, |process, around| process.lose_task(around))?,
            2 => {
                // With the connections that its calls were on.
                self.processes[index] = None;
                self.calls.retain(|pending| pending.caller != Some(index));
            }
            3 => self.with(index, |process, around| process.request(Request::Savepoint, around))?,
            4 => self.with(index, |process, around| process.request(Request::Stop, around))?,
            5 if self.chance.happens(250) => {
                self.with(index, |process, around| process.request(Request::Drain, around))?;
            }
            // It stands still and is given up by the others; then it goes on.
            _ => self.paused[index] = self.steps + self.pause(),
        }
        Ok(())
    }

    /// Lets a process do something, and takes over the calls that it makes.
    fn with(
        &mut self,
        index: usize,
        act: impl FnOnce(&mut Process, &mut Surroundings<'_>) -> Result<(), Violation>,
    ) -> Result<(), String> {
        let Some(mut process) = self.processes[index].take() else { return Ok(()) };
        let mut around = self.surroundings();
        act(&mut process, &mut around).map_err(|violation| violation.to_string())?;
        let calls = around.calls;
        self.enqueue(Some(index), calls);
        self.processes[index] = Some(process);
        Ok(())
    }

    fn surroundings(&mut self) -> Surroundings<'_> {
        Surroundings {
            workload: &self.workload,
            store: &mut self.store,
            chance: &mut self.chance,
            now_ms: self.now_ms,
            bug: self.bug,
            calls: Vec::new(),
        }
    }

    /// O1 and O2, whenever there is a new manifest or a new commit.
    fn check(&mut self) -> Result<(), String> {
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

/// The variant's name alone.
fn name_of(outcome: Result<Outcome, Failure>) -> String {
    let text = outcome.map_or_else(|failure| format!("{failure:?}"), |outcome| format!("{outcome:?}"));
    text.split('(').next().unwrap_or_default().to_owned()
}
