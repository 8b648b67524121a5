//! The server: takes connections, as many as it may, and ends them when it ends.

use std::collections::VecDeque;
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
const LOGIN: Duration = Duration::from_secs(10);

/// How long connections may take to end when the server does.
const END: Duration = Duration::from_secs(15);

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
    /// How many clients there may be at once. Besides, as many may be logging in: who comes then takes the place of who has tried longest.
    pub connections_max: usize,
}

/// Answers clients that speak the protocol of PostgreSQL.
pub struct Server {
    door: Door,
    connections_max: usize,
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
        let door = Door {
            session,
            users,
            tls,
            requires_tls: require_tls,
            database,
            cancellations: Arc::<Cancellations>::default(),
            places: Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS))),
            shutdown: CancellationToken::new(),
        };
        Ok(Self { door, connections_max })
    }

    /// Serves clients until `shutdown`; then ends what they do, and returns when all are gone.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) -> Result<()> {
        let Self { mut door, connections_max } = self;
        door.shutdown = shutdown.clone();
        let door = Arc::new(door);
        let mut connections = JoinSet::new();
        // The last who came, logged in or not: no others can still be at the door.
        let mut newcomers = VecDeque::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                accepted = listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
            };
            match accepted {
                Ok((stream, _)) => {
                    let turned_away = CancellationToken::new();
                    newcomers.push_back(turned_away.clone().drop_guard());
                    if newcomers.len() > connections_max {
                        newcomers.pop_front();
                    }
                    connections.spawn(serve_client(Arc::clone(&door), stream, turned_away));
                }
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

async fn serve_client(door: Arc<Door>, stream: TcpStream, turned_away: CancellationToken) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let opened = tokio::select! {
        biased;
        () = door.shutdown.cancelled() => return,
        () = turned_away.cancelled() => return debug!("a client is turned away: many others have come since"),
        opened = within(LOGIN, door.open(stream)) => opened.flatten(),
    };
    if let Some((connection, _place)) = opened {
        Box::pin(connection.serve()).await;
    }
}
