//! Checkpoints that somebody asks a running job for, through its directory or in this process: triggered at once, and copied when they are
//! completed if they are to be savepoints.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use dipper_checkpoint::Request;
use dipper_state::{Answer, CheckpointKind, CheckpointStore, JobRequest, Manifest, RequestKind, create_savepoint};
use dipper_types::{Error, Result};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::JobNotice;
use super::options::OpenDirectory;
use crate::clock::sleep;

/// How often it is looked for requests.
const POLL: Duration = Duration::from_millis(500);

/// What somebody wants of a running job.
#[derive(Debug)]
pub(crate) struct Ask {
    /// A checkpoint, and what becomes of the job then.
    request: Request,
    /// Where it is copied to, as a savepoint; nowhere, if nothing is said.
    target: Option<String>,
    answer: AnswerTo,
}

/// Who hears what comes of it.
#[derive(Debug)]
enum AnswerTo {
    /// Who has written a request of this id into the job's directory.
    Directory(String),
    /// Who waits for it in this process.
    Caller(Option<oneshot::Sender<Result<()>>>),
}

impl Ask {
    /// Something that is asked for in this process. What comes of it is told when the checkpoint is completed and copied, or given up; not at
    /// all, if the job is gone.
    pub(crate) fn new(request: Request, target: Option<String>) -> (Self, oneshot::Receiver<Result<()>>) {
        let (answer, answered) = oneshot::channel();
        (Self { request, target, answer: AnswerTo::Caller(Some(answer)) }, answered)
    }

    fn of(request: JobRequest) -> Self {
        let JobRequest { id, kind, target } = request;
        let request = match kind {
            RequestKind::Savepoint => Request::Savepoint,
            RequestKind::Stop => Request::Stop,
            RequestKind::Drain => Request::Drain,
        };
        Self { request, target: Some(target), answer: AnswerTo::Directory(id) }
    }
}

/// Looks for requests in the job's directory for as long as the attempt lasts.
pub(crate) async fn watch(store: CheckpointStore, asks: UnboundedSender<Ask>) {
    let mut seen = BTreeSet::new();
    loop {
        match store.requests().await {
            Ok(found) => {
                for request in found {
                    if seen.insert(request.id.clone()) && asks.send(Ask::of(request)).is_err() {
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
    asked: VecDeque<Ask>,
    /// That which the checkpoint under way is for.
    serving: Option<Ask>,
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
    pub(crate) fn on_ask(&mut self, mut ask: Ask) -> Request {
        let request = ask.request;
        self.answer(&mut ask.answer, Answer::Taken);
        self.asked.push_back(ask);
        request
    }

    /// A checkpoint begins that somebody has asked for.
    pub(crate) fn on_begun(&mut self) {
        if self.serving.is_none() {
            self.serving = self.asked.pop_front();
        }
    }

    /// A checkpoint has been given up. A drain is tried again.
    pub(crate) fn on_aborted(&mut self, reason: &str) {
        if let Some(mut ask) = self.serving.take_if(|ask| ask.request != Request::Drain) {
            self.answer(&mut ask.answer, Answer::Failed(reason.to_owned()));
        }
    }

    /// A checkpoint is completed: if somebody has asked for it, it is copied to where they want it.
    pub(crate) fn on_completed(&mut self, manifest: &Manifest) {
        if manifest.kind != CheckpointKind::Savepoint {
            return;
        }
        let Some(Ask { target, mut answer, .. }) = self.serving.take() else { return };
        let Some(target) = target else { return self.answer(&mut answer, Answer::Done) };
        let (store, open, manifest) = (self.store.clone(), OpenDirectory::clone(&self.open), manifest.clone());
        self.copies += 1;
        let copy = async move {
            let copied: Result<()> = async {
                create_savepoint(&store, &manifest, &open(&target)?).await?;
                Ok(())
            }
            .await;
            let (said, notice) = match copied {
                Ok(()) => (Answer::Done, JobNotice::SavepointTaken { target }),
                Err(error) => {
                    let reason = error.to_string();
                    (Answer::Failed(reason.clone()), JobNotice::SavepointFailed { target, reason })
                }
            };
            answer.say(&store, said).await;
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
        let left: Vec<Ask> = self.serving.take().into_iter().chain(self.asked.drain(..)).collect();
        for mut ask in left {
            self.answer(&mut ask.answer, Answer::Failed("the job has ended, or is being restarted".to_owned()));
        }
    }

    fn answer(&mut self, to: &mut AnswerTo, answer: Answer) {
        let mut to = match to {
            AnswerTo::Directory(id) => AnswerTo::Directory(id.clone()),
            // It has begun: that is not what is waited for.
            AnswerTo::Caller(_) if answer == Answer::Taken => return,
            AnswerTo::Caller(caller) => AnswerTo::Caller(caller.take()),
        };
        let store = self.store.clone();
        let answered = async move {
            to.say(&store, answer).await;
            Done { was_copy: false, notice: None }
        };
        self.work.push(answered.boxed());
    }
}

impl AnswerTo {
    async fn say(&mut self, store: &CheckpointStore, answer: Answer) {
        match self {
            Self::Directory(id) => {
                if let Err(error) = store.answer(id, &answer).await {
                    tracing::warn!(%error, "cannot answer a request");
                }
            }
            Self::Caller(caller) => {
                let result = match answer {
                    Answer::Failed(reason) => Err(Error::unavailable(reason)),
                    Answer::Taken | Answer::Done => Ok(()),
                };
                // Nobody listens if the caller has gone.
                let _ = caller.take().map(|caller| caller.send(result));
            }
        }
    }
}
