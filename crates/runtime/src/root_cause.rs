//! Of the errors of a job's tasks the one that the others follow from.

use dipper_types::{Error, ErrorKind};

/// The first error that is not the echo of another task's end, or of the owner's wish.
#[derive(Debug, Default)]
pub(crate) struct RootCause(Option<Error>);

impl RootCause {
    /// Takes note of an error; `cancelled` says whether the owner has asked the job to end.
    pub(crate) fn note(&mut self, error: Error, cancelled: bool) {
        let error = if cancelled && self.0.is_none() { Error::cancelled() } else { error };
        match &self.0 {
            None => self.0 = Some(error),
            Some(first) if first.kind() == ErrorKind::Cancelled && !cancelled => self.0 = Some(error),
            Some(_) => {}
        }
    }

    /// The error, if there was any.
    pub(crate) fn into_error(self) -> Option<Error> {
        self.0
    }
}
