//! Runs subtasks of jobs with checkpoints in this process: all of a job, or the share that a worker has.

use std::collections::BTreeMap;
use std::sync::Arc;

use dipper_checkpoint::{TaskCheckpoints, TaskId};
use dipper_state::{CheckpointStore, Compression, Directory, SnapshotUploader, UploaderSpec};
use dipper_types::{Error, OperatorId, Result};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::acknowledger::{Acknowledger, Said, Word};
use super::outputs::table_of;
use super::restore::restore;
use super::subtasks::{Deploy, Heard, Order, Subtasks, Told};
use crate::deployment::{Deployment, Plan, deploy};
use crate::job_metrics::JobMetrics;
use crate::network::{RemoteEnds, Share};
use crate::opening::{deal_splits, open_sinks};
use crate::run::Run;
use crate::task::{Report, Task, panic_error};
use crate::task_control::{Notice, TaskControl};
use crate::validate::validate;
use crate::{Components, Counted};

/// What a process offers to the subtasks that run in it.
#[derive(Debug, Clone)]
pub struct Host {
    /// Where sources, sinks and operators come from.
    pub components: Arc<dyn Components>,
    /// How many bytes may wait in one channel.
    pub channel_bytes: usize,
    /// The tokio runtime that serves I/O.
    pub io: Handle,
    /// Where the checkpoints of all jobs are.
    pub directory: Directory,
}

/// All subtasks of the jobs that are deployed run here.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) host: Host,
    pub(crate) metrics: Arc<JobMetrics>,
}

impl Deploy for Local {
    fn deploy(&self, order: Arc<Order>) -> BoxFuture<'_, Result<Box<dyn Subtasks>>> {
        let deployed = async move {
            let deployed = self.host.deploy(order, &Share::All, Arc::clone(&self.metrics)).await?;
            Ok(Box::new(deployed.start()) as Box<dyn Subtasks>)
        };
        deployed.boxed()
    }
}

/// Subtasks that are ready to run.
pub struct Deployed {
    /// The channels to those that run elsewhere.
    pub remote: RemoteEnds,
    tasks: Vec<Task>,
    order: Arc<Order>,
    host: Host,
    metrics: Arc<JobMetrics>,
    cancel: CancellationToken,
}

impl Host {
    /// Makes a share of an attempt's subtasks, brings their state back, and opens their sinks. If it is dropped, nothing is left running.
    pub async fn deploy_share(&self, order: Arc<Order>, share: &Share) -> Result<Deployed> {
        validate(&order.graph)?;
        let metrics = Arc::new(JobMetrics::new(&order.graph));
        self.deploy(order, share, metrics).await
    }

    async fn deploy(&self, order: Arc<Order>, share: &Share, metrics: Arc<JobMetrics>) -> Result<Deployed> {
        let cancel = CancellationToken::new();
        let run = Run::Attempt(order.job.0.clone(), order.attempt);
        let components = self.components.as_ref();
        let plan = Plan { graph: &order.graph, components, channel_bytes: self.channel_bytes, run: &run, share };
        let Deployment { mut tasks, remote, .. } = deploy(plan, &metrics, &cancel)?;
        deal_splits(&mut tasks, &order.splits);
        if let Some(from) = &order.from {
            restore(self.store(&order).directory(), from, &mut tasks).await?;
        }
        open_sinks(&mut tasks).await?;
        Ok(Deployed { remote, tasks, order, host: self.clone(), metrics, cancel })
    }

    fn store(&self, order: &Order) -> CheckpointStore {
        CheckpointStore::new(&self.directory, order.job.clone())
    }
}

impl Deployed {
    /// Starts the threads and the acknowledgers of the subtasks.
    pub fn start(self) -> Running {
        let Self { tasks, order, host, metrics, cancel, .. } = self;
        let directory = host.store(&order).directory().clone();
        let (reports, incoming_reports) = unbounded_channel();
        let (leader, said) = unbounded_channel();
        let mut running = Running {
            _cancel_on_drop: cancel.clone().drop_guard(),
            cancel,
            metrics,
            notices: BTreeMap::new(),
            words: BTreeMap::new(),
            acknowledgers: JoinSet::new(),
            reports: incoming_reports,
            said,
            failure: None,
        };
        for mut task in tasks {
            let id = TaskId { task: task.index, subtask: task.subtask.index };
            let (notices, heard) = unbounded_channel();
            let (words, heard_words) = unbounded_channel();
            let (hand_over, handed_over) = unbounded_channel();
            task.control = Some(TaskControl::new(heard, hand_over, order.opened));
            let acknowledger = Acknowledger {
                task: id,
                checkpoints: TaskCheckpoints::new(order.opened),
                uploaders: uploaders(&order, &directory, &task),
                sink: task.ends.tail.as_ref().map(|sink| (sink.clone(), table_of(&order.graph, sink))),
                handed_over,
                words: heard_words,
                coordinator: leader.clone(),
                has_ended: false,
            };
            running.acknowledgers.spawn_on(acknowledger.run(), &host.io);
            running.notices.insert(id, notices);
            running.words.insert(id, words);
            // A thread that cannot be started is a failed task.
            if let Err(error) = task.spawn(host.io.clone(), reports.clone()) {
                running.failure = Some(Heard::Lost(id, error));
                break;
            }
        }
        running
    }
}

