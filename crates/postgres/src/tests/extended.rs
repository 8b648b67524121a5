//! The extended protocol.

use super::client::{Client, code, complete, field, rows, status, tags};
use super::start;

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_prepared_described_bound_and_executed() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    client.parse("s", "SELECT $1 + 1 AS a, $2 AS b", &[20, 25]).message(b'D', b"Ss\0");
    let described = client.sync().await;
    assert_eq!(tags(&described), "1tTZ");
    assert_eq!(described[1].1, b"\0\x02\0\0\0\x14\0\0\0\x19");
    client.bind("p", "s", &[Some("41"), None], 0).message(b'D', b"Pp\0").execute("p", 0);
    let executed = client.sync().await;
    assert_eq!((tags(&executed).as_str(), rows(&executed)), ("2TDCZ", vec!["42|NULL".into()]));
    client.bind("", "s", &[Some("1"), Some("x")], 1).execute("", 0);
    let binary = client.sync().await;
    assert_eq!(binary[1].1, b"\0\x02\0\0\0\x08\0\0\0\0\0\0\0\x02\0\0\0\x01x");
    client.message(b'C', b"Ss\0").message(b'C', b"Snothing\0");
    assert_eq!(tags(&client.sync().await), "33Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_gives_its_rows_in_pieces() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    client.query("BEGIN").await;
    client.parse("", "SELECT * FROM (VALUES (1), (2), (3)) AS t (a)", &[]).bind("p", "", &[], 0).execute("p", 2);
    let first = client.sync().await;
    assert_eq!((tags(&first).as_str(), rows(&first)), ("12DDsZ", vec!["1".into(), "2".into()]));
    // In a block it outlives Sync.
    let second = client.execute("p", 2).sync().await;
    assert_eq!(
        (tags(&second).as_str(), rows(&second), complete(&second)),
        ("DCZ", vec!["3".into()], vec!["SELECT 1".into()])
    );
    assert_eq!(complete(&client.execute("p", 0).sync().await), ["SELECT 0"]);
    client.query("COMMIT").await;
    assert_eq!(code(&client.execute("p", 0).sync().await), "34000");
    client.parse("", "SELECT 1", &[]).bind("p", "", &[], 0);
    client.sync().await;
    assert_eq!(code(&client.execute("p", 0).sync().await), "34000");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_an_error_everything_is_passed_over_up_to_sync() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    client.parse("", "SELECT * FROM nowhere", &[]).bind("", "", &[], 0).execute("", 0);
    client.message(b'Q', b"SELECT 1\0");
    let replies = client.sync().await;
    assert_eq!((tags(&replies).as_str(), code(&replies).as_str(), status(&replies)), ("EZ", "42P01", 'I'));
    client.parse("", "SELECT 1", &[]).bind("", "", &[], 0).execute("", 0);
    assert_eq!(tags(&client.sync().await), "12DCZ");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_told_before_sync() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    client.parse("", "SELECT * FROM nowhere", &[]).message(b'D', b"S\0").message(b'H', b"");
    client.send().await;
    assert_eq!(code(&[client.reply().await.unwrap()]), "42P01");
    client.sync().await;
    client.parse("", "SELECT 1 / (a - 1) FROM (VALUES (1)) AS t (a)", &[]).bind("", "", &[], 0).execute("", 0);
    client.message(b'H', b"").send().await;
    let replies = [client.reply().await.unwrap(), client.reply().await.unwrap(), client.reply().await.unwrap()];
    assert_eq!((tags(&replies).as_str(), code(&replies).as_str()), ("12E", "22012"));
    assert_eq!(tags(&client.sync().await), "Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_without_rows_have_no_columns() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    for (sql, expected) in [
        ("", "1tn2nIZ"),
        ("BEGIN", "1tn2nCZ"),
        ("SHOW TimeZone", "1tT2TDCZ"),
        ("DECLARE c CURSOR FOR SELECT 1", "1tn2nCZ"),
        ("FETCH 1 FROM c", "1tT2TDCZ"),
        ("COMMIT", "1tn2nCZ"),
        ("CREATE TABLE t (a INT) WITH ('connector' = 'blackhole')", "1tn2nCZ"),
        ("INSERT INTO t VALUES (1)", "1tn2nCZ"),
        ("SHOW TABLES", "1tT2TDCZ"),
        ("EXPLAIN SELECT 1", "1tT2TD"),
        ("SELECT version()", "1tT2TDCZ"),
    ] {
        client.parse("", sql, &[]).message(b'D', b"S\0").bind("", "", &[], 0).message(b'D', b"P\0").execute("", 0);
        let replies = client.sync().await;
        assert!(tags(&replies).starts_with(expected), "{sql}: {}", tags(&replies));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_together_is_an_error() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    client.parse("s", "SELECT $1 + 0", &[23]);
    assert_eq!(tags(&client.sync().await), "1Z");
    for (values, expected) in [(&[][..], "08P01"), (&[Some("x")], "22P02"), (&[Some("1"), None], "08P01")] {
        assert_eq!(code(&client.bind("", "s", values, 0).sync().await), expected);
    }
    assert_eq!(code(&client.bind("", "missing", &[], 0).sync().await), "26000");
    assert_eq!(code(&client.bind("", "s", &[Some("1")], 7).sync().await), "08P01");
    assert_eq!(code(&client.parse("s", "SELECT 1", &[]).sync().await), "42P05");
    assert_eq!(code(&client.parse("", "SELECT 1; SELECT 2", &[]).sync().await), "42601");
    assert_eq!(code(&client.message(b'B', b"\0").sync().await), "08P01");
    assert_eq!(code(&client.message(b'D', b"X\0").sync().await), "08P01");
    assert_eq!(code(&client.message(b'F', b"").sync_less().await), "0A000");
}

impl Client {
    /// A message that is answered without Sync.
    async fn sync_less(&mut self) -> Vec<super::client::Reply> {
        self.send().await;
        self.until_ready().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_without_a_zone_is_the_moment_that_a_literal_is() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    client.query("SET TimeZone = 'Europe/Berlin'").await;
    let moment = "CAST('2024-06-01 12:00:00+00' AS TIMESTAMP(6) WITH TIME ZONE)";
    client.parse("", &format!("SELECT {moment}, {moment} = '2024-06-01 12:00:00', {moment} = $1"), &[]);
    client.bind("", "", &[Some("2024-06-01 12:00:00")], 0).execute("", 0);
    assert_eq!(rows(&client.sync().await), ["2024-06-01 14:00:00+02|t|t"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_cursors_have_rows_that_are_still_to_be_read() {
    const ROWS: &str = "SELECT * FROM (VALUES (1), (2)) AS t (a)";
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    let declare = |name: usize| format!("DECLARE c{name} CURSOR WITH HOLD FOR {ROWS}");
    for name in 0..16 {
        assert_eq!(tags(&client.query(&declare(name)).await), "CZ");
    }
    assert_eq!(code(&client.query(&declare(16)).await), "53400");
    client.parse("", ROWS, &[]).bind("", "", &[], 0).execute("", 1);
    assert_eq!(code(&client.sync().await), "53400");
    // What is read to its end, or at once, takes no place.
    assert_eq!(rows(&client.query("FETCH ALL FROM c0").await), ["1", "2"]);
    assert_eq!(tags(&client.query(&declare(16)).await), "CZ");
    assert_eq!(rows(&client.query(ROWS).await), ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_told_that_it_must_prepare_again() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    client.query("CREATE VIEW v AS SELECT 1 AS a").await;
    client.parse("s", "SELECT * FROM v", &[]);
    client.sync().await;
    client.query("DROP VIEW v; CREATE VIEW v AS SELECT 'x' AS a").await;
    let replies = client.bind("", "s", &[], 0).execute("", 0).sync().await;
    assert_eq!(
        (code(&replies).as_str(), field(&replies, b'E', b'R').as_deref()),
        ("0A000", Some("RevalidateCachedQuery"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_have_the_types_that_follow_from_where_they_stand() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    client.parse("", "SELECT a FROM (VALUES (1), (2)) AS t (a) WHERE a > $1", &[0]).message(b'D', b"S\0");
    client.bind("", "", &[Some("1")], 0).execute("", 0);
    let replies = client.sync().await;
    assert_eq!((tags(&replies).as_str(), rows(&replies)), ("1tT2DCZ", vec!["2".into()]));
    client.parse("", "SELECT $1", &[]).bind("", "", &[Some("text")], 0).execute("", 0);
    assert_eq!(rows(&client.sync().await), ["text"]);
    client.parse("", "SELECT relname FROM pg_catalog.pg_class WHERE relname = $1", &[25]);
    client.bind("", "", &[Some("pg_class")], 0).execute("", 0);
    assert_eq!(rows(&client.sync().await), ["pg_class"]);
}
