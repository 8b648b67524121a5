//! Who may come in, and what is remembered of a client.

use arrow_flight::Action;

use super::*;

const VIEW: &str = "CREATE VIEW one AS SELECT 1 AS n";

#[tokio::test(flavor = "multi_thread")]
async fn with_users_one_must_log_in() {
    let served = Served::to(Some("ada:lovelace")).await;
    let mut stranger = served.stranger().await;
    let (code, message) = refusal(query(&mut stranger, "SELECT 1").await);
    assert_eq!(code, Code::Unauthenticated);
    assert!(message.contains("log in"), "{message}");
    assert!(stranger.handshake("ada", "byron").await.unwrap_err().to_string().contains("password"));
    stranger.handshake("ada", "lovelace").await.unwrap();
    assert_eq!(query(&mut stranger, "SELECT 1").await.unwrap(), "1");
    // Every call is guarded, also those that are not supported.
    let client = served.stranger().await.into_inner();
    let refused = [
        code_of(client.clone().get_flight_info(arrow_flight::FlightDescriptor::default()).await),
        code_of(client.clone().poll_flight_info(arrow_flight::FlightDescriptor::default()).await),
        code_of(client.clone().get_schema(arrow_flight::FlightDescriptor::default()).await),
        code_of(client.clone().do_get(arrow_flight::Ticket::new("")).await),
        code_of(client.clone().do_put(futures::stream::empty()).await),
        code_of(client.clone().do_exchange(futures::stream::empty()).await),
        code_of(client.clone().do_action(Action::new("CloseSession", "")).await),
        code_of(client.clone().list_actions(arrow_flight::Empty {}).await),
        code_of(client.clone().list_flights(arrow_flight::Criteria::default()).await),
    ];
    assert_eq!(refused, [Code::Unauthenticated; 9]);
}

fn code_of<T>(result: Result<tonic::Response<T>, Status>) -> Code {
    code(result)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_may_come_with_every_call() {
    let served = Served::to(Some("ada:lovelace")).await;
    let mut client = served.stranger().await;
    client.set_header("authorization", "Basic YWRhOmxvdmVsYWNl");
    assert_eq!(query(&mut client, "SELECT 1").await.unwrap(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_defines_is_there_in_its_next_call_and_for_nobody_else() {
    let served = Served::to_anybody().await;
    let mut client = served.client().await;
    update(&mut client, "SET 'execution.batch-size' = '7'").await;
    update(&mut client, &VIEW.replace("VIEW", "TEMPORARY VIEW")).await;
    assert_eq!(query(&mut client, "SELECT n FROM one").await.unwrap(), "1");
    assert!(query(&mut client, "SET").await.unwrap().contains("execution.batch-size,7,"));
    let mut other = served.client().await;
    assert!(!query(&mut other, "SET").await.unwrap().contains("execution.batch-size,7,"));
    assert_eq!(refusal(query(&mut other, "SELECT n FROM one").await).0, Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_closed_is_gone() {
    let served = Served::to_anybody().await;
    let mut client = served.client().await;
    client.do_action(Action::new("CloseSession", "")).await.unwrap();
    let (code, message) = refusal(query(&mut client, "SELECT 1").await);
    assert_eq!(code, Code::Unauthenticated);
    assert!(message.contains("connect again"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_not_logged_in_gets_a_session_when_it_changes_something() {
    use arrow_flight::FlightDescriptor;
    use arrow_flight::sql::{CommandStatementQuery, ProstMessageExt};
    use prost::Message;
    let served = Served::to_anybody().await;
    let mut client = served.stranger().await.into_inner();
    let ask = |query: &str| {
        let command = CommandStatementQuery { query: query.to_owned(), transaction_id: None };
        FlightDescriptor::new_cmd(command.as_any().encode_to_vec())
    };
    let nothing = client.get_flight_info(ask("SELECT 1")).await.unwrap();
    assert!(nothing.metadata().get("authorization").is_none());
    let set = client.get_flight_info(ask("SET 'execution.batch-size' = '7'")).await.unwrap();
    let token = set.metadata().get("authorization").unwrap().to_str().unwrap().to_owned();
    assert!(set.metadata().get("set-cookie").is_some());
    let mut known = served.stranger().await;
    known.set_token(token.trim_start_matches("Bearer ").to_owned());
    assert!(query(&mut known, "SET").await.unwrap().contains("execution.batch-size,7,"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_and_the_schema_are_options_of_the_session() {
    let served = Served::to_anybody().await;
    let mut client = served.client().await;
    let mut act = async |action: &str, body: &[u8]| {
        let mut results = client.do_action(Action::new(action, body.to_vec())).await.unwrap();
        results.message().await.unwrap().unwrap().body
    };
    let options = act("GetSessionOptions", b"").await;
    let text = String::from_utf8_lossy(&options).into_owned();
    assert!(text.contains("catalog") && text.contains("dipper") && text.contains("schema") && text.contains("public"));
    // What is told can be set, and there are no errors.
    assert!(act("SetSessionOptions", &options).await.is_empty());
    // { "x": "" }
    assert!(!act("SetSessionOptions", &[0x0a, 0x05, 0x0a, 0x01, b'x', 0x12, 0x00]).await.is_empty());
}
