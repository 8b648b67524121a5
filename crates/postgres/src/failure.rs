//! What goes wrong, as a client is told of it; notices have the same form.

use std::{fmt, io};

use arrow::datatypes::DataType;
use dipper_session::COLUMNS_CHANGED;
use dipper_types::{Error, sql_type_name};

use crate::sqlstate::{self, code_of};

/// The result of what is done for a client.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// What follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Nothing: it is said on the way.
    Notice,
    /// Nothing: it is said on the way, and is important.
    Warning,
    /// The statement has failed.
    Error,
    /// The connection ends.
    Fatal,
    /// The connection has ended: nobody is there to be told.
    Lost,
}

impl Severity {
    /// Its name in the protocol.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Notice => "NOTICE",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Fatal | Self::Lost => "FATAL",
        }
    }
}

/// An error or a notice for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) severity: Severity,
    /// The SQLSTATE.
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// The place in the text that the client has sent, in characters from 1.
    pub(crate) position: Option<usize>,
    /// What PostgreSQL calls the place in its own code: there are clients that go by it.
    pub(crate) routine: Option<&'static str>,
}

impl Failure {
    /// A statement fails.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, message: message.into(), hint: None, position: None, routine: None }
    }

    /// The connection ends.
    pub(crate) fn fatal(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Fatal, ..Self::new(code, message) }
    }

    /// The client is told, and goes on.
    pub(crate) fn notice(message: impl Into<String>) -> Self {
        Self { severity: Severity::Notice, ..Self::new(sqlstate::SUCCESS, message) }
    }

    /// The client is told with emphasis, and goes on.
    pub(crate) fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::new(code, message) }
    }

    /// What the client sends is not the protocol.
    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::new(sqlstate::PROTOCOL_VIOLATION, message)
    }

    /// Something that PostgreSQL has and this server has not.
    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(sqlstate::FEATURE_NOT_SUPPORTED, message)
    }

    /// The text is not SQL.
    pub(crate) fn syntax(message: impl Into<String>) -> Self {
        Self::new(sqlstate::SYNTAX_ERROR, message)
    }

    /// The client is gone.
    pub(crate) fn lost() -> Self {
        Self { severity: Severity::Lost, ..Self::new(sqlstate::CONNECTION_FAILURE, "the client is gone") }
    }

    /// How to mend it.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Where it is, in characters from 1; a place already known stays.
    #[must_use]
    pub(crate) fn at(mut self, position: usize) -> Self {
        self.position.get_or_insert(position);
        self
    }

    /// An error about `text`, which begins `before` characters behind the beginning of what the client has sent.
    pub(crate) fn about(error: &Error, text: &str, before: usize) -> Self {
        let mut failure = Self::from(error.clone());
        failure.position =
            error.span().map(|span| before + characters_before(text, span.start.line, span.start.column) + 1);
        failure
    }

    /// Whether the connection ends with it.
    pub(crate) fn is_end(&self) -> bool {
        matches!(self.severity, Severity::Fatal | Severity::Lost)
    }
}

/// How many characters of the text stand before this place, which counts from 1.
fn characters_before(text: &str, line: u64, column: u64) -> usize {
    let lines = text.split_inclusive('\n').take(usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX));
    let before: usize = lines.map(|line| line.chars().count()).sum();
    let column = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    before.saturating_add(column).min(text.chars().count())
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut failure = Self::new(code_of(&error), error.to_string());
        failure.hint = error.hint().map(str::to_owned);
        // To JDBC it says that the statement is to be prepared again.
        failure.routine = (failure.message == COLUMNS_CHANGED).then_some("RevalidateCachedQuery");
        failure
    }
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::lost()
    }
}

/// A value that is none of this type.
pub(crate) fn invalid_value(value: &impl fmt::Display, target: &DataType) -> Failure {
    let name = sql_type_name(target);
    Failure::new(sqlstate::INVALID_TEXT, format!("invalid input syntax for type {name}: \"{value}\""))
}

/// A date or a moment that cannot be told.
pub(crate) fn out_of_range(what: &str) -> Failure {
    Failure::new(sqlstate::DATETIME_OUT_OF_RANGE, format!("{what} out of range"))
}

#[cfg(test)]
mod tests {
    use dipper_types::{Position, Span};

    use super::*;

    #[test]
    fn a_place_counts_in_characters_of_the_whole_text() {
        let start = Position { line: 2, column: 3 };
        let error = Error::invalid("table 'ü' not found").at(Span::new(start, Position { line: 2, column: 4 }));
        let failure = Failure::about(&error, "süß\n  ü", 10);
        assert_eq!((failure.position, failure.code), (Some(17), sqlstate::UNDEFINED_TABLE));
    }

    #[test]
    fn a_place_behind_the_text_is_its_end() {
        assert_eq!(characters_before("ab", 9, 9), 2);
        assert_eq!(characters_before("", 0, 0), 0);
    }
}
