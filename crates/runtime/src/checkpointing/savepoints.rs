//! Savepoints that somebody asks a running job for, through its directory: a checkpoint, triggered at once, and copied when it is completed.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use dipper_checkpoint::Request;
use dipper_state::{Answer, CheckpointKind, CheckpointStore, JobRequest, Manifest, RequestKind, create_savepoint};
use dipper_types::Result;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc::UnboundedSender;

use super::JobNotice;
use super::options::OpenDirectory;
use crate::clock::sleep;

/// How often it is looked for requests.
const POLL: Duration = Duration::from_millis(500);

/// Looks for requests for as long as the attempt lasts.
pub(crate) async fn watch(store: CheckpointStore, requests: UnboundedSender<JobRequest>) {
    let mut seen = BTreeSet::new();
    loop {
        match store.requests().await {
            Ok(found) => {
                for request in found {
                    if seen.insert(request.id.clone()) && requests.send(request).is_err() {
                        return;
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "cannot look for requests"),
        }
        sleep(POLL).await;
    }
}

/// The requests of one attempt, and the copies under way.
pub(crate) struct Savepoints {
    store: CheckpointStore,
    open: OpenDirectory,
    /// In the order in which the coordinator has heard of them.
    asked: VecDeque<JobRequest>,
    /// That which the checkpoint under way is for.
    serving: Option<JobRequest>,
    copies: usize,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
}

/// What has been done.
struct Done {
    was_copy: bool,
    notice: Option<JobNotice>,
}

impl Savepoints {
    pub(crate) fn new(store: CheckpointStore, open: OpenDirectory) -> Self {
        Self { store, open, asked: VecDeque::new(), serving: None, copies: 0, work: FuturesUnordered::new() }
    }

    /// Somebody asks for one: what the coordinator is to hear.
    pub(crate) fn on_request(&mut self, request: JobRequest) -> Request {
        let kind = match request.kind {
            RequestKind::Savepoint => Request::Savepoint,
            RequestKind::Stop => Request::Stop,
            RequestKind::Drain => Request::Drain,
        };
        self.answer(&request, Answer::Taken);
        self.asked.push_back(request);
        kind
    }

    /// A checkpoint begins that somebody has asked for.
    pub(crate) fn on_begun(&mut self) {
        if self.serving.is_none() {
            self.serving = self.asked.pop_front();
        }
    }

    /// A checkpoint has been given up. A drain is tried again.
    pub(crate) fn on_aborted(&mut self, reason: &str) {
        if let Some(request) = self.serving.take_if(|request| request.kind != RequestKind::Drain) {
            self.answer(&request, Answer::Failed(reason.to_owned()));
        }
    }

    /// A checkpoint is completed: if somebody has asked for it, it is copied.
    pub(crate) fn on_completed(&mut self, manifest: &Manifest) {
        if manifest.kind != CheckpointKind::Savepoint {
            return;
        }
        let Some(request) = self.serving.take() else { return };
        let (store, open, manifest) = (self.store.clone(), OpenDirectory::clone(&self.open), manifest.clone());
        self.copies += 1;
        let copy = async move {
            let copied: Result<()> = async {
                create_savepoint(&store, &manifest, &open(&request.target)?).await?;
                Ok(())
            }
            .await;
            let (answer, notice) = match copied {
                Ok(()) => (Answer::Done, JobNotice::SavepointTaken { target: request.target.clone() }),
                Err(error) => (
                    Answer::Failed(error.to_string()),
                    JobNotice::SavepointFailed { target: request.target.clone(), reason: error.to_string() },
                ),
            };
            answer_to(&store, &request, &answer).await;
            Done { was_copy: true, notice: Some(notice) }
        };
        self.work.push(copy.boxed());
    }

    /// Whether something is being copied: nothing may be deleted meanwhile.
    pub(crate) fn is_copying(&self) -> bool {
        self.copies > 0
    }

    /// The next notice; `None` when there is no work under way.
    pub(crate) async fn next(&mut self) -> Option<JobNotice> {
        loop {
            let Done { was_copy, notice } = self.work.next().await?;
            self.copies -= usize::from(was_copy);
            if notice.is_some() {
                return notice;
            }
        }
    }

    /// The attempt is over: what has not been begun will not be.
    pub(crate) fn end(&mut self) {
        let left: Vec<JobRequest> = self.serving.take().into_iter().chain(self.asked.drain(..)).collect();
        for request in left {
            self.answer(&request, Answer::Failed("the job has ended, or is being restarted".to_owned()));
        }
    }

    fn answer(&mut self, request: &JobRequest, answer: Answer) {
        let (store, request) = (self.store.clone(), request.clone());
        let answered = async move {
            answer_to(&store, &request, &answer).await;
            Done { was_copy: false, notice: None }
        };
        self.work.push(answered.boxed());
    }
}

async fn answer_to(store: &CheckpointStore, request: &JobRequest, answer: &Answer) {
    if let Err(error) = store.answer(&request.id, answer).await {
        tracing::warn!(%error, "cannot answer a request");
    }
}
