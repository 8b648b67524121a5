//! Sources, sinks and operators in memory, and graphs over them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::prelude::col;
use dipper_graph::{
    BoundExpr, CalcSpec, JobGraph, Node, NodeId, OperatorSpec, SinkSpec, SourceSpec, TableSpec, WatermarkSpec,
};
use dipper_operator_api::{
    Boundedness, Committable, Operator, OperatorCtx, Port, Prepared, ReadOptions, Sink, SinkWriter, Source, Split,
    SplitPosition, SplitReader,
};
use dipper_types::{Epoch, Error, OperatorId, Result, SubtaskId, Watermark};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::{Components, Job, JobSummary, RunOptions};

/// `key BIGINT, ts TIMESTAMP(6)`.
pub(crate) fn schema() -> SchemaRef {
    let fields = [("key", DataType::Int64), ("ts", DataType::Timestamp(TimeUnit::Microsecond, None))]
        .map(|(name, data_type)| Field::new(name, data_type, true));
    Arc::new(Schema::new(fields.to_vec()))
}

/// A batch of (key, ts) rows.
pub(crate) fn batch(rows: &[(i64, i64)]) -> RecordBatch {
    let key: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)));
    let ts: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.1)));
    RecordBatch::try_new(schema(), vec![key, ts]).unwrap()
}

pub(crate) fn rows_of(batch: &RecordBatch) -> Vec<(i64, i64)> {
    let keys = batch.column(0).as_primitive::<Int64Type>().values();
    let times = batch.column(1).as_primitive::<TimestampMicrosecondType>().values();
    keys.iter().copied().zip(times.iter().copied()).collect()
}

/// One thing that a split does when it is read.
#[derive(Clone)]
pub(crate) enum Step {
    Rows(Vec<(i64, i64)>),
    /// Waits until the value is at least this.
    Until(watch::Receiver<usize>, usize),
    /// Never comes back.
    Hang,
    Panic,
}

/// A table of scripted splits.
#[derive(Clone)]
pub(crate) struct ScriptedSource {
    pub(crate) splits: Vec<Vec<Step>>,
    pub(crate) boundedness: Boundedness,
    /// Why it cannot be read.
    pub(crate) missing: Option<Error>,
    /// How many batches have been read.
    pub(crate) read: Arc<watch::Sender<usize>>,
    /// The splits in the order in which they were opened.
    pub(crate) opened: Arc<Mutex<Vec<String>>>,
}

impl ScriptedSource {
    pub(crate) fn new(splits: Vec<Vec<Step>>) -> Self {
        let read = Arc::new(watch::Sender::new(0));
        Self { splits, boundedness: Boundedness::Bounded, missing: None, read, opened: Arc::default() }
    }
}

impl fmt::Debug for ScriptedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScriptedSource")
    }
}

#[async_trait]
impl Source for ScriptedSource {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn boundedness(&self) -> Boundedness {
        self.boundedness
    }

    async fn splits(&self) -> Result<Vec<Split>> {
        match &self.missing {
            Some(error) => Err(error.clone()),
            None => Ok((0..self.splits.len())
                .map(|index| Split { id: index.to_string(), description: String::new() })
                .collect()),
        }
    }

    async fn open(
        &self,
        split: &Split,
        from: Option<&SplitPosition>,
        options: ReadOptions,
    ) -> Result<Box<dyn SplitReader>> {
        self.opened.lock().unwrap().push(split.id.clone());
        let steps = self.splits[split.id.parse::<usize>().unwrap()].clone();
        let done = from.map_or(0, |from| from.0.as_u64().unwrap() as usize);
        let steps: std::collections::VecDeque<Step> = steps.into_iter().skip(done).collect();
        Ok(Box::new(ScriptedReader { steps, done, options, read: Arc::clone(&self.read) }))
    }
}

struct ScriptedReader {
    steps: std::collections::VecDeque<Step>,
    /// How many steps have been taken.
    done: usize,
    options: ReadOptions,
    read: Arc<watch::Sender<usize>>,
}

