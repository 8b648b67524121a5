//! A job's log as its writer sees it: what follows what, and who has been fenced.

use super::*;
use crate::{JobEnd, StartFrom};

fn job() -> JobId {
    JobId("7".into())
}

fn writer(name: &str, generation: u64) -> Writer {
    Writer { coordinator: CoordinatorId(name.into()), generation }
}

fn submission() -> Submission {
    Submission {
        job: job(),
        name: "orders".into(),
        sql: String::new(),
        settings: [].into(),
        start_from: StartFrom::Latest,
        submitted_ms: 0,
    }
}

fn entry(number: u64, generation: u64, record: Record) -> LogEntry {
    LogEntry::new(job(), number, generation, CoordinatorId("a".into()), record)
}

fn history(records: &[(u64, Record)]) -> Result<JobHistory> {
    let submitted = (1, Record::Submitted(submission()));
    let entries = std::iter::once(&submitted).chain(records).zip(1..);
    let entries: Vec<LogEntry> =
        entries.map(|((generation, record), number)| entry(number, *generation, record.clone())).collect();
    JobHistory::of("jobs/7", &job(), &entries)
}

#[test]
fn a_log_holds_a_submission_and_what_may_follow_in_order() {
    let read = history(&[(1, Record::Rescale { parallelism: 3 }), (4, Record::TakenOver)]).unwrap();
    assert_eq!((read.head, read.generation, read.decided.parallelism), (3, 4, Some(3)));
    let broken = |entries: &[LogEntry]| JobHistory::of("jobs/7", &job(), entries).unwrap_err().to_string();
    let submitted = || entry(1, 1, Record::Submitted(submission()));
    assert_eq!(broken(&[]), "there is no job '7'");
    assert!(broken(&[entry(1, 1, Record::Cancel)]).ends_with("it does not submit the job"));
    assert!(broken(&[submitted(), submitted()]).ends_with("it is record 1 of job '7'"));
    assert!(broken(&[submitted(), entry(2, 1, Record::Submitted(submission()))]).ends_with("submitted already"));
    assert!(
        history(&[(4, Record::TakenOver), (3, Record::Cancel)])
            .unwrap_err()
            .to_string()
            .ends_with("00000000000000000003.json' is damaged: generation 3 follows 4")
    );
}

#[test]
fn a_leader_takes_over_with_a_record_of_its_own() {
    let (mut log, step) = JobLog::take_over(writer("b", 5), history(&[]).unwrap()).unwrap();
    assert_eq!(step, Some(LogStep::Create(LogEntry::new(job(), 2, 5, CoordinatorId("b".into()), Record::TakenOver))));
    assert_eq!(log.append(Record::Cancel).unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(log.on_reply(CreationReply::Own).unwrap(), LogStep::Appended(Record::TakenOver));
    assert!(matches!(log.append(Record::Cancel), Ok(LogStep::Create(entry)) if entry.number == 3));
}

#[test]
fn nothing_is_appended_to_the_log_of_a_job_that_has_ended_or_of_a_later_leader() {
    let ended = history(&[(1, Record::Ended(JobEnd::Finished))]).unwrap();
    let (mut log, step) = JobLog::take_over(writer("b", 5), ended).unwrap();
    assert_eq!(step, None);
    assert_eq!(log.append(Record::Cancel).unwrap_err().kind(), ErrorKind::Invalid);
    let later = history(&[(9, Record::TakenOver)]).unwrap();
    assert_eq!(JobLog::take_over(writer("b", 5), later).unwrap_err().kind(), ErrorKind::Fenced);
}

#[test]
fn who_finds_somebody_elses_record_appends_no_more() {
    let (mut log, _) = JobLog::submit(writer("a", 1), submission());
    assert_eq!(log.decided(), None);
    log.on_reply(CreationReply::InDoubt).unwrap();
    log.on_reply(CreationReply::Own).unwrap();
    log.append(Record::Cancel).unwrap();
    assert_eq!(log.on_reply(CreationReply::Other).unwrap(), LogStep::Lost);
    let error = log.append(Record::Cancel).unwrap_err();
    assert_eq!(error.to_string(), "job '7': coordinator 'a' of generation 1 leads it no more");
    assert_eq!(error.kind(), ErrorKind::Fenced);
}

#[test]
fn what_is_refused_leaves_the_log_as_it_was() {
    let (mut log, _) = JobLog::take_over(writer("a", 1), history(&[]).unwrap()).unwrap();
    let before = log.clone();
    log.append(Record::Cancel).unwrap();
    assert_eq!(log.on_reply(CreationReply::Refused).unwrap(), LogStep::Refused);
    assert_eq!(log, before);
}
