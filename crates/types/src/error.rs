//! One error type for the whole engine: what the caller should do, what happened, and where in the SQL.

use std::fmt;

use arrow_schema::ArrowError;

/// The result of everything in Dipper that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Fix the query, the configuration or the data and submit again.
    Invalid,
    /// Valid, but not supported by this version: rewrite the query as the message says.
    Unsupported,
    /// An external system is refusing or slow: retry from the last checkpoint.
    Unavailable,
    /// A newer attempt owns this work: stop without writing anything.
    Fenced,
    /// Stored state cannot be read: restore an older checkpoint.
    Corrupt,
    /// The user or the operator of the cluster asked to stop.
    Cancelled,
    /// A bug in this project.
    Internal,
}

impl ErrorKind {
    /// Whether another attempt may go better. What is wrong with a query, its configuration or its data stays wrong, and a newer owner or the
    /// user is not to be gone against.
    pub fn may_pass(self) -> bool {
        matches!(self, Self::Unavailable | Self::Internal)
    }
}

/// A place in SQL text. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

/// A stretch of SQL text, `end` exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first character.
    pub start: Position,
    /// One past the last character.
    pub end: Position,
}

impl Span {
    /// The stretch between two positions.
    pub fn new(start: Position, end: Position) -> Self {
        Self { start, end }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// An error: its kind, what happened, where in the SQL, and how to mend it.
///
/// ```
/// use dipper_types::{Error, ErrorKind};
/// let error = Error::invalid("unknown option 'pth'").with_hint("did you mean 'path'?");
/// assert_eq!(error.kind(), ErrorKind::Invalid);
/// assert_eq!(error.to_string(), "unknown option 'pth'");
/// ```
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    span: Option<Span>,
    hint: Option<String>,
}

impl Error {
    /// An error of the given kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), span: None, hint: None }))
    }

    /// The query, the configuration or the data is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// Valid, but not supported by this version.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// An external system is refusing or slow.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// A bug in this project.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// The work was stopped on request.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "cancelled")
    }

    /// Points at the SQL text; a place already set by someone closer to it stays.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.0.span.get_or_insert(span);
        self
    }

    /// Says how to mend it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Prefixes the message with what was being done, as in `table 'orders': …`.
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Where in the SQL text, if known.
    pub fn span(&self) -> Option<Span> {
        self.0.span
    }

    /// How to mend it, if known.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        let kind = match &error {
            ArrowError::CastError(_)
            | ArrowError::ParseError(_)
            | ArrowError::ComputeError(_)
            | ArrowError::DivideByZero
            | ArrowError::ArithmeticOverflow(_)
            | ArrowError::CsvError(_)
            | ArrowError::JsonError(_)
            | ArrowError::ParquetError(_)
            | ArrowError::InvalidArgumentError(_)
            | ArrowError::NotYetImplemented(_) => ErrorKind::Invalid,
            ArrowError::IoError(..) | ArrowError::IpcError(_) => ErrorKind::Unavailable,
            _ => ErrorKind::Internal,
        };
        // An error of ours that travelled through Arrow comes out as it went in.
        if let ArrowError::ExternalError(inner) = &error
            && let Some(ours) = inner.downcast_ref::<Error>()
        {
            return ours.clone();
        }
        Self::new(kind, error.to_string())
    }
}
