//! What ends a statement, or a connection.

use std::time::Duration;

use super::client::{Client, code, rows, status, tags};
use super::start;
use crate::clock::within;

/// Rows without an end.
const ENDLESS: &str = "CREATE TABLE endless (n BIGINT) WITH ('connector' = 'datagen')";

const LONG: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_ended_from_another_connection() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    client.query(ENDLESS).await;
    client.message(b'Q', b"SELECT * FROM endless\0").send().await;
    assert_eq!(client.reply().await.unwrap().0, b'T');
    let request = [&80_877_102_u32.to_be_bytes()[..], &client.key].concat();
    let mut wrong = request.clone();
    wrong[11] ^= 1;
    Client::dial(server.address).await.first(&wrong).await;
    Client::dial(server.address).await.first(&request).await;
    let replies = within(LONG, client.until_ready()).await.unwrap();
    assert_eq!((code(&replies).as_str(), status(&replies)), ("57014", 'I'));
    assert_eq!(rows(&client.query("SELECT 1").await), ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_ends_with_its_time() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    client.query(ENDLESS).await;
    client.query("SET statement_timeout = '50ms'").await;
    let replies = within(LONG, client.query("SELECT * FROM endless WHERE n < 0")).await.unwrap();
    assert_eq!(code(&replies), "57014");
    assert_eq!(tags(&client.query("RESET statement_timeout; SELECT 1").await), "CTDCZ");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_end_ends_what_runs() {
    let server = start().await;
    let mut idle = Client::connect(server.address).await;
    let mut busy = Client::connect(server.address).await;
    busy.query(ENDLESS).await;
    busy.message(b'Q', b"SELECT * FROM endless WHERE n < 0\0").send().await;
    assert_eq!(busy.reply().await.unwrap().0, b'T');
    server.shutdown.cancel();
    for client in [&mut idle, &mut busy] {
        assert_eq!(code(&[client.reply().await.unwrap()]), "57P01");
        assert_eq!(client.reply().await, None);
    }
    within(LONG, server.served).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_leaves_nothing_behind() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    client.query(ENDLESS).await;
    client.message(b'Q', b"SELECT * FROM endless WHERE n < 0\0").send().await;
    assert_eq!(client.reply().await.unwrap().0, b'T');
    drop(client);
    server.shutdown.cancel();
    within(LONG, server.served).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_idle_for_too_long_is_sent_away() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    client.query("SET idle_in_transaction_session_timeout = '20ms'; BEGIN").await;
    assert_eq!(code(&[within(LONG, client.reply()).await.unwrap().unwrap()]), "25P03");
}
