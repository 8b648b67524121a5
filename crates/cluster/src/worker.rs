//! A worker: offers slots to whichever coordinator leads, and runs what it is told to.

mod attempt;
mod outbox;
mod session;
mod shares;

use std::net::SocketAddr;
use std::time::Duration;

use dipper_types::{Error, ErrorKind, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::clock::{Stopwatch, nonce, sleep};
use crate::exchange::{ExchangeService, Expected, connection};
use crate::security::Security;
use session::Refused;
use shares::Shares;

/// How a worker is run.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Its name, by which people know it. No other worker of the cluster has it.
    pub name: String,
    /// The coordinators, HOST:PORT: one of them leads.
    pub coordinators: Vec<String>,
    /// How many slots it offers.
    pub slots: u32,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where other workers reach it, HOST:PORT; where it listens, if nothing is said.
    pub advertise: Option<String>,
    /// The build that it is of.
    pub build: String,
    /// Who may talk to it, and to whom it talks: coordinators and other workers.
    pub security: Security,
}

/// Between two attempts to find a coordinator.
const PAUSE: Duration = Duration::from_millis(500);

/// How long subtasks run on that nobody leads.
const ORPHANED: Duration = Duration::from_mins(1);

/// A worker that listens.
#[derive(Debug)]
pub struct Worker {
    listener: TcpListener,
    address: String,
    nonce: u64,
    options: WorkerOptions,
}

impl Worker {
    /// Listens.
    pub async fn bind(options: WorkerOptions) -> Result<Self> {
        if options.coordinators.is_empty() {
            return Err(Error::invalid("a worker needs the address of a coordinator"));
        }
        options.security.check(true, true)?;
        let listen = options.listen;
        let listener = TcpListener::bind(listen).await.map_err(|error| cannot_listen(listen, &error))?;
        let bound = listener.local_addr().map_err(|error| cannot_listen(listen, &error))?;
        let address = options.advertise.clone().unwrap_or_else(|| bound.to_string());
        Ok(Self { listener, address, nonce: nonce(), options })
    }

    /// Where other workers reach it, HOST:PORT.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Serves until it is cancelled, or no coordinator will ever take it.
    pub async fn serve(self, cancel: CancellationToken) -> Result<()> {
        let Self { listener, address, nonce, options } = self;
        let expected = Expected::default();
        let exchange = connection::server(Server::builder())
            .layer(options.security.guard())
            .add_service(ExchangeService::server(expected.clone()))
            .serve_with_incoming_shutdown(
                options.security.incoming(connection::incoming(listener)),
                cancel.clone().cancelled_owned(),
            );
        let serve =
            async { exchange.await.map_err(|error| Error::unavailable(format!("the exchange has stopped: {error}"))) };
        let shares = Shares::new(expected, options.security.clone());
        // It is large, and so would be whoever waits for it.
        let run = Box::pin(obey(options, address, nonce, shares));
        tokio::select! {
            biased;
            () = cancel.cancelled() => Ok(()),
            ended = serve => ended,
            ended = run => ended,
        }
    }
}

/// Looks for the coordinator that leads, and obeys it until it has gone, again and again.
async fn obey(options: WorkerOptions, address: String, nonce: u64, mut shares: Shares) -> Result<()> {
    let mut said = None;
    let mut coordinators = options.coordinators.iter().cycle();
    let (mut leader, mut orphaned): (Option<String>, _) = (None, Stopwatch::start());
    let mut last = None;
    loop {
        let mut coordinator = leader.take().or_else(|| coordinators.next().cloned()).unwrap_or_default();
        // Who has just been of no help is not asked twice: if it is silent that takes seconds, which a new leader may not wait.
        if last.as_ref() == Some(&coordinator) {
            coordinator = coordinators.next().cloned().unwrap_or_default();
        }
        let conversation = session::run(&options, &coordinator, &address, nonce, &mut shares).await;
        if shares.let_go() {
            orphaned = Stopwatch::start();
        }
        match conversation {
            Ok(()) => said = None,
            // Another coordinator would say the same.
            Err(Refused { error, .. }) if error.kind() != ErrorKind::Unavailable => return Err(error),
            Err(Refused { error, leader: elsewhere }) => {
                let remedy = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
                let message = format!("{error}{remedy}");
                // What leads nowhere is not followed for ever.
                leader = elsewhere.filter(|leader| *leader != coordinator);
                if leader.is_none() && said.as_ref() != Some(&message) {
                    tracing::warn!("{message}; looking for a coordinator that leads");
                    said = Some(message);
                }
            }
        }
        last = Some(coordinator);
        if u128::from(orphaned.elapsed_ms()) > ORPHANED.as_millis() {
            shares.clear();
        }
        sleep(PAUSE).await;
    }
}

/// Nobody can be listened to at an address.
pub(crate) fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Error {
    Error::invalid(format!("cannot listen on {address}: {error}"))
        .with_hint("choose another port, or 0 for any that is free")
}
