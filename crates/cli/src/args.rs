//! What can be said on the command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use dipper_session::StartFrom;

use crate::cluster_args::{ClusterCommand, CoordinatorArguments, JobCommand, WorkerArguments};
use crate::security::SecurityArguments;
use crate::serve_args::ServeArguments;

const EXIT_CODES: &str = "\
Exit codes:
  0    everything ran
  1    a statement failed while it ran: its data, an external system, or a bug
  2    the command line is wrong, or a SQL file cannot be read
  3    a statement is not valid or not supported: nothing of it ran
  130  cancelled by Ctrl-C; what a job had written is not visible

Environment:
  DIPPER_LOG    what is logged on standard error, as in 'dipper_runtime=debug,warn'
  DIPPER_TOKEN  the token of a cluster, if --token-file names none
  NO_COLOR      no colours";

/// Finds patterns in streams of events: streaming SQL with MATCH_RECOGNIZE.
///
/// Results go to standard output; errors, warnings, progress and summaries go to standard error.
#[derive(Debug, Parser)]
#[command(name = "dipper", version, after_long_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    /// What holds for every command.
    #[command(flatten)]
    pub(crate) global: GlobalArguments,
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for every command.
#[derive(Debug, Args)]
pub(crate) struct GlobalArguments {
    /// Colours on standard error.
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(crate) color: Color,
    /// No progress, summaries and notices.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more; twice for debugging.
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the statements of a SQL file.
    Run(RunArguments),
    /// Run statements in an interactive shell, or those given by -c and -f.
    Sql(SqlArguments),
    /// Show the plans of a SQL file's queries and inserts without running them.
    Explain(ExplainArguments),
    /// Look at the checkpoints of jobs.
    #[command(subcommand)]
    Checkpoint(CheckpointCommand),
    /// Take savepoints of jobs, and look at them.
    #[command(subcommand)]
    Savepoint(SavepointCommand),
    /// Submit jobs to a cluster, and look after them.
    #[command(subcommand)]
    Job(JobCommand),
    /// Start a cluster on this machine, or look at one.
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Answer queries of clients: psql, JDBC, ODBC, BI tools (Postgres) and ADBC (Arrow Flight SQL).
    Serve(ServeArguments),
    /// Run a coordinator: it takes jobs and has workers run them.
    Coordinator(CoordinatorArguments),
    /// Run a worker: it runs what a coordinator gives it.
    Worker(WorkerArguments),
}

/// `dipper savepoint`.
#[derive(Debug, Subcommand)]
pub(crate) enum SavepointCommand {
    /// Ask a running job for a savepoint, and wait until it is there.
    Create {
        /// The directory of the job's checkpoints (DIR/JOB).
        job: String,
        /// Where the savepoint is to stand: a directory of its own.
        target: String,
        /// Stop the job with the savepoint; it can be started again from it.
        #[arg(long)]
        stop: bool,
        /// End the job's inputs, let it write what it still holds, and take the savepoint then: the job is over.
        #[arg(long, conflicts_with = "stop")]
        drain: bool,
        /// Copy the last checkpoint; the job need not run.
        #[arg(long, conflicts_with_all = ["stop", "drain"])]
        last: bool,
    },
    /// List the savepoints in a directory.
    List {
        /// The directory above them.
        directory: String,
        /// The output.
        #[command(flatten)]
        output: OutputArgument,
    },
    /// Explain a savepoint: the state of each operator.
    Show {
        /// The savepoint's directory.
        path: String,
        /// The output.
        #[command(flatten)]
        output: OutputArgument,
    },
    /// Delete a savepoint.
    Delete {
        /// The savepoint's directory.
        path: String,
    },
}

impl SavepointCommand {
    /// How rows are written.
    pub(crate) fn output(&self) -> OutputFormat {
        match self {
            Self::List { output, .. } | Self::Show { output, .. } => output.format,
            Self::Create { .. } | Self::Delete { .. } => OutputFormat::Table,
        }
    }
}

/// `dipper checkpoint`.
#[derive(Debug, Subcommand)]
pub(crate) enum CheckpointCommand {
    /// List the checkpoints in a directory: size, what of it earlier ones had stored, duration.
    List {
        /// The directory or URL, as 'state.checkpoints.dir'.
        directory: String,
        /// Only this job.
        #[arg(long, value_name = "NAME")]
        job: Option<String>,
        /// The output.
        #[command(flatten)]
        output: OutputArgument,
    },
    /// Explain a manifest: the state of each operator.
    Show {
        /// A manifest (DIR/JOB/manifests/N.json), a job's directory (DIR/JOB) for its last one, or a savepoint.
        path: String,
        /// The output.
        #[command(flatten)]
        output: OutputArgument,
    },
}

