//! A subtask: its input, its operators and its output, on a thread of its own.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use dipper_operator_api::{Committable, OperatorMetrics, Port, Sink, SinkWriter, StreamElement};
use dipper_types::{Error, Result, SubtaskId, Watermark};
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use crate::chain::Chain;
use crate::channel::Sender;
use crate::gate::InputGate;
use crate::not_null::NotNull;
use crate::output::Output;
use crate::position::Position;
use crate::source_task::SourceTask;

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
}

/// Where a subtask's elements come from.
pub(crate) enum Head {
    Source(Box<SourceTask>),
    Values { batches: VecDeque<RecordBatch>, metrics: Arc<OperatorMetrics> },
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
        let body = move || {
            let run = AssertUnwindSafe(|| io.block_on(self.run()));
            let result = catch_unwind(run).unwrap_or_else(|panic| Err(panic_error(panic.as_ref())));
            let result = result.map_err(|error| position.named(error));
            // Nobody listens when the coordinator has gone with its runtime.
            let _ = reports.send(Report { task, subtask: subtask.index, result });
        };
        let thread = std::thread::Builder::new().name(format!("task-{task}.{}", subtask.index)).stack_size(STACK_BYTES);
        match thread.spawn(body) {
            Ok(_detached) => Ok(()),
            Err(error) => Err(Error::unavailable(format!("{name}: cannot start thread {subtask}: {error}"))
                .with_hint("lower 'parallelism.default' or raise the limit of threads")),
        }
    }

    async fn run(mut self) -> Result<Vec<Committable>> {
        let cancel = self.cancel.clone();
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Error::cancelled()),
            result = self.process() => result,
        }
    }

    async fn process(&mut self) -> Result<Vec<Committable>> {
        let mut out = Vec::new();
        self.chain.open(&mut out)?;
        loop {
            for element in out.drain(..) {
                if let StreamElement::End = element {
                    return self.tail.end(&self.position).await;
                }
                self.tail.accept(element, &self.position).await?;
            }
            // A task that never waits must hear of it as well.
            if self.cancel.is_cancelled() {
                return Err(Error::cancelled());
            }
            self.position.enter(0);
            let (port, element) = self.head.next().await?;
            self.chain.feed(port, element, &mut out)?;
        }
    }
}

impl Head {
    async fn next(&mut self) -> Result<(Port, StreamElement)> {
        match self {
            Self::Source(source) => Ok((0, source.next().await?)),
            Self::Values { batches, metrics } => Ok((0, next_of_values(batches, metrics))),
            Self::Gate(gate) => gate.next().await,
        }
    }
}

fn next_of_values(batches: &mut VecDeque<RecordBatch>, metrics: &OperatorMetrics) -> StreamElement {
    let Some(batch) = batches.pop_front() else {
        metrics.set_watermark(Watermark::MAX);
        return StreamElement::End;
    };
    OperatorMetrics::add(&metrics.rows_in, batch.num_rows());
    OperatorMetrics::add(&metrics.rows_out, batch.num_rows());
    StreamElement::Batch(batch)
}

impl Tail {
    async fn accept(&mut self, element: StreamElement, position: &Position) -> Result<()> {
        match self {
            Self::Exchange(outputs) => send_to_all(outputs, element).await,
            Self::Sink(sink) => {
                position.enter(sink.place);
                sink.accept(element).await
            }
            Self::Collect { rows, metrics, place } => {
                position.enter(*place);
                let count = begin_rows(&element, metrics);
                if count > 0 {
                    rows.send(element).await?;
                    OperatorMetrics::add(&metrics.rows_out, count);
                }
                Ok(())
            }
        }
    }

    async fn end(&mut self, position: &Position) -> Result<Vec<Committable>> {
        match self {
            Self::Exchange(outputs) => {
                send_to_all(outputs, StreamElement::End).await?;
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

fn panic_error(panic: &(dyn std::any::Any + Send)) -> Error {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Error::internal(format!("panicked: {message}"))
        .with_hint("this is a bug in Dipper: please report it with the query and, if you can, the data")
}
