//! One attempt of a job under this leader: planned, run on workers or adopted, and led to its end.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use dipper_checkpoint::{Outcome, Request, RestartStrategy};
use dipper_runtime::{Job, JobHandle, JobNotice, JobSummary, RunOptions};
use dipper_session::PlannedJob;
use dipper_types::{AttemptId, Epoch, Error, ErrorKind, JobId, Result};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::deployment::{Attempt, OnWorkers};
use super::hub::Hub;
use super::job::{Input, Inputs};
use super::plan::plan;
use super::view::View;
use crate::{Event, StartFrom, Stop, Submission};

/// How an attempt has ended that has not failed.
#[derive(Debug)]
pub(super) enum Ended {
    /// All inputs have ended, and there is no savepoint. Why, if one was asked for.
    Finished { unsaved: Option<Error> },
    /// With a checkpoint, as it was asked to, and what has come of the copy of it.
    Stopped { last: Last, saved: Result<()> },
}

/// The checkpoint that an attempt is to end with.
#[derive(Debug, Clone)]
pub(super) enum Last {
    /// Another attempt goes on from it.
    Suspend,
    /// The job stops with it.
    Stop(Stop),
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
    pub(super) last: UnboundedReceiver<Last>,
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
        let _abandon = Abandon(running.clone());
        let mut saving: Option<(Last, BoxFuture<'static, Result<()>>)> = None;
        let (summary, last, saved) = loop {
            let is_free = saving.is_none();
            let saved = async {
                match &mut saving {
                    Some((_, saved)) => saved.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                ended = &mut ended => {
                    let summary = ended.map_err(|error| self.explained(error))?;
                    // Whoever asks for a checkpoint always hears what comes of it.
                    break match saving {
                        Some((last, saved)) => (summary, Some(last), Some(saved.await)),
                        None => (summary, None, None),
                    };
                }
                saved = saved => {
                    let Some((last, _)) = saving.take() else { continue };
                    match saved {
                        Ok(()) => {
                            // The attempt ends now.
                            let summary = self.wait(&running, ended.as_mut()).await?;
                            break (summary, Some(last), Some(Ok(())));
                        }
                        Err(error) => self.say_failed(&last, error),
                    }
                }
                Some(last) = self.last.recv(), if is_free => {
                    let (request, target) = match &last {
                        Last::Suspend => (Request::Stop, None),
                        Last::Stop(stop) if stop.drain => (Request::Drain, Some(stop.savepoint.clone())),
                        Last::Stop(stop) => (Request::Stop, Some(stop.savepoint.clone())),
                    };
                    let running = running.clone();
                    saving = Some((last, async move { running.checkpoint(request, target).await }.boxed()));
                }
                () = cancel.cancelled() => {
                    let summary = self.wait(&running, ended.as_mut()).await?;
                    break (summary, None, None);
                }
            }
        };
        match (summary.outcome, last) {
            (Outcome::Stopped, Some(last)) => Ok(Ended::Stopped { last, saved: saved.unwrap_or(Ok(())) }),
            (Outcome::Stopped, None) => Err(Error::unavailable("the attempt has stopped, and nobody has asked it to")),
            (Outcome::Finished, Some(last @ Last::Stop(_))) => Ok(match saved {
                Some(Ok(())) => Ended::Stopped { last, saved: Ok(()) },
                unsaved => Ended::Finished { unsaved: unsaved.and_then(Result::err) },
            }),
            (Outcome::Finished, _) => Ok(Ended::Finished { unsaved: None }),
        }
    }

    /// Waits for the end, which is brought about if the attempt is cancelled.
    async fn wait(
        &self,
        running: &JobHandle,
        ended: Pin<&mut impl Future<Output = Result<JobSummary>>>,
    ) -> Result<JobSummary> {
        let mut ended = ended;
        let summary = tokio::select! {
            ended = &mut ended => ended,
            () = self.cancel.cancelled() => {
                running.cancel();
                ended.await
            }
        };
        summary.map_err(|error| self.explained(error))
    }

    /// What nobody here has cancelled has failed.
    fn explained(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::Cancelled if !self.cancel.is_cancelled() => {
                Error::unavailable("a part of the attempt has ended")
            }
            _ => error,
        }
    }

    fn say_failed(&self, last: &Last, error: Error) {
        let attempt = self.number;
        let failed = match last {
            Last::Suspend => Event::SuspendFailed { attempt },
            Last::Stop(_) => Event::SavepointFailed { attempt, error },
        };
        let _ = self.inputs.send(Input::Event(failed));
    }

    async fn begin(&mut self) -> Result<Job> {
        let start_from = self.start_from.clone();
        let planned = plan(self.hub.directory(), &self.submission, self.parallelism, start_from).await?;
        let PlannedJob { graph, checkpointing, .. } = planned;
        let mut checkpointing = checkpointing.ok_or_else(|| Error::internal("a job of a cluster takes checkpoints"))?;
        // The life cycle restarts it.
        checkpointing.restart = RestartStrategy::None;
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