#[async_trait]
impl SplitReader for ScriptedReader {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            match self.steps.front_mut() {
                None => return Ok(None),
                Some(Step::Rows(rows)) => {
                    let batch = batch(rows).project(&self.options.projection)?;
                    self.steps.pop_front();
                    self.done += 1;
                    self.read.send_modify(|read| *read += 1);
                    return Ok(Some(batch));
                }
                Some(Step::Until(signal, least)) => {
                    let least = *least;
                    signal.wait_for(|value| *value >= least).await.unwrap();
                }
                Some(Step::Hang) => std::future::pending().await,
                Some(Step::Panic) => panic!("the reader lost its place"),
            }
            self.steps.pop_front();
            self.done += 1;
        }
    }

    fn position(&self) -> SplitPosition {
        SplitPosition(self.done.into())
    }
}

/// A table in memory.
#[derive(Clone)]
pub(crate) struct MemorySink {
    pub(crate) state: Arc<Mutex<SinkState>>,
    /// How many batches have been written.
    pub(crate) written: Arc<watch::Sender<usize>>,
    /// How often rows have been committed.
    pub(crate) commits: Arc<watch::Sender<usize>>,
    /// Called before a batch is written, with the number of batches before it.
    pub(crate) before_write: Arc<dyn Fn(usize) -> futures::future::BoxFuture<'static, ()> + Send + Sync>,
    /// The next commit fails.
    pub(crate) commit_fails: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
pub(crate) struct SinkState {
    /// By run, subtask and number.
    pub(crate) staged: BTreeMap<String, Vec<(i64, i64)>>,
    pub(crate) committed: BTreeMap<String, Vec<(i64, i64)>>,
    /// How many rows each subtask has contributed.
    pub(crate) shares: BTreeMap<usize, usize>,
    pub(crate) commits: usize,
    pub(crate) aborts: usize,
}

impl MemorySink {
    pub(crate) fn new() -> Self {
        Self {
            state: Arc::default(),
            written: Arc::new(watch::Sender::new(0)),
            commits: Arc::new(watch::Sender::new(0)),
            before_write: Arc::new(|_| Box::pin(std::future::ready(()))),
            commit_fails: Arc::default(),
        }
    }

    pub(crate) fn committed(&self) -> Vec<(i64, i64)> {
        let mut rows: Vec<_> = self.state.lock().unwrap().committed.values().flatten().copied().collect();
        rows.sort_unstable();
        rows
    }

    pub(crate) fn assert_aborted(&self) {
        let state = self.state.lock().unwrap();
        assert_eq!((state.commits, state.aborts, state.staged.len()), (0, 1, 0), "{state:?}");
    }
}

impl fmt::Debug for MemorySink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemorySink")
    }
}

#[async_trait]
impl Sink for MemorySink {
    fn is_transactional(&self) -> bool {
        true
    }

    async fn open(&self, run: &str, subtask: SubtaskId) -> Result<Box<dyn SinkWriter>> {
        let mut writer = MemoryWriter { sink: self.clone(), run: run.to_owned(), subtask: subtask.index, parts: 0 };
        assert!(!self.state.lock().unwrap().staged.contains_key(&writer.place()), "opened once");
        writer.begin();
        Ok(Box::new(writer))
    }

    async fn commit(&self, _epoch: Epoch, committables: Vec<Committable>) -> Result<()> {
        if self.commit_fails.swap(false, Ordering::Relaxed) {
            return Err(Error::unavailable("the disk is full"));
        }
        let mut state = self.state.lock().unwrap();
        state.commits += 1;
        for Committable(place) in committables {
            let place = String::from_utf8(place).unwrap();
            let Some(rows) = state.staged.remove(&place) else {
                assert!(state.committed.contains_key(&place), "{place} is neither staged nor committed");
                continue;
            };
            let subtask = place.split('#').nth(1).unwrap().parse().unwrap();
            *state.shares.entry(subtask).or_default() += rows.len();
            state.committed.insert(place, rows);
        }
        self.commits.send_modify(|commits| *commits += 1);
        Ok(())
    }

