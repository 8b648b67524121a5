//! A subtask: its input, its operators and its output, on a thread of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use dipper_checkpoint::SourceMode;
use dipper_operator_api::{Barrier, Committable, OperatorMetrics, Port, Prepared, Sink, SinkWriter, StreamElement};
use dipper_state::{StateSnapshot, StateWriter};
use dipper_types::{Epoch, Error, OperatorId, Result, SubtaskId, Watermark};
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use crate::chain::Chain;
use crate::channel::Sender;
use crate::gate::InputGate;
use crate::not_null::NotNull;
use crate::output::Output;
use crate::position::Position;
use crate::restored::{Restored, RestoredOperator};
use crate::source_task::SourceTask;
use crate::task_control::{HandedOver, Notice, TaskControl};
use crate::task_metrics::{Activity, TaskMetrics};
use crate::values_head::ValuesHead;

/// Expressions, types and data nest. Memory that is not touched costs nothing.
const STACK_BYTES: usize = 64 << 20;

/// One subtask of one task.
pub(crate) struct Task {
    /// The task in the task graph.
    pub(crate) index: usize,
    pub(crate) subtask: SubtaskId,
    pub(crate) position: Arc<Position>,
    pub(crate) head: Head,
    pub(crate) chain: Chain,
    pub(crate) tail: Tail,
    pub(crate) cancel: CancellationToken,
    /// The nodes that read or write a table and so are no operators.
    pub(crate) ends: Ends,
    pub(crate) metrics: Arc<TaskMetrics>,
    /// What is to be gone on from.
    pub(crate) restored: Option<Restored>,
    /// Only in a job with checkpoints.
    pub(crate) control: Option<TaskControl>,
}

/// The nodes at the ends of a task by their identity, where they are not operators.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ends {
    pub(crate) head: Option<OperatorId>,
    pub(crate) tail: Option<OperatorId>,
}

/// Where a subtask's elements come from.
pub(crate) enum Head {
    Source(Box<SourceTask>),
    Values(ValuesHead),
    Gate(InputGate),
}

/// Where a subtask's elements go.
pub(crate) enum Tail {
    /// To every one of the outgoing edges.
    Exchange(Vec<Output>),
    Sink(SinkTail),
    Collect {
        rows: Sender,
        metrics: Arc<OperatorMetrics>,
        place: usize,
    },
}

/// The end of a subtask that writes a table.
pub(crate) struct SinkTail {
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) not_null: NotNull,
    /// Names the run and the sink node in what is staged.
    pub(crate) run: String,
    /// `None` until it has been opened.
    pub(crate) writer: Option<Box<dyn SinkWriter>>,
    pub(crate) metrics: Arc<OperatorMetrics>,
    /// The place of the node in its task.
    pub(crate) place: usize,
}

/// How a subtask has ended.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) task: usize,
    pub(crate) subtask: usize,
    /// What a sink's subtask has staged.
    pub(crate) result: Result<Vec<Committable>>,
}

impl Task {
    /// Runs the subtask on a new thread, which reports when it has ended and everything that it held is dropped.
    pub(crate) fn spawn(self, io: Handle, reports: UnboundedSender<Report>) -> Result<()> {
        let (task, subtask) = (self.index, self.subtask);
        let position = Arc::clone(&self.position);
        let name = self.position.task_name();
        let (let_go, is_let_go) = std::sync::mpsc::channel::<()>();
        let body = move || {
            // Some versions of glibc crash where a thread that has all but ended is let go of.
            let _ = is_let_go.recv();
            let run = AssertUnwindSafe(|| io.block_on(self.run()));
            let result = catch_unwind(run).unwrap_or_else(|panic| Err(panic_error(panic.as_ref())));
            let result = result.map_err(|error| position.named(error));
            // Nobody listens when the coordinator has gone with its runtime.
            let _ = reports.send(Report { task, subtask: subtask.index, result });
        };
        let thread = std::thread::Builder::new().name(format!("task-{task}.{}", subtask.index)).stack_size(STACK_BYTES);
        match thread.spawn(body) {
            Ok(thread) => {
                drop(thread);
                drop(let_go);
                Ok(())
            }
            Err(error) => Err(Error::unavailable(format!("{name}: cannot start thread {subtask}: {error}"))
                .with_hint("lower 'parallelism.default' or raise the limit of threads")),
        }
    }

    /// All its nodes.
    pub(crate) fn operators(&self) -> impl Iterator<Item = &OperatorId> {
        self.ends.head.iter().chain(self.chain.operators()).chain(&self.ends.tail)
    }

