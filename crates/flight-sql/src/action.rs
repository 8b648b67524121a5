//! The actions of Flight and Flight SQL: prepared statements, cancelling, the options and the end of a session.

use std::collections::BTreeMap;

use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, ActionClosePreparedStatementRequest,
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, Any, Command, ProstMessageExt,
};
use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo, IpcMessage,
    SchemaAsIpc,
};
use bytes::Bytes;
use prost::Message;
use tonic::{Code, Status};

use crate::catalog::SCHEMA;
use crate::service::Host;
use crate::sessions::Caller;
use crate::status::{Result, of_arrow, status, unsupported};
use crate::ticket::Statement;
use crate::{parameter, placeholder, statement};

/// What can be done, and what it is.
const ACTIONS: [(&str, &str); 7] = [
    ("CreatePreparedStatement", "makes a handle for a statement with parameters"),
    ("ClosePreparedStatement", "does nothing: a handle takes no place on the server"),
    ("CancelFlightInfo", "cancels the query that a FlightInfo is about"),
    ("CancelQuery", "cancels a query, as CancelFlightInfo does"),
    ("SetSessionOptions", "accepts the catalog and the schema that there are"),
    ("GetSessionOptions", "tells the catalog and the schema"),
    ("CloseSession", "forgets what the session has been told"),
];

/// What the protocol has besides, and why it is refused.
const REFUSED: [(&str, &str); 6] = [
    ("BeginTransaction", "there are no transactions: every statement is one of its own"),
    ("EndTransaction", "there are no transactions: every statement is one of its own"),
    ("BeginSavepoint", "there are no transactions, and so no savepoints in them"),
    ("EndSavepoint", "there are no transactions, and so no savepoints in them"),
    ("CreatePreparedSubstraitPlan", "Substrait plans are not read: send SQL"),
    ("RenewFlightEndpoint", "a ticket does not expire, so there is nothing to renew"),
];

/// The actions that there are.
pub(crate) fn types() -> Vec<ActionType> {
    let action =
        |(name, description): (&str, &str)| ActionType { r#type: name.to_owned(), description: description.to_owned() };
    ACTIONS.into_iter().map(action).collect()
}

/// Does it; the result, if there is one.
pub(crate) async fn run(host: &Host, caller: Caller, action: &Action) -> Result<(Option<Bytes>, Option<Caller>)> {
    let result = match action.r#type.as_str() {
        "CreatePreparedStatement" => {
            let request: ActionCreatePreparedStatementRequest = packed(&action.body)?;
            refuse_transaction(request.transaction_id.as_ref())?;
            Some(encoded(&prepare(&caller, &request.query).await?.as_any()))
        }
        "ClosePreparedStatement" => packed::<ActionClosePreparedStatementRequest>(&action.body).map(|_| None)?,
        "CancelFlightInfo" => {
            let request: CancelFlightInfoRequest = plain(&action.body)?;
            let result = CancelFlightInfoResult::new(cancel(host, request.info.as_ref()));
            Some(encoded(&result))
        }
        "CancelQuery" => {
            let request: ActionCancelQueryRequest = packed(&action.body)?;
            let result = ActionCancelQueryResult { result: cancel(host, Some(&plain(&request.info)?)) as i32 };
            Some(encoded(&result.as_any()))
        }
        "SetSessionOptions" => Some(encoded(&set_options(host, &plain(&action.body)?))),
        "GetSessionOptions" => Some(encoded(&SessionOptions { options: options(host) })),
        "CloseSession" => {
            caller.forget();
            return Ok((Some(encoded(&CloseSessionResult { status: CLOSED })), None));
        }
        other => {
            let refused = REFUSED.iter().find(|(name, _)| *name == other);
            return Err(match refused {
                Some((name, reason)) => Status::unimplemented(format!("{name}: {reason}")),
                None => Status::unimplemented(format!("there is no action '{}'", other.escape_debug())),
            });
        }
    };
    Ok((result, Some(caller)))
}

/// There are no transactions to be in.
pub(crate) fn refuse_transaction(id: Option<&Bytes>) -> Result<()> {
    match id.filter(|id| !id.is_empty()) {
        Some(_) => Err(unsupported("there are no transactions", "leave the transaction out")),
        None => Ok(()),
    }
}

