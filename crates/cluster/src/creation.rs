//! Creating a numbered object in a store that may answer late, wrongly or not at all. Pure.

/// What the store says about the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreationReply {
    /// It stands there, byte for byte.
    Own,
    /// Something else stands there.
    Other,
    /// Nothing stands there.
    Absent,
    /// It was not created, and for certain will not be by this call.
    Refused,
    /// It may have been created, or may yet be.
    InDoubt,
    /// The store does not say what stands there.
    Unreadable,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreationStep {
    /// Create it, with the same bytes.
    Create,
    /// Look what stands there.
    Look,
    /// Nothing: it is there.
    Own,
    /// Nothing: somebody was faster.
    Other,
    /// Nothing: it is not there and will not be.
    Refused,
}

/// An object on its way into the store, from its first creation on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Creation {
    /// A call may have had an effect, or may yet have one.
    in_doubt: bool,
}

impl Creation {
    /// Takes note of the answer to the last [`CreationStep::Create`] or [`CreationStep::Look`].
    pub fn on_reply(&mut self, reply: CreationReply) -> CreationStep {
        match reply {
            CreationReply::Own => CreationStep::Own,
            CreationReply::Other => CreationStep::Other,
            CreationReply::Absent => CreationStep::Create,
            CreationReply::InDoubt => {
                self.in_doubt = true;
                CreationStep::Look
            }
            CreationReply::Refused if !self.in_doubt => CreationStep::Refused,
            CreationReply::Refused | CreationReply::Unreadable => CreationStep::Look,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_doubt_is_looked_at_and_created_again_until_it_is_known() {
        let mut creation = Creation::default();
        assert_eq!(creation.on_reply(CreationReply::InDoubt), CreationStep::Look);
        assert_eq!(creation.on_reply(CreationReply::Unreadable), CreationStep::Look);
        assert_eq!(creation.on_reply(CreationReply::Absent), CreationStep::Create);
        assert_eq!(creation.on_reply(CreationReply::Refused), CreationStep::Look);
        assert_eq!(creation.on_reply(CreationReply::Own), CreationStep::Own);
    }

    #[test]
    fn a_refusal_is_the_end_if_nothing_is_in_doubt() {
        assert_eq!(Creation::default().on_reply(CreationReply::Refused), CreationStep::Refused);
        assert_eq!(Creation::default().on_reply(CreationReply::Other), CreationStep::Other);
    }
}
