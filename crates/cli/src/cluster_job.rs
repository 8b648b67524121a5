//! `dipper job`, and `dipper run` on a cluster.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, TimestampMillisecondArray, UInt64Array};
use dipper_cluster::{Client, Job, LogLine, StartFrom};
use dipper_session::{Rows, absolute};
use dipper_types::{Error, Result};

use crate::args::{CheckpointArguments, RunArguments, SettingArguments};
use crate::clock;
use crate::cluster::{client, rows};
use crate::cluster_args::{ClusterArgument, JobCommand};
use crate::failure::{Failure, Phase};
use crate::script::{self, Script};
use crate::statement::Console;
use crate::stored::{failed, show_rows};

/// Runs `dipper job`.
pub(crate) async fn job(console: &Console, command: JobCommand) -> Result<(), Failure> {
    let mut client = client(command.common().0)?;
    let shown = match command {
        JobCommand::Submit { file, settings, checkpoints, .. } => {
            let script = Script::read(&file)?;
            vec![submit(&mut client, &file, &script, &settings, &checkpoints).await?]
        }
        JobCommand::List { watch, .. } => {
            watched(console, watch, async || Ok((client.list().await?, false))).await?;
            return Ok(());
        }
        JobCommand::Show { job, watch, .. } => {
            let show = async || {
                let job = client.show(job.clone()).await?;
                let is_over = is_over(&job);
                Ok((vec![job], is_over))
            };
            watched(console, watch, show).await?;
            return Ok(());
        }
        JobCommand::Logs { job, follow, .. } => return logs(console, &mut client, &job, follow).await,
        JobCommand::Cancel { job, .. } => vec![client.cancel(job).await.map_err(failed)?],
        JobCommand::Savepoint { job, target, .. } => {
            let line = console.terminal.progress_line();
            line.set_message(format!("savepoint '{target}' is being taken"));
            line.enable_steady_tick(clock::REFRESH);
            let taken = client.savepoint(job, absolute(&target).map_err(failed)?).await;
            line.finish_and_clear();
            let job = taken.map_err(failed)?;
            console.terminal.notice(&format!("savepoint '{target}' has been taken"));
            vec![job]
        }
        JobCommand::Stop { job, target, drain, detached, .. } => {
            let asked = client.stop(job, absolute(&target).map_err(failed)?, drain).await.map_err(failed)?;
            let is_done = |job: &Job| is_over(job) || job.state == "RUNNING";
            let stopped = wait(console, &mut client, asked, detached, is_done).await?;
            if !detached && !matches!(stopped.state.as_str(), "STOPPED" | "FAILED") {
                let lines = client.logs(stopped.id.clone(), 0).await.map_err(failed)?;
                let why = lines.iter().rfind(|line| line.level == "WARN").map(|line| format!(": {}", line.message));
                let what = if is_over(&stopped) { "has ended without a savepoint" } else { "goes on" };
                let message = format!("job '{}' {what}{}", stopped.name, why.unwrap_or_default());
                return Err(failed(Error::unavailable(message)));
            }
            vec![stopped]
        }
        JobCommand::Rescale { job, parallelism, detached, .. } => {
            let asked = client.rescale(job, parallelism).await.map_err(failed)?;
            let is_done = move |job: &Job| is_over(job) || job.state == "RUNNING" && job.slots == parallelism;
            vec![wait(console, &mut client, asked, detached, is_done).await?]
        }
        JobCommand::Restart { job, detached, .. } => {
            let before = client.show(job.clone()).await.map_err(failed)?.attempts;
            let asked = client.restart(job).await.map_err(failed)?;
            let is_done = move |job: &Job| is_over(job) || job.state == "RUNNING" && job.attempts != before;
            vec![wait(console, &mut client, asked, detached, is_done).await?]
        }
    };
    show_rows(console, jobs(&shown).map_err(failed)?).await?;
    match shown.first() {
        Some(job) if job.state == "FAILED" => Err(failed(job_failed(job))),
        _ => Ok(()),
    }
}

/// Runs `dipper run --cluster`: submits, says what is said about the job, and waits for its end. Ctrl-C leaves the job alone.
pub(crate) async fn run(console: &Console, arguments: &RunArguments, cluster: &ClusterArgument) -> Result<(), Failure> {
    let script = Script::read(&arguments.file)?;
    let mut client = client(cluster)?;
    let job = submit(&mut client, &arguments.file, &script, &arguments.settings, &arguments.checkpoints).await?;
    console.terminal.notice(&format!("job '{}' has been submitted: {}", job.name, job.id));
    let (cancel, line) = (console.interrupt.token(), console.terminal.progress_line());
    let (mut ticks, mut said) = (clock::refresh(), 0);
    let ended = loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = cancel.cancelled() => {
                line.finish_and_clear();
                console.terminal.tell(&format!("job {} runs on: dipper job show {}", job.id, job.id));
                return Err(Failure::Cancelled);
            }
        }
        for spoken in client.logs(job.id.clone(), said).await.map_err(failed)? {
            said = spoken.number;
            if spoken.level == "WARN" {
                console.terminal.warning(&spoken.message);
            } else {
                console.terminal.notice(&spoken.message);
            }
        }
        let now = client.show(job.id.clone()).await.map_err(failed)?;
        line.set_message(progress(&now));
        line.tick();
        if is_over(&now) {
            break now;
        }
    };
    line.finish_and_clear();
    match ended.state.as_str() {
        "FAILED" => Err(Failure::statement(job_failed(&ended), Phase::Running, &script)),
        "CANCELLED" => Err(Failure::Cancelled),
        _ => Ok(()),
    }
}

