//! Plans that take long, and those that are too large to be made.

use dipper_session::Outcome;
use dipper_types::ErrorKind;

use crate::database::Database;

fn columns(count: usize) -> String {
    (0..count).map(|column| format!("n + {column} AS c{column}")).collect::<Vec<_>>().join(", ")
}

async fn run(database: &mut Database, sql: &str) -> dipper_types::Result<Outcome> {
    let parsed = database.session.parse(sql)?;
    database.session.execute(&parsed[0]).await
}

#[tokio::test]
async fn who_waits_for_a_plan_may_stop_waiting() {
    let mut database = Database::new(&[("query.timeout", "1 ms")]).unwrap();
    let sql = format!("SELECT {} FROM (VALUES (1)) AS t (n)", columns(400));
    // A plan made on this thread, the only one, would be done before the time is looked at.
    let error = run(&mut database, &sql).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let error = database.session.prepare(&sql, &[]).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_has_at_most_as_many_columns_as_in_postgres() {
    let mut database = Database::new(&[]).unwrap();
    let refused = "target lists can have at most 1664 entries";
    let too_many = format!("SELECT {} FROM (VALUES (1)) AS t (n)", columns(1665));
    let error = run(&mut database, &too_many).await.map(drop).unwrap_err();
    assert_eq!(error.to_string(), refused);
    assert_eq!(error.span().unwrap().start.column, 1 + too_many.find("n + 1664").unwrap() as u64);
    let wildcard =
        format!("SELECT t.*, u.* FROM (SELECT {0} FROM (VALUES (1)) AS v (n)) AS t, (SELECT 1) AS u", columns(1664));
    assert_eq!(run(&mut database, &wildcard).await.map(drop).unwrap_err().to_string(), refused);
}
