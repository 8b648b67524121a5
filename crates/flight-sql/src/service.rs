//! The calls of Flight, and what of Flight SQL each is about.
//!
//! `arrow-flight` has a trait that routes commands too. It has no GetSchema, no session options and no CancelFlightInfo, leaves every
//! call to log in by itself and shows its own errors; so the calls are taken here as they come.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::sql::{Any, Command, DoPutPreparedStatementResult, DoPutUpdateResult};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest,
    HandshakeResponse, PollInfo, PutResult, SchemaAsIpc, SchemaResult, Ticket,
};
use async_trait::async_trait;
use bytes::Bytes;
use dipper_session::{Session, Users};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use prost::Message;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::action::refuse_transaction;
use crate::rows::encoded;
use crate::running::Running;
use crate::sessions::{Caller, Sessions};
use crate::status::{Result, of_arrow, unsupported};
use crate::ticket::Statement;
use crate::{action, catalog, parameter, statement};

/// The largest message that is taken from a client.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// What the service serves, and to whom.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the session of each client begins as.
    pub session: Session,
    /// Who may log in; `None`: anybody.
    pub users: Option<Users>,
    /// What the one catalog is called.
    pub database: String,
    /// After what time without a call a session ends.
    pub session_idle: Duration,
    /// How many sessions there may be; beyond it the one that has been unused for the longest ends.
    pub sessions_max: usize,
    /// Cancelled when the server is to end: queries whose rows are being read and inserts that somebody waits for end with an error.
    pub shutdown: CancellationToken,
}

impl Config {
    /// Serves this session to anybody.
    pub fn new(session: Session) -> Self {
        Self {
            session,
            users: None,
            database: "dipper".to_owned(),
            session_idle: Duration::from_hours(1),
            sessions_max: 1_000,
            shutdown: CancellationToken::new(),
        }
    }
}

/// Flight SQL over sessions, to be put into a tonic server.
pub fn service(config: Config) -> FlightServiceServer<FlightSql> {
    let sessions = Sessions::new(config.session, config.users, config.session_idle, config.sessions_max);
    let host = Host { sessions, running: Running::new(config.shutdown), database: config.database };
    FlightServiceServer::new(FlightSql(host)).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// Flight SQL over sessions.
pub struct FlightSql(Host);

/// What all calls share.
pub(crate) struct Host {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) running: Arc<Running>,
    pub(crate) database: String,
}

impl FlightSql {
    fn caller<T>(&self, request: &Request<T>) -> Result<Caller> {
        self.0.sessions.caller(request.metadata())
    }

    async fn info(&self, caller: &mut Caller, descriptor: FlightDescriptor) -> Result<FlightInfo> {
        let info = match command(&descriptor)? {
            Command::CommandStatementQuery(query) => {
                refuse_transaction(query.transaction_id.as_ref())?;
                statement::info(&self.0, caller, &Statement::new(query.query)).await?
            }
            Command::CommandPreparedStatementQuery(query) => {
                let statement = Statement::decoded(&query.prepared_statement_handle)?;
                statement::info(&self.0, caller, &statement).await?
            }
            other => {
                let columns = catalog::columns(&other).ok_or_else(|| unknown("GetFlightInfo", &other))?;
                // The question itself is the ticket.
                let endpoint = FlightEndpoint::new().with_ticket(Ticket::new(descriptor.cmd.clone()));
                FlightInfo::new().try_with_schema(&columns).map_err(of_arrow)?.with_endpoint(endpoint)
            }
        };
        Ok(info.with_descriptor(descriptor))
    }

    /// The columns of what a descriptor is about; nothing runs.
    async fn columns(&self, caller: &Caller, descriptor: &FlightDescriptor) -> Result<SchemaRef> {
        let statement = match command(descriptor)? {
            Command::CommandStatementQuery(query) => Statement::new(query.query),
            Command::CommandPreparedStatementQuery(query) => Statement::decoded(&query.prepared_statement_handle)?,
            other => return catalog::columns(&other).ok_or_else(|| unknown("GetSchema", &other)),
        };
        let prepared = statement::prepared(&mut caller.session(), &statement).await?;
        Ok(statement::columns(&prepared))
    }

    /// What is put: values of parameters, or a statement to be executed. Returns what is said about it.
    async fn put(&self, caller: &mut Caller, mut messages: Streaming<FlightData>) -> Result<Vec<u8>> {
        let first = messages.message().await?;
        let Some(mut first) = first else {
            return Err(Status::invalid_argument("nothing has been put"));
        };
        let descriptor = first.flight_descriptor.take().unwrap_or_default();
        let said = |record_count| DoPutUpdateResult { record_count }.encode_to_vec();
        match command(&descriptor)? {
            Command::CommandStatementUpdate(update) => {
                refuse_transaction(update.transaction_id.as_ref())?;
                let nothing = stream::empty().boxed();
                statement::update(&self.0, caller, &Statement::new(update.query), nothing).await.map(said)
            }
            Command::CommandPreparedStatementUpdate(update) => {
                let statement = Statement::decoded(&update.prepared_statement_handle)?;
                statement::update(&self.0, caller, &statement, parameter::bound(first, messages)).await.map(said)
            }
            Command::CommandPreparedStatementQuery(query) => {
                let statement = Statement::decoded(&query.prepared_statement_handle)?;
                let bound = statement::bound(caller, &statement, parameter::bound(first, messages)).await?;
                Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(bound.encoded()) }.encode_to_vec())
            }
            Command::CommandStatementIngest(_) => {
                Err(unsupported("CommandStatementIngest: bulk ingestion is not supported", "insert with INSERT INTO"))
            }
            other => Err(unknown("DoPut", &other)),
        }
    }
}

