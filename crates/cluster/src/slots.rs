//! Which job has which slots of which workers. Use it to decide where a job's subtasks run, and when a job has to wait.
//!
//! Pure: the shell says which workers come and go and which jobs want how much, and hears which jobs have been given slots. What a job does
//! with them is [`Lifecycle`](crate::Lifecycle)'s matter.
//!
//! A job gets all the slots that it asks for at once, or none. It has a *turn*, which is when it first asked; nobody is given anything while
//! a job with an earlier turn waits. A job that starts anew keeps its turn, and until it asks again what it holds, so that a failure does not
//! cost it its place.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use dipper_types::{Error, JobId, Result};

use crate::WorkerId;

/// One slot of a worker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// Whose it is.
    pub worker: WorkerId,
    /// Which one, from 0.
    pub number: usize,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {} of worker '{}'", self.number, self.worker)
    }
}

/// What a job has been given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Who has been given them.
    pub job: JobId,
    /// The slot of each subtask index.
    pub slots: Vec<Slot>,
}

/// Why a job waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lack {
    /// How many more slots would have to be free for it and all that wait before it. Never 0.
    pub slots: usize,
    /// How many jobs wait before it.
    pub jobs_ahead: usize,
}

/// A predicate that slots must satisfy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlotViolation {
    /// C2: a slot that a job holds is not marked as this job's at the worker.
    NotItsOwn(Slot),
    /// C2: a slot belongs to several jobs, or to several indices of one.
    SharedSlot(Slot),
    /// A slot is marked as a job's that does not hold it.
    Leaked(Slot),
    /// A job waits for which there are slots, and nobody is before it.
    Starved(String),
}

/// The slots of all workers.
///
/// ```
/// use dipper_cluster::{Slots, WorkerId};
/// use dipper_types::JobId;
///
/// let job = JobId("orders".into());
/// let mut slots = Slots::default();
/// assert!(slots.request(&job, 3)?.is_empty());
/// assert_eq!(slots.lack(&job).map(|lack| lack.slots), Some(3));
/// slots.add_worker(WorkerId("a".into()), 2)?;
/// let grants = slots.add_worker(WorkerId("b".into()), 2)?;
/// let workers: Vec<&str> = grants[0].slots.iter().map(|slot| slot.worker.0.as_str()).collect();
/// assert_eq!(workers, ["a", "b", "a"]);
/// # Ok::<(), dipper_types::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Slots {
    workers: BTreeMap<WorkerId, Worker>,
    jobs: BTreeMap<Turn, Job>,
    turns: u64,
}

/// When a job first asked.
type Turn = u64;

#[derive(Debug, Clone)]
struct Worker {
    /// Who has it, for each slot.
    slots: Vec<Option<Turn>>,
    drains: bool,
}

#[derive(Debug, Clone)]
struct Job {
    id: JobId,
    /// How many it waits for.
    wants: Option<usize>,
    /// Those of lost workers are not among them.
    holds: Vec<Slot>,
}

impl Slots {
    /// A worker has come. Fails if it is here already: one that comes back has another name.
    pub fn add_worker(&mut self, worker: WorkerId, slots: usize) -> Result<Vec<Grant>> {
        if self.workers.contains_key(&worker) {
            return Err(Error::invalid(format!("worker '{worker}' has registered already")));
        }
        self.workers.insert(worker, Worker { slots: vec![None; slots], drains: false });
        Ok(self.serve())
    }

    /// A worker gives no more slots. Returns the jobs that run on it, which go on until they start anew. Refused if the others have no place
    /// for them.
    pub fn drain_worker(&mut self, worker: &WorkerId) -> Result<Vec<JobId>> {
        let found = self.workers.get_mut(worker).ok_or_else(|| Error::invalid(format!("no worker '{worker}'")))?;
        let before = std::mem::replace(&mut found.drains, true);
        let moved = self.jobs.values().filter(|job| job.holds.iter().any(|slot| slot.worker == *worker));
        let (wanted, own) = moved.fold((0, 0), |(wanted, own), job| {
            (wanted + job.holds.len(), own + job.holds.iter().filter(|slot| self.gives(&slot.worker)).count())
        });
        let lacks = wanted.saturating_sub(self.free() + own);
        if lacks > 0 {
            if let Some(found) = self.workers.get_mut(worker) {
                found.drains = before;
            }
            let message = format!("what runs on worker '{worker}' lacks {lacks} slots elsewhere");
            return Err(Error::invalid(message).with_hint("start another worker first, or cancel a job"));
        }
        Ok(self.jobs_on(worker))
    }

