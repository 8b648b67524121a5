//! `dipper`: runs SQL files, an interactive shell, and shows plans.
//!
//! Everything that is printed is printed here; what statements mean and how they run is the session's business.

mod args;
mod clock;
mod cluster;
mod cluster_args;
mod cluster_job;
mod cluster_jobs;
mod config;
mod explain;
mod failure;
mod interrupt;
mod logging;
mod output;
mod report;
mod script;
mod security;
mod serve;
mod serve_args;
mod shell;
mod statement;
mod stored;
mod summary;
mod terminal;

use std::io;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use dipper_allocator::{Allocator, keep_free_memory};
use dipper_session::{JobConfig, Session, SessionConfig};
use dipper_types::Error;

use crate::args::{Arguments, Command, OutputFormat};
use crate::cluster_args::ClusterArgument;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::script::Script;
use crate::statement::Console;
use crate::terminal::Terminal;

/// Batches come and go by the thousand; the system's allocator gives their memory back each time.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Threads for I/O and for ad-hoc queries; the tasks of a dataflow have threads of their own.
const IO_THREADS: usize = 4;

/// SQL nests, and so do the plans and the data of it. Memory that is not touched costs nothing.
const MAIN_STACK_BYTES: usize = 256 << 20;
const IO_STACK_BYTES: usize = 64 << 20;

/// How long threads that do not end are waited for when everything is done: one may read from a terminal.
const SHUTDOWN: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    keep_free_memory();
    let arguments = config::arguments();
    let terminal = Terminal::new(&arguments.global);
    logging::start(&arguments.global, &terminal);
    let result = thread::scope(|scope| {
        let body = thread::Builder::new().name("dipper".to_owned()).stack_size(MAIN_STACK_BYTES);
        match body.spawn_scoped(scope, || start(arguments, &terminal)) {
            Ok(body) => body.join().unwrap_or_else(|_| Err(Failure::Session(Error::internal("the command panicked")))),
            Err(error) => Err(no_threads(&error)),
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report(&terminal);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn no_threads(error: &io::Error) -> Failure {
    Failure::Session(Error::unavailable(format!("cannot start threads: {error}")))
}

fn start(arguments: Arguments, terminal: &Terminal) -> Result<(), Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let builder = builder.worker_threads(IO_THREADS).thread_stack_size(IO_STACK_BYTES).enable_all();
    let runtime = builder.build().map_err(|error| no_threads(&error))?;
    let result = runtime.block_on(dispatch(arguments, terminal));
    // Nothing that still runs has anything to say: sinks are committed or aborted by now. Threads are waited for all the same, because some
    // versions of glibc crash where a thread that is about to end is let go of.
    runtime.shutdown_timeout(SHUTDOWN);
    result
}

async fn dispatch(arguments: Arguments, terminal: &Terminal) -> Result<(), Failure> {
    let console = |format, interactive| Console {
        terminal: terminal.clone(),
        format,
        interrupt: Interrupt::listen(),
        interactive,
    };
    match arguments.command {
        Command::Run(run) if !run.cluster.is_empty() => {
            let cluster = ClusterArgument { addresses: run.cluster.clone(), security: run.security.clone() };
            cluster_job::run(&console(run.output.format, false), &run, &cluster).await
        }
        Command::Run(run) => {
            let script = Script::read(&run.file)?;
            let job = JobConfig {
                name: script::job_name(&run.file),
                start_from: run.checkpoints.start_from(),
                allow_non_restored_state: run.checkpoints.allow_non_restored_state,
            };
            let settings = run.settings.pairs().into_iter().chain(run.checkpoints.pairs()).collect();
            let mut session = session(settings, true, job)?;
            console(run.output.format, false).run_script(&mut session, &script).await
        }
        Command::Explain(explain) => {
            let script = Script::read(&explain.file)?;
            let mut session = session(explain.settings.pairs(), true, JobConfig::default())?;
            explain::run(&console(OutputFormat::Table, false), &mut session, &script, explain.format).await
        }
        Command::Checkpoint(command) => stored::checkpoint(&console(command.output(), false), command).await,
        Command::Savepoint(command) => stored::savepoint(&console(command.output(), false), command).await,
        Command::Serve(arguments) => serve::serve(&console(OutputFormat::Table, false), arguments).await,
        Command::Coordinator(arguments) => cluster::coordinator(&console(OutputFormat::Table, false), arguments).await,
        Command::Worker(arguments) => cluster::worker(&console(arguments.output(), false), arguments).await,
        Command::Cluster(command) => cluster::cluster(&console(command.output(), false), command).await,
        Command::Job(command) => {
            let console = console(command.common().1, false);
            Box::pin(interruptible(&console, cluster_job::job(&console, command))).await
        }
        Command::Sql(sql) => {
            let mut session = session(sql.settings.pairs(), false, JobConfig::default())?;
            let given = !sql.command.is_empty() || !sql.file.is_empty();
            let console = console(sql.output.format, !given);
            for file in &sql.file {
                session.name_jobs(script::job_name(file));
                console.run_script(&mut session, &Script::read(file)?).await?;
            }
            // What follows is in no file.
            session.name_jobs(None);
            for text in &sql.command {
                console.run_script(&mut session, &Script::new("<command>", text)).await?;
            }
            if given { Ok(()) } else { shell::run(&console, &mut session).await }
        }
    }
}

/// What waits for others ends when the user wants it to.
async fn interruptible(console: &Console, command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let cancel = console.interrupt.token();
    tokio::select! {
        biased;
        done = command => done,
        () = cancel.cancelled() => Err(Failure::Cancelled),
    }
}

/// A session with the settings of the command line; `fixed` ones win over what a file sets.
fn session(settings: Vec<(String, String)>, fixed: bool, job: JobConfig) -> Result<Session, Failure> {
    Session::new(SessionConfig { settings, fixed, job, jobs: None }).map_err(not_started)
}

/// Why there is no session.
fn not_started(error: Error) -> Failure {
    match error.kind() {
        dipper_types::ErrorKind::Invalid => Failure::Usage(error),
        _ => Failure::Session(error),
    }
}
