//! The protocol, spoken over a socket to a session of its own.

mod client;
mod copying;
mod encrypted;
mod extended;
mod login;
mod simple;
mod stopping;

use std::net::SocketAddr;

use dipper_session::{Session, SessionConfig, Users};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{Config, Server};

/// A server that ends with the test.
struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    served: JoinHandle<dipper_types::Result<()>>,
}

async fn start_with(change: impl FnOnce(&mut Config)) -> Running {
    let session = Session::new(SessionConfig::default()).unwrap();
    let mut config = Config {
        session,
        users: None,
        tls: None,
        require_tls: false,
        database: "dipper".to_owned(),
        connections_max: 10,
    };
    change(&mut config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
    let served = tokio::spawn(Server::new(config).unwrap().serve(listener, shutdown.clone()));
    Running { address, shutdown, served }
}

async fn start() -> Running {
    start_with(|_| ()).await
}

fn users() -> Users {
    Users::parse("ada:lovelace").unwrap()
}