    /// A worker that was drained under another leader has come.
    pub fn keep_drained(&mut self, worker: &WorkerId) {
        if let Some(found) = self.workers.get_mut(worker) {
            found.drains = true;
        }
    }

    /// A worker is lost. Returns the jobs that have lost subtasks with it; they hold their other slots until they ask anew.
    pub fn lose_worker(&mut self, worker: &WorkerId) -> Vec<JobId> {
        let hit = self.jobs_on(worker);
        self.workers.remove(worker);
        for job in self.jobs.values_mut() {
            job.holds.retain(|slot| slot.worker != *worker);
        }
        hit
    }

    /// A job asks for so many slots, one for each subtask index, instead of what it holds or waits for.
    pub fn request(&mut self, job: &JobId, slots: usize) -> Result<Vec<Grant>> {
        if slots == 0 {
            return Err(Error::internal(format!("job '{}' asks for no slots", job.0)));
        }
        let turn = self.turn_of(job).unwrap_or_else(|| {
            self.turns += 1;
            self.turns
        });
        self.free_slots_of(turn);
        self.jobs.insert(turn, Job { id: job.clone(), wants: Some(slots), holds: Vec::new() });
        Ok(self.serve())
    }

    /// Subtasks of a job run on a worker already, with so many different indices: it holds as many slots there, if there are so many. A job
    /// that waits is to start anew.
    pub fn hold(&mut self, job: &JobId, worker: &WorkerId, slots: usize) {
        let turn = self.turn_of(job).unwrap_or_else(|| {
            self.turns += 1;
            self.jobs.insert(self.turns, Job { id: job.clone(), wants: None, holds: Vec::new() });
            self.turns
        });
        let (Some(found), Some(known)) = (self.workers.get_mut(worker), self.jobs.get_mut(&turn)) else { return };
        let free: Vec<usize> = (0..found.slots.len()).filter(|number| found.slots[*number].is_none()).collect();
        if known.wants.is_some() || free.len() < slots {
            return;
        }
        for number in free.into_iter().take(slots) {
            found.slots[number] = Some(turn);
            known.holds.push(Slot { worker: worker.clone(), number });
        }
    }

    /// Whether a worker gives no more slots.
    pub fn drains(&self, worker: &WorkerId) -> bool {
        !self.gives(worker)
    }

    /// A job has ended: it gives back what it holds and waits no longer.
    pub fn release(&mut self, job: &JobId) -> Vec<Grant> {
        if let Some(turn) = self.turn_of(job) {
            self.free_slots_of(turn);
            self.jobs.remove(&turn);
        }
        self.serve()
    }

    /// What a job waits for; `None` if it does not wait.
    pub fn lack(&self, job: &JobId) -> Option<Lack> {
        let turn = self.turn_of(job)?;
        self.jobs.get(&turn)?.wants?;
        let wanted: usize = self.jobs.range(..=turn).filter_map(|(_, job)| job.wants).sum();
        let jobs_ahead = self.jobs.range(..turn).filter(|(_, job)| job.wants.is_some()).count();
        Some(Lack { slots: wanted.saturating_sub(self.free()), jobs_ahead })
    }

    /// How many slots a job would lack that asked for so many now, with what it holds given back: to warn of a parallelism that cannot be had.
    pub fn would_lack(&self, job: &JobId, slots: usize) -> usize {
        let turn = self.turn_of(job).unwrap_or(Turn::MAX);
        let own =
            self.jobs.get(&turn).map_or(0, |job| job.holds.iter().filter(|slot| self.gives(&slot.worker)).count());
        let ahead: usize = self.jobs.range(..turn).filter_map(|(_, job)| job.wants).sum();
        (ahead + slots).saturating_sub(self.free() + own)
    }

