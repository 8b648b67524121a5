//! The simple protocol, and what is said in it.

use dipper_session::{Session, SessionConfig};

use super::client::{Client, code, complete, field, rows, status, tags};
use super::{start, start_with};

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_answered_one_after_the_other() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    let replies = client.query("SELECT 1 AS a, 'x' AS b; ; VALUES (1), (2) -- done").await;
    assert_eq!(tags(&replies), "TDCTDDCZ");
    assert_eq!(
        (rows(&replies), complete(&replies)),
        (vec!["1|x".into(), "1".into(), "2".into()], vec!["SELECT 1".into(), "SELECT 2".into()])
    );
    assert_eq!(tags(&client.query(" ; -- nothing").await), "IZ");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_has_its_place_and_ends_the_text() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    let replies = client.query("SELECT 'ü' AS a;\nSELECT nothing FROM (VALUES (1)) AS t (a); SELECT 3").await;
    assert_eq!(tags(&replies), "TDCEZ");
    assert_eq!((code(&replies).as_str(), field(&replies, b'E', b'P').as_deref()), ("42703", Some("25")));
    // A mistake in the grammar is found before anything runs.
    let replies = client.query("SELECT 1; SELEC 2").await;
    assert_eq!((tags(&replies).as_str(), code(&replies).as_str()), ("EZ", "42601"));
    assert_eq!(field(&replies, b'E', b'P').as_deref(), Some("11"));
    for (sql, expected) in [
        ("SELECT * FROM nowhere", "42P01"),
        ("SELECT no_such(1)", "42883"),
        ("UPDATE t SET a = 1", "0A000"),
        ("SHOW nothing", "42704"),
        ("SELECT 'a", "42601"),
    ] {
        assert_eq!(code(&client.query(sql).await), expected, "{sql}");
    }
    assert_eq!(status(&client.query("SELECT 1").await), 'I');
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_has_failed_waits_for_its_end() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(status(&client.query("BEGIN").await), 'T');
    let again = client.query("BEGIN").await;
    assert_eq!(field(&again, b'N', b'C').as_deref(), Some("25001"));
    assert_eq!(status(&client.query("SAVEPOINT a; SELECT * FROM nowhere").await), 'E');
    assert_eq!(code(&client.query("SELECT 1").await), "25P02");
    assert_eq!(status(&client.query("ROLLBACK TO a").await), 'T');
    assert_eq!(status(&client.query("SELECT * FROM nowhere").await), 'E');
    let end = client.query("COMMIT").await;
    assert_eq!((complete(&end), status(&end)), (vec!["ROLLBACK".to_owned()], 'I'));
    assert_eq!(field(&client.query("COMMIT").await, b'N', b'C').as_deref(), Some("25P01"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_writes_in_a_block_says_that_it_cannot_be_undone() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    let table = |name: &str| format!("CREATE TABLE {name} (a INT) WITH ('connector' = 'blackhole')");
    assert_eq!(tags(&client.query(&table("a")).await), "CZ");
    client.query("BEGIN").await;
    let first = client.query(&table("b")).await;
    assert_eq!((tags(&first).as_str(), complete(&first)), ("NCZ", vec!["CREATE TABLE".to_owned()]));
    assert_eq!(tags(&client.query("DROP TABLE b").await), "CZ");
    client.query("ROLLBACK; BEGIN READ ONLY").await;
    assert_eq!(code(&client.query(&table("c")).await), "25006");
    client.query("ROLLBACK").await;
    assert_eq!(complete(&client.query("INSERT INTO a VALUES (1), (2)").await), ["INSERT 0 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_set_shown_and_reported() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    let replies = client.query("SET TimeZone = 'Europe/Berlin'; SHOW TimeZone; SHOW application_name").await;
    assert_eq!((tags(&replies).as_str(), rows(&replies)), ("CTDCTDCSZ", vec!["Europe/Berlin".into(), "test".into()]));
    assert_eq!(complete(&replies), ["SET", "SHOW", "SHOW"]);
    client.query("BEGIN; SET LOCAL application_name = 'other'; ROLLBACK").await;
    assert_eq!(rows(&client.query("SHOW application_name").await), ["test"]);
    assert_eq!(code(&client.query("SET client_encoding TO 'LATIN1'").await), "22023");
    assert_eq!(code(&client.query("SET server_version = '9'").await), "55P02");
    assert!(rows(&client.query("SHOW ALL").await).len() > 40);
    // Those of Dipper have their names in quotes.
    assert_eq!(
        tags(&client.query("SET 'execution.runtime-mode' = 'batch'; RESET 'execution.runtime-mode'").await),
        "CCZ"
    );
    assert_eq!(tags(&client.query("SHOW TABLES").await), "TCZ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_does_not_go_beyond_what_the_server_has_set() {
    let settings = vec![("query.memory-limit".to_owned(), "1 gb".to_owned())];
    let session = Session::new(SessionConfig { settings, ..SessionConfig::default() }).unwrap().for_clients().unwrap();
    let server = start_with(|config| config.session = session).await;
    let mut client = Client::connect(server.address).await;
    for (sql, answer) in [
        ("SET 'table.warehouse' = 'elsewhere'", "EZ"),
        ("SET 'query.memory-limit' = '2 gb'", "EZ"),
        ("SET 'query.memory-limit' = '5 mb'", "CZ"),
        ("DISCARD ALL", "CZ"),
    ] {
        assert_eq!(tags(&client.query(sql).await), answer, "{sql}");
    }
    let set = rows(&client.query("SET").await);
    assert!(set.iter().any(|row| row.starts_with("query.memory-limit|1 gb|")), "{set:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_those_of_postgres() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(rows(&client.query("SELECT $$a;b'c$$, $x$$$$x$; SELECT 2").await), ["a;b'c|$$", "2"]);
    // A zero byte is no character there.
    assert_eq!(code(&client.query("SELECT 'a' || chr(0)").await), "22021");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_gives_its_rows_in_pieces() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(code(&client.query("DECLARE c CURSOR FOR SELECT 1").await), "25P01");
    client.query("BEGIN; DECLARE c NO SCROLL CURSOR FOR SELECT * FROM (VALUES (1), (2), (3), (4)) AS t (a)").await;
    let two = client.query("FETCH 2 FROM c").await;
    assert_eq!((rows(&two), complete(&two)), (vec!["1".into(), "2".into()], vec!["FETCH 2".into()]));
    assert_eq!(complete(&client.query("MOVE c").await), ["MOVE 1"]);
    assert_eq!(rows(&client.query("FETCH FORWARD ALL IN c").await), ["4"]);
    assert_eq!(complete(&client.query("FETCH NEXT FROM c").await), ["FETCH 0"]);
    assert_eq!(complete(&client.query("CLOSE c").await), ["CLOSE CURSOR"]);
    assert_eq!(code(&client.query("FETCH c").await), "34000");
    client
        .query("ROLLBACK; BEGIN; DECLARE h CURSOR WITH HOLD FOR SELECT 1; DECLARE c CURSOR FOR SELECT 1; COMMIT")
        .await;
    assert_eq!(rows(&client.query("FETCH ALL FROM h").await), ["1"]);
    assert_eq!(code(&client.query("FETCH ALL FROM c").await), "34000");
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_prepared_in_sql() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    let replies = client.query("PREPARE p (int, text) AS SELECT $1 + 1, $2; EXECUTE p (20 * 2, 'it''s')").await;
    assert_eq!(
        (rows(&replies), complete(&replies)),
        (vec!["41|it's".into()], vec!["PREPARE".into(), "SELECT 1".into()])
    );
    assert_eq!(code(&client.query("EXECUTE p (1)").await), "42601");
    assert_eq!(code(&client.query("PREPARE p AS SELECT 1").await), "42P05");
    assert_eq!(complete(&client.query("DEALLOCATE p; DISCARD ALL").await), ["DEALLOCATE", "DISCARD ALL"]);
    assert_eq!(code(&client.query("EXECUTE p").await), "26000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_about_the_system_is_answered_by_its_catalog() {
    let server = start().await;
    let mut client = Client::connect(server.address).await;
    client.query("CREATE TABLE t (a INT, b DECIMAL(10, 2)) WITH ('connector' = 'blackhole')").await;
    let replies = client.query("SELECT current_database(), current_user").await;
    assert_eq!(rows(&replies), ["dipper|ada"]);
    let replies = client.query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'").await;
    assert_eq!(rows(&replies), ["t"]);
}
