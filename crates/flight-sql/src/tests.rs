//! The service over a real connection, with the Flight SQL client of `arrow-flight`.

mod metadata;
mod prepared;
mod query;
mod session;

use std::net::SocketAddr;

use arrow::record_batch::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use arrow_flight::FlightInfo;
use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use dipper_session::{Session, SessionConfig, Users};
use futures::TryStreamExt;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Status};

use crate::{Config, service};

type Client = FlightSqlServiceClient<Channel>;

/// A server with a warehouse of its own.
struct Served {
    address: SocketAddr,
    shutdown: CancellationToken,
    _warehouse: TempDir,
}

impl Served {
    async fn to(users: Option<&str>) -> Self {
        let warehouse = tempfile::tempdir().unwrap();
        let settings = vec![("table.warehouse".to_owned(), warehouse.path().display().to_string())];
        let session = Session::new(SessionConfig { settings, ..SessionConfig::default() }).unwrap();
        let config = Config { users: users.map(|users| Users::parse(users).unwrap()), ..Config::new(session) };
        let shutdown = config.shutdown.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::builder().add_service(service(config));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { address, shutdown, _warehouse: warehouse }
    }

    async fn to_anybody() -> Self {
        Self::to(None).await
    }

    async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    /// A client that has not logged in.
    async fn stranger(&self) -> Client {
        Client::new(self.channel().await)
    }

    /// A client with a session.
    async fn client(&self) -> Client {
        let mut client = self.stranger().await;
        client.handshake("ada", "lovelace").await.unwrap();
        client
    }

    /// A client with a session and a table `totals` of two rows.
    async fn client_with_a_table(&self) -> Client {
        let mut client = self.client().await;
        update(&mut client, "CREATE TABLE totals (id BIGINT NOT NULL, shop STRING, amount DECIMAL(10, 2), PRIMARY KEY (id) NOT ENFORCED)").await;
        assert_eq!(update(&mut client, "INSERT INTO totals VALUES (1, 'north', 12.50), (2, NULL, 7)").await, 2);
        client
    }
}

async fn update(client: &mut Client, sql: &str) -> i64 {
    client.execute_update(sql.to_owned(), None).await.unwrap()
}

/// The rows behind a FlightInfo, which announces their columns.
async fn rows(client: &mut Client, info: FlightInfo) -> Result<Vec<RecordBatch>, FlightError> {
    let mut batches = Vec::new();
    for endpoint in &info.endpoint {
        let mut stream = client.do_get(endpoint.ticket.clone().unwrap()).await?;
        while let Some(batch) = stream.try_next().await? {
            batches.push(batch);
        }
        assert_eq!(
            **stream.schema().unwrap(),
            info.clone().try_decode_schema().unwrap(),
            "other columns than announced"
        );
    }
    Ok(batches)
}

async fn query(client: &mut Client, sql: &str) -> Result<String, FlightError> {
    let info = client.execute(sql.to_owned(), None).await?;
    rows(client, info).await.map(|batches| text(&batches))
}

/// Cells, row by row, as text.
fn text(batches: &[RecordBatch]) -> String {
    let table = pretty_format_batches(batches).unwrap().to_string();
    let lines = table.lines().filter(|line| line.starts_with('|')).skip(1);
    let cells = |line: &str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join(",");
    lines.map(cells).collect::<Vec<_>>().join("\n")
}

fn refusal<T>(result: Result<T, FlightError>) -> (Code, String) {
    match result.err().expect("it is refused") {
        FlightError::Tonic(status) => (status.code(), status.message().to_owned()),
        FlightError::Arrow(error) => panic!("{error}"),
        other => panic!("{other}"),
    }
}

fn code<T>(result: Result<T, Status>) -> Code {
    result.err().map_or(Code::Ok, |status| status.code())
}
