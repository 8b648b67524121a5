//! One attempt of a job under this leader: planned, run on workers or adopted, and led to its end.

use std::sync::{Arc, Mutex};

use dipper_checkpoint::{Outcome, RestartStrategy};
use dipper_runtime::{Job, JobHandle, JobNotice, RunOptions};
use dipper_session::PlannedJob;
use dipper_types::{AttemptId, Epoch, Error, JobId, Result};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;

use super::deployment::{Attempt, OnWorkers};
use super::hub::Hub;
use super::job::{Input, Inputs};
use super::plan::plan;
use super::view::View;
use crate::{Event, StartFrom, Submission};

/// How an attempt has ended that has not failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// All inputs have ended.
    Finished,
    /// With a checkpoint, as it was asked to.
    Stopped,
}

/// What is known of an attempt that a former leader has started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Began {
    pub(super) attempt: AttemptId,
    /// The greatest checkpoint that its subtasks may have been told of.
    pub(super) passed: Epoch,
}

/// An attempt that is to be run.
pub(super) struct Attempted {
    pub(super) hub: Arc<Hub>,
    /// Under this leader.
    pub(super) number: u64,
    pub(super) submission: Submission,
    pub(super) parallelism: Option<usize>,
    pub(super) start_from: StartFrom,
    /// What runs already.
    pub(super) found: Option<(Attempt, Began)>,
    pub(super) cancel: CancellationToken,
    pub(super) start: Arc<Notify>,
    pub(super) view: View,
    pub(super) inputs: Inputs,
}

/// Runs an attempt, and says how it has ended. Dropped, it leaves everything as it is, for another leader.
pub(super) async fn run_attempt(mut attempted: Attempted) {
    let (number, inputs) = (attempted.number, attempted.inputs.clone());
    let ended = attempted.run().await;
    let _ = inputs.send(Input::Ended(number, ended));
}

impl Attempted {
    async fn run(&mut self) -> Result<Ended> {
        let cancel = self.cancel.clone();
        let job = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Error::cancelled()),
            job = self.begin() => job?,
        };
        let running = job.handle();
        let _ = self.inputs.send(Input::Began(self.number, running.clone()));
        let ended = job.wait();
        tokio::pin!(ended);
        // Dropped before the job, which would be cancelled.
        let abandon = Abandon(running.clone());
        let summary = tokio::select! {
            ended = &mut ended => ended?,
            () = cancel.cancelled() => {
                running.cancel();
                ended.await?
            }
        };
        drop(abandon);
        Ok(match summary.outcome {
            Outcome::Finished => Ended::Finished,
            Outcome::Stopped => Ended::Stopped,
        })
    }

    async fn begin(&mut self) -> Result<Job> {
        let start_from = self.start_from.clone();
        let planned = plan(self.hub.directory(), &self.submission, self.parallelism, start_from).await?;
        let PlannedJob { graph, checkpointing, .. } = planned;
        let mut checkpointing = checkpointing.ok_or_else(|| Error::internal("a job of a cluster takes checkpoints"))?;
        // The life cycle restarts it.
        checkpointing.restart = RestartStrategy::None;
        checkpointing.heeds_requests = false;
        let (notices, mut noticed) = unbounded_channel();
        checkpointing.notices = Some(notices);
        let found = self.found.take().map(|(attempt, began)| {
            checkpointing.start_from =
                dipper_runtime::StartFrom::Adopt { attempt: began.attempt, passed: began.passed };
            attempt
        });
        let (number, inputs) = (self.number, self.inputs.clone());
        let ready = move || drop(inputs.send(Input::Event(Event::AttemptReady { attempt: number })));
        checkpointing.deploy = Some(Arc::new(OnWorkers {
            hub: Arc::clone(&self.hub),
            job: JobId(self.submission.job.0.clone()),
            ready: Box::new(ready),
            start: Arc::clone(&self.start),
            running: Mutex::new(found),
        }));
        let view = self.view.clone();
        tokio::spawn(async move {
            while let Some(notice) = noticed.recv().await {
                say(&view, &notice);
            }
        });
        let mut options = RunOptions::new(Handle::current());
        options.checkpointing = Some(Box::new(checkpointing));
        dipper_runtime::start(&graph, options)
    }
}

fn say(view: &View, notice: &JobNotice) {
    view.say(if notice.is_warning() { "WARN" } else { "INFO" }, notice.to_string());
}

/// Leaves a job to another leader.
struct Abandon(JobHandle);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
