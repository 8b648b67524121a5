//! The log of the engine, on standard error.

use tracing_subscriber::EnvFilter;

use crate::args::GlobalArguments;
use crate::terminal::Terminal;

/// Starts the log: warnings only, unless `-v`, `-q` or `DIPPER_LOG` say otherwise.
pub(crate) fn start(arguments: &GlobalArguments, terminal: &Terminal) {
    let default = match (arguments.quiet, arguments.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "warn,dipper=info",
        (false, 2) => "info,dipper=debug",
        (false, _) => "debug,dipper=trace",
    };
    let filter = EnvFilter::try_from_env("DIPPER_LOG").unwrap_or_else(|_| EnvFilter::new(directives(default)));
    let lines = terminal.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(terminal.is_colored())
        .with_target(arguments.verbose > 1)
        .without_time()
        .with_writer(move || lines.log_lines());
    // A test may have started another log before.
    let _ = subscriber.try_init();
}

/// `dipper=level` for each of our crates, which have one prefix but are not modules of one crate.
fn directives(default: &str) -> String {
    const CRATES: [&str; 10] =
        ["pattern", "graph", "sql", "operators", "connectors", "state", "runtime", "session", "cluster", "cli"];
    let Some((others, level)) = default.split_once(",dipper=") else { return default.to_owned() };
    let ours = CRATES.map(|name| format!("dipper_{name}={level}"));
    // The binary's own modules are of the crate `dipper`.
    format!("{others},dipper={level},{}", ours.join(","))
}
