//! What can be said on the command line about clusters.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Subcommand, value_parser};

use crate::args::{CheckpointArguments, OutputArgument, OutputFormat, SettingArguments};
use crate::security::{SecurityArguments, ServerSecurityArguments};
use crate::serve_args::ListenArguments;

/// Where a coordinator listens if nobody says.
const COORDINATOR: &str = "127.0.0.1:7070";

/// `dipper coordinator`.
#[derive(Debug, Args)]
pub(crate) struct CoordinatorArguments {
    /// Where it listens.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = COORDINATOR)]
    pub(crate) listen: SocketAddr,
    /// Where clients and workers reach it, if that is another address.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) advertise: Option<String>,
    /// Where it answers HTTP: an API in JSON, and figures for Prometheus. It does not, if nothing is said.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) http: Option<SocketAddr>,
    /// The cluster directory, which every process must reach: a path, or the URL of an object store. Coordinators of the same directory are
    /// one cluster: one of them leads, the others stand by.
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: String,
    /// What it is called; by its address, if nothing is said.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// A TOML file with these options by their names, as in directory = "DIR". The command line and the environment win over it.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where clients query its tables.
    #[command(flatten)]
    pub(crate) clients: ListenArguments,
    /// Who may talk to it.
    #[command(flatten)]
    pub(crate) security: ServerSecurityArguments,
}

/// `dipper worker`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct WorkerArguments {
    /// Instead of running one.
    #[command(subcommand)]
    pub(crate) command: Option<WorkerCommand>,
    /// How it is run.
    #[command(flatten)]
    pub(crate) start: WorkerStartArguments,
}

/// What can be done about the workers of a cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum WorkerCommand {
    /// List the workers of a cluster.
    List {
        /// The cluster.
        #[command(flatten)]
        cluster: ClusterArgument,
        /// The output.
        #[command(flatten)]
        output: OutputArgument,
    },
    /// Have the jobs of a worker go on elsewhere, and give it no more; it may be ended then.
    Drain {
        /// The worker's name.
        worker: String,
        /// The cluster.
        #[command(flatten)]
        cluster: ClusterArgument,
        /// The output.
        #[command(flatten)]
        output: OutputArgument,
    },
}

impl WorkerArguments {
    /// How rows are written.
    pub(crate) fn output(&self) -> OutputFormat {
        match &self.command {
            Some(WorkerCommand::List { output, .. } | WorkerCommand::Drain { output, .. }) => output.format,
            None => OutputFormat::Table,
        }
    }
}

/// How a worker is run.
#[derive(Debug, Args)]
pub(crate) struct WorkerStartArguments {
    /// The coordinators; one of them leads.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', default_value = COORDINATOR, env = "DIPPER_COORDINATOR")]
    pub(crate) coordinator: Vec<String>,
    /// How many slots it offers; as many as there are processors, if nothing is said.
    #[arg(long, value_name = "N")]
    pub(crate) slots: Option<NonZeroU32>,
    /// Where it listens for other workers.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Where other workers reach it, if that is another address.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) advertise: Option<String>,
    /// What it is called; by the process, if nothing is said.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// A TOML file with these options by their names, as in slots = 4. The command line and the environment win over it.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Who may talk to it, and to whom it talks.
    #[command(flatten)]
    pub(crate) security: ServerSecurityArguments,
}

/// `dipper cluster`.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Start a cluster on this machine: a coordinator and workers. It ends with Ctrl-C.
    Start {
        /// How many workers.
        #[arg(long, value_name = "N", default_value = "2")]
        workers: NonZeroU32,
        /// How many slots each worker offers; its share of the processors, if nothing is said.
        #[arg(long, value_name = "N")]
        slots: Option<NonZeroU32>,
        /// The coordinator.
        #[command(flatten)]
        coordinator: Box<CoordinatorArguments>,
    },
    /// Show the coordinator and the workers.
    Status {
        /// The cluster.
        #[command(flatten)]
        cluster: ClusterArgument,
        /// The output.
        #[command(flatten)]
        output: OutputArgument,
    },
}

impl ClusterCommand {
    /// How rows are written.
    pub(crate) fn output(&self) -> OutputFormat {
        match self {
            Self::Status { output, .. } => output.format,
            Self::Start { .. } => OutputFormat::Table,
        }
    }
}

