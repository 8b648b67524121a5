//! Executes statements: queries hand out a ticket and stream their rows when it is read; everything else runs at once.

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::sql::{ProstMessageExt, TicketStatementQuery};
use arrow_flight::{FlightData, FlightEndpoint, FlightInfo, Ticket};
use datafusion::common::ScalarValue;
use dipper_session::{JobControl, JobHandle, Outcome, Prepared, Rows, Session};
use dipper_types::Error;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt, future};
use prost::Message;
use tonic::Status;

use crate::parameter::{self, ROWS_MAX};
use crate::rows::{encoded, wire_schema};
use crate::running::Execution;
use crate::service::Host;
use crate::sessions::Caller;
use crate::status::{Result, status, unsupported};
use crate::ticket::Statement;

/// The columns of the result of a statement; none if it has no rows.
pub(crate) fn columns(prepared: &Prepared) -> SchemaRef {
    wire_schema(prepared.schema().map_or(&Schema::empty(), |schema| schema))
}

/// Binds a statement without values.
pub(crate) async fn prepared(session: &mut Session, statement: &Statement) -> Result<Prepared> {
    let bound = parameter::unpacked(&statement.parameters).map_err(|error| status(&error))?;
    let types: Vec<_> = bound.iter().flat_map(|batch| batch.schema().fields().to_vec()).collect();
    let types: Vec<_> = types.iter().map(|field| Some(field.data_type().clone())).collect();
    session.prepare(&statement.sql, &types).await.map_err(|error| status(&error))
}

/// Binds a statement for values of these columns: they have the types of parameters that could be of any, unless that makes no sense. What
/// has been bound before does not count.
async fn prepared_for(session: &mut Session, statement: &Statement, bound: &Schema) -> Result<Prepared> {
    let prepared = prepared(session, &Statement::new(statement.sql.clone())).await?;
    match parameter::declared(prepared.parameter_types(), bound) {
        Some(types) => Ok(session.prepare(&statement.sql, &types).await.unwrap_or(prepared)),
        None => Ok(prepared),
    }
}

/// The rows of values that are bound to a statement: one without values if it has no parameters.
fn values(statement: &Statement, prepared: &Prepared) -> Result<Vec<Vec<ScalarValue>>, Error> {
    let types = prepared.parameter_types();
    match parameter::unpacked(&statement.parameters)? {
        Some(batch) => (0..batch.num_rows()).map(|row| parameter::values(&batch, row, types)).collect(),
        None => parameter::none(types).map(|none| vec![none]),
    }
}

/// Where the rows of a query are to be had. A statement without rows is executed now, so that it is executed once whether anybody
/// reads its empty result or not.
pub(crate) async fn info(host: &Host, caller: &mut Caller, statement: &Statement) -> Result<FlightInfo> {
    let prepared = prepared(&mut caller.session(), statement).await?;
    let rows = values(statement, &prepared).map_err(|error| status(&error))?;
    let info = FlightInfo::new().try_with_schema(&columns(&prepared)).map_err(crate::status::of_arrow)?;
    if prepared.schema().is_none() {
        let mut count = Count::default();
        for row in rows {
            count.add(run(host, caller, &prepared, &row).await?);
        }
        return Ok(info.with_total_records(count.total()));
    }
    one_row(&rows)?;
    let ticket = TicketStatementQuery { statement_handle: statement.for_execution().encoded() };
    Ok(info.with_endpoint(FlightEndpoint::new().with_ticket(Ticket::new(ticket.as_any().encode_to_vec()))))
}

/// Executes a query and streams its rows. It ends when the stream is dropped, when it is cancelled, or with the server.
pub(crate) async fn rows(
    host: &Host,
    caller: Caller,
    statement: &Statement,
) -> Result<BoxStream<'static, Result<FlightData>>> {
    let execution = host.running.start(&statement.execution)?;
    let token = execution.token();
    let started = async {
        let mut session = caller.session();
        let prepared = prepared(&mut session, statement).await?;
        if prepared.schema().is_none() {
            return Err(unsupported(
                format!("{} has no rows to be read", prepared.command()),
                "execute it as an update",
            ));
        }
        let rows = values(statement, &prepared).map_err(|error| status(&error))?;
        let outcome = session.execute_prepared(&prepared, one_row(&rows)?).await;
        match outcome.map_err(|error| status(&error))? {
            Outcome::Rows(rows) => Ok((columns(&prepared), rows)),
            _ => Err(Status::internal(format!("{} was to have rows and has none", prepared.command()))),
        }
    };
    let (schema, rows) = tokio::select! {
        started = started => started?,
        () = token.cancelled() => return Err(host.running.reason()),
    };
    Ok(encoded(&schema, until_cancelled(to_the_end(rows), execution, caller)))
}

/// The rows, and how the job behind them went.
fn to_the_end(rows: Rows) -> BoxStream<'static, Result<RecordBatch>> {
    let job = rows.job;
    let end = async move {
        match job {
            Some(job) => job.wait().await.err().map(Err),
            None => None,
        }
    };
    let rows = rows.stream.chain(stream::once(end).filter_map(future::ready));
    rows.map_err(|error| status(&error)).boxed()
}

/// The rows until the execution is cancelled. As long as they are read, the session is in use.
fn until_cancelled(
    rows: BoxStream<'static, Result<RecordBatch>>,
    execution: Execution,
    caller: Caller,
) -> impl Stream<Item = Result<RecordBatch>> + Send + 'static {
    stream::unfold(Some((rows, execution, caller)), |reading| async move {
        let (mut rows, execution, caller) = reading?;
        let token = execution.token();
        tokio::select! {
            biased;
            () = token.cancelled() => Some((Err(execution.reason()), None)),
            row = rows.next() => row.map(|row| (row, Some((rows, execution, caller)))),
        }
    })
}

