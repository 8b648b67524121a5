//! Runs plans over the system tables: in memory, in one partition, and never for more rows than somebody looks at.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::{DataFusionError, Result as DataFusionResult, resources_datafusion_err};
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use dipper_types::{Error, ErrorKind};
use futures::TryStreamExt;

use crate::correlated::{self, Which};

/// As much a result has at most. A whole catalog of ten thousand tables is a tenth of it.
const BYTES_MAX: usize = 256 << 20;

/// The physical plan; what DataFusion cannot join of subqueries is evaluated row by row.
pub(crate) async fn plan(state: &SessionState, logical: &LogicalPlan) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
    match state.create_physical_plan(logical).await {
        Ok(physical) => Ok(physical),
        // As few as possible: those that are joined are quicker.
        Err(error) => {
            for which in [Which::Values, Which::All] {
                if let Some(by_row) = correlated::by_row(logical.clone(), which, state)?
                    && let Ok(physical) = state.create_physical_plan(&by_row).await
                {
                    return Ok(physical);
                }
            }
            Err(error)
        }
    }
}

/// All rows of a plan.
pub(crate) async fn collect(state: &SessionState, logical: &LogicalPlan) -> DataFusionResult<Vec<RecordBatch>> {
    let physical = plan(state, logical).await?;
    let mut stream = execute_stream(physical, state.task_ctx())?;
    let (mut batches, mut bytes) = (Vec::new(), 0);
    while let Some(batch) = stream.try_next().await? {
        bytes += batch.get_array_memory_size();
        if bytes > BYTES_MAX {
            return Err(resources_datafusion_err!("the result is larger than {} MB", BYTES_MAX >> 20));
        }
        batches.push(batch);
    }
    Ok(batches)
}

/// What went wrong, in the words of Postgres where it has some.
pub(crate) fn error(error: &DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => Error::internal(inner.to_string()),
        },
        DataFusionError::SchemaError(schema, _) => Error::invalid(column_message(&schema.to_string())),
        DataFusionError::Plan(message) => Error::invalid(plan_message(message)),
        DataFusionError::NotImplemented(message) => {
            Error::unsupported(format!("not supported about the system: {message}"))
        }
        DataFusionError::ArrowError(inner, _) => Error::invalid(inner.to_string()),
        DataFusionError::Execution(message) => Error::invalid(message.clone()),
        DataFusionError::ResourcesExhausted(message) => {
            Error::new(ErrorKind::Unsupported, format!("too much to hold: {message}")).with_hint("ask for fewer rows")
        }
        DataFusionError::SQL(inner, _) => Error::invalid(format!("syntax error: {inner}")),
        other => Error::internal(other.to_string()),
    }
}

/// `No field named x.` without what follows: the fields there are, or one of a name much like it.
fn column_message(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let name = line.strip_prefix("No field named ").and_then(|rest| rest.split(". ").next());
    name.map_or_else(|| line.to_owned(), |name| format!("column {} does not exist", name.trim_end_matches('.')))
}

fn plan_message(message: &str) -> String {
    if let Some(rest) = message.strip_prefix("table '")
        && let Some((name, _)) = rest.split_once("' not found")
    {
        let name = name.rsplit('.').next().unwrap_or(name);
        return format!("relation \"{name}\" does not exist");
    }
    if let Some(rest) = message.strip_prefix("Invalid function '")
        && let Some((name, _)) = rest.split_once('\'')
    {
        return format!("function {name} does not exist");
    }
    message.lines().next().unwrap_or_default().to_owned()
}
