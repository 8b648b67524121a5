//! Looks on while an ad-hoc query runs: the counters of its nodes, and the way to stop it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use dipper_operator_api::OperatorMetrics;
use tokio_util::sync::CancellationToken;

use crate::Progress;
use crate::job::Control;

/// The counters and the cancellation of one query.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    cancel: CancellationToken,
    nodes: Mutex<Vec<Arc<OperatorMetrics>>>,
    /// DataFusion's own scans, which count for themselves.
    scans: Mutex<Vec<Arc<dyn ExecutionPlan>>>,
    rows_out: AtomicU64,
}

impl Watch {
    /// Counters for one more node. Only a source counts the rows that come in.
    pub(super) fn node(&self) -> Arc<OperatorMetrics> {
        let metrics = Arc::<OperatorMetrics>::default();
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&metrics));
        metrics
    }

    /// Counts the rows of DataFusion's own scans in a plan, too.
    pub(super) fn look_at_scans(&self, plan: &Arc<dyn ExecutionPlan>) {
        if plan.is::<DataSourceExec>() {
            self.scans.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(plan));
        }
        plan.children().into_iter().for_each(|child| self.look_at_scans(child));
    }

    /// What ends the query early.
    pub(super) fn cancellation(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Counts rows of the result.
    pub(super) fn add_rows_out(&self, rows: usize) {
        self.rows_out.fetch_add(rows as u64, Ordering::Relaxed);
    }
}

impl Control for Watch {
    fn cancel(&self) {
        self.cancel.cancel();
    }

    fn progress(&self) -> Progress {
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = |counter: fn(&OperatorMetrics) -> &AtomicU64| {
            nodes.iter().map(|node| OperatorMetrics::get(counter(node))).sum()
        };
        let scans = self.scans.lock().unwrap_or_else(PoisonError::into_inner);
        let scanned = |scan: &Arc<dyn ExecutionPlan>| scan.metrics().and_then(|metrics| metrics.output_rows());
        let scanned: usize = scans.iter().filter_map(scanned).sum();
        Progress {
            rows_in: sum(|node| &node.rows_in) + scanned as u64,
            rows_out: self.rows_out.load(Ordering::Relaxed),
            matches: sum(|node| &node.matches),
            late_rows: sum(|node| &node.late_rows),
            skipped_records: sum(|node| &node.skipped_records),
            skip_errors: sum(|node| &node.skip_errors),
            watermark: None,
        }
    }
}
