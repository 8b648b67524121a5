//! `dipper serve`: tables and queries for clients that speak the protocol of Postgres, or Arrow Flight SQL.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dipper_cluster::{Client, Security, TlsFiles};
use dipper_flight_sql as flight_sql;
use dipper_postgres as postgres;
use dipper_session::{JobConfig, LocalJobs, Session, SessionConfig, Users};
use dipper_types::{Error, Result};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;

use crate::cluster_jobs::ClusterJobs;
use crate::failure::Failure;
use crate::script::{self, Script};
use crate::serve_args::{ListenArguments, ServeArguments};
use crate::statement::Console;
use crate::stored::failed;

/// What a query may use to sort, group and join, if nobody says: a server has many of them.
const QUERY_MEMORY: (&str, &str) = ("query.memory-limit", "1 gb");

/// What clients of Postgres call what they connect to.
const DATABASE: &str = "dipper";

/// How often a client of Arrow Flight SQL that says nothing is asked whether it is there.
const KEEP_ALIVE: Duration = Duration::from_mins(1);

/// How many clients may be connected at a time.
const CONNECTIONS_MAX: usize = 1_000;

/// Runs `dipper serve`, until it is interrupted.
pub(crate) async fn serve(console: &Console, arguments: ServeArguments) -> Result<(), Failure> {
    let ServeArguments { file, listen, tls_cert, tls_key, settings } = arguments;
    let files = TlsFiles { cert: tls_cert, key: tls_key, ca: None, require_client_cert: false };
    let security = Security::new(None, &files).map_err(Failure::Usage)?;
    let default = [QUERY_MEMORY].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let config = SessionConfig {
        settings: default.into_iter().chain(settings.pairs()).collect(),
        fixed: false,
        job: JobConfig::default(),
        jobs: Some(Arc::new(LocalJobs::default())),
    };
    let mut session = Session::new(config).map_err(crate::not_started)?;
    for file in &file {
        session.name_jobs(script::job_name(file));
        console.run_script(&mut session, &Script::read(file)?).await?;
    }
    let doors = open(console, &listen.or_default(), session, &security).await?;
    futures::future::try_join_all(doors).await.map(drop).map_err(failed)
}

/// Where clients of a cluster come in, which runs the jobs that they start.
pub(crate) async fn of_cluster(
    console: &Console,
    listen: &ListenArguments,
    directory: &str,
    coordinator: &str,
    security: &Security,
) -> Result<Vec<BoxFuture<'static, Result<()>>>, Failure> {
    let jobs = Client::new(vec![coordinator.to_owned()], security.clone()).map_err(failed)?;
    let settings = [("table.warehouse", format!("{directory}/warehouse")), (QUERY_MEMORY.0, QUERY_MEMORY.1.to_owned())];
    let session = Session::new(SessionConfig {
        settings: settings.map(|(key, value)| (key.to_owned(), value)).into(),
        jobs: Some(Arc::new(ClusterJobs(jobs))),
        ..SessionConfig::default()
    });
    open(console, listen, session.map_err(failed)?, security).await
}

/// Where clients come in: each ends when the console is interrupted.
async fn open(
    console: &Console,
    listen: &ListenArguments,
    session: Session,
    security: &Security,
) -> Result<Vec<BoxFuture<'static, Result<()>>>, Failure> {
    let users = listen.users.as_deref().map(read_users).transpose()?;
    if users.is_none() && security.has_token() && (listen.listen_postgres.is_some() || listen.listen_flight.is_some()) {
        let error =
            Error::invalid("the cluster has a token, and clients who have none could drop tables and start jobs");
        return Err(Failure::Usage(error.with_hint("say who may: --users FILE")));
    }
    if listen.require_tls && security.server_tls().is_none() {
        let error = Error::invalid("--require-tls: there is no certificate with which clients could encrypt");
        return Err(Failure::Usage(error.with_hint("--tls-cert FILE --tls-key FILE")));
    }
    let mut session = session.for_clients().map_err(failed)?;
    // Whoever comes later begins with what is known then.
    session.relations().await.map_err(failed)?;
    let cancel = console.interrupt.token();
    let mut doors = Vec::new();
    if let Some(listener) = bind(listen.listen_postgres, users.as_ref()).await? {
        console.terminal.notice(&format!("Postgres protocol at {}", address(&listener).map_err(failed)?));
        let config = postgres::Config {
            session: session.clone(),
            users: users.clone(),
            tls: security.server_tls(),
            require_tls: listen.require_tls,
            database: DATABASE.to_owned(),
            connections_max: CONNECTIONS_MAX,
        };
        let server = postgres::Server::new(config).map_err(failed)?;
        doors.push(server.serve(listener, cancel.clone()).boxed());
    }
    if let Some(listener) = bind(listen.listen_flight, users.as_ref()).await? {
        console.terminal.notice(&format!("Arrow Flight SQL at {}", address(&listener).map_err(failed)?));
        doors.push(serve_flight(listener, session, users, security.clone(), cancel).boxed());
    }
    Ok(doors)
}

async fn serve_flight(
    listener: TcpListener,
    session: Session,
    users: Option<Users>,
    security: Security,
    cancel: CancellationToken,
) -> Result<()> {
    let config = flight_sql::Config { users, shutdown: cancel.clone(), ..flight_sql::Config::new(session) };
    let server = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .add_service(flight_sql::service(config))
        .serve_with_incoming_shutdown(security.incoming(TcpIncoming::from(listener)), cancel.cancelled_owned());
    server.await.map_err(|error| Error::unavailable(format!("Arrow Flight SQL: {error}")))
}

fn read_users(file: &std::path::Path) -> Result<Users, Failure> {
    let about = |error: Error| Failure::Usage(error.context(format!("--users '{}'", file.display())));
    let text = std::fs::read_to_string(file).map_err(|error| about(Error::invalid(error.to_string())))?;
    Users::parse(&text).map_err(about)
}

async fn bind(listen: Option<SocketAddr>, users: Option<&Users>) -> Result<Option<TcpListener>, Failure> {
    let Some(address) = listen else { return Ok(None) };
    if users.is_none() && !address.ip().is_loopback() {
        let error = Error::invalid(format!("whoever reaches {address} could read and drop tables"));
        return Err(Failure::Usage(error.with_hint("say who may: --users FILE")));
    }
    let bound = TcpListener::bind(address).await;
    bound.map(Some).map_err(|error| failed(Error::unavailable(format!("cannot listen at {address}: {error}"))))
}

fn address(listener: &TcpListener) -> Result<SocketAddr> {
    listener.local_addr().map_err(|error| Error::unavailable(format!("the address of a listener: {error}")))
}
