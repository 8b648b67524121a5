//! From messages to what they mean, and back. What does not mean anything is an error that says so.

use std::collections::BTreeSet;
use std::time::Duration;

use dipper_checkpoint as protocol;
use dipper_checkpoint::{Snapshot, SnapshotFile, TaskMessage};
use dipper_operator_api::LatencyCounts;
use dipper_runtime::{Counted, Heard, SubtaskCounters, TaskCounters, TaskTimes, Told};
use dipper_types::{AttemptId, Epoch, Error, ErrorKind, ManifestNumber, Position, Result, Span, Timestamp, Watermark};
use prost::Message;
use tonic::Status;

use crate::coordinator::Share;
use crate::exchange::code_of;
use crate::rpc;

/// The most that a message may take: the state of a subtask in a manifest, or an order.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// An attempt of a job of this cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AttemptKey {
    pub(crate) job: String,
    pub(crate) attempt: AttemptId,
}

impl From<&AttemptKey> for rpc::AttemptId {
    fn from(key: &AttemptKey) -> Self {
        Self { job: key.job.clone(), opening: key.attempt.opening.0, nonce: key.attempt.nonce }
    }
}

impl From<rpc::AttemptId> for AttemptKey {
    fn from(id: rpc::AttemptId) -> Self {
        Self { job: id.job, attempt: AttemptId { opening: ManifestNumber(id.opening), nonce: id.nonce } }
    }
}

/// What a message says of an attempt that it must name.
pub(crate) fn attempt(id: Option<rpc::AttemptId>) -> Result<AttemptKey> {
    id.map(AttemptKey::from).ok_or_else(|| incomplete("an attempt"))
}

impl From<protocol::TaskId> for rpc::TaskId {
    fn from(id: protocol::TaskId) -> Self {
        Self { task: id.task as u32, subtask: id.subtask as u32 }
    }
}

impl From<rpc::TaskId> for protocol::TaskId {
    fn from(id: rpc::TaskId) -> Self {
        Self { task: id.task as usize, subtask: id.subtask as usize }
    }
}

/// What a worker says that it runs.
pub(crate) fn running_share(worker: &str, share: rpc::RunningShare) -> Result<Share> {
    let tasks = share.tasks.into_iter().map(Into::into).collect();
    Ok(Share { worker: worker.to_owned(), key: attempt(share.attempt)?, tasks, passed: Epoch(share.passed) })
}

/// The error of a message that lacks something.
pub(crate) fn incomplete(what: &str) -> Error {
    Error::internal(format!("a message names no {}", what.trim_start_matches("an ").trim_start_matches("a ")))
}

const KINDS: [(ErrorKind, &str); 7] = [
    (ErrorKind::Invalid, "invalid"),
    (ErrorKind::Unsupported, "unsupported"),
    (ErrorKind::Unavailable, "unavailable"),
    (ErrorKind::Fenced, "fenced"),
    (ErrorKind::Corrupt, "corrupt"),
    (ErrorKind::Cancelled, "cancelled"),
    (ErrorKind::Internal, "internal"),
];

impl From<&Error> for rpc::Error {
    fn from(error: &Error) -> Self {
        let kind = KINDS.iter().find(|(kind, _)| *kind == error.kind()).map_or("internal", |(_, name)| name);
        let span = error.span().map(|Span { start, end }| rpc::Span {
            start_line: start.line as u32,
            start_column: start.column as u32,
            end_line: end.line as u32,
            end_column: end.column as u32,
        });
        let hint = error.hint().map(str::to_owned);
        Self { kind: kind.to_owned(), message: error.to_string(), hint, span, leader: None, stands_by: false }
    }
}

impl From<rpc::Error> for Error {
    fn from(error: rpc::Error) -> Self {
        let kind = KINDS.iter().find(|(_, name)| *name == error.kind).map_or(ErrorKind::Internal, |(kind, _)| *kind);
        let mut read = Self::new(kind, error.message);
        if let Some(hint) = error.hint {
            read = read.with_hint(hint);
        }
        let at = |line: u32, column: u32| Position { line: line.into(), column: column.into() };
        match error.span {
            Some(span) => {
                read.at(Span::new(at(span.start_line, span.start_column), at(span.end_line, span.end_column)))
            }
            None => read,
        }
    }
}

/// An error as the answer to a call, which carries it whole.
pub(crate) fn status(error: &Error) -> Status {
    status_of(&rpc::Error::from(error))
}

/// An error as it is sent, as the answer to a call.
pub(crate) fn status_of(error: &rpc::Error) -> Status {
    let code = code_of(&Error::from(error.clone()));
    Status::with_details(code, error.message.clone(), error.encode_to_vec().into())
}

/// Who leads instead, if whoever has been asked says so.
pub(crate) fn leader_of(status: &Status) -> Option<String> {
    rpc::Error::decode(status.details()).ok()?.leader
}

