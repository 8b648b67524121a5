//! Each query is measured in a process of its own, so that its peak of memory is its own.

use std::env;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::measurement::Measurement;

/// The option by which the child is told its query.
pub(crate) const MEASURE: &str = "--measure";

/// Measures a query in a child process.
pub(crate) fn measure(query: &str, runs: usize, scale: f64) -> Result<Measurement> {
    let program = env::current_exe().context("cannot find this program")?;
    let output = Command::new(program)
        .args([MEASURE, query, "--runs", &runs.to_string(), "--scale", &scale.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .context("cannot start this program again")?;
    if !output.status.success() {
        bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("the child process does not tell what it measured")
}
