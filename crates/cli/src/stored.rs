//! `dipper checkpoint` and `dipper savepoint`: what is stored of jobs, whether they run or not.

use dipper_session::{AfterSavepoint, Rows, StoredCheckpoint};
use dipper_types::{Error, ErrorKind};
use futures::StreamExt;

use crate::args::{CheckpointCommand, OutputFormat, SavepointCommand};
use crate::failure::Failure;
use crate::output::{WriteError, row_writer};
use crate::statement::Console;

/// Runs `dipper checkpoint`.
pub(crate) async fn checkpoint(console: &Console, command: CheckpointCommand) -> Result<(), Failure> {
    match command {
        CheckpointCommand::List { directory, job, .. } => {
            let rows = dipper_session::list_checkpoints(&directory, job.as_deref()).await.map_err(failed)?;
            show_rows(console, rows).await
        }
        CheckpointCommand::Show { path, .. } => {
            show(console, &dipper_session::show_checkpoint(&path).await.map_err(failed)?).await
        }
    }
}

/// Runs `dipper savepoint`.
pub(crate) async fn savepoint(console: &Console, command: SavepointCommand) -> Result<(), Failure> {
    match command {
        SavepointCommand::Create { job, target, last: true, .. } => {
            dipper_session::copy_last_checkpoint(&job, &target).await.map_err(failed)?;
            console.terminal.notice(&format!("savepoint '{target}' is a copy of the last checkpoint"));
            Ok(())
        }
        SavepointCommand::Create { job, target, stop, drain, .. } => {
            let after = match (stop, drain) {
                (_, true) => AfterSavepoint::Drain,
                (true, _) => AfterSavepoint::Stop,
                _ => AfterSavepoint::GoOn,
            };
            let token = console.interrupt.token();
            dipper_session::take_savepoint(&job, &target, after, token.cancelled()).await.map_err(failed)?;
            console.terminal.notice(&format!("savepoint '{target}' has been taken"));
            Ok(())
        }
        SavepointCommand::List { directory, .. } => {
            show_rows(console, dipper_session::list_savepoints(&directory).await.map_err(failed)?).await
        }
        SavepointCommand::Show { path, .. } => {
            show(console, &dipper_session::show_checkpoint(&path).await.map_err(failed)?).await
        }
        SavepointCommand::Delete { path } => dipper_session::delete_savepoint(&path).await.map_err(failed),
    }
}

/// A manifest: the whole, then the operators.
pub(crate) async fn show(console: &Console, stored: &StoredCheckpoint) -> Result<(), Failure> {
    if console.format == OutputFormat::Json {
        return console.print(&format!("{:#}", stored.to_json()));
    }
    show_rows(console, stored.facts().map_err(failed)?).await?;
    console.print("")?;
    show_rows(console, stored.operators().map_err(failed)?).await
}

/// Rows that are at hand.
pub(crate) async fn show_rows(console: &Console, rows: Rows) -> Result<(), Failure> {
    let Rows { schema, mut stream, .. } = rows;
    let unwritten = |error| match error {
        WriteError::Io(error) => Failure::from(error),
        WriteError::Rows(error) => Failure::Session(error),
    };
    let mut writer = row_writer(console.format, &schema, console.terminal.results()).map_err(unwritten)?;
    while let Some(batch) = stream.next().await {
        writer.write(&batch.map_err(failed)?).map_err(unwritten)?;
    }
    writer.finish().map_err(unwritten)
}

/// What is wrong with the path is wrong with the command line.
pub(crate) fn failed(error: Error) -> Failure {
    match error.kind() {
        ErrorKind::Invalid | ErrorKind::Unsupported => Failure::Usage(error),
        ErrorKind::Cancelled => Failure::Cancelled,
        _ => Failure::Session(error),
    }
}
