//! The sessions of clients between their calls: settings, views and external tables that a client has made stay its own.
//!
//! A client has a session of its own as soon as it logs in with a handshake or changes something; before that its calls are served by
//! a copy of the base session and nothing is remembered. Sessions end after a time without use, and there is a limit to their number:
//! beyond it the one that has been unused for the longest ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dipper_session::{Session, Users};
use tokio::sync::{Semaphore, SemaphorePermit};
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::clock;
use crate::credential::{Credential, hand_out};
use crate::status::Result;

/// All sessions, and who may have one.
pub(crate) struct Sessions {
    base: Session,
    users: Option<Users>,
    idle: Duration,
    count_max: usize,
    remembered: Mutex<HashMap<String, Arc<State>>>,
}

/// One session.
struct State {
    user: Option<String>,
    session: Mutex<Session>,
    /// Changes of a session come one after another.
    changes: Semaphore,
    /// When it was last used, in milliseconds of our clock.
    used_ms: AtomicU64,
}

impl Sessions {
    /// No sessions yet; each begins as a copy of `base`. Without `users`, anybody may have one.
    pub(crate) fn new(base: Session, users: Option<Users>, idle: Duration, count_max: usize) -> Arc<Self> {
        Arc::new(Self { base, users, idle, count_max: count_max.max(1), remembered: Mutex::default() })
    }

    /// Who makes a call with these headers. Whoever may not is refused.
    pub(crate) fn caller(self: &Arc<Self>, headers: &MetadataMap) -> Result<Caller> {
        let credential = Credential::of(headers)?;
        let user = match (&self.users, credential.password) {
            (Some(users), Some((name, password))) => {
                if !users.accepts(&name, &password) {
                    tracing::info!("a login over Flight SQL as '{name}' failed");
                    return Err(Status::unauthenticated(format!(
                        "the password for user '{name}' is wrong, or there is no such user"
                    )));
                }
                Some(name)
            }
            (Some(_), None) if credential.token.is_none() => {
                return Err(Status::unauthenticated("log in with a user name and a password: this server has users"));
            }
            _ => None,
        };
        let Some(token) = credential.token else {
            return Ok(self.fresh(user));
        };
        match self.known(&token) {
            // With a password besides, the session must be this user's.
            Some(state) if user.is_none() || state.user == user => Ok(Caller::new(self, state, Some(token))),
            _ if user.is_some() => Ok(self.fresh(user)),
            _ => Err(Status::unauthenticated(
                "the session has ended, or the token is not one of this server: connect again",
            )),
        }
    }

    fn fresh(self: &Arc<Self>, user: Option<String>) -> Caller {
        let session = Mutex::new(self.base.clone());
        let state = State { user, session, changes: Semaphore::new(1), used_ms: AtomicU64::new(now_ms()) };
        Caller::new(self, Arc::new(state), None)
    }

    fn known(&self, token: &str) -> Option<Arc<State>> {
        let mut remembered = self.remembered();
        let state = remembered.get(token)?;
        if self.has_ended(state) {
            remembered.remove(token);
            return None;
        }
        state.touch();
        Some(Arc::clone(state))
    }

    fn remember(&self, state: &Arc<State>) -> String {
        let token = clock::secret();
        let mut remembered = self.remembered();
        remembered.retain(|_, state| !self.has_ended(state));
        if remembered.len() >= self.count_max {
            let unused = remembered.iter().min_by_key(|(_, state)| state.used_ms.load(Ordering::Relaxed));
            if let Some(unused) = unused.map(|(token, _)| token.clone()) {
                tracing::warn!(
                    "there are {} sessions over Flight SQL: the one that has been unused for the longest ends",
                    self.count_max
                );
                remembered.remove(&unused);
            }
        }
        remembered.insert(token.clone(), Arc::clone(state));
        token
    }

    /// A session that a call is using has not ended.
    fn has_ended(&self, state: &Arc<State>) -> bool {
        let unused_ms = now_ms().saturating_sub(state.used_ms.load(Ordering::Relaxed));
        Duration::from_millis(unused_ms) >= self.idle && Arc::strong_count(state) == 1
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<String, Arc<State>>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn touch(&self) {
        self.used_ms.store(now_ms(), Ordering::Relaxed);
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who makes a call, and the session. As long as this is there, the session is in use.
pub(crate) struct Caller {
    sessions: Arc<Sessions>,
    state: Arc<State>,
    /// How the client knows the session; `None` before it is remembered.
    token: Option<String>,
    is_new: bool,
}

impl Caller {
    fn new(sessions: &Arc<Sessions>, state: Arc<State>, token: Option<String>) -> Self {
        Self { sessions: Arc::clone(sessions), state, token, is_new: false }
    }

    /// A copy of the session, for what changes nothing.
    pub(crate) fn session(&self) -> Session {
        self.state.session().clone()
    }

    /// The session, for what changes it. Others that would change it wait.
    pub(crate) async fn change(&mut self) -> Result<Change<'_>> {
        self.remember();
        let permit = self.state.changes.acquire().await.map_err(|_| Status::internal("a session is closed"))?;
        Ok(Change { session: self.session(), state: &self.state, _permit: permit })
    }

    /// Gives the client a session of its own, if it has none; returns its token.
    pub(crate) fn remember(&mut self) -> &str {
        let Self { sessions, state, token, is_new } = self;
        token.get_or_insert_with(|| {
            *is_new = true;
            sessions.remember(state)
        })
    }

    /// Ends the session.
    pub(crate) fn forget(self) {
        if let Some(token) = &self.token {
            self.sessions.remembered().remove(token);
        }
    }

    /// Tells the client about a session that it has only now.
    pub(crate) fn introduce(&self, headers: &mut MetadataMap) {
        if let Some(token) = self.token.as_ref().filter(|_| self.is_new) {
            hand_out(token, headers);
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.state.touch();
    }
}

/// A session while it is changed.
pub(crate) struct Change<'a> {
    /// A copy, to be changed.
    pub(crate) session: Session,
    state: &'a State,
    _permit: SemaphorePermit<'a>,
}

impl Change<'_> {
    /// From now on the session is as changed.
    pub(crate) fn keep(self) {
        *self.state.session() = self.session;
    }
}

fn now_ms() -> u64 {
    clock::now().as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
