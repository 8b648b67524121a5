//! What a run of a job is called in what its sinks stage.

use std::fmt;

use dipper_graph::NodeId;
use dipper_types::{AttemptId, ManifestNumber};

use crate::clock::now_us;

/// A run of a job: all of it, if it takes no checkpoints, or one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Run {
    /// A name that no other run has.
    Only(String),
    /// The job and its attempt.
    Attempt(String, AttemptId),
}

impl Run {
    /// What the run is called by one of its sinks.
    pub(crate) fn of_sink(&self, sink: NodeId) -> String {
        match self {
            Self::Only(name) => format!("{name}-{}", sink.0),
            Self::Attempt(job, attempt) => {
                format!("{job}-{}.{}-{:x}", sink.0, attempt.opening.0, attempt.nonce)
            }
        }
    }
}

/// Whether a name is that of a sink's run under an attempt of the job before the one with this opening.
pub(crate) fn is_earlier(run: &str, job: &str, opening: ManifestNumber) -> bool {
    let attempt = || {
        let (sink, attempt) = run.strip_prefix(job)?.strip_prefix('-')?.split_once('.')?;
        let (number, nonce) = attempt.split_once('-')?;
        sink.parse::<usize>().ok()?;
        u64::from_str_radix(nonce, 16).ok()?;
        number.parse::<u64>().ok()
    };
    attempt().is_some_and(|number| number < opening.0)
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only(name) => f.write_str(name),
            Self::Attempt(job, attempt) => write!(f, "{job}, {attempt}"),
        }
    }
}

/// A name for a run of the job that no other run has, fit for a file name.
pub fn unique_run_id(job: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = job.chars().map(safe).take(40).collect();
    let name = name.trim_matches('-');
    let name = if name.is_empty() { "job" } else { name };
    format!("{name}-{:x}-{:x}", now_us(), std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_known_by_its_name_as_one_of_an_earlier_attempt() {
        let attempt = AttemptId { opening: ManifestNumber(7), nonce: 0xff };
        let run = Run::Attempt("a-1".to_owned(), attempt).of_sink(NodeId(3));
        assert_eq!(run, "a-1-3.7-ff");
        assert!(is_earlier(&run, "a-1", ManifestNumber(8)));
        assert!(!is_earlier(&run, "a-1", ManifestNumber(7)));
        for (run, job) in [(run.as_str(), "a"), ("a-1", "a"), ("a-1.x-ff", "a"), ("a-1-1-1", "a")] {
            assert!(!is_earlier(run, job, ManifestNumber(8)), "{run} of {job}");
        }
    }
}
