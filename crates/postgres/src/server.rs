//! The server: takes connections, as many as it may, and ends them when it ends.

use std::sync::Arc;
use std::time::Duration;

use dipper_session::{Session, Users};
use dipper_types::{Error, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, rustls};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::cancel::Cancellations;
use crate::clock::{sleep, within};
use crate::startup::Door;

/// How long a client may take to log in.
const LOGIN: Duration = Duration::from_secs(30);

/// How long connections may take to end when the server does.
const END: Duration = Duration::from_secs(15);

/// How many clients may be at the door when there is no place for them: they are told so, or end a statement of another connection.
const WAITING_MAX: usize = 64;

/// The name of the protocol within TLS.
const PROTOCOL: &[u8] = b"postgresql";

/// What a [`Server`] serves, and to whom.
pub struct Config {
    /// The session that every client gets a clone of.
    pub session: Session,
    /// Who may log in; without it anybody may, without a password.
    pub users: Option<Users>,
    /// With what connections are encrypted; without it none are.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Whether connections that are not encrypted are refused.
    pub require_tls: bool,
    /// The name of the one database.
    pub database: String,
    /// How many clients there may be at once.
    pub connections_max: usize,
}

/// Answers clients that speak the protocol of PostgreSQL.
pub struct Server {
    door: Door,
    sockets: Arc<Semaphore>,
}

impl Server {
    /// A server that takes no connections yet.
    pub fn new(config: Config) -> Result<Self> {
        let Config { session, users, tls, require_tls, database, connections_max } = config;
        if require_tls && tls.is_none() {
            let error = Error::invalid("connections must be encrypted, and there is no certificate");
            return Err(error.with_hint("give the server a certificate and its key"));
        }
        let tls = tls.map(|tls| {
            let mut tls = rustls::ServerConfig::clone(&tls);
            tls.alpn_protocols = vec![PROTOCOL.to_vec()];
            TlsAcceptor::from(Arc::new(tls))
        });
        let connections_max = connections_max.min(Semaphore::MAX_PERMITS - WAITING_MAX);
        let door = Door {
            session,
            users,
            tls,
            requires_tls: require_tls,
            database,
            cancellations: Arc::<Cancellations>::default(),
            places: Arc::new(Semaphore::new(connections_max)),
            shutdown: CancellationToken::new(),
        };
        Ok(Self { door, sockets: Arc::new(Semaphore::new(connections_max + WAITING_MAX)) })
    }

    /// Serves clients until `shutdown`; then ends what they do, and returns when all are gone.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) -> Result<()> {
        let Self { mut door, sockets } = self;
        door.shutdown = shutdown.clone();
        let door = Arc::new(door);
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                accepted = listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
            };
            match accepted {
                Ok((stream, address)) => match Arc::clone(&sockets).try_acquire_owned() {
                    Ok(socket) => {
                        let door = Arc::clone(&door);
                        connections.spawn(async move {
                            serve_client(&door, stream).await;
                            drop(socket);
                        });
                    }
                    Err(_) => debug!("a client from {address} is turned away: there are too many"),
                },
                Err(error) => {
                    // Often there are too many open files: some will be closed.
                    warn!("a connection cannot be accepted: {error}");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
        let all = async { while connections.join_next().await.is_some() {} };
        if within(END, all).await.is_none() {
            warn!("some connections do not end by themselves");
            connections.shutdown().await;
        }
        Ok(())
    }
}

async fn serve_client(door: &Door, stream: TcpStream) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let opened = tokio::select! {
        biased;
        () = door.shutdown.cancelled() => return,
        opened = within(LOGIN, door.open(stream)) => opened.flatten(),
    };
    if let Some((connection, _place)) = opened {
        Box::pin(connection.serve()).await;
    }
}
