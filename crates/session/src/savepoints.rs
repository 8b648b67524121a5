//! Asks a running job for a savepoint, whatever process runs it.

use std::time::Duration;

use dipper_state::{Answer, CheckpointStore, JobRequest, RequestKind, create_savepoint};
use dipper_types::{Error, Result};

use crate::checkpoints::open_directory;
use crate::clock::{nonce, sleep};
use crate::inspection::job_store;

/// How often it is looked for an answer.
const POLL: Duration = Duration::from_millis(100);

/// How often until nobody seems to be there: 15 seconds.
const POLLS_UNTIL_TAKEN: usize = 150;

/// What becomes of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterSavepoint {
    /// It goes on.
    GoOn,
    /// It stops, and can be started again.
    Stop,
    /// Its inputs end, it flushes, and is over.
    Drain,
}

/// Asks the job whose checkpoints are in the directory `job` for a savepoint in `target`, and waits until it is there, or until it is
/// `cancelled`.
pub async fn take_savepoint(
    job: &str,
    target: &str,
    after: AfterSavepoint,
    cancelled: impl Future<Output = ()>,
) -> Result<()> {
    let store = job_store(job)?;
    // That of this process counts, not that of the job's.
    let target = absolute(target)?;
    open_directory(&target)?;
    if store.manifest_numbers().await?.is_empty() {
        return Err(Error::invalid(format!("there is no job with checkpoints in '{job}'")));
    }
    let kind = match after {
        AfterSavepoint::GoOn => RequestKind::Savepoint,
        AfterSavepoint::Stop => RequestKind::Stop,
        AfterSavepoint::Drain => RequestKind::Drain,
    };
    let request = JobRequest { id: format!("{:016x}", nonce()), kind, target };
    store.ask(&request).await?;
    let answer = tokio::select! {
        answer = wait(&store, &request.id, job) => answer,
        () = cancelled => Err(Error::cancelled()),
    };
    let withdrawn = store.withdraw(&request.id).await;
    let answer = answer?;
    if let Err(error) = withdrawn {
        tracing::warn!(%error, "cannot remove the request");
    }
    match answer {
        Answer::Failed(reason) => Err(Error::unavailable(format!("the job cannot take a savepoint: {reason}"))),
        Answer::Taken | Answer::Done => Ok(()),
    }
}

/// Copies the last checkpoint of a job, which need not run, as a savepoint.
pub async fn copy_last_checkpoint(job: &str, target: &str) -> Result<()> {
    let store = job_store(job)?;
    let last = store.latest().await?;
    let last = last.ok_or_else(|| Error::invalid(format!("there is no checkpoint in '{job}'")))?;
    create_savepoint(&store, &last, &open_directory(target)?).await.map(drop)
}

async fn wait(store: &CheckpointStore, id: &str, job: &str) -> Result<Answer> {
    let mut polls = 0;
    loop {
        match store.answer_to(id).await? {
            Some(Answer::Taken) => {}
            Some(answer) => return Ok(answer),
            None if polls >= POLLS_UNTIL_TAKEN => {
                let error = Error::unavailable(format!("nobody answers: the job in '{job}' does not seem to run"));
                return Err(error.with_hint("copy its last checkpoint with --last"));
            }
            None => polls += 1,
        }
        sleep(POLL).await;
    }
}

/// A directory as any process of this machine finds it: a URL as it is, a path from the root.
pub fn absolute(target: &str) -> Result<String> {
    if target.contains("://") {
        return Ok(target.to_owned());
    }
    let path = std::path::absolute(target).map_err(|error| Error::invalid(format!("'{target}': {error}")))?;
    let path = path.to_str().map(str::to_owned);
    path.ok_or_else(|| Error::invalid(format!("'{target}' is not valid UTF-8")))
}
