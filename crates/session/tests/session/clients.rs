//! What the sessions of a server's clients have of the files that it has been started with.

use std::sync::Arc;

use dipper_session::{JobService, LocalJobs, Outcome, Session, SessionConfig};

async fn run(session: &mut Session, sql: &str) -> dipper_types::Result<()> {
    for statement in session.parse(sql)? {
        if let Outcome::Job(job) = session.execute(&statement).await? {
            job.wait().await?;
        }
    }
    Ok(())
}

/// The names of the jobs that have checkpoints.
fn jobs(directory: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory.join("checkpoints")).into_iter().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_inserts_does_not_go_by_the_name_of_the_file() {
    let scratch = tempfile::tempdir().unwrap();
    let at = scratch.path().display();
    let settings = vec![("table.warehouse".to_owned(), format!("{at}/warehouse"))];
    let mut session = Session::new(SessionConfig { settings, ..SessionConfig::default() }).unwrap();
    session.name_jobs(Some("fill".to_owned()));
    let fill = format!(
        "SET 'state.checkpoints.dir' = '{at}/checkpoints'; CREATE TABLE t (a INT); INSERT INTO t VALUES (1); SET 'pipeline.name' = 'more'; INSERT INTO t VALUES (2)"
    );
    run(&mut session, &fill).await.unwrap();
    assert_eq!(jobs(scratch.path()), ["fill", "more"]);

    // Another file of the same name, with the same statement.
    session.name_jobs(Some("fill".to_owned()));
    let error = run(&mut session, "RESET 'pipeline.name'; INSERT INTO t VALUES (1)").await.unwrap_err();
    assert!(error.to_string().contains("another job with checkpoints by the name 'fill'"), "{error}");

    let mut client = session.for_clients().unwrap();
    // Twice the same, and of a table that a job with checkpoints cannot read.
    for _ in 0..2 {
        run(&mut client, "INSERT INTO t VALUES (3); INSERT INTO t SELECT a FROM t").await.unwrap();
    }
    assert_eq!(jobs(scratch.path()), ["fill", "more"]);
    let error = run(&mut client, "SET 'pipeline.name' = 'own'; INSERT INTO t SELECT a FROM t").await.unwrap_err();
    assert!(error.to_string().contains("cannot read table 't'"), "{error}");
    // What was refused has no name.
    run(&mut client, "INSERT INTO t VALUES (4)").await.unwrap();
    assert_eq!(jobs(scratch.path()), ["fill", "more", "own"]);

    let error = run(&mut client, "SET 'pipeline.name' = 'more'; INSERT INTO t VALUES (5)").await.unwrap_err();
    assert!(error.to_string().contains("another job with checkpoints by the name 'more'"), "{error}");
    let endless =
        "RESET; CREATE TEMPORARY TABLE made (a INT) WITH ('connector' = 'datagen'); INSERT INTO t SELECT a FROM made";
    let error = run(&mut client, endless).await.unwrap_err();
    assert!(error.to_string().contains("needs a name"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_runs_is_not_taken_over_by_another_of_its_name() {
    let scratch = tempfile::tempdir().unwrap();
    let at = scratch.path().display();
    let settings = vec![("state.checkpoints.dir".to_owned(), format!("{at}/checkpoints"))];
    let jobs: Arc<dyn JobService> = Arc::new(LocalJobs::default());
    let mut session =
        Session::new(SessionConfig { settings, jobs: Some(Arc::clone(&jobs)), ..SessionConfig::default() }).unwrap();
    let tables = "CREATE TABLE made (a INT) WITH ('connector' = 'datagen'); CREATE TABLE t (a INT) WITH ('connector' = 'blackhole'); SET 'pipeline.name' = 'job'";
    run(&mut session, tables).await.unwrap();
    let mut another = session.clone();
    run(&mut session, "INSERT INTO t SELECT a FROM made").await.unwrap();
    let error = run(&mut another, "INSERT INTO t SELECT a + 1 FROM made").await.unwrap_err();
    assert!(error.to_string().contains("job 'job' is running already"), "{error}");
    let running = jobs.list().await.unwrap();
    assert_eq!(running.iter().map(|job| job.state.as_str()).collect::<Vec<_>>(), ["RUNNING"]);
    jobs.stop(&running[0].id).await.unwrap();
}
