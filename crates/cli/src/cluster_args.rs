//! What can be said on the command line about clusters.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::args::{OutputArgument, OutputFormat, SettingArguments};

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
    /// The cluster directory, which every process must reach: a path, or the URL of an object store.
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: String,
}

/// `dipper worker`.
#[derive(Debug, Args)]
pub(crate) struct WorkerArguments {
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
        coordinator: CoordinatorArguments,
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
        /// The output.
        #[command(flatten)]
        output: OutputArgument,
    },
    /// List the jobs of a cluster.
    List {
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
            | Self::List { cluster, output }
            | Self::Show { cluster, output, .. }
            | Self::Cancel { cluster, output, .. } => (cluster, output.format),
        }
    }
}

/// Which cluster.
#[derive(Debug, Args)]
pub(crate) struct ClusterArgument {
    /// Its coordinator.
    #[arg(long = "cluster", value_name = "HOST:PORT", default_value = COORDINATOR, env = "DIPPER_CLUSTER")]
    pub(crate) address: String,
}
