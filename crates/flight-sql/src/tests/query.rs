//! Queries and updates.

use std::time::Duration;

use arrow_flight::sql::{Any, Command, CommandStatementUpdate, ProstMessageExt, TicketStatementQuery};
use arrow_flight::{Action, CancelFlightInfoRequest, CancelFlightInfoResult, FlightDescriptor, Ticket};
use futures::{StreamExt, TryStreamExt};
use prost::Message;
use tonic::IntoRequest;

use super::*;
use crate::ticket::Statement;

/// Rows without end.
const ENDLESS: &str = "CREATE TEMPORARY TABLE endless (n BIGINT) WITH ('connector' = 'datagen', 'fields.n.kind' = 'sequence', \
                       'fields.n.start' = '1')";

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_made_filled_and_read() {
    let served = Served::to_anybody().await;
    let mut client = served.client_with_a_table().await;
    assert_eq!(query(&mut client, "SELECT * FROM totals ORDER BY id").await.unwrap(), "1,north,12.50\n2,,7.00");
    assert_eq!(query(&mut client, "SELECT count(*) FROM totals WHERE id > 5").await.unwrap(), "0");
    assert_eq!(query(&mut client, "SELECT * FROM totals WHERE id > 5").await.unwrap(), "");
    assert_eq!(update(&mut client, "TRUNCATE TABLE totals").await, 0);
    assert_eq!(query(&mut client, "SELECT count(*) FROM totals").await.unwrap(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_and_plans_are_rows() {
    let served = Served::to_anybody().await;
    let mut client = served.client_with_a_table().await;
    assert_eq!(query(&mut client, "SHOW TABLES").await.unwrap(), "totals");
    assert!(query(&mut client, "EXPLAIN SELECT * FROM totals").await.unwrap().contains("totals"));
    assert!(query(&mut client, "SHOW CREATE TABLE totals").await.unwrap().contains("CREATE TABLE totals"));
    assert!(query(&mut client, "DESCRIBE totals").await.unwrap().contains("shop,STRING"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_without_rows_that_is_executed_as_a_query_runs_once() {
    let served = Served::to_anybody().await;
    let mut client = served.client_with_a_table().await;
    let info = client.execute("INSERT INTO totals VALUES (3, 'west', 1)".to_owned(), None).await.unwrap();
    assert_eq!((info.total_records, info.endpoint.len()), (1, 0));
    assert_eq!(info.try_decode_schema().unwrap().fields().len(), 0);
    assert_eq!(query(&mut client, "SELECT count(*) FROM totals").await.unwrap(), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_executed_as_an_update_is_refused() {
    let served = Served::to_anybody().await;
    let mut client = served.client().await;
    let (code, message) = refusal(client.execute_update("SELECT 1".to_owned(), None).await);
    assert_eq!((code, message.as_str()), (Code::Unimplemented, "SELECT has rows\nhint: execute it as a query"));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_their_code_and_their_place() {
    let served = Served::to_anybody().await;
    let mut client = served.client_with_a_table().await;
    let (code, message) = refusal(query(&mut client, "SELECT id,\n  nothing FROM totals").await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("nothing") && message.contains("line 2, column 3"), "{message}");
    assert_eq!(refusal(query(&mut client, "SELECT 1; SELECT 2").await).0, Code::InvalidArgument);
    // While the rows are read.
    let (code, message) = refusal(query(&mut client, "SELECT 1 / (id - id) FROM totals").await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.to_lowercase().contains("zero"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_cancelled_by_its_info() {
    let served = Served::to_anybody().await;
    let mut client = served.client().await;
    update(&mut client, ENDLESS).await;
    let info = client.execute("SELECT * FROM endless".to_owned(), None).await.unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let mut rows = client.do_get(ticket.clone()).await.unwrap();
    assert!(rows.try_next().await.unwrap().unwrap().num_rows() > 0);
    assert_eq!(refusal(client.do_get(ticket).await).0, Code::AlreadyExists);
    let mut cancel = async || {
        let body = CancelFlightInfoRequest::new(info.clone()).encode_to_vec();
        let result =
            client.do_action(Action::new("CancelFlightInfo", body)).await.unwrap().message().await.unwrap().unwrap();
        CancelFlightInfoResult::decode(&*result.body).unwrap().status()
    };
    assert_eq!(cancel().await, arrow_flight::CancelStatus::Cancelling);
    let end = loop {
        match rows.next().await {
            Some(Ok(_)) => {}
            end => break end.expect("an error at the end"),
        }
    };
    assert_eq!(refusal(end).0, Code::Cancelled);
    drop(rows);
    tokio::time::timeout(Duration::from_secs(10), async {
        while cancel().await == arrow_flight::CancelStatus::Cancelling {}
    })
    .await
    .expect("it is forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_ends_when_its_reader_goes_away_and_when_the_server_ends() {
    let served = Served::to_anybody().await;
    let mut client = served.client().await;
    update(&mut client, ENDLESS).await;
    let info = client.execute("SELECT * FROM endless".to_owned(), None).await.unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    drop(client.do_get(ticket.clone()).await.unwrap());
    // The ticket can be read again as soon as the server has noticed.
    let again = async {
        loop {
            if let Ok(rows) = client.do_get(ticket.clone()).await {
                break rows;
            }
        }
    };
    let mut rows = tokio::time::timeout(Duration::from_secs(20), again).await.unwrap();
    served.shutdown.cancel();
    let end = loop {
        match rows.next().await {
            Some(Ok(_)) => {}
            end => break end.expect("an error at the end"),
        }
    };
    assert_eq!(refusal(end).0, Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_for_something_that_has_no_rows_does_nothing() {
    let served = Served::to_anybody().await;
    let mut client = served.client_with_a_table().await;
    let forged =
        |statement: Statement| TicketStatementQuery { statement_handle: statement.encoded() }.as_any().encode_to_vec();
    let statement = Statement::new("TRUNCATE TABLE totals".to_owned());
    for ticket in [forged(statement.clone()), forged(statement.for_execution()), b"nonsense".to_vec(), Vec::new()] {
        assert!(client.do_get(Ticket::new(ticket)).await.is_err());
    }
    assert_eq!(query(&mut client, "SELECT count(*) FROM totals").await.unwrap(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_command_is_refused_by_name() {
    let served = Served::to_anybody().await;
    let mut client = served.client().await.into_inner();
    let command = |command: Vec<u8>| FlightDescriptor::new_cmd(command);
    let update = CommandStatementUpdate { query: "SELECT 1".to_owned(), transaction_id: None };
    let unknown = Command::Unknown(Any { type_url: "x/of.Nobody".to_owned(), value: bytes::Bytes::new() });
    for (descriptor, expected) in [
        (command(b"nonsense".to_vec()), Code::InvalidArgument),
        (command(update.as_any().encode_to_vec()), Code::Unimplemented),
        (command(unknown.into_any().encode_to_vec()), Code::Unimplemented),
        (FlightDescriptor::new_path(vec!["totals".to_owned()]), Code::Unimplemented),
        (FlightDescriptor::default(), Code::Unimplemented),
    ] {
        assert_eq!(code(client.get_flight_info(descriptor.clone().into_request()).await), expected);
        assert_eq!(code(client.get_schema(descriptor.into_request()).await), expected);
    }
    assert_eq!(code(client.list_flights(arrow_flight::Criteria::default()).await), Code::Unimplemented);
}