/// Whether nothing has been done because somebody else leads, or nobody.
pub(crate) fn stands_by(status: &Status) -> bool {
    rpc::Error::decode(status.details()).is_ok_and(|error| error.stands_by)
}

/// The answer of `whom` to a call that has failed.
pub(crate) fn error_of(status: &Status, whom: &str) -> Error {
    match rpc::Error::decode(status.details()) {
        Ok(error) if !error.kind.is_empty() => error.into(),
        _ => failure(status).context(whom),
    }
}

/// That there is no talking to somebody: what the connection says, or he himself.
pub(crate) fn failure(status: &Status) -> Error {
    std::error::Error::source(status).map_or_else(|| Error::unavailable(status.message()), cause)
}

/// What lies behind an error of the transport, which says little itself.
pub(crate) fn cause(error: &(dyn std::error::Error + 'static)) -> Error {
    match (error.downcast_ref::<Error>(), error.source()) {
        (Some(error), _) => error.clone(),
        (None, Some(source)) => cause(source),
        (None, None) => Error::unavailable(error.to_string()),
    }
}

/// What subtasks are told, as a message.
pub(crate) fn told(key: &AttemptKey, told: &Told) -> rpc::to_worker::Content {
    use rpc::to_worker::Content;
    let attempt = Some(rpc::AttemptId::from(key));
    match told {
        Told::Trigger { epoch, mode, sources } => {
            let mode = match mode {
                protocol::SourceMode::ReadOn => rpc::SourceMode::ReadOn,
                protocol::SourceMode::Wait => rpc::SourceMode::Wait,
                protocol::SourceMode::End => rpc::SourceMode::End,
            };
            let sources = sources.iter().map(|source| (*source).into()).collect();
            Content::Trigger(rpc::Trigger { attempt, epoch: epoch.0, mode: mode.into(), sources })
        }
        Told::Completed(epoch) => Content::Completed(rpc::CheckpointEnd { attempt, epoch: epoch.0 }),
        Told::Aborted(epoch) => Content::Aborted(rpc::CheckpointEnd { attempt, epoch: epoch.0 }),
        Told::Cancel => Content::Cancel(key.into()),
    }
}

/// What a message tells the subtasks of an attempt.
pub(crate) fn trigger(trigger: rpc::Trigger) -> Result<(AttemptKey, Told)> {
    let mode = match trigger.mode() {
        rpc::SourceMode::ReadOn => protocol::SourceMode::ReadOn,
        rpc::SourceMode::Wait => protocol::SourceMode::Wait,
        rpc::SourceMode::End => protocol::SourceMode::End,
        rpc::SourceMode::Unspecified => return Err(incomplete("a source mode")),
    };
    let sources = trigger.sources.into_iter().map(Into::into).collect();
    Ok((attempt(trigger.attempt)?, Told::Trigger { epoch: Epoch(trigger.epoch), mode, sources }))
}

/// What a subtask says, as a message.
pub(crate) fn heard(key: &AttemptKey, heard: Heard) -> rpc::from_worker::Content {
    use rpc::from_worker::Content;
    use rpc::task_said::Content as Said;
    let attempt = Some(rpc::AttemptId::from(key));
    match heard {
        Heard::Counted(Counted { operators, tasks }) => {
            let operators = operators.into_iter().map(Into::into).collect();
            let tasks = tasks.into_iter().map(Into::into).collect();
            Content::Counted(rpc::Counted { attempt, operators, tasks })
        }
        Heard::Lost(task, error) => {
            Content::Lost(rpc::TaskLost { attempt, task: Some(task.into()), error: Some((&error).into()) })
        }
        Heard::Message(task, message, error) => {
            let content = match message {
                TaskMessage::Acknowledged { epoch, snapshot, staged } => {
                    Said::Acknowledged(saved(epoch, snapshot, staged))
                }
                TaskMessage::Declined { epoch } => Said::Declined(epoch.0),
                TaskMessage::Finished { passed, snapshot, staged } => Said::Finished(saved(passed, snapshot, staged)),
            };
            let (task, error) = (Some(task.into()), error.as_ref().map(Into::into));
            Content::Said(rpc::TaskSaid { attempt, task, error, content: Some(content) })
        }
    }
}

fn saved(epoch: Epoch, snapshot: Snapshot, staged: Vec<protocol::Staged>) -> rpc::Saved {
    let file = |file: SnapshotFile| rpc::StateFile { path: file.path, attempt: file.attempt.0, epoch: file.epoch.0 };
    let staged = staged.into_iter().map(|one| rpc::Staged { epoch: one.epoch.0, committable: one.committable.into() });
    rpc::Saved {
        epoch: epoch.0,
        inline: snapshot.inline.into(),
        files: snapshot.files.into_iter().map(file).collect(),
        finished: snapshot.finished,
        staged: staged.collect(),
    }
}

/// What a message says of a subtask.
pub(crate) fn said(said: rpc::TaskSaid) -> Result<(AttemptKey, Heard)> {
    use rpc::task_said::Content;
    let rpc::TaskSaid { attempt: id, task, error, content } = said;
    let task = task.ok_or_else(|| incomplete("a subtask"))?.into();
    let message = match content.ok_or_else(|| incomplete("a content"))? {
        Content::Acknowledged(saved) => {
            let (epoch, snapshot, staged) = read_saved(saved);
            TaskMessage::Acknowledged { epoch, snapshot, staged }
        }
        Content::Declined(epoch) => TaskMessage::Declined { epoch: Epoch(epoch) },
        Content::Finished(saved) => {
            let (passed, snapshot, staged) = read_saved(saved);
            TaskMessage::Finished { passed, snapshot, staged }
        }
    };
    Ok((attempt(id)?, Heard::Message(task, message, error.map(Into::into))))
}

/// What a message says of the loss of a subtask.
pub(crate) fn lost(lost: rpc::TaskLost) -> Result<(AttemptKey, Heard)> {
    let task = lost.task.ok_or_else(|| incomplete("a subtask"))?.into();
    let error = lost.error.ok_or_else(|| incomplete("an error"))?.into();
    Ok((attempt(lost.attempt)?, Heard::Lost(task, error)))
}

fn read_saved(saved: rpc::Saved) -> (Epoch, Snapshot, Vec<protocol::Staged>) {
    let file = |file: rpc::StateFile| SnapshotFile {
        path: file.path,
        attempt: ManifestNumber(file.attempt),
        epoch: Epoch(file.epoch),
    };
    let files: BTreeSet<SnapshotFile> = saved.files.into_iter().map(file).collect();
    let snapshot = Snapshot { inline: saved.inline.into(), files, finished: saved.finished };
    let staged =
        |staged: rpc::Staged| protocol::Staged { epoch: Epoch(staged.epoch), committable: staged.committable.into() };
    (Epoch(saved.epoch), snapshot, saved.staged.into_iter().map(staged).collect())
}

impl From<SubtaskCounters> for rpc::OperatorCounters {
    fn from(counted: SubtaskCounters) -> Self {
        Self {
            node: counted.node as u32,
            subtask: counted.subtask as u32,
            rows_in: counted.rows_in,
            rows_out: counted.rows_out,
            matches: counted.matches,
            late_rows: counted.late_rows,
            skipped_records: counted.skipped_records,
            skip_errors: counted.skip_errors,
            watermark_us: counted.watermark.0.0,
            open_matches: counted.open_matches,
            match_latency: counted.match_latency.buckets.to_vec(),
            match_latency_us: counted.match_latency.sum_us,
        }
    }
}

impl From<rpc::OperatorCounters> for SubtaskCounters {
    fn from(counted: rpc::OperatorCounters) -> Self {
        Self {
            node: counted.node as usize,
            subtask: counted.subtask as usize,
            rows_in: counted.rows_in,
            rows_out: counted.rows_out,
            matches: counted.matches,
            late_rows: counted.late_rows,
            skipped_records: counted.skipped_records,
            skip_errors: counted.skip_errors,
            watermark: Watermark(Timestamp(counted.watermark_us)),
            open_matches: counted.open_matches,
            match_latency: LatencyCounts {
                // Both sides are of one build.
                buckets: counted.match_latency.try_into().unwrap_or_default(),
                sum_us: counted.match_latency_us,
            },
        }
    }
}

impl From<TaskCounters> for rpc::TaskCounters {
    fn from(counted: TaskCounters) -> Self {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let TaskCounters { task, subtask, bytes_in, bytes_out, times } = counted;
        Self {
            task: task as u32,
            subtask: subtask as u32,
            bytes_in,
            bytes_out,
            busy_us: us(times.busy),
            backpressured_us: us(times.backpressured),
            idle_us: us(times.idle),
        }
    }
}

impl From<rpc::TaskCounters> for TaskCounters {
    fn from(counted: rpc::TaskCounters) -> Self {
        let times = TaskTimes {
            busy: Duration::from_micros(counted.busy_us),
            backpressured: Duration::from_micros(counted.backpressured_us),
            idle: Duration::from_micros(counted.idle_us),
        };
        let (task, subtask) = (counted.task as usize, counted.subtask as usize);
        Self { task, subtask, bytes_in: counted.bytes_in, bytes_out: counted.bytes_out, times }
    }
}

/// What subtasks have counted.
pub(crate) fn counted(counted: rpc::Counted) -> Counted {
    let operators = counted.operators.into_iter().map(Into::into).collect();
    Counted { operators, tasks: counted.tasks.into_iter().map(Into::into).collect() }
}
