//! `dipper coordinator`, `worker` and `cluster`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringArray, UInt64Array};
use arrow::record_batch::RecordBatch;
use dipper_cluster::{Client, Coordinator, CoordinatorOptions, Security, Worker, WorkerOptions, WorkerStatus};
use dipper_session::Rows;
use dipper_types::{Error, Result};
use futures::{FutureExt, StreamExt, stream};

use crate::cluster_args::{
    ClusterArgument, ClusterCommand, CoordinatorArguments, WorkerArguments, WorkerCommand, WorkerStartArguments,
};
use crate::failure::Failure;
use crate::serve;
use crate::statement::Console;
use crate::stored::{failed, show_rows};

/// What this build is called.
const BUILD: &str = env!("DIPPER_BUILD");

/// Runs `dipper coordinator`, until it is interrupted.
pub(crate) async fn coordinator(console: &Console, arguments: CoordinatorArguments) -> Result<(), Failure> {
    let security = arguments.security.security()?;
    let (clients, directory) = (arguments.clients.clone(), arguments.directory.clone());
    let coordinator = bind(console, arguments, security.clone()).await.map_err(failed)?;
    console.terminal.notice(&format!("coordinator at {}", coordinator.address()));
    let doors = serve::of_cluster(console, &clients, &directory, coordinator.address(), &security).await?;
    let all = doors.into_iter().chain([coordinator.serve(console.interrupt.token()).boxed()]);
    futures::future::try_join_all(all).await.map(drop).map_err(failed)
}

async fn bind(console: &Console, arguments: CoordinatorArguments, security: Security) -> Result<Coordinator> {
    let CoordinatorArguments { listen, advertise, http, directory, name, .. } = arguments;
    let build = BUILD.to_owned();
    let options = CoordinatorOptions { name, listen, advertise, http, directory, build, security };
    let coordinator = Coordinator::bind(options).await?;
    if let Some(url) = coordinator.http_url() {
        console.terminal.notice(&format!("HTTP API at {url}"));
    }
    Ok(coordinator)
}

/// Runs `dipper worker`.
pub(crate) async fn worker(console: &Console, arguments: WorkerArguments) -> Result<(), Failure> {
    let status = match arguments.command {
        None => return start_worker(console, arguments.start).await,
        Some(WorkerCommand::List { cluster, .. }) => client(&cluster)?.status().await,
        Some(WorkerCommand::Drain { worker, cluster, .. }) => client(&cluster)?.drain(worker).await,
    };
    show_rows(console, workers(&status.map_err(failed)?.workers).map_err(failed)?).await
}

/// Runs a worker, until it is interrupted.
async fn start_worker(console: &Console, arguments: WorkerStartArguments) -> Result<(), Failure> {
    let WorkerStartArguments { coordinator, slots, listen, advertise, name, security, .. } = arguments;
    let options = WorkerOptions {
        name: name.unwrap_or_else(|| format!("worker-{:x}", std::process::id())),
        coordinators: coordinator,
        slots: slots.map_or_else(processors, u32::from),
        listen,
        advertise,
        build: BUILD.to_owned(),
        security: security.security()?,
    };
    let plural = if options.slots == 1 { "" } else { "s" };
    let called = format!("worker '{}' with {} slot{plural}", options.name, options.slots);
    let worker = Worker::bind(options).await.map_err(failed)?;
    console.terminal.notice(&format!("{called} at {}", worker.address()));
    worker.serve(console.interrupt.token()).await.map_err(failed)
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
            let security = coordinator.security.security()?;
            let (clients, directory) = (coordinator.clients.clone(), coordinator.directory.clone());
            let coordinator = bind(console, *coordinator, security.clone()).await.map_err(failed)?;
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
                    security: security.clone(),
                };
                let cancel = cancel.clone();
                async move { Worker::bind(options).await?.serve(cancel).await }.boxed()
            };
            let doors = serve::of_cluster(console, &clients, &directory, &address, &security).await?;
            let all = (1..=workers).map(worker).chain(doors).chain([coordinator.serve(cancel.clone()).boxed()]);
            futures::future::try_join_all(all).await.map(drop).map_err(failed)
        }
        ClusterCommand::Status { cluster, .. } => {
            let status = client(&cluster)?.status().await.map_err(failed)?;
            let (leader, generation, directory) = (&status.leader, status.generation, &status.directory);
            console
                .terminal
                .notice(&format!("coordinator at {leader} leads, generation {generation}; directory '{directory}'"));
            show_rows(console, workers(&status.workers).map_err(failed)?).await
        }
    }
}

/// Whoever leads a cluster.
pub(crate) fn client(cluster: &ClusterArgument) -> Result<Client, Failure> {
    Client::new(cluster.addresses.clone(), cluster.security.security()?).map_err(failed)
}

fn workers(workers: &[WorkerStatus]) -> Result<Rows> {
    let text =
        |of: fn(&WorkerStatus) -> &str| Arc::new(StringArray::from_iter_values(workers.iter().map(of))) as ArrayRef;
    let count = |of: fn(&WorkerStatus) -> u32| {
        Arc::new(UInt64Array::from_iter_values(workers.iter().map(|worker| of(worker).into()))) as ArrayRef
    };
    let drains: BooleanArray = workers.iter().map(|worker| Some(worker.drains)).collect();
    rows(vec![
        ("worker", text(|worker| &worker.name)),
        ("address", text(|worker| &worker.address)),
        ("slots", count(|worker| worker.slots)),
        ("free", count(|worker| worker.free)),
        ("drains", Arc::new(drains)),
    ])
}

/// A table to be shown.
pub(crate) fn rows(columns: Vec<(&str, ArrayRef)>) -> Result<Rows> {
    let batch = RecordBatch::try_from_iter(columns)
        .map_err(|error| Error::internal(format!("a table cannot be shown: {error}")))?;
    Ok(Rows { schema: batch.schema(), stream: stream::iter([Ok(batch)]).boxed(), job: None })
}
