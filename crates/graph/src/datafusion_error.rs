//! Errors on their way through DataFusion: ours come out as they went in, DataFusion's get a kind.

use std::error::Error as _;

use datafusion::common::{DataFusionError, Span as DfSpan};
use dipper_types::{Error, ErrorKind, Position, Span};

use crate::in_sql_words;

/// Turns a DataFusion result into ours.
pub trait FromDataFusion<T> {
    /// The same result with an error of ours.
    fn or_plan_error(self) -> dipper_types::Result<T>;
}

impl<T> FromDataFusion<T> for datafusion::common::Result<T> {
    fn or_plan_error(self) -> dipper_types::Result<T> {
        self.map_err(|error| from_datafusion(&error))
    }
}

/// Wraps an error of ours for the way through DataFusion.
pub fn into_datafusion(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

fn from_datafusion(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            // Functions say what is wrong with their arguments in an error of their own library.
            None => Error::invalid(one_line(&inner.to_string())),
        },
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            arrow::error::ArrowError::ExternalError(external) => match external.downcast_ref::<DataFusionError>() {
                Some(inner) => from_datafusion(inner),
                None => inner_arrow(inner),
            },
            _ => inner_arrow(inner),
        },
        DataFusionError::Context(_, inner) => from_datafusion(inner),
        DataFusionError::Shared(inner) => from_datafusion(inner),
        DataFusionError::Collection(errors) if !errors.is_empty() => from_datafusion(&errors[0]),
        DataFusionError::Diagnostic(diagnostic, inner) => {
            let error = from_datafusion(inner);
            match diagnostic.span {
                Some(span) => error.at(from_span(span)),
                None => error,
            }
        }
        DataFusionError::NotImplemented(message) => Error::unsupported(message),
        DataFusionError::Internal(_) => Error::internal(without_blame(&error.strip_backtrace())),
        DataFusionError::ResourcesExhausted(message) => Error::unavailable(message),
        DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) => Error::unavailable(error.strip_backtrace()),
        DataFusionError::Plan(message) => Error::invalid(message),
        DataFusionError::Execution(message) => Error::invalid(in_sql_words(message)),
        _ => carried(error).unwrap_or_else(|| Error::new(ErrorKind::Invalid, error.strip_backtrace())),
    }
}

/// An error of ours on its way through another library.
fn carried(error: &DataFusionError) -> Option<Error> {
    std::iter::successors(error.source(), |cause| (*cause).source()).find_map(|cause| cause.downcast_ref().cloned())
}

fn inner_arrow(error: &arrow::error::ArrowError) -> Error {
    match error {
        // A computation failed on the user's data: the wrapper's name says nothing to them.
        arrow::error::ArrowError::ComputeError(message) => Error::invalid(in_sql_words(message)),
        arrow::error::ArrowError::DivideByZero => Error::invalid("division by zero"),
        arrow::error::ArrowError::ArithmeticOverflow(message) => {
            Error::invalid(format!("arithmetic overflow: {message}"))
        }
        _ => Error::invalid(in_sql_words(&error.to_string())),
    }
}

/// A regular expression's error draws the expression with a mark below: its last line says what is wrong.
fn one_line(message: &str) -> String {
    let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.as_slice() {
        ["regex parse error:", expression, .., last] => {
            format!("the regular expression '{expression}': {}", last.trim_start_matches("error: "))
        }
        _ => lines.join(" "),
    }
}

/// DataFusion asks to report what it calls internal to itself: whoever reads this cannot.
fn without_blame(message: &str) -> String {
    let message = message.trim_start_matches("Internal error: ");
    let end = message.find("This issue was likely caused by a bug in DataFusion").unwrap_or(message.len());
    message[..end].trim().trim_end_matches('.').to_owned()
}

fn from_span(span: DfSpan) -> Span {
    let position = |line, column| Position { line, column };
    Span::new(position(span.start.line, span.start.column), position(span.end.line, span.end.column))
}