fn uploaders(order: &Order, directory: &Directory, task: &Task) -> BTreeMap<OperatorId, SnapshotUploader> {
    let uploader = |id: &OperatorId| {
        let spec = UploaderSpec {
            job: order.job.clone(),
            attempt: order.attempt,
            opened: order.opened,
            operator: id.clone(),
            subtask: task.subtask,
            key_groups: order.graph.key_groups,
            compression: Compression::Zstd,
        };
        let uploader = SnapshotUploader::new(directory.clone(), spec);
        match order.from.as_ref().and_then(|from| from.operator(id)) {
            Some(state) => uploader.restored(&state),
            None => uploader,
        }
    };
    task.operators().map(|id| (id.clone(), uploader(id))).collect()
}

/// Subtasks that run.
pub struct Running {
    metrics: Arc<JobMetrics>,
    cancel: CancellationToken,
    _cancel_on_drop: DropGuard,
    /// To the threads and to the acknowledgers of the subtasks.
    notices: BTreeMap<TaskId, UnboundedSender<Notice>>,
    words: BTreeMap<TaskId, UnboundedSender<Word>>,
    /// What happens outside of threads: ends when it is dropped.
    acknowledgers: JoinSet<()>,
    reports: UnboundedReceiver<Report>,
    said: UnboundedReceiver<(TaskId, Said)>,
    /// Of a thread that could not be started.
    failure: Option<Heard>,
}

impl Running {
    /// What they have counted, where they have counted anything.
    pub fn counted(&self) -> Counted {
        self.metrics.counted()
    }

    fn tell_acknowledgers(&self, word: Word) {
        for words in self.words.values() {
            let _ = words.send(word);
        }
    }

    async fn next(&mut self) -> Option<Heard> {
        if self.failure.is_some() {
            return self.failure.take();
        }
        loop {
            tokio::select! {
                biased;
                report = self.reports.recv() => match report {
                    Some(Report { task, subtask, result: Err(error) }) => {
                        return Some(Heard::Lost(TaskId { task, subtask }, error));
                    }
                    Some(_) => {}
                    // The channel closes when the last thread has ended. What the last of them have handed over is still stored, unless the
                    // attempt is over.
                    None if self.cancel.is_cancelled() => {
                        self.acknowledgers.shutdown().await;
                        return None;
                    }
                    None => tokio::select! {
                        () = self.cancel.cancelled() => {}
                        heard = next_said(&mut self.said, &mut self.acknowledgers) => return Some(heard),
                    },
                },
                heard = next_said(&mut self.said, &mut self.acknowledgers) => return Some(heard),
            }
        }
    }
}

async fn next_said(said: &mut UnboundedReceiver<(TaskId, Said)>, acknowledgers: &mut JoinSet<()>) -> Heard {
    loop {
        tokio::select! {
            biased;
            Some((task, said)) = said.recv() => return match said {
                Said::Message(message, error) => Heard::Message(task, message, error),
                Said::Lost(error) => Heard::Lost(task, error),
            },
            Some(ended) = acknowledgers.join_next() => {
                if let Some(panic) = panic_of(ended) {
                    // Any task will do: all of them start anew.
                    return Heard::Lost(TaskId { task: 0, subtask: 0 }, panic);
                }
            }
            else => std::future::pending().await,
        }
    }
}

/// What runs beside the tasks ends with the attempt, or by a panic.
fn panic_of(ended: Result<(), JoinError>) -> Option<Error> {
    let panic = ended.err().filter(JoinError::is_panic)?;
    Some(panic_error(panic.into_panic().as_ref()))
}

impl Subtasks for Running {
    fn tell(&mut self, told: &Told) {
        // Who has ended says so itself.
        match told {
            Told::Trigger { epoch, mode, sources } => {
                for notices in sources.iter().filter_map(|source| self.notices.get(source)) {
                    let _ = notices.send(Notice::Trigger { epoch: *epoch, mode: *mode });
                }
            }
            Told::Completed(epoch) => self.tell_acknowledgers(Word::Completed(*epoch)),
            Told::Aborted(epoch) => {
                for notices in self.notices.values() {
                    let _ = notices.send(Notice::Aborted(*epoch));
                }
                self.tell_acknowledgers(Word::Aborted(*epoch));
            }
            Told::Cancel => self.cancel.cancel(),
        }
    }

    fn hear(&mut self) -> BoxFuture<'_, Option<Heard>> {
        self.next().boxed()
    }
}
