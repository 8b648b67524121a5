//! Creating a manifest in a store that may answer late, wrongly or not at all.

use crate::{Manifest, ManifestNumber};

/// What the store says about a put, or about what stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreReply {
    /// The put has succeeded, or something exists at the number, or nobody knows: a timeout, a connection lost.
    Put,
    /// The put has failed and for certain has no effect, now or later.
    Refused,
    /// What was seen after the put.
    Inspected {
        /// What stands at the number.
        found: Found,
        /// The greatest number in the log, listed after that was read; [`ManifestNumber::NONE`] if the log is empty.
        head: ManifestNumber,
    },
    /// The log could not be inspected.
    Unreadable,
}

/// What stands at a number of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Absent,
    /// Byte for byte what was to be put.
    Own,
    /// Something else.
    Other,
}

/// A manifest on its way into the log.
#[derive(Debug, Clone)]
pub(crate) struct ManifestWrite {
    pub(crate) manifest: Box<Manifest>,
    /// A put may have had an effect, or may yet have one.
    in_doubt: bool,
}

/// What is to be done next about a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteStep {
    Put,
    Inspect,
    Durable,
    /// Somebody else has gone on with the log.
    Fenced,
    /// It is not in the log and never will be.
    Refused,
}

impl ManifestWrite {
    /// A write that begins with a put.
    pub(crate) fn new(manifest: Manifest) -> Self {
        Self { manifest: Box::new(manifest), in_doubt: false }
    }

    pub(crate) fn on_reply(&mut self, reply: StoreReply) -> WriteStep {
        match reply {
            // Even a success is looked at: the number may have been used and deleted before, and then a greater one exists.
            StoreReply::Put => {
                self.in_doubt = true;
                WriteStep::Inspect
            }
            StoreReply::Refused if !self.in_doubt => WriteStep::Refused,
            StoreReply::Refused | StoreReply::Unreadable => WriteStep::Inspect,
            StoreReply::Inspected { head, .. } if head > self.manifest.number => WriteStep::Fenced,
            StoreReply::Inspected { found, .. } => match found {
                Found::Own => WriteStep::Durable,
                Found::Other => WriteStep::Fenced,
                Found::Absent => WriteStep::Put,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dipper_types::Epoch;

    use super::*;
    use crate::{AttemptId, ManifestKind};

    fn write() -> ManifestWrite {
        let number = ManifestNumber(7);
        ManifestWrite::new(Manifest {
            number,
            attempt: AttemptId { opening: number, nonce: 1 },
            leader: 1,
            epoch: Epoch(3),
            kind: ManifestKind::Opening,
            tasks: BTreeMap::new(),
            committables: BTreeMap::new(),
        })
    }

    fn seen(found: Found, head: u64) -> StoreReply {
        StoreReply::Inspected { found, head: ManifestNumber(head) }
    }

    #[test]
    fn an_ambiguous_put_is_durable_lost_or_repeated_by_what_is_read_back() {
        let mut write = write();
        assert_eq!(write.on_reply(StoreReply::Put), WriteStep::Inspect);
        assert_eq!(write.on_reply(StoreReply::Unreadable), WriteStep::Inspect);
        assert_eq!(write.on_reply(seen(Found::Absent, 6)), WriteStep::Put);
        assert_eq!(write.on_reply(seen(Found::Own, 7)), WriteStep::Durable);
        assert_eq!(write.on_reply(seen(Found::Other, 7)), WriteStep::Fenced);
    }

    #[test]
    fn a_success_below_the_head_is_worthless() {
        let mut write = write();
        assert_eq!(write.on_reply(StoreReply::Put), WriteStep::Inspect);
        assert_eq!(write.on_reply(seen(Found::Own, 60)), WriteStep::Fenced);
    }

    #[test]
    fn a_refusal_counts_only_if_no_earlier_put_is_in_doubt() {
        let mut write = write();
        assert_eq!(write.on_reply(StoreReply::Refused), WriteStep::Refused);
        assert_eq!(write.on_reply(StoreReply::Put), WriteStep::Inspect);
        assert_eq!(write.on_reply(StoreReply::Refused), WriteStep::Inspect);
    }
}
