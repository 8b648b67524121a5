//! `dipper coordinator`, `worker`, `cluster` and `job`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, TimestampMillisecondArray, UInt64Array};
use arrow::record_batch::RecordBatch;
use dipper_cluster::{Client, Coordinator, CoordinatorOptions, Job, Worker, WorkerOptions, work};
use dipper_session::Rows;
use dipper_types::{Error, Result};
use futures::{FutureExt, StreamExt, stream};

use crate::cluster_args::{ClusterCommand, CoordinatorArguments, JobCommand, WorkerArguments};
use crate::failure::{Failure, Phase};
use crate::script::Script;
use crate::statement::Console;
use crate::stored::{failed, show_rows};

/// What this build is called.
const BUILD: &str = env!("DIPPER_BUILD");

/// Runs `dipper coordinator`, until it is interrupted.
pub(crate) async fn coordinator(console: &Console, arguments: CoordinatorArguments) -> Result<(), Failure> {
    let coordinator = bind(arguments).await.map_err(failed)?;
    console.terminal.notice(&format!("coordinator at {}", coordinator.address()));
    coordinator.serve(console.interrupt.token()).await.map_err(failed)
}

async fn bind(arguments: CoordinatorArguments) -> Result<Coordinator> {
    let CoordinatorArguments { listen, advertise, directory } = arguments;
    Coordinator::bind(CoordinatorOptions { listen, advertise, directory, build: BUILD.to_owned() }).await
}

/// Runs `dipper worker`, until it is interrupted.
pub(crate) async fn worker(console: &Console, arguments: WorkerArguments) -> Result<(), Failure> {
    let WorkerArguments { coordinator, slots, listen, advertise, name } = arguments;
    let options = WorkerOptions {
        name: name.unwrap_or_else(|| format!("worker-{:x}", std::process::id())),
        coordinators: coordinator,
        slots: slots.map_or_else(processors, u32::from),
        listen,
        advertise,
        build: BUILD.to_owned(),
    };
    let plural = if options.slots == 1 { "" } else { "s" };
    console.terminal.notice(&format!("worker '{}' with {} slot{plural}", options.name, options.slots));
    work(options, console.interrupt.token()).await.map_err(failed)
}

fn processors() -> u32 {
    std::thread::available_parallelism().map_or(1, |count| count.get() as u32)
}

/// Runs `dipper cluster`.
pub(crate) async fn cluster(console: &Console, command: ClusterCommand) -> Result<(), Failure> {
    match command {
        ClusterCommand::Start { workers, slots, coordinator } => {
            let workers = u32::from(workers);
            let slots = slots.map_or_else(|| (processors() / workers).max(1), u32::from);
            let coordinator = bind(coordinator).await.map_err(failed)?;
            let (address, cancel) = (coordinator.address().to_owned(), console.interrupt.token());
            console.terminal.notice(&format!("coordinator at {address}; workers: {workers}, slots of each: {slots}"));
            let worker = |number| {
                let options = WorkerOptions {
                    name: format!("worker-{number}"),
                    coordinators: vec![address.clone()],
                    slots,
                    listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
                    advertise: None,
                    build: BUILD.to_owned(),
                };
                work(options, cancel.clone()).boxed()
            };
            let all = (1..=workers).map(worker).chain([coordinator.serve(cancel.clone()).boxed()]);
            futures::future::try_join_all(all).await.map(drop).map_err(failed)
        }
        ClusterCommand::Status { cluster, .. } => {
            let status = connect(&cluster.address).await?.status().await.map_err(failed)?;
            console.terminal.notice(&format!("coordinator at {}, directory '{}'", status.leader, status.directory));
            show_rows(console, workers(&status.workers).map_err(failed)?).await
        }
    }
}

/// Runs `dipper job`.
pub(crate) async fn job(console: &Console, command: JobCommand) -> Result<(), Failure> {
    let mut client = connect(&command.common().0.address).await?;
    let shown = match command {
        JobCommand::Submit { file, settings, .. } => {
            let script = Script::read(&file)?;
            let name = file.file_stem().and_then(|stem| stem.to_str()).filter(|stem| *stem != "-").unwrap_or("job");
            let settings = settings.pairs().into_iter().collect();
            let submitted = client.submit(script.text.as_ref().to_owned(), name.to_owned(), settings).await;
            vec![submitted.map_err(|error| Failure::statement(error, Phase::Planning, &script))?]
        }
        JobCommand::List { .. } => client.list().await.map_err(failed)?,
        JobCommand::Show { job, .. } => vec![client.show(job).await.map_err(failed)?],
        JobCommand::Cancel { job, .. } => vec![client.cancel(job).await.map_err(failed)?],
    };
    show_rows(console, jobs(&shown).map_err(failed)?).await
}

async fn connect(address: &str) -> Result<Client, Failure> {
    Client::connect(address).await.map_err(failed)
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

fn workers(workers: &[Worker]) -> Result<Rows> {
    let text = |of: fn(&Worker) -> &str| Arc::new(StringArray::from_iter_values(workers.iter().map(of))) as ArrayRef;
    let count = |of: fn(&Worker) -> u32| {
        Arc::new(UInt64Array::from_iter_values(workers.iter().map(|worker| of(worker).into()))) as ArrayRef
    };
    rows(vec![
        ("worker", text(|worker| &worker.name)),
        ("address", text(|worker| &worker.address)),
        ("slots", count(|worker| worker.slots)),
        ("free", count(|worker| worker.free)),
    ])
}

fn rows(columns: Vec<(&str, ArrayRef)>) -> Result<Rows> {
    let batch = RecordBatch::try_from_iter(columns)
        .map_err(|error| Error::internal(format!("a table cannot be shown: {error}")))?;
    Ok(Rows { schema: batch.schema(), stream: stream::iter([Ok(batch)]).boxed(), job: None })
}
