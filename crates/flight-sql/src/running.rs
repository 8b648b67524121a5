//! The queries whose rows are being read, so that they can be cancelled from another call and end when the server does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::status::Result;

/// What is running.
pub(crate) struct Running {
    executions: Mutex<HashMap<String, CancellationToken>>,
    shutdown: CancellationToken,
}

impl Running {
    /// Nothing, until `shutdown` ends it all.
    pub(crate) fn new(shutdown: CancellationToken) -> Arc<Self> {
        Arc::new(Self { executions: Mutex::default(), shutdown })
    }

    /// Notes an execution. A ticket is read by one reader at a time.
    pub(crate) fn start(self: &Arc<Self>, execution: &str) -> Result<Execution> {
        let token = self.shutdown.child_token();
        let mut executions = self.executions();
        if executions.contains_key(execution) {
            return Err(Status::already_exists(
                "the rows of this ticket are being read already: execute the query once more",
            ));
        }
        executions.insert(execution.to_owned(), token.clone());
        Ok(Execution { name: execution.to_owned(), token, running: Arc::clone(self) })
    }

    /// Cancels an execution; whether there was one.
    pub(crate) fn cancel(&self, execution: &str) -> bool {
        let token = self.executions().get(execution).cloned();
        token.inspect(CancellationToken::cancel).is_some()
    }

    /// Ends when the server does.
    pub(crate) fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    /// Why something was cancelled.
    pub(crate) fn reason(&self) -> Status {
        if self.shutdown.is_cancelled() {
            Status::unavailable("the server is shutting down")
        } else {
            Status::cancelled("the query has been cancelled")
        }
    }

    fn executions(&self) -> MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.executions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An execution that is running until this is dropped.
pub(crate) struct Execution {
    name: String,
    token: CancellationToken,
    running: Arc<Running>,
}

impl Execution {
    /// Resolves when it is to end.
    pub(crate) fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Why it ended.
    pub(crate) fn reason(&self) -> Status {
        self.running.reason()
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        self.running.executions().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_is_there_until_it_is_dropped() {
        let running = Running::new(CancellationToken::new());
        let execution = running.start("one").unwrap();
        assert_eq!(running.start("one").err().unwrap().code(), tonic::Code::AlreadyExists);
        assert!(running.cancel("one") && execution.token().is_cancelled());
        drop(execution);
        assert!(!running.cancel("one"));
        assert!(!running.start("one").unwrap().token().is_cancelled());
    }

    #[test]
    fn everything_ends_with_the_server() {
        let shutdown = CancellationToken::new();
        let running = Running::new(shutdown.clone());
        let execution = running.start("one").unwrap();
        shutdown.cancel();
        assert!(execution.token().is_cancelled());
        assert_eq!(running.reason().code(), tonic::Code::Unavailable);
    }
}
