//! What can be said on the command line about serving tables to clients.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::args::SettingArguments;

const HEADING: &str = "Security";

/// Where `dipper serve` listens if nobody says.
const POSTGRES_PORT: u16 = 5433;
const FLIGHT_PORT: u16 = 5434;

/// `dipper serve`: at 127.0.0.1:5433 with the protocol of Postgres and at 127.0.0.1:5434 with Arrow Flight SQL, if nothing is said.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// SQL files to be run first: their tables and views are there for everybody, and their jobs go on as long as the server.
    pub(crate) file: Vec<PathBuf>,
    /// Where clients connect.
    #[command(flatten)]
    pub(crate) listen: ListenArguments,
    /// The certificate of the server, in PEM: clients may connect with TLS.
    #[arg(long, value_name = "FILE", env = "DIPPER_TLS_CERT", help_heading = HEADING, requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", env = "DIPPER_TLS_KEY", help_heading = HEADING, requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Settings.
    #[command(flatten)]
    pub(crate) settings: SettingArguments,
}

/// Where clients connect, and who they may be.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListenArguments {
    /// Where clients query its tables with the protocol of Postgres: psql, JDBC, ODBC, BI tools.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen_postgres: Option<SocketAddr>,
    /// Where clients query its tables with Arrow Flight SQL: ADBC, JDBC.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen_flight: Option<SocketAddr>,
    /// A file with a line of name:password for each user. Without it anybody may log in, and only from this machine. Who may log in may do what the server may, also with files.
    #[arg(long, value_name = "FILE", env = "DIPPER_USERS", help_heading = HEADING)]
    pub(crate) users: Option<PathBuf>,
    /// Refuses clients of Postgres that do not encrypt; with Arrow Flight SQL they must, wherever there is a certificate.
    #[arg(long, help_heading = HEADING)]
    pub(crate) require_tls: bool,
}

impl ListenArguments {
    /// If nothing is said, both ports are open, to this machine.
    pub(crate) fn or_default(self) -> Self {
        if self.listen_postgres.is_some() || self.listen_flight.is_some() {
            return self;
        }
        let at = |port| Some(SocketAddr::from(([127, 0, 0, 1], port)));
        Self { listen_postgres: at(POSTGRES_PORT), listen_flight: at(FLIGHT_PORT), ..self }
    }
}
