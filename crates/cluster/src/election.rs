//! Who leads: an election by the creation of numbered objects in a store that all coordinators share.
//!
//! Pure: times are handed in, as milliseconds of this coordinator's monotonic clock; calls to the store are actions, made one at a time, and
//! each is answered once. [`Leadership`](crate::Leadership) runs it.
//!
//! The greatest number is the *head*. Whoever leads creates the next number again and again; whoever stands by looks whether the head moves.
//! If it has not for the length of the lease, it creates the next number itself. Only one can create a number, and the head is never deleted.
//! A success is not believed until the head is seen not to be above it: a leader that was paused may create a number that was used and
//! deleted long ago.
//!
//! If clocks go equally fast and nobody is paused, at most one believes that it leads at any time: a leader counts from *before* the
//! creation of its number and gives up after [`ElectionOptions::patience_ms`], the others count from *after* they have seen it and wait for
//! [`ElectionOptions::lease_ms`], which is longer. What is stored does not depend on that.

mod invariants;

pub use invariants::{LeadershipHistory, LeadershipInvariant, LeadershipObservation, LeadershipViolation};

use std::fmt;

use crate::{Creation, CreationReply, CreationStep};

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElectionOptions {
    /// A head that has not moved for so long may be succeeded.
    pub lease_ms: u64,
    /// A leader that has not created a number for so long stops. Shorter than the lease.
    pub patience_ms: u64,
    /// From one creation of a leader to the next. Shorter than its patience.
    pub renewal_ms: u64,
    /// From one look at the head to the next, while standing by.
    pub look_ms: u64,
    /// Between calls about something that has failed or is in doubt.
    pub retry_ms: u64,
}

impl Default for ElectionOptions {
    fn default() -> Self {
        Self { lease_ms: 6_000, patience_ms: 4_000, renewal_ms: 2_000, look_ms: 1_000, retry_ms: 250 }
    }
}

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionEvent {
    /// The time of [`Election::deadline_ms`] has come.
    TimePassed,
    /// The answer to [`ElectionAction::List`]: the greatest number, 0 if there is none.
    Listed {
        /// The greatest number.
        head: u64,
    },
    /// The numbers could not be listed.
    NotListed,
    /// The answer to [`ElectionAction::Create`] or [`ElectionAction::Look`].
    Creation(CreationReply),
}

/// What the shell is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionAction {
    /// Look which number is the greatest.
    List,
    /// Create this number, in the name of this coordinator and generation.
    Create {
        /// Under which the object stands.
        number: u64,
        /// What it says.
        generation: u64,
    },
    /// Look what stands there: our object of this generation, another one, or nothing.
    Look {
        /// Under which the object stands.
        number: u64,
        /// What it says if it is ours.
        generation: u64,
    },
    /// Delete the objects below this number. Not answered.
    DeleteBelow {
        /// The head.
        number: u64,
    },
    /// This coordinator leads.
    Lead {
        /// Greater than that of all who have led before.
        generation: u64,
    },
    /// This coordinator leads no more.
    StepDown(StepDownReason),
}

/// Why a leader leads no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepDownReason {
    /// Somebody else has created the next number.
    Succeeded,
    /// It could not create its next number in time.
    NotRenewed,
}

impl fmt::Display for StepDownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Succeeded => "another coordinator leads",
            Self::NotRenewed => "the cluster directory could not be written in time; see that its store can be reached",
        })
    }
}

/// One coordinator's part in the election.
///
/// ```
/// use dipper_cluster::{CreationReply, Election, ElectionAction, ElectionEvent, ElectionOptions};
///
/// let mut election = Election::new(ElectionOptions::default());
/// assert_eq!(election.on_event(0, ElectionEvent::TimePassed), [ElectionAction::List]);
/// let create = ElectionAction::Create { number: 1, generation: 1 };
/// assert_eq!(election.on_event(5, ElectionEvent::Listed { head: 0 }), [create]);
/// assert_eq!(election.on_event(9, ElectionEvent::Creation(CreationReply::Own)), [ElectionAction::List]);
/// let leads = election.on_event(12, ElectionEvent::Listed { head: 1 });
/// assert_eq!(leads, [ElectionAction::Lead { generation: 1 }, ElectionAction::DeleteBelow { number: 1 }]);
/// ```
#[derive(Debug, Clone)]
pub struct Election {
    options: ElectionOptions,
    role: Role,
    /// When the call that has not been answered was made.
    called_ms: Option<u64>,
    /// When the next call is made.
    due_ms: u64,
    head: Option<Head>,
}

