//! Records come back as they were written, and what does not follow is refused.

use super::*;

fn submission() -> Submission {
    Submission {
        job: JobId("7".into()),
        name: "orders".into(),
        sql: "INSERT INTO t SELECT 1".into(),
        settings: [("parallelism.default".to_owned(), "4".to_owned())].into(),
        start_from: StartFrom::Savepoint { url: "s3://b/s".into(), over: true, allow_non_restored_state: false },
        submitted_ms: 1_700_000_000_000,
    }
}

fn decided(records: &[Record]) -> Result<JobDecisions> {
    let mut decisions = JobDecisions::new(submission());
    records.iter().try_for_each(|record| decisions.apply(record))?;
    Ok(decisions)
}

fn stop() -> Record {
    Record::Stop(Stop { savepoint: "s3://b/t".into(), drain: false })
}

#[test]
fn records_come_back_as_they_were_written() {
    let records = [
        Record::Submitted(submission()),
        Record::TakenOver,
        Record::Started,
        Record::Rescale { parallelism: 3 },
        stop(),
        Record::StopGivenUp { error: "no room".into() },
        Record::Cancel,
        Record::Ended(JobEnd::Finished),
        Record::Ended(JobEnd::Failed { error: "broken".into() }),
        Record::Ended(JobEnd::Cancelled),
        Record::Ended(JobEnd::Stopped { savepoint: "s3://b/t/1".into() }),
    ];
    for record in records {
        let entry = LogEntry::new(JobId("7".into()), 2, 5, CoordinatorId("a".into()), record);
        let bytes = entry.encode().unwrap();
        assert_eq!(LogEntry::decode("jobs/7/2.json", &bytes).unwrap(), entry);
    }
}

#[test]
fn what_is_no_record_says_which_and_what_to_do() {
    let refused = |text: &str| LogEntry::decode("jobs/7/2.json", text.as_bytes()).unwrap_err();
    let good = LogEntry::new(JobId("7".into()), 2, 5, CoordinatorId("a".into()), Record::Cancel).encode().unwrap();
    let good = String::from_utf8(good).unwrap();
    for (text, kind, message) in [
        (good[..40].to_owned(), ErrorKind::Corrupt, "record 'jobs/7/2.json' is damaged: EOF"),
        ("{}".to_owned(), ErrorKind::Corrupt, "record 'jobs/7/2.json' is damaged: missing field `format`"),
        (good.replace("job-record", "manifest"), ErrorKind::Corrupt, "it is no record of a job"),
        (good.replace(": 1,", ": 2,"), ErrorKind::Invalid, "has format version 2, this build reads 1"),
        (good.replace("\"number\"", "\"nmber\""), ErrorKind::Corrupt, "unknown field `nmber`"),
        (good.replace("\"cancel\"", "\"explode\""), ErrorKind::Corrupt, "unknown variant `explode`"),
    ] {
        let error = refused(&text);
        assert_eq!(error.kind(), kind, "{text}");
        assert!(error.to_string().contains(message), "{error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn decisions_add_up() {
    let decided = decided(&[
        Record::Started,
        Record::Rescale { parallelism: 3 },
        Record::TakenOver,
        stop(),
        Record::StopGivenUp { error: "no room".into() },
        Record::Rescale { parallelism: 5 },
    ])
    .unwrap();
    assert_eq!((decided.parallelism, decided.has_started, &decided.stop), (Some(5), true, &None));
    assert_eq!(decided.start_from(), StartFrom::Latest);
}

#[test]
fn what_may_not_follow_is_refused() {
    let ended = |end| Record::Ended(end);
    let rescale = || Record::Rescale { parallelism: 2 };
    for (before, record, why) in [
        (vec![], Record::Submitted(submission()), "job '7' has been submitted already"),
        (vec![], Record::Rescale { parallelism: 0 }, "job '7' cannot run with parallelism 0"),
        (vec![], ended(JobEnd::Cancelled), "job '7' is not being cancelled"),
        (vec![], ended(JobEnd::Stopped { savepoint: String::new() }), "job '7' is not being stopped"),
        (vec![], Record::StopGivenUp { error: String::new() }, "job '7' is not being stopped"),
        (vec![Record::Started], Record::Started, "job '7' has started already"),
        (vec![stop()], stop(), "job '7' is being stopped"),
        (vec![stop()], rescale(), "job '7' is being stopped"),
        (vec![Record::Cancel], rescale(), "job '7' is being cancelled"),
        (vec![Record::Cancel], Record::Cancel, "job '7' is being cancelled already"),
        (vec![ended(JobEnd::Finished)], Record::Cancel, "job '7' is FINISHED already"),
        (vec![ended(JobEnd::Finished)], Record::TakenOver, "job '7' is FINISHED already"),
    ] {
        let mut decisions = decided(&before).unwrap();
        let unchanged = decisions.clone();
        assert_eq!(decisions.apply(&record).unwrap_err().to_string(), why);
        assert_eq!(decisions, unchanged);
    }
}

#[test]
fn a_job_that_is_stopped_can_still_be_cancelled_and_end_in_any_way() {
    for end in [
        JobEnd::Finished,
        JobEnd::Failed { error: String::new() },
        JobEnd::Cancelled,
        JobEnd::Stopped { savepoint: String::new() },
    ] {
        assert!(decided(&[stop(), Record::Cancel, Record::Ended(end)]).is_ok());
    }
}