async fn prepare(caller: &Caller, query: &str) -> Result<ActionCreatePreparedStatementResult> {
    let numbered = placeholder::numbered(query).map_err(|error| status(&error))?;
    let statement = Statement::new(numbered.sql);
    let prepared =
        statement::prepared(&mut caller.session(), &statement).await.map_err(|status| match status.code() {
            // To ADBC this code says that nothing can be prepared: it would execute the statement as it is, and with parameters that fails
            // for another reason, which hides this one.
            Code::Unimplemented if numbered.has_parameters => Status::invalid_argument(status.message()),
            _ => status,
        })?;
    let ipc = |schema: &arrow::datatypes::Schema| {
        let options = IpcWriteOptions::default();
        IpcMessage::try_from(SchemaAsIpc::new(schema, &options)).map(|IpcMessage(bytes)| bytes).map_err(of_arrow)
    };
    // To some drivers, a schema without columns is a statement with rows.
    let dataset_schema = prepared.schema().map_or(Ok(Bytes::new()), |_| ipc(&statement::columns(&prepared)))?;
    Ok(ActionCreatePreparedStatementResult {
        prepared_statement_handle: statement.encoded(),
        dataset_schema,
        parameter_schema: ipc(&parameter::schema(prepared.parameter_types()))?,
    })
}

fn cancel(host: &Host, info: Option<&FlightInfo>) -> CancelStatus {
    let tickets = info.iter().flat_map(|info| &info.endpoint).filter_map(|endpoint| endpoint.ticket.as_ref());
    let executions = tickets.filter_map(|ticket| match Any::decode(&*ticket.ticket).ok()?.try_into().ok()? {
        Command::TicketStatementQuery(query) => Statement::decoded(&query.statement_handle).ok(),
        _ => None,
    });
    // All of them, not only up to the first.
    let cancelled = executions.filter(|statement| host.running.cancel(&statement.execution)).count();
    if cancelled > 0 { CancelStatus::Cancelling } else { CancelStatus::NotCancellable }
}

fn set_options(host: &Host, wanted: &SessionOptions) -> SetSessionOptionsResult {
    let ours = options(host);
    let error = |(name, value): (&String, &SessionOption)| match ours.get(name) {
        Some(known) if known == value => None,
        Some(_) => Some((name.clone(), SessionOptionError { value: INVALID_VALUE })),
        None => Some((name.clone(), SessionOptionError { value: INVALID_NAME })),
    };
    SetSessionOptionsResult { errors: wanted.options.iter().filter_map(error).collect() }
}

fn options(host: &Host) -> BTreeMap<String, SessionOption> {
    let text = |text: &str| SessionOption { text: Some(text.to_owned()) };
    BTreeMap::from([("catalog".to_owned(), text(&host.database)), ("schema".to_owned(), text(SCHEMA))])
}

fn encoded(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

fn plain<M: Message + Default>(body: &Bytes) -> Result<M> {
    M::decode(&**body)
        .map_err(|_| Status::invalid_argument("the body of the action is not the message that belongs to it"))
}

fn packed<M: ProstMessageExt>(body: &Bytes) -> Result<M> {
    let message = plain::<Any>(body)?.unpack().ok().flatten();
    message.ok_or_else(|| Status::invalid_argument(format!("the body of the action is no {}", M::type_url())))
}

// Messages of Flight that `arrow-flight` does not have yet. The body of an action holds them as they are.

/// SetSessionOptionsRequest and GetSessionOptionsResult.
#[derive(Clone, PartialEq, Message)]
struct SessionOptions {
    #[prost(btree_map = "string, message", tag = "1")]
    options: BTreeMap<String, SessionOption>,
}

/// SessionOptionValue, of whose kinds only texts are of use here.
#[derive(Clone, PartialEq, Eq, Message)]
struct SessionOption {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct SetSessionOptionsResult {
    #[prost(btree_map = "string, message", tag = "1")]
    errors: BTreeMap<String, SessionOptionError>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct SessionOptionError {
    #[prost(int32, tag = "1")]
    value: i32,
}

const INVALID_NAME: i32 = 1;
const INVALID_VALUE: i32 = 2;

#[derive(Clone, PartialEq, Eq, Message)]
struct CloseSessionResult {
    #[prost(int32, tag = "1")]
    status: i32,
}

const CLOSED: i32 = 1;