type Answers<T> = BoxStream<'static, Result<T>>;

#[async_trait]
impl FlightService for FlightSql {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Answers<FlightData>;
    type DoPutStream = Answers<PutResult>;
    type DoExchangeStream = Answers<FlightData>;
    type DoActionStream = Answers<arrow_flight::Result>;
    type ListActionsStream = Answers<ActionType>;

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>> {
        let mut caller = self.caller(&request)?;
        let payload = Bytes::from(caller.remember().to_owned());
        Ok(introduced(Some(&caller), one(HandshakeResponse { protocol_version: 0, payload })))
    }

    async fn list_flights(&self, request: Request<Criteria>) -> Result<Response<Self::ListFlightsStream>> {
        self.caller(&request)?;
        Err(unsupported(
            "ListFlights: there are no flights but those of queries",
            "ask for tables with CommandGetTables",
        ))
    }

    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Result<Response<FlightInfo>> {
        let mut caller = self.caller(&request)?;
        let info = self.info(&mut caller, request.into_inner()).await?;
        Ok(introduced(Some(&caller), info))
    }

    async fn poll_flight_info(&self, request: Request<FlightDescriptor>) -> Result<Response<PollInfo>> {
        let mut caller = self.caller(&request)?;
        let info = self.info(&mut caller, request.into_inner()).await?;
        // Without a descriptor to poll again: the rows can be read.
        Ok(introduced(Some(&caller), PollInfo { progress: Some(1.0), ..PollInfo::new().with_info(info) }))
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Result<Response<SchemaResult>> {
        let caller = self.caller(&request)?;
        let columns = self.columns(&caller, request.get_ref()).await?;
        let options = IpcWriteOptions::default();
        SchemaResult::try_from(SchemaAsIpc::new(&columns, &options)).map(Response::new).map_err(of_arrow)
    }

    async fn do_get(&self, request: Request<Ticket>) -> Result<Response<Self::DoGetStream>> {
        let caller = self.caller(&request)?;
        let rows = match decoded(&request.get_ref().ticket)? {
            Command::TicketStatementQuery(query) => {
                let statement = Statement::decoded(&query.statement_handle)?;
                if statement.execution.is_empty() {
                    return Err(Status::invalid_argument(
                        "this is the handle of a prepared statement and no ticket: ask for the FlightInfo",
                    ));
                }
                statement::rows(&self.0, caller, &statement).await?
            }
            Command::CommandPreparedStatementQuery(query) => {
                let statement = Statement::decoded(&query.prepared_statement_handle)?.for_execution();
                statement::rows(&self.0, caller, &statement).await?
            }
            other => {
                let url = other.type_url().to_owned();
                let answer = catalog::answer(other, &mut caller.session(), &self.0.database).await?;
                let answer = answer.ok_or_else(|| no_command("DoGet", &url))?;
                encoded(&answer.schema(), stream::iter([Ok(answer)]))
            }
        };
        Ok(Response::new(rows))
    }

    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Result<Response<Self::DoPutStream>> {
        let mut caller = self.caller(&request)?;
        let said = self.put(&mut caller, request.into_inner()).await?;
        Ok(introduced(Some(&caller), one(PutResult { app_metadata: said.into() })))
    }

    async fn do_exchange(&self, request: Request<Streaming<FlightData>>) -> Result<Response<Self::DoExchangeStream>> {
        self.caller(&request)?;
        Err(unsupported("DoExchange is not part of Flight SQL", "use DoGet and DoPut"))
    }

    async fn do_action(&self, request: Request<Action>) -> Result<Response<Self::DoActionStream>> {
        let caller = self.caller(&request)?;
        let (result, caller) = action::run(&self.0, caller, request.get_ref()).await?;
        let results = stream::iter(result.map(|body| Ok(arrow_flight::Result { body }))).boxed();
        Ok(introduced(caller.as_ref(), results))
    }

    async fn list_actions(&self, request: Request<Empty>) -> Result<Response<Self::ListActionsStream>> {
        self.caller(&request)?;
        Ok(Response::new(stream::iter(action::types().into_iter().map(Ok)).boxed()))
    }
}

fn one<T: Send + 'static>(message: T) -> Answers<T> {
    stream::iter([Ok(message)]).boxed()
}

/// The answer, with the token of a session that begins with it.
fn introduced<T>(caller: Option<&Caller>, message: T) -> Response<T> {
    let mut response = Response::new(message);
    if let Some(caller) = caller {
        caller.introduce(response.metadata_mut());
    }
    response
}

fn command(descriptor: &FlightDescriptor) -> Result<Command> {
    if descriptor.r#type() != DescriptorType::Cmd {
        return Err(unsupported("there are no flights with a path", "send a command of Flight SQL"));
    }
    decoded(&descriptor.cmd)
}

fn decoded(bytes: &Bytes) -> Result<Command> {
    let command = Any::decode(&**bytes).ok().and_then(|any| Command::try_from(any).ok());
    command.ok_or_else(|| Status::invalid_argument("this is no command of Flight SQL"))
}

fn unknown(call: &str, command: &Command) -> Status {
    no_command(call, command.type_url())
}

fn no_command(call: &str, url: &str) -> Status {
    let name: String = url.rsplit(['.', '/']).next().unwrap_or_default().chars().take(100).collect();
    match name.as_str() {
        "CommandStatementSubstraitPlan" => unsupported("Substrait plans are not read", "send SQL"),
        _ => Status::unimplemented(format!("{call} knows no command '{}'", name.escape_debug())),
    }
}
