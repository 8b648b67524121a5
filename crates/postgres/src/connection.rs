//! A connection behind its login: one message after the other, until the client goes or the server ends.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use dipper_session::JobHandle;
use futures::{FutureExt, poll};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::backend::{self, Status};
use crate::cancel::{Registration, Watch, shut_down};
use crate::channel::Channel;
use crate::clock::{Deadline, within};
use crate::failure::{Failure, Result, Severity};
use crate::frontend::Message;
use crate::rows::{Sink, Source};
use crate::sqlstate;
use crate::state::State;

/// How long a message may be.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a job may take to stop.
const STOP: Duration = Duration::from_secs(10);

/// A connection.
pub(crate) struct Connection {
    pub(crate) channel: Channel,
    pub(crate) state: State,
    registration: Registration,
    shutdown: CancellationToken,
    /// What ends the statement that runs.
    pub(crate) watch: Watch,
    /// Behind an error in the extended protocol everything is passed over, up to Sync.
    is_skipping: bool,
}

impl Connection {
    /// Behind its login.
    pub(crate) fn new(channel: Channel, state: State, registration: Registration, shutdown: CancellationToken) -> Self {
        let watch =
            Watch { cancel: CancellationToken::new(), deadline: Deadline::after(None), shutdown: shutdown.clone() };
        Self { channel, state, registration, shutdown, watch, is_skipping: false }
    }

    /// Serves the client until it goes. What ends the connection it has been told.
    pub(crate) async fn serve(mut self) {
        let served = AssertUnwindSafe(self.messages()).catch_unwind().await;
        // Nobody knows what a panic has left half-done.
        let served =
            served.unwrap_or_else(|_| Err(Failure::fatal(sqlstate::INTERNAL_ERROR, "the connection has failed")));
        let Err(failure) = served else { return };
        if failure.severity == Severity::Lost {
            debug!("a client has gone without a word");
            return;
        }
        backend::failure(&mut self.channel.out, &failure);
        let _ = within(Duration::from_secs(5), self.channel.close()).await;
    }

    async fn messages(&mut self) -> Result<()> {
        self.ready().await?;
        loop {
            let Some((tag, body)) = self.next_message().await? else { return Ok(()) };
            if self.is_skipping && !matches!(tag, b'S' | b'X') {
                continue;
            }
            self.begin();
            let handled = match Message::decode(tag, body) {
                Ok(Message::Terminate) => return Ok(()),
                Ok(message) => self.handle(message).await,
                Err(failure) => Err(failure),
            };
            self.notices();
            if let Err(failure) = handled {
                self.fail(&failure, tag)?;
                if Message::is_extended(tag) {
                    // A client may wait for it before it sends Sync.
                    self.watch.send(&mut self.channel).await?;
                } else {
                    self.ready().await?;
                }
            }
            if self.channel.is_full() {
                self.watch.send(&mut self.channel).await?;
            }
        }
    }