impl CheckpointCommand {
    /// How rows are written.
    pub(crate) fn output(&self) -> OutputFormat {
        match self {
            Self::List { output, .. } | Self::Show { output, .. } => output.format,
        }
    }
}

/// `dipper run`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The SQL file; '-' is standard input. Paths of tables are relative to the current directory.
    pub(crate) file: PathBuf,
    /// Settings.
    #[command(flatten)]
    pub(crate) settings: SettingArguments,
    /// Checkpoints.
    #[command(flatten)]
    pub(crate) checkpoints: CheckpointArguments,
    /// Have a cluster run it, which has these coordinators: the file's definitions, and one INSERT or statement set.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', conflicts_with = "checkpoint_dir")]
    pub(crate) cluster: Vec<String>,
    /// How the cluster is talked to.
    #[command(flatten)]
    pub(crate) security: SecurityArguments,
    /// The output.
    #[command(flatten)]
    pub(crate) output: OutputArgument,
}

/// The checkpoints of the jobs of a file.
#[derive(Debug, Args)]
pub(crate) struct CheckpointArguments {
    /// Take checkpoints there, and go on from the last one: 'state.checkpoints.dir'. The job is known by 'pipeline.name', else by the
    /// file's name.
    #[arg(long, value_name = "DIR", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) checkpoint_dir: Option<String>,
    /// Start over, whatever checkpoints there are.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Start from a savepoint, or from the manifest of an earlier checkpoint (DIR/JOB/manifests/N.json); with --fresh even if the job has
    /// checkpoints of its own.
    #[arg(long, value_name = "PATH")]
    pub(crate) from_savepoint: Option<String>,
    /// Leave behind state of operators that the query does not have any more.
    #[arg(long)]
    pub(crate) allow_non_restored_state: bool,
}

impl CheckpointArguments {
    /// What jobs start from.
    pub(crate) fn start_from(&self) -> StartFrom {
        match &self.from_savepoint {
            Some(url) => StartFrom::Savepoint { url: url.clone(), over: self.fresh },
            None if self.fresh => StartFrom::Nothing,
            None => StartFrom::Latest,
        }
    }

    /// The settings that they stand for.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (String, String)> {
        self.checkpoint_dir.iter().map(|directory| ("state.checkpoints.dir".to_owned(), directory.clone()))
    }
}

/// `dipper sql`.
#[derive(Debug, Args)]
pub(crate) struct SqlArguments {
    /// Run these statements and leave; may be repeated.
    #[arg(short, long, value_name = "SQL")]
    pub(crate) command: Vec<String>,
    /// Run this file, before the statements of -c, and leave; may be repeated.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,
    /// Settings.
    #[command(flatten)]
    pub(crate) settings: SettingArguments,
    /// The output.
    #[command(flatten)]
    pub(crate) output: OutputArgument,
}

/// `dipper explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// The SQL file; '-' is standard input.
    pub(crate) file: PathBuf,
    /// How plans are written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: PlanFormat,
    /// Settings.
    #[command(flatten)]
    pub(crate) settings: SettingArguments,
}

/// Settings of the session. For a file they win over its own SET statements.
#[derive(Debug, Args)]
pub(crate) struct SettingArguments {
    /// How many subtasks each operator has: 'parallelism.default'.
    #[arg(short, long, value_name = "N")]
    pub(crate) parallelism: Option<NonZeroUsize>,
    /// A setting, as SET 'key' = 'value' would make it; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
}

impl SettingArguments {
    /// All settings in the order in which they apply.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        let parallelism = self.parallelism.map(|n| ("parallelism.default".to_owned(), n.to_string()));
        self.set.iter().cloned().chain(parallelism).collect()
    }
}

/// The output.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct OutputArgument {
    /// How rows are written.
    #[arg(short = 'o', long = "output", value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) format: OutputFormat,
}

/// How result rows are written on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// Aligned columns, for people.
    Table,
    /// One JSON object per row and line.
    Json,
    /// A header line, then one line per row.
    Csv,
}

/// How plans are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For Graphviz.
    Dot,
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("expected KEY=VALUE, as in parallelism.default=4".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_of_the_arguments_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn parallelism_wins_over_the_setting_of_the_same_name() {
        let arguments = ["dipper", "run", "f.sql", "--set", "parallelism.default = 2", "-p", "4"];
        let Ok(Arguments { command: Command::Run(run), .. }) = Arguments::try_parse_from(arguments) else {
            panic!("refused");
        };
        let key = || "parallelism.default".to_owned();
        assert_eq!(run.settings.pairs(), [(key(), "2".to_owned()), (key(), "4".to_owned())]);
    }

    #[test]
    fn a_setting_without_a_value_is_refused() {
        let error = Arguments::try_parse_from(["dipper", "run", "f.sql", "--set", "x"]).unwrap_err();
        assert!(error.to_string().contains("expected KEY=VALUE"), "{error}");
    }
}
