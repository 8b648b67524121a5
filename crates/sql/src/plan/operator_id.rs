//! Operator ids that survive edits of the SQL which leave the operator alone.
//!
//! An id is a hash of what the operator does and of the tables and stateful operators it reads from; filters and projections between
//! them do not count. Two operators that would get the same id are numbered.

use std::collections::BTreeMap;

use dipper_types::OperatorId;

/// What an operator and everything above it amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signature(u64);

/// Gives out ids.
#[derive(Debug, Default)]
pub(super) struct OperatorIds {
    given: BTreeMap<String, usize>,
}

impl Signature {
    /// The signature of an operator that does `what` with inputs of these signatures.
    pub(super) fn of(what: &str, inputs: &[Self]) -> Self {
        let mut hash = fnv(0xcbf2_9ce4_8422_2325, what.as_bytes());
        for input in inputs {
            hash = fnv(hash, &input.0.to_be_bytes());
        }
        Self(hash)
    }
}

impl OperatorIds {
    /// The id of an operator of a kind.
    pub(super) fn next(&mut self, kind: &str, signature: Signature) -> OperatorId {
        let id = format!("{kind}-{:08x}", (signature.0 >> 32) as u32 ^ signature.0 as u32);
        let times = self.given.entry(id.clone()).or_insert(0);
        *times += 1;
        if *times == 1 { OperatorId(id) } else { OperatorId(format!("{id}-{times}")) }
    }
}

/// Fowler, Noll and Vo's hash 1a: it must stay the same for ever.
fn fnv(mut hash: u64, bytes: &[u8]) -> u64 {
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}