#[derive(Debug, Clone, Copy)]
enum Role {
    Standby,
    Candidate(Claim),
    Leader {
        generation: u64,
        /// Before its last number was created.
        valid_from_ms: u64,
        number: u64,
        renewal: Option<Claim>,
    },
}

/// The head, as one who stands by has seen it.
#[derive(Debug, Clone, Copy)]
struct Head {
    number: u64,
    first_seen_ms: u64,
}

/// A number on its way.
#[derive(Debug, Clone, Copy)]
struct Claim {
    number: u64,
    generation: u64,
    /// It was not created before that.
    since_ms: u64,
    creation: Creation,
    next: Next,
}

#[derive(Debug, Clone, Copy)]
enum Next {
    Create,
    Look,
    /// It stands there: is it the head?
    Confirm,
}

impl Election {
    /// A coordinator that has seen nothing. Its first deadline is at once.
    pub fn new(options: ElectionOptions) -> Self {
        Self { options, role: Role::Standby, called_ms: None, due_ms: 0, head: None }
    }

    /// The generation under which it leads, if it does.
    pub fn generation(&self) -> Option<u64> {
        match self.role {
            Role::Leader { generation, .. } => Some(generation),
            _ => None,
        }
    }

    /// Until when it leads unless it creates another number, if it leads.
    pub fn leads_until_ms(&self) -> Option<u64> {
        match self.role {
            Role::Leader { valid_from_ms, .. } => Some(valid_from_ms + self.options.patience_ms),
            _ => None,
        }
    }

    /// When [`ElectionEvent::TimePassed`] is to be said; `None`: not before a call is answered.
    pub fn deadline_ms(&self) -> Option<u64> {
        let due_ms = self.called_ms.is_none().then_some(self.due_ms);
        [due_ms, self.leads_until_ms()].into_iter().flatten().min()
    }

    /// Takes note of what has happened and says what is to be done.
    pub fn on_event(&mut self, now_ms: u64, event: ElectionEvent) -> Vec<ElectionAction> {
        let mut actions = Vec::new();
        let called_ms = if event == ElectionEvent::TimePassed { None } else { self.called_ms.take() };
        // First of all: what has been heard late changes nothing about it.
        if self.leads_until_ms().is_some_and(|until_ms| now_ms >= until_ms) {
            actions.push(self.step_down(now_ms, StepDownReason::NotRenewed));
        }
        match event {
            ElectionEvent::TimePassed => {}
            ElectionEvent::Listed { head } => {
                self.on_listed(now_ms, called_ms.unwrap_or(now_ms), head, &mut actions);
            }
            ElectionEvent::NotListed => self.due_ms = now_ms + self.options.retry_ms,
            ElectionEvent::Creation(reply) => self.on_reply(now_ms, reply, &mut actions),
        }
        if let Role::Candidate(claim) = self.role
            && now_ms >= claim.since_ms + self.options.patience_ms
        {
            // Too old to lead with. Should it stand there, it counts as anybody's.
            self.stand_by(now_ms);
        }
        if self.called_ms.is_none() && now_ms >= self.due_ms {
            self.called_ms = Some(now_ms);
            actions.push(self.call(now_ms));
        }
        actions
    }

    fn call(&mut self, now_ms: u64) -> ElectionAction {
        if let Role::Leader { generation, number, renewal: renewal @ None, .. } = &mut self.role {
            *renewal = Some(Claim::new(*number + 1, *generation, now_ms));
        }
        match self.claim() {
            Some(Claim { number, generation, next, .. }) => match *next {
                Next::Create => ElectionAction::Create { number: *number, generation: *generation },
                Next::Look => ElectionAction::Look { number: *number, generation: *generation },
                Next::Confirm => ElectionAction::List,
            },
            None => ElectionAction::List,
        }
    }