/// Executes a statement that has no rows: with each row that comes, or with those that are bound to it. Returns how many rows it
/// has written, or -1 if that is not known.
pub(crate) async fn update(
    host: &Host,
    caller: &mut Caller,
    statement: &Statement,
    mut bound: BoxStream<'static, Result<RecordBatch>>,
) -> Result<i64> {
    let mut prepared = prepared(&mut caller.session(), statement).await?;
    if prepared.schema().is_some() {
        return Err(unsupported(format!("{} has rows", prepared.command()), "execute it as a query"));
    }
    let (mut count, mut done, mut is_bound) = (Count::default(), 0, false);
    // A client that binds nothing may send a batch without columns.
    while let Some(batch) = bound.try_next().await? {
        if batch.num_columns() == 0 {
            continue;
        }
        if !is_bound {
            prepared = prepared_for(&mut caller.session(), statement, &batch.schema()).await?;
            is_bound = true;
        }
        for row in 0..batch.num_rows() {
            if done == ROWS_MAX {
                return Err(too_many());
            }
            let after = |status: Status| match done {
                0 => status,
                _ => Status::new(
                    status.code(),
                    format!("the first {done} rows of parameters are done, but then: {}", status.message()),
                ),
            };
            let values =
                parameter::values(&batch, row, prepared.parameter_types()).map_err(|error| after(status(&error)))?;
            count.add(run(host, caller, &prepared, &values).await.map_err(after)?);
            done += 1;
        }
    }
    if !is_bound {
        for row in values(statement, &prepared).map_err(|error| status(&error))? {
            count.add(run(host, caller, &prepared, &row).await?);
        }
    }
    Ok(count.total())
}

/// The statement with the values bound to it that a client sends: one row for a query.
pub(crate) async fn bound(
    caller: &Caller,
    statement: &Statement,
    mut bound: BoxStream<'static, Result<RecordBatch>>,
) -> Result<Statement> {
    let session = &mut caller.session();
    let mut prepared = prepared(session, &Statement::new(statement.sql.clone())).await?;
    let mut rows = Vec::new();
    while let Some(batch) = bound.try_next().await? {
        if rows.is_empty() {
            prepared = prepared_for(session, statement, &batch.schema()).await?;
        }
        if rows.len().saturating_add(batch.num_rows()) > ROWS_MAX {
            return Err(too_many());
        }
        for row in 0..batch.num_rows() {
            rows.push(parameter::values(&batch, row, prepared.parameter_types()).map_err(|error| status(&error))?);
        }
        if prepared.schema().is_some() {
            one_row(&rows)?;
        }
    }
    let packed = parameter::packed(&rows, prepared.parameter_types()).map_err(|error| status(&error))?;
    statement.bound(packed)
}

/// Executes a statement that has no rows, in the caller's session, and waits for it. Returns how many rows it has written, if known.
async fn run(host: &Host, caller: &mut Caller, prepared: &Prepared, values: &[ScalarValue]) -> Result<Option<u64>> {
    let mut change = caller.change().await?;
    let outcome = change.session.execute_prepared(prepared, values).await.map_err(|error| status(&error))?;
    change.keep();
    caller.remember();
    match outcome {
        Outcome::Job(job) => finished(host, job).await.map(Some),
        // A job that goes on behind the statement.
        Outcome::Done(_) if matches!(prepared.command(), "INSERT" | "EXECUTE") => Ok(None),
        Outcome::Done(_) | Outcome::Text(_) => Ok(Some(0)),
        Outcome::Rows(_) => Err(Status::internal(format!("{} was to have no rows and has some", prepared.command()))),
    }
}

/// Waits for a job. It is cancelled if the client goes away or the server ends.
async fn finished(host: &Host, job: JobHandle) -> Result<u64> {
    let mut guard = CancelledOnDrop(Some(job.control()));
    let progress = tokio::select! {
        progress = job.wait() => progress.map_err(|error| status(&error)),
        () = host.running.shutdown().cancelled() => return Err(host.running.reason()),
    };
    guard.0 = None;
    progress.map(|progress| progress.rows_out)
}

struct CancelledOnDrop(Option<JobControl>);

impl Drop for CancelledOnDrop {
    fn drop(&mut self) {
        if let Some(control) = &self.0 {
            control.cancel();
        }
    }
}

/// How many rows several executions have written.
#[derive(Default)]
struct Count {
    rows: u64,
    is_unknown: bool,
}

impl Count {
    fn add(&mut self, rows: Option<u64>) {
        self.rows = self.rows.saturating_add(rows.unwrap_or(0));
        self.is_unknown |= rows.is_none();
    }

    /// As the protocol says it: -1 if it is not known.
    fn total(&self) -> i64 {
        if self.is_unknown { -1 } else { i64::try_from(self.rows).unwrap_or(i64::MAX) }
    }
}

fn one_row(rows: &[Vec<ScalarValue>]) -> Result<&[ScalarValue]> {
    match rows {
        [row] => Ok(row),
        _ => {
            let message = format!("a query takes one row of parameters, and {} are bound", rows.len());
            Err(unsupported(message, "execute it once for each"))
        }
    }
}

fn too_many() -> Status {
    let message = format!("more than {ROWS_MAX} rows of parameters, each of which is an execution of its own");
    unsupported(message, "insert many rows with one INSERT INTO … SELECT …, or bind fewer at once")
}