    /// Waits for a message, as long as the settings allow; nothing when the client has gone.
    async fn next_message(&mut self) -> Result<Option<(u8, bytes::Bytes)>> {
        let (setting, code, what) = if self.state.transaction.is_block() {
            ("idle_in_transaction_session_timeout", sqlstate::IDLE_IN_TRANSACTION_TIMEOUT, "idle-in-transaction")
        } else {
            ("idle_session_timeout", sqlstate::IDLE_SESSION_TIMEOUT, "idle-session")
        };
        let deadline = Deadline::after(self.state.settings.time(setting));
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(shut_down()),
            message = self.channel.message(MESSAGE_BYTES_MAX) => message,
            () = deadline.reached() => Err(Failure::fatal(code, format!("terminating connection due to {what} timeout"))),
        }
    }

    async fn handle(&mut self, message: Message) -> Result<()> {
        match message {
            Message::Query(sql) => {
                self.simple(&sql).await?;
                self.ready().await
            }
            Message::Parse { name, sql, types } => self.parse(&name, &sql, &types).await,
            Message::Bind(bind) => self.bind(&bind).await,
            Message::Describe(target, name) => self.describe(target, &name),
            Message::Execute { portal, limit } => self.execute(&portal, limit).await,
            Message::Close(target, name) => {
                self.close(target, &name);
                Ok(())
            }
            Message::Sync => {
                self.is_skipping = false;
                self.ready().await
            }
            Message::Flush => self.watch.send(&mut self.channel).await,
            Message::FunctionCall => Err(Failure::unsupported("function calls of the protocol are not supported")
                .with_hint("SELECT function(…)")),
            Message::CopyRest | Message::Terminate => Ok(()),
        }
    }

    /// A statement begins: its time runs from now on.
    pub(crate) fn begin(&mut self) {
        let deadline = Deadline::after(self.state.settings.time("statement_timeout"));
        self.watch = Watch { cancel: self.registration.begin(), deadline, shutdown: self.shutdown.clone() };
    }

    /// A statement has failed.
    fn fail(&mut self, failure: &Failure, tag: u8) -> Result<()> {
        if failure.is_end() {
            return Err(failure.clone());
        }
        backend::failure(&mut self.channel.out, failure);
        self.state.transaction.fail();
        self.state.portals.end_transaction(false);
        self.is_skipping = Message::is_extended(tag);
        Ok(())
    }

    /// Everything is done that the client has asked for.
    async fn ready(&mut self) -> Result<()> {
        let status = self.state.transaction.status();
        if status == Status::Idle {
            self.state.portals.end_transaction(true);
        }
        for (name, value) in self.state.settings.take_changed() {
            backend::parameter_status(&mut self.channel.out, &name, &value);
        }
        backend::ready(&mut self.channel.out, status);
        self.watch.send(&mut self.channel).await
    }

    /// Says what is to be said before an answer.
    pub(crate) fn notices(&mut self) {
        let (notices, warnings) = self.state.settings.wants_notices();
        for notice in std::mem::take(&mut self.state.notices) {
            if if notice.severity == Severity::Notice { notices } else { warnings } {
                backend::failure(&mut self.channel.out, &notice);
            }
        }
    }

    /// Sends rows, up to so many; how many it were. What is written goes out when there is nothing to write for a while.
    pub(crate) async fn send(&mut self, source: &mut Source, sink: &mut Sink, limit: Option<u64>) -> Result<u64> {
        let style = self.state.settings.style();
        let mut sent = 0;
        while limit.is_none_or(|limit| sent < limit) {
            self.watch.check()?;
            let wanted = limit.map_or(usize::MAX, |limit| usize::try_from(limit - sent).unwrap_or(usize::MAX));
            let mut next = pin!(source.next(wanted));
            let next = match poll!(&mut next) {
                std::task::Poll::Ready(next) => next?,
                std::task::Poll::Pending => {
                    self.watch.send(&mut self.channel).await?;
                    self.watch.over(&mut self.channel, next).await??
                }
            };
            let Some(batch) = next else { break };
            let columns = sink.columns(&batch, &style)?;
            for row in 0..batch.num_rows() {
                sink.write(&columns, row, &mut self.channel.out)?;
                if self.channel.is_full() {
                    self.watch.send(&mut self.channel).await?;
                }
            }
            sent += batch.num_rows() as u64;
        }
        Ok(sent)
    }

    /// Waits for a job; how many rows it has written. If something ends the statement, the job is told to stop, and what becomes of it counts.
    pub(crate) async fn wait(&mut self, job: JobHandle) -> Result<u64> {
        let control = job.control();
        self.notices();
        self.watch.send(&mut self.channel).await?;
        let mut end = pin!(job.wait());
        let interrupted = match self.watch.over(&mut self.channel, &mut end).await {
            Ok(progress) => return Ok(progress?.rows_out),
            Err(failure) => failure,
        };
        control.cancel();
        match within(STOP, end).await {
            Some(Ok(progress)) if !interrupted.is_end() => Ok(progress.rows_out),
            _ => Err(interrupted),
        }
    }
}
