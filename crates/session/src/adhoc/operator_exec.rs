//! A stream operator as a node of a DataFusion plan: one partition in, the end of the input as the last watermark.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, PhysicalExpr};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputDistributionRequirements, PlanProperties, ReplaceChildrenOptions,
};
use dipper_graph::{OperatorSpec, into_datafusion};
use dipper_operator_api::{Operator, OperatorCtx, OperatorMetrics, StreamElement};
use dipper_runtime::processing_time;
use dipper_types::{Error, SubtaskId, Watermark};
use futures::{StreamExt, stream};

use super::node_properties::single_partition;
use super::watch::Watch;

/// Runs an operator over the rows of its input.
#[derive(Debug)]
pub(super) struct OperatorExec {
    name: &'static str,
    spec: OperatorSpec,
    input: Arc<dyn ExecutionPlan>,
    watch: Arc<Watch>,
    properties: Arc<PlanProperties>,
}

impl OperatorExec {
    /// A node that emits `output`.
    pub(super) fn new(
        name: &'static str,
        spec: OperatorSpec,
        input: Arc<dyn ExecutionPlan>,
        output: SchemaRef,
        watch: Arc<Watch>,
    ) -> Self {
        Self { name, spec, input, watch, properties: single_partition(output) }
    }
}

impl DisplayAs for OperatorExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}Exec", self.name)
    }
}

impl ExecutionPlan for OperatorExec {
    fn name(&self) -> &'static str {
        self.name
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition])
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([input]) = <[_; 1]>::try_from(children) else { return internal_err!("{} has one input", self.name) };
        Ok(Arc::new(Self::new(self.name, self.spec.clone(), input, self.schema(), Arc::clone(&self.watch))))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(datafusion::physical_plan::ChildrenPropertiesMode::Recompute),
        )
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let operator =
            dipper_operators::operator(&self.spec, &[self.input.schema()], &self.schema()).map_err(into_datafusion)?;
        let work = Work { operator, metrics: self.watch.node(), opened: false };
        let run = Run { name: self.name, input, work: Some(work), ready: VecDeque::new() };
        let rows = stream::try_unfold(run, |mut run| async move { Ok(run.next().await?.map(|batch| (batch, run))) });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// An operator between its input and the rows that it has emitted.
struct Run {
    name: &'static str,
    input: SendableRecordBatchStream,
    /// Absent once the input has ended.
    work: Option<Work>,
    ready: VecDeque<RecordBatch>,
}

/// What does the computing, off the threads that serve I/O.
struct Work {
    operator: Box<dyn Operator>,
    metrics: Arc<OperatorMetrics>,
    opened: bool,
}

impl Run {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            let Some(mut work) = self.work.take() else { return Ok(None) };
            let batch = self.input.next().await.transpose()?;
            if batch.as_ref().is_some_and(|batch| batch.num_rows() == 0) {
                self.work = Some(work);
                continue;
            }
            let ended = batch.is_none();
            let step = tokio::task::spawn_blocking(move || work.step(batch).map(|emitted| (emitted, work)));
            let (emitted, work) = match step.await {
                Ok(result) => result.map_err(into_datafusion)?,
                Err(error) => return Err(self.lost(&error)),
            };
            self.ready.extend(emitted.into_iter().filter_map(|element| match element {
                StreamElement::Batch(batch) => Some(batch),
                _ => None,
            }));
            self.work = (!ended).then_some(work);
        }
    }

    fn lost(&self, error: &tokio::task::JoinError) -> DataFusionError {
        into_datafusion(Error::internal(format!("operator {} panicked: {error}", self.name)))
    }
}

impl Work {
    /// Takes rows, or the end of the input.
    fn step(&mut self, batch: Option<RecordBatch>) -> dipper_types::Result<Vec<StreamElement>> {
        let mut out = Vec::new();
        let ctx = OperatorCtx::new(&mut out, &self.metrics, SubtaskId { index: 0, parallelism: 1 });
        let ctx = &mut ctx.at(processing_time());
        if !self.opened {
            self.opened = true;
            self.operator.open(ctx)?;
        }
        match batch {
            Some(batch) => self.operator.on_batch(0, batch, ctx)?,
            None => {
                self.operator.on_watermark(Watermark::MAX, ctx)?;
                self.operator.on_end(ctx)?;
            }
        }
        Ok(out)
    }
}
