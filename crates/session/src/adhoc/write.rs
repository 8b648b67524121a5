//! `INSERT INTO` in batch mode: the rows of ad-hoc plans into sinks, visible all at once or not at all.

use std::sync::Arc;

use dipper_graph::TableSpec;
use dipper_operator_api::{Committable, Sink};
use dipper_runtime::NotNull;
use dipper_types::{Epoch, Result, SubtaskId};
use futures::FutureExt;

use super::query::{Plan, Running};
use super::watch::Watch;
use crate::JobHandle;
use crate::connector::definition;
use crate::panic::stopped;

/// Starts to write the rows of each plan into its table, one after another; when all are staged, all are committed.
/// The plans share one watch.
pub(crate) fn insert(inserts: Vec<(Plan, TableSpec)>, watch: Arc<Watch>, name: &str) -> Result<JobHandle> {
    let prepare = |(index, (plan, table)): (usize, (Plan, TableSpec))| {
        let sink = dipper_connectors::sink(&definition(&table))?;
        let run = dipper_runtime::unique_run_id(&format!("{name}-{index}"));
        let not_null = NotNull::of(&table);
        Ok(Insert { rows: Some(plan.start()), sink, not_null, run, staged: Vec::new(), wrote: false })
    };
    let inserts: Vec<Insert> = inserts.into_iter().enumerate().map(prepare).collect::<Result<_>>()?;
    let written = tokio::spawn(write(inserts));
    let unwatched = watch.cancellation().drop_guard();
    let end = async move {
        let result = written.await.unwrap_or_else(|error| Err(stopped(error)));
        unwatched.disarm();
        result
    };
    Ok(JobHandle::new(name, watch, end.boxed()))
}

struct Insert {
    rows: Option<Running>,
    sink: Arc<dyn Sink>,
    not_null: NotNull,
    run: String,
    staged: Vec<Committable>,
    /// Whether the sink has taken rows.
    wrote: bool,
}

async fn write(mut inserts: Vec<Insert>) -> Result<()> {
    let mut result = Ok(());
    for insert in &mut inserts {
        result = insert.stage().await;
        if result.is_err() {
            break;
        }
    }
    if result.is_ok() {
        for insert in &mut inserts {
            result = insert.sink.commit(Epoch(1), std::mem::take(&mut insert.staged)).await;
            if result.is_err() {
                break;
            }
        }
    }
    if result.is_err() {
        for insert in &mut inserts {
            // A sink that has taken no row has staged nothing, and so there may be no place to look at.
            if let Err(error) = insert.sink.abort(&insert.run).await
                && insert.wrote
            {
                tracing::warn!("what the insert had staged could not be removed: {error}");
            }
        }
    }
    result
}

impl Insert {
    async fn stage(&mut self) -> Result<()> {
        let Some(mut rows) = self.rows.take() else { return Ok(()) };
        let mut writer = self.sink.open(&self.run, SubtaskId { index: 0, parallelism: 1 }).await?;
        while let Some(batch) = rows.next().await? {
            self.not_null.check(&batch)?;
            writer.write(batch).await?;
            self.wrote = true;
        }
        self.staged = writer.finish().await?;
        Ok(())
    }
}
