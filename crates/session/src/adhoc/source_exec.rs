//! A table as a node of a DataFusion plan: its splits one after another, with computed columns, without watermarks.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions};
use dipper_graph::{SourceSpec, into_datafusion};
use dipper_operator_api::{OperatorMetrics, ReadOptions, Source, Split, SplitReader};
use dipper_operators::SourcePipeline;
use futures::stream;

use super::node_properties::single_partition;
use super::watch::Watch;
use crate::connector::definition;

/// Reads a table.
#[derive(Debug)]
pub(super) struct SourceExec {
    table: String,
    source: Arc<dyn Source>,
    pipeline: Arc<SourcePipeline>,
    watch: Arc<Watch>,
    properties: Arc<PlanProperties>,
}

impl SourceExec {
    /// A node that reads what the specification says.
    pub(super) fn new(spec: &SourceSpec, watch: Arc<Watch>) -> dipper_types::Result<Self> {
        let source = dipper_connectors::source(&definition(&spec.table))?;
        let pipeline = SourcePipeline::new(spec, &source.schema())?;
        let properties = single_partition(Arc::clone(pipeline.output_schema()));
        Ok(Self { table: spec.table.name.clone(), source, pipeline: Arc::new(pipeline), watch, properties })
    }
}

impl DisplayAs for SourceExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceExec: {}", self.table)
    }
}

impl ExecutionPlan for SourceExec {
    fn name(&self) -> &'static str {
        "SourceExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
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
        if children.is_empty() { Ok(self) } else { internal_err!("a table has no input") }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(datafusion::physical_plan::ChildrenPropertiesMode::Keep),
        )
    }

    fn execute(&self, _partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let metrics = self.watch.node();
        let scan = Scan {
            source: Arc::clone(&self.source),
            pipeline: Arc::clone(&self.pipeline),
            options: ReadOptions {
                projection: self.pipeline.read_columns(),
                batch_rows: context.session_config().batch_size(),
                metrics: Arc::clone(&metrics),
            },
            metrics,
            splits: None,
            reader: None,
        };
        let rows = stream::try_unfold(scan, |mut scan| async move {
            let batch = scan.next().await.map_err(into_datafusion)?;
            Ok(batch.map(|batch| (batch, scan)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// A table being read.
struct Scan {
    source: Arc<dyn Source>,
    pipeline: Arc<SourcePipeline>,
    options: ReadOptions,
    metrics: Arc<OperatorMetrics>,
    /// What is still to be read; unknown before the first row is asked for.
    splits: Option<VecDeque<Split>>,
    /// The split that is being read, by its id.
    reader: Option<(String, Box<dyn SplitReader>)>,
}

impl Scan {
    async fn next(&mut self) -> dipper_types::Result<Option<RecordBatch>> {
        loop {
            if let Some((split, reader)) = &mut self.reader {
                if let Some(batch) = reader.next().await? {
                    OperatorMetrics::add(&self.metrics.rows_in, batch.num_rows());
                    let (rows, _) = self.pipeline.process_split(&batch, split, &self.metrics)?;
                    return Ok(Some(rows));
                }
                self.reader = None;
            }
            let splits = match &mut self.splits {
                Some(splits) => splits,
                None => self.splits.insert(self.source.splits().await?.into()),
            };
            let Some(split) = splits.pop_front() else { return Ok(None) };
            let reader = self.source.open(&split, None, self.options.clone()).await?;
            self.reader = Some((split.id, reader));
        }
    }
}