    fn claim(&mut self) -> Option<&mut Claim> {
        match &mut self.role {
            Role::Standby => None,
            Role::Candidate(claim) => Some(claim),
            Role::Leader { renewal, .. } => renewal.as_mut(),
        }
    }

    fn on_listed(&mut self, now_ms: u64, called_ms: u64, head: u64, actions: &mut Vec<ElectionAction>) {
        match self.claim() {
            Some(claim) if claim.number == head => self.won(now_ms, actions),
            Some(_) => self.lost(now_ms, actions),
            None => {
                if self.head.is_none_or(|known| known.number != head) {
                    self.head = Some(Head { number: head, first_seen_ms: now_ms });
                }
                self.due_ms = now_ms + self.options.look_ms;
                if self.lease_has_run_out(called_ms) {
                    // If it stands there already, and is ours from an earlier claim, it was created after this listing.
                    self.role = Role::Candidate(Claim::new(head + 1, head + 1, called_ms));
                    self.due_ms = now_ms;
                }
            }
        }
    }

    /// Whether the head had not moved for the length of the lease when a listing began that still shows it. An empty store has no lease.
    fn lease_has_run_out(&self, listed_ms: u64) -> bool {
        self.head.is_some_and(|head| {
            head.number == 0 || listed_ms.saturating_sub(head.first_seen_ms) >= self.options.lease_ms
        })
    }

    fn on_reply(&mut self, now_ms: u64, reply: CreationReply, actions: &mut Vec<ElectionAction>) {
        let retry_ms = now_ms + self.options.retry_ms;
        // Else it is about a claim that has been given up.
        let Some(claim) = self.claim() else { return };
        let step = claim.creation.on_reply(reply);
        (claim.next, self.due_ms) = match step {
            CreationStep::Create => (Next::Create, retry_ms),
            CreationStep::Look => (Next::Look, retry_ms),
            CreationStep::Own => (Next::Confirm, now_ms),
            CreationStep::Other => return self.lost(now_ms, actions),
            CreationStep::Refused => return self.refused(now_ms),
        };
    }

    fn won(&mut self, now_ms: u64, actions: &mut Vec<ElectionAction>) {
        let Some(&mut Claim { number, generation, since_ms, .. }) = self.claim() else { return };
        if matches!(self.role, Role::Candidate(_)) {
            if now_ms >= since_ms + self.options.patience_ms {
                return;
            }
            actions.push(ElectionAction::Lead { generation });
        }
        self.role = Role::Leader { generation, valid_from_ms: since_ms, number, renewal: None };
        self.due_ms = now_ms.max(since_ms + self.options.renewal_ms);
        actions.push(ElectionAction::DeleteBelow { number });
    }

    fn lost(&mut self, now_ms: u64, actions: &mut Vec<ElectionAction>) {
        match self.role {
            Role::Leader { .. } => actions.push(self.step_down(now_ms, StepDownReason::Succeeded)),
            _ => self.stand_by(now_ms),
        }
    }

    /// The number is free as before.
    fn refused(&mut self, now_ms: u64) {
        match &mut self.role {
            Role::Leader { renewal, .. } => {
                *renewal = None;
                self.due_ms = now_ms + self.options.retry_ms;
            }
            _ => {
                self.stand_by(now_ms);
                self.due_ms = now_ms + self.options.look_ms;
            }
        }
    }

    fn step_down(&mut self, now_ms: u64, reason: StepDownReason) -> ElectionAction {
        self.stand_by(now_ms);
        // What it has created itself gives it no claim: it waits as long as the others.
        self.head = None;
        ElectionAction::StepDown(reason)
    }

    fn stand_by(&mut self, now_ms: u64) {
        self.role = Role::Standby;
        self.due_ms = now_ms;
    }
}

impl Claim {
    fn new(number: u64, generation: u64, since_ms: u64) -> Self {
        Self { number, generation, since_ms, creation: Creation::default(), next: Next::Create }
    }
}

#[cfg(test)]
mod tests;