    async fn run(mut self) -> Result<Vec<Committable>> {
        let (cancel, metrics) = (self.cancel.clone(), Arc::clone(&self.metrics));
        let _running = metrics.begin();
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Error::cancelled()),
            result = self.process() => result,
        }
    }

    async fn process(&mut self) -> Result<Vec<Committable>> {
        let (metrics, mut out) = (Arc::clone(&self.metrics), Vec::new());
        self.chain.open(&mut out)?;
        if self.control.is_some() {
            let restored = self.restored.take().unwrap_or_default();
            self.restore(restored, &mut out)?;
        }
        loop {
            for element in out.drain(..) {
                match element {
                    StreamElement::End => return self.end().await,
                    StreamElement::Barrier(barrier) => self.pass_barrier(barrier).await?,
                    element => {
                        TaskMetrics::add_bytes(&self.metrics.bytes_out, &element);
                        self.tail.accept(element, &self.position, &self.metrics).await?;
                    }
                }
            }
            // A task that never waits must hear of it as well.
            if self.cancel.is_cancelled() {
                return Err(Error::cancelled());
            }
            self.position.enter(0);
            metrics.waiting(Activity::Idle, self.step(&mut out)).await?;
        }
    }

    fn restore(&mut self, mut restored: Restored, out: &mut Vec<StreamElement>) -> Result<()> {
        if let Some(mut head) = self.ends.head.as_ref().and_then(|id| restored.take(id)) {
            self.position.enter(0);
            self.head.restore(&mut head)?;
        }
        self.chain.restore(&mut restored, out)
    }

    /// Takes the next element of the input through the chain, or heeds what the coordinator says.
    async fn step(&mut self, out: &mut Vec<StreamElement>) -> Result<()> {
        let Some(control) = &mut self.control else {
            let (port, element) = self.head.next().await?;
            TaskMetrics::add_bytes(&self.metrics.bytes_in, &element);
            return self.chain.feed(port, element, out);
        };
        let reads = !control.is_waiting();
        tokio::select! {
            biased;
            notice = control.notice() => match notice? {
                Notice::Trigger { epoch, mode } => self.on_trigger(epoch, mode, out),
                Notice::Aborted(epoch) => {
                    control.on_abort(epoch);
                    if let Head::Gate(gate) = &mut self.head {
                        gate.on_abort(epoch);
                    }
                    Ok(())
                }
            },
            next = self.head.next(), if reads => {
                let (port, element) = next?;
                TaskMetrics::add_bytes(&self.metrics.bytes_in, &element);
                self.chain.feed(port, element, out)
            }
        }
    }

    /// A source sends the barrier behind the last row that it has read.
    fn on_trigger(&mut self, epoch: Epoch, mode: SourceMode, out: &mut Vec<StreamElement>) -> Result<()> {
        if !self.control.as_mut().is_some_and(|control| control.heeds(epoch, mode)) {
            return Ok(());
        }
        if mode == SourceMode::End {
            self.head.drain();
            return Ok(());
        }
        if let Head::Source(source) = &mut self.head {
            for element in source.take_read() {
                TaskMetrics::add_bytes(&self.metrics.bytes_in, &element);
                self.chain.feed(0, element, out)?;
            }
        }
        self.chain.feed(0, StreamElement::Barrier(Barrier { epoch }), out)
    }

    /// A barrier has come out of the chain: nothing behind it has been read or emitted yet.
    async fn pass_barrier(&mut self, barrier: Barrier) -> Result<()> {
        let snapshots = self.take_snapshots(barrier.epoch);
        let prepared = self.tail.prepare(barrier.epoch, &self.position).await?;
        if let Some(control) = &mut self.control {
            control.hand_over(HandedOver::Barrier { epoch: barrier.epoch, snapshots, prepared });
        }
        self.tail.accept(StreamElement::Barrier(barrier), &self.position, &self.metrics).await
    }

    async fn end(&mut self) -> Result<Vec<Committable>> {
        let committables = self.tail.end(&self.position, &self.metrics).await?;
        let Some(passed) = self.control.as_ref().map(TaskControl::passed) else { return Ok(committables) };
        let epoch = Epoch(passed.0 + 1);
        self.chain.snapshot(epoch)?;
        let snapshots = self.take_snapshots(epoch);
        if let Some(control) = &mut self.control {
            control.hand_over(HandedOver::End { snapshots, committables });
        }
        Ok(Vec::new())
    }

    /// What every node of the task has handed over, also those that have nothing to remember: a restore asks whether they had finished.
    fn take_snapshots(&mut self, epoch: Epoch) -> Vec<(OperatorId, StateSnapshot)> {
        let mut snapshots = self.chain.take_snapshots();
        if let Some(id) = &self.ends.head {
            let mut state = StateWriter::new(epoch);
            self.head.snapshot(&mut state);
            snapshots.push((id.clone(), state.finish()));
        }
        snapshots.extend(self.ends.tail.iter().map(|id| (id.clone(), StateWriter::new(epoch).finish())));
        snapshots
    }
}