    /// What a job holds: the slot of each subtask index, unless a worker of it has been lost.
    pub fn held(&self, job: &JobId) -> &[Slot] {
        self.turn_of(job).and_then(|turn| self.jobs.get(&turn)).map_or(&[], |job| &job.holds)
    }

    /// How many slots could be given now.
    pub fn free(&self) -> usize {
        self.workers.values().map(Worker::free).sum()
    }

    /// The workers, each with how many slots it has and how many of them are taken.
    pub fn workers(&self) -> impl Iterator<Item = (&WorkerId, usize, usize)> {
        self.workers.iter().map(|(id, worker)| (id, worker.slots.len(), worker.slots.iter().flatten().count()))
    }

    /// Checks C2, that no slot leaks, and that the first of those who wait does not wait for what is there.
    pub fn check(&self) -> Result<(), SlotViolation> {
        let mut seen = BTreeSet::new();
        for (turn, job) in &self.jobs {
            for slot in &job.holds {
                let marked = self.workers.get(&slot.worker).and_then(|worker| worker.slots.get(slot.number));
                if marked != Some(&Some(*turn)) {
                    return Err(SlotViolation::NotItsOwn(slot.clone()));
                }
                if !seen.insert(slot) {
                    return Err(SlotViolation::SharedSlot(slot.clone()));
                }
            }
        }
        for (id, worker) in &self.workers {
            for (number, taken) in worker.slots.iter().enumerate() {
                let slot = Slot { worker: id.clone(), number };
                if taken.is_some() && !seen.contains(&slot) {
                    return Err(SlotViolation::Leaked(slot));
                }
            }
        }
        match self.first_waiting() {
            Some((_, job, wants)) if wants <= self.free() => Err(SlotViolation::Starved(job.0.clone())),
            _ => Ok(()),
        }
    }

    /// Gives slots to those who wait, by their turns, until there are not enough for one of them.
    fn serve(&mut self) -> Vec<Grant> {
        let mut grants = Vec::new();
        while let Some((turn, id, wants)) = self.first_waiting()
            && wants <= self.free()
        {
            let id = id.clone();
            let slots: Vec<Slot> = (0..wants).filter_map(|_| self.take(turn)).collect();
            if let Some(job) = self.jobs.get_mut(&turn) {
                job.wants = None;
                job.holds.clone_from(&slots);
            }
            grants.push(Grant { job: id, slots });
        }
        grants
    }

    /// A slot of the worker with the most free ones; of several such workers, the first by name.
    fn take(&mut self, turn: Turn) -> Option<Slot> {
        let (worker, found) = self.workers.iter_mut().rev().max_by_key(|(_, worker)| worker.free())?;
        let number = found.slots.iter().position(Option::is_none)?;
        found.slots[number] = Some(turn);
        Some(Slot { worker: worker.clone(), number })
    }

    fn first_waiting(&self) -> Option<(Turn, &JobId, usize)> {
        self.jobs.iter().find_map(|(turn, job)| Some((*turn, &job.id, job.wants?)))
    }

    fn turn_of(&self, job: &JobId) -> Option<Turn> {
        self.jobs.iter().find(|(_, known)| known.id == *job).map(|(turn, _)| *turn)
    }

    fn free_slots_of(&mut self, turn: Turn) {
        for taken in self.workers.values_mut().flat_map(|worker| &mut worker.slots) {
            if *taken == Some(turn) {
                *taken = None;
            }
        }
    }

    fn gives(&self, worker: &WorkerId) -> bool {
        self.workers.get(worker).is_some_and(|worker| !worker.drains)
    }

    fn jobs_on(&self, worker: &WorkerId) -> Vec<JobId> {
        let is_on = |job: &&Job| job.holds.iter().any(|slot| slot.worker == *worker);
        self.jobs.values().filter(is_on).map(|job| job.id.clone()).collect()
    }
}

impl Worker {
    /// How many slots it would give.
    fn free(&self) -> usize {
        if self.drains { 0 } else { self.slots.iter().filter(|taken| taken.is_none()).count() }
    }
}

#[cfg(test)]
mod tests;
