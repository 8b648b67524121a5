//! How a command fails, and with which exit code.

use std::io;

use dipper_types::{Error, ErrorKind};

use crate::script::Script;
use crate::terminal::Terminal;

/// When an error came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Before anything ran: parsing, binding, planning.
    Planning,
    /// While it ran.
    Running,
}

/// Why a command ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is wrong.
    Usage(Error),
    /// A statement failed.
    Statement {
        /// Why.
        error: Error,
        /// When.
        phase: Phase,
        /// The text that its place refers to.
        script: Script,
    },
    /// Ctrl-C.
    Cancelled,
    /// Whoever read standard output has enough, as `head` does.
    OutputClosed,
    /// Standard output cannot be written.
    Output(io::Error),
    /// The session could not be made, or a bug.
    Session(Error),
}

impl Failure {
    /// A statement's error; a cancelled one is no error to report.
    pub(crate) fn statement(error: Error, phase: Phase, script: &Script) -> Self {
        match error.kind() {
            ErrorKind::Cancelled => Self::Cancelled,
            _ => Self::Statement { error, phase, script: script.clone() },
        }
    }

    /// Tells the user, where there is something to tell.
    pub(crate) fn report(&self, terminal: &Terminal) {
        match self {
            Self::Usage(error) | Self::Session(error) => terminal.error(error, None),
            Self::Statement { error, script, .. } => terminal.error(error, Some(script)),
            Self::Cancelled => terminal.tell("cancelled"),
            Self::OutputClosed => {}
            Self::Output(error) => {
                terminal.error(&Error::unavailable(format!("cannot write to standard output: {error}")), None);
            }
        }
    }

    /// The process's exit code; `dipper --help` lists them.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Output(_) | Self::Statement { phase: Phase::Running, .. } => 1,
            Self::Usage(_) => 2,
            Self::Session(error) | Self::Statement { error, .. } => match error.kind() {
                ErrorKind::Invalid | ErrorKind::Unsupported => 3,
                _ => 1,
            },
            Self::Cancelled => 130,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Output(error),
        }
    }
}