    async fn abort(&self, run: &str) -> Result<()> {
        let mut state = self.state.lock().unwrap();
        state.aborts += 1;
        state.staged.retain(|place, _| !place.starts_with(&format!("{run}#")));
        Ok(())
    }

    async fn sweep(&self, is_earlier: &(dyn for<'r> Fn(&'r str) -> bool + Sync)) -> Result<()> {
        let run = |place: &str| place.split('#').next().unwrap().to_owned();
        self.state.lock().unwrap().staged.retain(|place, _| !is_earlier(&run(place)));
        Ok(())
    }
}

struct MemoryWriter {
    sink: MemorySink,
    run: String,
    subtask: usize,
    parts: usize,
}

impl MemoryWriter {
    fn place(&self) -> String {
        format!("{}#{}#{}", self.run, self.subtask, self.parts)
    }

    fn begin(&mut self) {
        self.sink.state.lock().unwrap().staged.insert(self.place(), Vec::new());
    }
}

#[async_trait]
impl SinkWriter for MemoryWriter {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let before = *self.sink.written.borrow();
        (self.sink.before_write)(before).await;
        self.sink.state.lock().unwrap().staged.get_mut(&self.place()).unwrap().extend(rows_of(&batch));
        self.sink.written.send_modify(|written| *written += 1);
        Ok(())
    }

    async fn prepare(&mut self, _epoch: Epoch) -> Result<Prepared> {
        let committables = vec![Committable(self.place().into_bytes())];
        self.parts += 1;
        self.begin();
        Ok(Prepared { committables, ..Prepared::nothing() })
    }

    async fn finish(&mut self) -> Result<Vec<Committable>> {
        Ok(vec![Committable(self.place().into_bytes())])
    }
}

/// An operator that passes everything on and lets the test look at each call.
pub(crate) struct Probe<F>(pub(crate) F);

/// What a [`Probe`] sees.
pub(crate) enum Seen<'a> {
    Rows(&'a RecordBatch),
    Watermark(Watermark),
    End,
}

impl<F: FnMut(usize, Seen<'_>) -> Result<()> + Send> Operator for Probe<F> {
    fn on_batch(&mut self, _port: Port, batch: RecordBatch, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        (self.0)(ctx.subtask().index, Seen::Rows(&batch))?;
        ctx.emit(batch);
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        (self.0)(ctx.subtask().index, Seen::Watermark(watermark))?;
        ctx.emit_watermark(watermark);
        Ok(())
    }

    fn on_end(&mut self, ctx: &mut OperatorCtx<'_>) -> Result<()> {
        (self.0)(ctx.subtask().index, Seen::End)
    }
}

type MakeOperator = Box<dyn Fn() -> Box<dyn Operator> + Send + Sync>;

/// The parts of a test's job, by table and node name.
#[derive(Default)]
pub(crate) struct Doubles {
    pub(crate) sources: HashMap<String, ScriptedSource>,
    pub(crate) sinks: HashMap<String, MemorySink>,
    pub(crate) operators: HashMap<String, MakeOperator>,
}

impl fmt::Debug for Doubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Doubles")
    }
}

impl Components for Doubles {
    fn source(&self, table: &TableSpec) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(self.sources[&table.name].clone()))
    }

    fn sink(&self, table: &TableSpec) -> Result<Arc<dyn Sink>> {
        Ok(Arc::new(self.sinks[&table.name].clone()))
    }

    fn operator(&self, node: &Node, _input: &[SchemaRef]) -> Result<Box<dyn Operator>> {
        Ok(self.operators[&node.name]())
    }
}

