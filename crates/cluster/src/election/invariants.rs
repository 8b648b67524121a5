//! What must hold of an election, whatever is lost, doubled, late or dead. Told as it happens, by somebody who sees the store.

use std::collections::BTreeMap;
use std::fmt;

/// Something that took effect. `by` tells coordinators apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeadershipObservation {
    /// An object has been created.
    Created {
        /// Its number.
        number: u64,
        /// The generation that it names.
        generation: u64,
        /// By whom.
        by: usize,
    },
    /// An object has been deleted.
    Deleted {
        /// Its number.
        number: u64,
    },
    /// A coordinator leads.
    Led {
        /// Under which generation.
        generation: u64,
        /// Who.
        by: usize,
    },
}

/// A predicate that an election must satisfy. An object is *effective* if no greater number existed when it was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeadershipInvariant {
    /// Effective objects are numbered one above the last.
    NumbersAreDense,
    /// An effective object names its own number as its generation, or repeats that of the object before, which is its creator's.
    GenerationsFollow,
    /// Who leads under a generation has created the effective object of that number, and generations of those who come to lead ascend.
    LedByItsObject,
    /// The head is never deleted.
    HeadStays,
}

/// An election that breaks an invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeadershipViolation {
    /// Which one.
    pub invariant: LeadershipInvariant,
    /// By what.
    pub what: String,
}

impl fmt::Display for LeadershipViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.what)
    }
}

impl std::error::Error for LeadershipViolation {}

/// An election, as far as the predicates need it.
#[derive(Debug, Clone, Default)]
pub struct LeadershipHistory {
    head: u64,
    /// The generation and the creator of the head.
    leader: Option<(u64, usize)>,
    /// Who has created the effective object that began a generation.
    founders: BTreeMap<u64, usize>,
    led: u64,
}

impl LeadershipHistory {
    /// Takes note of an observation. Fails if it breaks an invariant.
    pub fn observe(&mut self, observation: LeadershipObservation) -> Result<(), LeadershipViolation> {
        use LeadershipInvariant::{GenerationsFollow, HeadStays, LedByItsObject, NumbersAreDense};
        match observation {
            LeadershipObservation::Created { number, .. } if number < self.head => Ok(()),
            LeadershipObservation::Created { number, generation, by } => {
                let head = self.head;
                holds(number == head + 1, NumbersAreDense, || format!("{number} follows {head}"))?;
                let follows = generation == number || self.leader == Some((generation, by));
                let what = || format!("{number} by {by} names {generation} after {:?}", self.leader);
                holds(follows, GenerationsFollow, what)?;
                (self.head, self.leader) = (number, Some((generation, by)));
                if generation == number {
                    self.founders.insert(number, by);
                }
                Ok(())
            }
            LeadershipObservation::Deleted { number } => {
                holds(number != self.head, HeadStays, || format!("{number} has been deleted"))
            }
            LeadershipObservation::Led { generation, by } => {
                let ascends = generation > self.led && self.founders.get(&generation) == Some(&by);
                holds(ascends, LedByItsObject, || format!("{by} leads under {generation} after {}", self.led))?;
                self.led = generation;
                Ok(())
            }
        }
    }

    /// The greatest number.
    pub fn head(&self) -> u64 {
        self.head
    }
}

fn holds(
    holds: bool,
    invariant: LeadershipInvariant,
    what: impl FnOnce() -> String,
) -> Result<(), LeadershipViolation> {
    if holds { Ok(()) } else { Err(LeadershipViolation { invariant, what: what() }) }
}