async fn submit(
    client: &mut Client,
    file: &std::path::Path,
    script: &Script,
    settings: &SettingArguments,
    checkpoints: &CheckpointArguments,
) -> Result<Job, Failure> {
    let name = script::job_name(file).unwrap_or_else(|| "job".to_owned());
    let settings: HashMap<String, String> = settings.pairs().into_iter().chain(checkpoints.pairs()).collect();
    let start_from = match checkpoints.start_from() {
        dipper_session::StartFrom::Latest => StartFrom::Latest,
        dipper_session::StartFrom::Nothing => StartFrom::Nothing,
        dipper_session::StartFrom::Savepoint { url, over } => {
            StartFrom::Savepoint { url, over, allow_non_restored_state: checkpoints.allow_non_restored_state }
        }
    };
    let submitted = client.submit(script.text.as_ref().to_owned(), name, settings, start_from).await;
    submitted.map_err(|error| Failure::statement(error, Phase::Planning, script))
}

/// Shows jobs once, or again and again.
async fn watched(
    console: &Console,
    again: bool,
    mut look: impl AsyncFnMut() -> Result<(Vec<Job>, bool)>,
) -> Result<(), Failure> {
    let (cancel, mut ticks) = (console.interrupt.token(), clock::seconds());
    loop {
        let (shown, is_over) = look().await.map_err(failed)?;
        show_rows(console, jobs(&shown).map_err(failed)?).await?;
        if !again || is_over {
            return Ok(());
        }
        tokio::select! {
            _ = ticks.tick() => {}
            () = cancel.cancelled() => return Ok(()),
        }
    }
}

async fn logs(console: &Console, client: &mut Client, job: &str, follow: bool) -> Result<(), Failure> {
    let (cancel, mut ticks) = (console.interrupt.token(), clock::seconds());
    let mut after = 0;
    loop {
        let is_over = !follow || is_over(&client.show(job.to_owned()).await.map_err(failed)?);
        let lines = client.logs(job.to_owned(), after).await.map_err(failed)?;
        after = lines.last().map_or(after, |line| line.number);
        if !lines.is_empty() || !follow {
            show_rows(console, log_rows(&lines).map_err(failed)?).await?;
        }
        if is_over {
            return Ok(());
        }
        tokio::select! {
            _ = ticks.tick() => {}
            () = cancel.cancelled() => return Ok(()),
        }
    }
}

/// Waits until a job is as it was asked to be, which is shown meanwhile.
async fn wait(
    console: &Console,
    client: &mut Client,
    mut job: Job,
    detached: bool,
    is_done: impl Fn(&Job) -> bool,
) -> Result<Job, Failure> {
    let (cancel, line) = (console.interrupt.token(), console.terminal.progress_line());
    let mut ticks = clock::refresh();
    while !detached && !is_done(&job) {
        tokio::select! {
            _ = ticks.tick() => {}
            () = cancel.cancelled() => return Err(Failure::Cancelled),
        }
        job = client.show(job.id).await.map_err(failed)?;
        line.set_message(progress(&job));
        line.tick();
    }
    line.finish_and_clear();
    Ok(job)
}

fn progress(job: &Job) -> String {
    let detail = if job.detail.is_empty() { String::new() } else { format!(" ({})", job.detail) };
    format!("{}: {}{detail}; {} rows in, {} out", job.name, job.state, job.rows_in, job.rows_out)
}

fn is_over(job: &Job) -> bool {
    matches!(job.state.as_str(), "FINISHED" | "FAILED" | "CANCELLED" | "STOPPED" | "UNREADABLE")
}

fn job_failed(job: &Job) -> Error {
    Error::unavailable(format!("job '{}' has failed: {}", job.name, job.detail))
}

fn jobs(jobs: &[Job]) -> Result<Rows> {
    let text = |of: fn(&Job) -> &str| Arc::new(StringArray::from_iter_values(jobs.iter().map(of))) as ArrayRef;
    let count = |of: fn(&Job) -> u64| Arc::new(UInt64Array::from_iter_values(jobs.iter().map(of))) as ArrayRef;
    let submitted = TimestampMillisecondArray::from_iter_values(jobs.iter().map(|job| job.submitted_ms));
    rows(vec![
        ("id", text(|job| &job.id)),
        ("name", text(|job| &job.name)),
        ("state", text(|job| &job.state)),
        ("submitted", Arc::new(submitted)),
        ("attempts", count(|job| job.attempts)),
        ("slots", count(|job| job.slots.into())),
        ("rows_in", count(|job| job.rows_in)),
        ("rows_out", count(|job| job.rows_out)),
        ("matches", count(|job| job.matches)),
        ("detail", text(|job| &job.detail)),
    ])
}

fn log_rows(lines: &[LogLine]) -> Result<Rows> {
    let text = |of: fn(&LogLine) -> &str| Arc::new(StringArray::from_iter_values(lines.iter().map(of))) as ArrayRef;
    let times = TimestampMillisecondArray::from_iter_values(lines.iter().map(|line| line.time_ms));
    rows(vec![("time", Arc::new(times)), ("level", text(|line| &line.level)), ("message", text(|line| &line.message))])
}
