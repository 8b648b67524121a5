//! A worker: offers slots to a coordinator, and runs what it is told to.

mod attempt;
mod session;

use std::net::SocketAddr;
use std::time::Duration;

use dipper_types::{Error, ErrorKind, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::clock::sleep;
use crate::exchange::{ExchangeService, Expected, connection};

/// How a worker is run.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Its name, by which people know it.
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
}

/// Between two attempts to find a coordinator.
const PAUSE: Duration = Duration::from_millis(500);

/// Runs a worker until it is cancelled, or no coordinator will ever take it.
pub async fn work(options: WorkerOptions, cancel: CancellationToken) -> Result<()> {
    let listener = TcpListener::bind(options.listen).await.map_err(|error| cannot_listen(options.listen, &error))?;
    let bound = listener.local_addr().map_err(|error| cannot_listen(options.listen, &error))?;
    let address = options.advertise.clone().unwrap_or_else(|| bound.to_string());
    let expected = Expected::default();
    let exchange = connection::server(Server::builder())
        .add_service(ExchangeService::server(expected.clone()))
        .serve_with_incoming_shutdown(connection::incoming(listener), cancel.clone().cancelled_owned());
    tracing::info!(name = options.name, address, slots = options.slots, "worker listens");
    let serve =
        async { exchange.await.map_err(|error| Error::unavailable(format!("the exchange has stopped: {error}"))) };
    let run = async {
        let mut said = None;
        for coordinator in options.coordinators.iter().cycle() {
            match session::run(&options, coordinator, &address, &expected).await {
                Ok(()) => {}
                // Another coordinator would say the same.
                Err(error) if error.kind() != ErrorKind::Unavailable => return Err(error),
                Err(error) => {
                    let message = error.to_string();
                    if said.as_ref() != Some(&message) {
                        tracing::warn!("{message}; looking for a coordinator");
                        said = Some(message);
                    }
                }
            }
            sleep(PAUSE).await;
        }
        Err(Error::invalid("a worker needs the address of a coordinator"))
    };
    tokio::select! {
        biased;
        () = cancel.cancelled() => Ok(()),
        ended = serve => ended,
        ended = run => ended,
    }
}

/// Nobody can be listened to at an address.
pub(crate) fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Error {
    Error::invalid(format!("cannot listen on {address}: {error}"))
        .with_hint("choose another port, or 0 for any that is free")
}