impl Head {
    async fn next(&mut self) -> Result<(Port, StreamElement)> {
        match self {
            Self::Source(source) => Ok((0, source.next().await?)),
            Self::Values(values) => Ok((0, values.next())),
            Self::Gate(gate) => gate.next().await,
        }
    }

    fn drain(&mut self) {
        match self {
            Self::Source(source) => source.drain(),
            Self::Values(values) => values.drain(),
            Self::Gate(_) => {}
        }
    }

    fn snapshot(&mut self, state: &mut StateWriter) {
        match self {
            Self::Source(source) => source.snapshot(state),
            Self::Values(values) => values.snapshot(state),
            Self::Gate(_) => {}
        }
    }

    fn restore(&mut self, restored: &mut RestoredOperator) -> Result<()> {
        match self {
            Self::Source(source) => source.restore(&mut restored.state)?,
            Self::Values(values) => values.restore(&mut restored.state)?,
            Self::Gate(_) => {}
        }
        restored.refuse_rest()
    }
}

impl Tail {
    /// A sink that waits for its table is busy; others wait for who comes next.
    async fn accept(&mut self, element: StreamElement, position: &Position, times: &TaskMetrics) -> Result<()> {
        match self {
            Self::Exchange(outputs) => times.waiting(Activity::Backpressured, send_to_all(outputs, element)).await,
            Self::Sink(sink) => {
                position.enter(sink.place);
                sink.accept(element).await
            }
            Self::Collect { rows, metrics, place } => {
                position.enter(*place);
                let count = begin_rows(&element, metrics);
                if count > 0 {
                    times.waiting(Activity::Backpressured, rows.send(element)).await?;
                    OperatorMetrics::add(&metrics.rows_out, count);
                }
                Ok(())
            }
        }
    }

    /// Ends what has been staged so far.
    async fn prepare(&mut self, epoch: Epoch, position: &Position) -> Result<Prepared> {
        match self {
            Self::Sink(sink) => {
                position.enter(sink.place);
                sink.writer()?.prepare(epoch).await
            }
            Self::Exchange(_) | Self::Collect { .. } => Ok(Prepared::nothing()),
        }
    }

    async fn end(&mut self, position: &Position, times: &TaskMetrics) -> Result<Vec<Committable>> {
        match self {
            Self::Exchange(outputs) => {
                times.waiting(Activity::Backpressured, send_to_all(outputs, StreamElement::End)).await?;
                Ok(Vec::new())
            }
            Self::Sink(sink) => {
                position.enter(sink.place);
                let staged = sink.writer()?.finish().await?;
                sink.metrics.set_watermark(Watermark::MAX);
                Ok(staged)
            }
            Self::Collect { metrics, .. } => {
                metrics.set_watermark(Watermark::MAX);
                Ok(Vec::new())
            }
        }
    }
}

async fn send_to_all(outputs: &mut [Output], element: StreamElement) -> Result<()> {
    let Some((last, others)) = outputs.split_last_mut() else { return Ok(()) };
    for output in others {
        output.send(element.clone()).await?;
    }
    last.send(element).await
}

/// Counts what arrives at the end of a chain; returns how many rows it is.
fn begin_rows(element: &StreamElement, metrics: &OperatorMetrics) -> usize {
    match element {
        StreamElement::Batch(batch) => {
            OperatorMetrics::add(&metrics.rows_in, batch.num_rows());
            batch.num_rows()
        }
        StreamElement::Watermark(watermark) => {
            metrics.set_watermark(*watermark);
            0
        }
        _ => 0,
    }
}

impl SinkTail {
    async fn accept(&mut self, element: StreamElement) -> Result<()> {
        let count = begin_rows(&element, &self.metrics);
        if let StreamElement::Batch(batch) = element
            && count > 0
        {
            self.not_null.check(&batch)?;
            self.writer()?.write(batch).await?;
            OperatorMetrics::add(&self.metrics.rows_out, count);
        }
        Ok(())
    }

    fn writer(&mut self) -> Result<&mut Box<dyn SinkWriter>> {
        self.writer.as_mut().ok_or_else(|| Error::internal("the sink's writer has not been opened"))
    }
}

pub(crate) fn panic_error(panic: &(dyn std::any::Any + Send)) -> Error {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Error::internal(format!("panicked: {message}"))
        .with_hint("this is a bug in Dipper: please report it with the query and, if you can, the data")
}