/// A job under construction.
pub(crate) struct Fixture {
    pub(crate) graph: JobGraph,
    pub(crate) doubles: Doubles,
    pub(crate) channel_bytes: usize,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self { graph: JobGraph::new("test job"), doubles: Doubles::default(), channel_bytes: 1 << 20 }
    }

    pub(crate) fn node(&mut self, name: &str, parallelism: usize, spec: OperatorSpec) -> NodeId {
        let id = OperatorId(name.to_owned());
        self.graph.add(Node { id, name: name.to_owned(), parallelism, spec, output_schema: schema() })
    }

    pub(crate) fn source(&mut self, name: &str, parallelism: usize, source: ScriptedSource) -> NodeId {
        self.doubles.sources.insert(name.to_owned(), source);
        self.node(name, parallelism, OperatorSpec::Source(source_spec(name, None)))
    }

    pub(crate) fn source_with(
        &mut self,
        name: &str,
        parallelism: usize,
        source: ScriptedSource,
        watermark: WatermarkSpec,
    ) -> NodeId {
        self.doubles.sources.insert(name.to_owned(), source);
        self.node(name, parallelism, OperatorSpec::Source(source_spec(name, Some(watermark))))
    }

    pub(crate) fn operator<F>(
        &mut self,
        name: &str,
        parallelism: usize,
        make: impl Fn() -> Probe<F> + Send + Sync + 'static,
    ) -> NodeId
    where
        F: FnMut(usize, Seen<'_>) -> Result<()> + Send + 'static,
    {
        self.doubles.operators.insert(name.to_owned(), Box::new(move || Box::new(make())));
        self.node(name, parallelism, OperatorSpec::Calc(CalcSpec { filter: None, projection: None }))
    }

    pub(crate) fn sink(&mut self, name: &str, parallelism: usize, sink: &MemorySink) -> NodeId {
        self.doubles.sinks.insert(name.to_owned(), sink.clone());
        self.node(name, parallelism, OperatorSpec::Sink(SinkSpec { table: table(name) }))
    }

    pub(crate) fn collect(&mut self, parallelism: usize) -> NodeId {
        self.node("client", parallelism, OperatorSpec::Collect)
    }

    pub(crate) fn start(self) -> Job {
        self.start_with(None).unwrap()
    }

    pub(crate) fn start_with(self, checkpointing: Option<crate::Checkpointing>) -> Result<Job> {
        let mut options = RunOptions::new(Handle::current());
        options.channel_bytes = self.channel_bytes;
        options.components = Arc::new(self.doubles);
        options.checkpointing = checkpointing.map(Box::new);
        crate::start(&self.graph, options)
    }
}

pub(crate) fn source_spec(name: &str, watermark: Option<WatermarkSpec>) -> SourceSpec {
    SourceSpec {
        table: table(name),
        computed: Vec::new(),
        watermark,
        output: vec!["key".to_owned(), "ts".to_owned()],
        unbounded: false,
    }
}

/// `WATERMARK FOR ts AS ts`.
pub(crate) fn watermark_spec(idle_timeout_ms: Option<u64>) -> WatermarkSpec {
    WatermarkSpec { column: "ts".to_owned(), expr: BoundExpr(col("ts")), idle_timeout_ms }
}

fn table(name: &str) -> TableSpec {
    TableSpec { name: name.to_owned(), columns: schema(), metadata: Vec::new(), options: BTreeMap::new() }
}

/// No test waits longer for anything: one that hangs fails alone, not with the whole run.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits for the job.
pub(crate) async fn finish(job: Job) -> Result<JobSummary> {
    tokio::time::timeout(PATIENCE, job.wait()).await.expect("the job does not hang")
}

/// Waits for a count to reach `least`.
pub(crate) async fn reaches(count: &watch::Sender<usize>, least: usize) {
    let mut count = count.subscribe();
    let reached = tokio::time::timeout(PATIENCE, count.wait_for(|count| *count >= least)).await;
    assert!(reached.expect("the job gets there").is_ok());
}