/// `dipper job`.
#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Have a SQL file run by a cluster: its definitions, and one INSERT or statement set.
    Submit {
        /// The SQL file; '-' is standard input. Paths of tables are those of the workers.
        file: PathBuf,
        /// The cluster.
        #[command(flatten)]
        cluster: ClusterArgument,
        /// Settings.
        #[command(flatten)]
        settings: SettingArguments,
        /// What it starts from.
        #[command(flatten)]
        checkpoints: CheckpointArguments,
        /// The output.
        #[command(flatten)]
        output: OutputArgument,
    },
    /// List the jobs of a cluster.
    List {
        /// Show them again and again, until Ctrl-C.
        #[arg(long)]
        watch: bool,
        /// The cluster.
        #[command(flatten)]
        cluster: ClusterArgument,
        /// The output.
        #[command(flatten)]
        output: OutputArgument,
    },
    /// Show a job.
    Show {
        /// The job: its id or its name.
        job: String,
        /// Show it again and again, until it has ended or Ctrl-C.
        #[arg(long)]
        watch: bool,
        /// The cluster.
        #[command(flatten)]
        cluster: ClusterArgument,
        /// The output.
        #[command(flatten)]
        output: OutputArgument,
    },
    /// Take a savepoint of a job that goes on, and wait until it is there.
    Savepoint {
        /// The job: its id or its name.
        job: String,
        /// Where the savepoint is to stand: a directory of its own, or a URL, that the coordinator can write to.
        target: String,
        /// The cluster.
        #[command(flatten)]
        cluster: ClusterArgument,
        /// The output.
        #[command(flatten)]
        output: OutputArgument,
    },
    /// End a job with a savepoint, from which it can be submitted again, and wait for its end.
    Stop {
        /// The job: its id or its name.
        job: String,
        /// Where the savepoint is to stand: a directory of its own, or a URL, that the coordinator can write to.
        target: String,
        /// End its inputs first, and let it write what it still holds: nothing is left to run.
        #[arg(long)]
        drain: bool,
        /// Do not wait.
        #[arg(long)]
        detached: bool,
        /// The cluster.
        #[command(flatten)]
        cluster: ClusterArgument,
        /// The output.
        #[command(flatten)]
        output: OutputArgument,
    },
    /// Have a job go on with another parallelism, and wait until it does.
    Rescale {
        /// The job: its id or its name.
        job: String,
        /// How many subtasks each operator is to have.
        #[arg(value_parser = value_parser!(u32).range(1..))]
        parallelism: u32,
        /// Do not wait.
        #[arg(long)]
        detached: bool,
        /// The cluster.
        #[command(flatten)]
        cluster: ClusterArgument,
        /// The output.
        #[command(flatten)]
        output: OutputArgument,
    },
    /// Have a job go on from a checkpoint, on slots that it asks for anew, and wait until it does.
    Restart {
        /// The job: its id or its name.
        job: String,
        /// Do not wait.
        #[arg(long)]
        detached: bool,
        /// The cluster.
        #[command(flatten)]
        cluster: ClusterArgument,
        /// The output.
        #[command(flatten)]
        output: OutputArgument,
    },
    /// Show what has been said about a job since this leader leads it.
    Logs {
        /// The job: its id or its name.
        job: String,
        /// Go on until the job has ended or Ctrl-C.
        #[arg(short, long)]
        follow: bool,
        /// The cluster.
        #[command(flatten)]
        cluster: ClusterArgument,
        /// The output.
        #[command(flatten)]
        output: OutputArgument,
    },
    /// End a job. What it has not committed is lost.
    Cancel {
        /// The job: its id or its name.
        job: String,
        /// The cluster.
        #[command(flatten)]
        cluster: ClusterArgument,
        /// The output.
        #[command(flatten)]
        output: OutputArgument,
    },
}

impl JobCommand {
    /// Which cluster, and how rows are written.
    pub(crate) fn common(&self) -> (&ClusterArgument, OutputFormat) {
        match self {
            Self::Submit { cluster, output, .. }
            | Self::List { cluster, output, .. }
            | Self::Show { cluster, output, .. }
            | Self::Savepoint { cluster, output, .. }
            | Self::Stop { cluster, output, .. }
            | Self::Rescale { cluster, output, .. }
            | Self::Restart { cluster, output, .. }
            | Self::Logs { cluster, output, .. }
            | Self::Cancel { cluster, output, .. } => (cluster, output.format),
        }
    }
}

/// Which cluster.
#[derive(Debug, Args)]
pub(crate) struct ClusterArgument {
    /// Its coordinators; whoever of them leads is found.
    #[arg(
        long = "cluster",
        value_name = "HOST:PORT",
        value_delimiter = ',',
        default_value = COORDINATOR,
        env = "DIPPER_CLUSTER"
    )]
    pub(crate) addresses: Vec<String>,
    /// How it is talked to.
    #[command(flatten)]
    pub(crate) security: SecurityArguments,
}
