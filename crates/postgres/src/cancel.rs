//! What ends a statement before it is done: a request from another connection, its time, the client's leaving, the server's end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

use crate::channel::Channel;
use crate::clock::{Deadline, secret};
use crate::failure::{Failure, Result};
use crate::sqlstate;

/// The connections of a server, by the number and the secret with which their statements can be ended.
#[derive(Debug, Default)]
pub(crate) struct Cancellations(Mutex<HashMap<i32, Entry>>);

#[derive(Debug)]
struct Entry {
    secret: [u8; 4],
    /// Ends the statement that runs.
    statement: CancellationToken,
}

impl Cancellations {
    /// A place for a connection.
    pub(crate) fn register(self: &Arc<Self>) -> Registration {
        let mut entries = self.lock();
        loop {
            let process_id = i32::from_be_bytes(secret()) & i32::MAX;
            if process_id != 0 && !entries.contains_key(&process_id) {
                let secret = secret();
                entries.insert(process_id, Entry { secret, statement: CancellationToken::new() });
                return Registration { all: Arc::clone(self), process_id, secret };
            }
        }
    }

    /// Ends the statement of a connection, if the secret is right. Nobody is told whether it was.
    pub(crate) fn cancel(&self, process_id: i32, secret: &[u8]) {
        if let Some(entry) = self.lock().get(&process_id).filter(|entry| entry.secret.ct_eq(secret).into()) {
            entry.statement.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a connection; it is given up with it.
#[derive(Debug)]
pub(crate) struct Registration {
    all: Arc<Cancellations>,
    pub(crate) process_id: i32,
    pub(crate) secret: [u8; 4],
}

impl Registration {
    /// A statement begins: what ends it. A request for an earlier one has no effect on it.
    pub(crate) fn begin(&self) -> CancellationToken {
        let token = CancellationToken::new();
        if let Some(entry) = self.all.lock().get_mut(&self.process_id) {
            entry.statement = token.clone();
        }
        token
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.all.lock().remove(&self.process_id);
    }
}

/// What ends the statement that runs.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    pub(crate) cancel: CancellationToken,
    pub(crate) deadline: Deadline,
    pub(crate) shutdown: CancellationToken,
}

impl Watch {
    /// The error, if the statement has been ended.
    pub(crate) fn check(&self) -> Result<()> {
        if self.shutdown.is_cancelled() {
            Err(shut_down())
        } else if self.cancel.is_cancelled() {
            Err(cancelled())
        } else {
            Ok(())
        }
    }

    /// What `work` gives, unless something ends it before.
    pub(crate) async fn over<T>(&self, channel: &mut Channel, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(shut_down()),
            () = self.cancel.cancelled() => Err(cancelled()),
            done = work => Ok(done),
            () = self.deadline.reached() => {
                Err(Failure::new(sqlstate::QUERY_CANCELED, "canceling statement due to statement timeout"))
            }
            () = channel.gone() => Err(Failure::lost()),
        }
    }

    /// Sends what is written. Half a message is worth nothing: only the server's end ends it.
    pub(crate) async fn send(&self, channel: &mut Channel) -> Result<()> {
        tokio::select! {
            biased;
            sent = channel.flush() => sent,
            () = self.shutdown.cancelled() => Err(Failure::lost()),
        }
    }
}

fn cancelled() -> Failure {
    Failure::new(sqlstate::QUERY_CANCELED, "canceling statement due to user request")
}

/// The server ends.
pub(crate) fn shut_down() -> Failure {
    Failure::fatal(sqlstate::ADMIN_SHUTDOWN, "terminating connection due to administrator command")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_secret_ends_the_statement_that_runs() {
        let all = Arc::<Cancellations>::default();
        let registration = all.register();
        let (process_id, secret) = (registration.process_id, registration.secret);
        let first = registration.begin();
        all.cancel(process_id, &[secret[0], secret[1], secret[2], !secret[3]]);
        all.cancel(process_id, &[]);
        assert!(!first.is_cancelled());
        all.cancel(process_id, &secret);
        assert!(first.is_cancelled() && !registration.begin().is_cancelled());
        drop(registration);
        assert!(all.lock().is_empty());
    }
}
